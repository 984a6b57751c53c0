/**
 * @module `floe fine-tune`: a finished model, trained further on one site's own data, which stays
 * there.
 */
import { FloeError } from '../protocol/errors.ts';
import { plural } from '../protocol/plural.ts';
import { isThere } from '../protocol/ports/files.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { command } from './command.ts';
import { kindOf, on, standard, text, value, whole } from './flags.ts';
import { showProgress } from './progress.ts';
import { MODEL_HELP, openUse, USE } from './use-model.ts';

const FRACTION = { type: 'number', above: 0, max: 0.9 } as const;

const aligned = (before: Scores, after: Scores): string[] =>
  Object.keys(before).map(
    (name) =>
      `${name.padEnd(18)}${(before[name] ?? 0).toPrecision(4).padStart(10)} -> ${(after[name] ?? 0).toPrecision(4)}`,
  );

type Scores = Readonly<Record<string, number>>;

export const fineTuneCommand = () =>
  command({
    name: 'fine-tune',
    about: "train a finished model further on one's own data; nothing leaves this machine",
    args: { '<model>': MODEL_HELP, '<data>': 'own labelled data, such as site.csv' },
    flags: {
      ...USE,
      epochs: standard(whole('passes over the data', 1, 10_000), 1),
      batchSize: standard(whole('examples in a step', 1, 2 ** 20), 32),
      learningRate: standard(
        value('<rate>', 'of plain SGD', kindOf<number>({ type: 'number', above: 0, max: 1000 })),
        0.01,
      ),
      holdout: standard(
        value('<fraction>', 'held out of the training, to compare on', kindOf<number>(FRACTION)),
        0.2,
      ),
      out: standard(text('<folder>', 'where the fine-tuned model is written'), 'own-model'),
      force: on('overwrite a model that is there'),
    },
    notes: `The data are dealt into a part that is trained on and one that is held out. The scores of both models on
the held-out part are printed: keep the fine-tuned one where they are better. With the --holdout
of the run, the held-out examples are those that the run has not trained on either. The
fine-tuned model is no longer the run's: floe verify says nothing about it.`,
    examples: [
      'floe fine-tune model site.csv --epochs 3 --out own-model',
      'floe fine-tune runs/latest site.csv --map columns.json --learning-rate 0.001',
      'floe evaluate own-model test.csv',
    ],
    run: async (context) => {
      const { fineTune, saveTuned } = await import('../client/evaluate/index.ts');
      const { flags, output, signal } = context;
      const { epochs, batchSize, learningRate, holdout, out } = flags;
      const force = flags.force === true;
      // Before the training, whose result would be lost.
      if (!force && (await isThere(`${out}/${RUN_FILES.model}`)))
        throw new FloeError('file_exists', `${out} holds a model; --force overwrites it`);
      const { model, data, examples: own, options, facts } = await openUse(context, 'train');
      const progress = showProgress(output, 'examples');
      const settings = { epochs, batchSize, learningRate, holdout };
      const found = await fineTune(model, own, {
        ...options,
        ...settings,
        signal,
        onProgress: progress.update,
      }).finally(progress.stop);
      const { before, after, examples } = found;
      const file = await saveTuned(found.model, out, { force });
      output.document({
        from: facts,
        data,
        ...settings,
        examples,
        heldOut: before.examples,
        before: before.scores,
        after: after.scores,
        modelHash: found.model.modelHash,
        file,
      });
      output.say(
        `trained on ${plural(examples, 'example')}; on the ${before.examples} held out, before -> after:`,
      );
      for (const line of aligned(before.scores, after.scores)) output.say(line);
      output.say(`${file}: the fine-tuned model in clear`);
    },
  });
