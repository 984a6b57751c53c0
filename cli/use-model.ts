/**
 * @module What the commands that use a model share: its source, the data, and how its columns are
 * called.
 */
import { TASK_TYPES, type TaskType } from '../client/task.ts';
import { settingFlags, settingsAmong } from '../protocol/spec/setting-flags.ts';
import type { Context } from './command.ts';
import { kindOf, text, value, whole, type FlagValues } from './flags.ts';
import { openRunOptions, SOURCE } from './source.ts';

export const MODEL_HELP =
  "a pulled model.safetensors or its folder, a run's folder, a coordinator's address, an object id";

export const USE = {
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

/** @param purpose `train` takes the part of a source that a run trains on, else its test part */
export const openUse = async (
  context: Context<FlagValues<typeof USE>>,
  purpose: 'evaluate' | 'predict' | 'train',
) => {
  const { openModelToUse } = await import('../client/evaluate/index.ts');
  const { readMapping } = await import('../client/data/contract/mapping-file.ts');
  const { readBase } = await import('../client/adapters/base-file.ts');
  const { loadData, loadToUse } = await import('../client/data/load-node.ts');
  const { readOptionsOf } = await import('../client/data/read-options.ts');
  const { notesOf, unwrapped } = await import('../client/data/run-data.ts');
  const { args, flags, output, signal } = context;
  const [source = '', data = ''] = args;
  const { attempt, map, task, base } = flags;
  const reading = readOptionsOf(settingsAmong(flags, 'evaluate'));
  const loaded =
    purpose === 'train'
      ? await loadData(data, reading)
      : await loadToUse(data, { ...reading, unlabelled: purpose === 'predict' });
  const model = await openModelToUse(source, await openRunOptions(source, context), {
    signal,
    ...(attempt === undefined ? {} : { attempt }),
  });
  output.line(`model       ${model.origin}, hash ${model.modelHash}`);
  if (model.contract === undefined)
    output.warn('the run has no data contract: columns are taken in their order, as they are');
  if (loaded.hasTest === true)
    output.line(`data        the ${purpose === 'train' ? 'training' : 'test'} part of ${data}`);
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
