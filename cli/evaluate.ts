/**
 * @module `floe evaluate` and `floe predict`: what a model is worth on labelled data, and what it
 * says of new data.
 */
import { FloeError } from '../protocol/errors.ts';
import { isThere, writeWhole } from '../protocol/ports/files.ts';
import { plural } from '../protocol/plural.ts';
import { command } from './command.ts';
import { on, standard, text } from './flags.ts';
import { MODEL_HELP, openUse, USE } from './use-model.ts';

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
      const { model, data, examples, options, facts } = await openUse(context, 'evaluate');
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
      const { model, data, examples: own, options, facts } = await openUse(context, 'predict');
      const found = await predict(model, own, options);
      await writeWhole(out, predictionsAsCsv(found));
      const { task, examples, names, target } = found;
      output.document({ ...facts, data, task, examples, names, target, file: out });
      output.say(`${out}: ${plural(examples, 'prediction')}`);
    },
  });
