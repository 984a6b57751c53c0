/**
 * @module `floe evaluate` and `floe predict`: what a model is worth on labelled data, and what it
 * says of new data.
 */
import { command } from './command.ts';
import { kindOf, on, standard, text, value, whole } from './flags.ts';
import { openRunOptions, SOURCE } from './source.ts';
import type { Context } from './command.ts';
import { TASK_TYPES } from '../client/task.ts';
import type { TaskType } from '../client/task.ts';
import { FloeError } from '../protocol/errors.ts';
import { isThere, writeWhole } from '../protocol/ports/files.ts';
import { settingFlags, settingsAmong } from '../protocol/spec/setting-flags.ts';
import type { FlagValues } from './flags.ts';
import { plural } from '../protocol/plural.ts';

const MODEL_HELP =
  "a pulled model.safetensors or its folder, a run's folder, a coordinator's address, an object id";

const USE = {
  ...SOURCE,
  ...settingFlags('evaluate'),
  attempt: whole(
    'of a run: the version that this attempt committed; 0 is the initial one (default: latest)',
    0,
    100_000,
  ),
  map: text('<file>', "how the data's columns and values are called in the run's data contract"),
  task: value<TaskType>(
    '<name>',
    `of a run that declares none and has no contract: ${TASK_TYPES.join(', ')}`,
    kindOf<TaskType>({ type: 'choice', choices: TASK_TYPES }),
  ),
  base: text('<file>', 'for a run over a frozen base: its weights (safetensors)'),
};

const openUse = async (context: Context<FlagValues<typeof USE>>, unlabelled = false) => {
  const { openModelToUse } = await import('../client/evaluate/index.ts');
  const { readMapping } = await import('../client/data/contract/mapping-file.ts');
  const { readBase } = await import('../client/adapters/base-file.ts');
  const { loadToUse } = await import('../client/data/load-node.ts');
  const { readOptionsOf } = await import('../client/data/read-options.ts');
  const { notesOf, unwrapped } = await import('../client/data/run-data.ts');
  const { args, flags, output, signal } = context;
  const [source = '', data = ''] = args;
  const { attempt, map, task, base } = flags;
  const reading = readOptionsOf(settingsAmong(flags, 'evaluate'));
  const loaded = await loadToUse(data, { ...reading, unlabelled });
  const model = await openModelToUse(source, await openRunOptions(source, context), {
    signal,
    ...(attempt === undefined ? {} : { attempt }),
  });
  output.line(`model       ${model.origin}, hash ${model.modelHash}`);
  if (model.contract === undefined)
    output.warn('the run has no data contract: columns are taken in their order, as they are');
  if (loaded.hasTest === true) output.line(`data        the test part of ${data}`);
  for (const note of notesOf(loaded)) output.line(`            ${note}`);
  return {
    model,
    data,
    examples: unwrapped(loaded),
    options: {
      warn: (line: string) => output.warn(line),
      ...(map === undefined ? {} : { mapping: await readMapping('--map', map) }),
      ...(task === undefined ? {} : { task: { type: task } }),
      ...(base === undefined ? {} : { base: await readBase('--base', base) }),
    },
    facts: { run: model.run, round: model.round, modelHash: model.modelHash },
  };
};

export const evaluateCommand = () =>
  command({
    name: 'evaluate',
    about:
      'score a model on labelled data: accuracy, AUC, calibration, confusion, or R2 and errors',
    args: { '<model>': MODEL_HELP, '<data>': 'labelled data, such as test.csv' },
    flags: USE,
    notes: `Columns, classes and normalisation are those of the run's data contract; a column that it does not
name is ignored, one that is missing is refused by name. The data should be no part of what the
sites trained on: --holdout keeps a part of each site's data for that. Of a folder with the parts
train and test, the test part is taken.`,
    examples: [
      'floe evaluate model test.csv',
      'floe evaluate runs/latest test.csv --json',
      'floe evaluate http://host:7700 test.csv --keystore ./me --map columns.json',
    ],
    run: async (context) => {
      const { describeEvaluation, evaluateModel } = await import('../client/evaluate/index.ts');
      const { model, data, examples, options, facts } = await openUse(context);
      const found = await evaluateModel(model, examples, options);
      context.output.print(describeEvaluation(found));
      context.output.document({ ...facts, data, ...found });
    },
  });

export const predictCommand = () =>
  command({
    name: 'predict',
    about: 'write what a model says of each row: class and probabilities, or values',
    args: {
      '<model>': MODEL_HELP,
      '<data>': 'data, with or without the target: a table, a folder of images, one image',
    },
    flags: {
      ...USE,
      out: standard(text('<file>', 'the CSV file to write'), 'predictions.csv'),
      force: on('overwrite an existing file'),
    },
    notes: `Each row of the file has the number of the row in the data (from 1), of images the file, the class
with the highest probability, and the probability of every class; of regression the values, in the
units of the data contract. Columns and normalisation are those of the contract.`,
    examples: [
      'floe predict model new.csv --out predictions.csv',
      'floe predict runs/latest new.csv --map columns.json --out predictions.csv',
    ],
    run: async (context) => {
      const { predict, predictionsAsCsv } = await import('../client/evaluate/index.ts');
      const { flags, output } = context;
      const { out } = flags;
      if (flags.force !== true && (await isThere(out)))
        throw new FloeError('file_exists', `${out} exists; --force overwrites it`);
      const { model, data, examples: own, options, facts } = await openUse(context, true);
      const found = await predict(model, own, options);
      await writeWhole(out, predictionsAsCsv(found));
      const { task, examples, names, target } = found;
      output.document({ ...facts, data, task, examples, names, target, file: out });
      output.say(`${out}: ${plural(examples, 'prediction')}`);
    },
  });
