/**
 * @module Fine-tuning after a run: a site trains the finished model further on its own examples
 * and keeps the result. Nothing leaves the site. A held-out part says whether it was worth it
 * (Wang et al. 2019, "Federated Evaluation of On-device Personalization"). Node only.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { encodeSafetensors, hashModel, MODEL_FILE_LIMITS } from '../../protocol/model/index.ts';
import { isThere, writeWhole } from '../../protocol/ports/files.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { holdOut } from '../data/holdout.ts';
import { tunedFacts } from '../export/facts.ts';
import type { Optimizer } from '../optimizer.ts';
import { tfjsTrainer } from '../tfjs/trainer.ts';
import type { Evaluation } from './evaluation.ts';
import type { GivenData } from './examples.ts';
import type { ReadModel } from './open-model.ts';
import { examplesOf, scoreExamples, type UseOptions } from './score-model.ts';

export interface FineTuneOptions extends UseOptions {
  /** Passes over the examples that are trained on, an integer >= 1. Default 1. */
  readonly epochs?: number;
  /** Default 32. */
  readonly batchSize?: number;
  /** Default 0.01. */
  readonly learningRate?: number;
  /** Default: plain SGD. */
  readonly optimizer?: Optimizer;
  /** Fraction of the examples that is held out and compared on. Default 0.2. */
  readonly holdout?: number;
  /** 32 bytes: the order of the examples, dropout. Default: drawn. */
  readonly seed?: Uint8Array;
  readonly signal?: AbortSignal;
  /** Called now and then with the examples done and to do over all epochs. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface FineTuned {
  /** With the weights after training. */
  readonly model: ReadModel;
  /** Examples trained on; those of the evaluations are others. */
  readonly examples: number;
  /** On the same held-out examples. */
  readonly before: Evaluation;
  readonly after: Evaluation;
}

/**
 * Trains a model further on this site's examples.
 *
 * @param model of `openModelToUse`; not changed @param data a path, a table, or examples
 * @example
 * const model = await openModelToUse('model');
 * const { before, after, model: own } = await fineTune(model, 'site.csv', { epochs: 3 });
 * await saveTuned(own, 'own-model');
 * @throws FloeError as `evaluateModel`; `data_unfit` for too few examples to hold some out;
 * `update_not_finite` where training leaves the floats; `aborted`
 */
export const fineTune = async (
  model: ReadModel,
  data: GivenData,
  options: FineTuneOptions = {},
): Promise<FineTuned> => {
  const { epochs = 1, batchSize = 32, learningRate = 0.01, optimizer, holdout = 0.2 } = options;
  const { seed = systemRandom(32), signal, onProgress, base, backend } = options;
  const { train, test } = holdOut(await examplesOf(model, data, options), holdout);
  if (test === undefined)
    throw new FloeError(
      'data_unfit',
      `${train.size} examples are too few to hold some out: expected a class with two of them`,
    );
  const before = await scoreExamples(model, test, options);
  const task = model.task ?? options.task;
  const trainer = await tfjsTrainer({
    model: model.build,
    data: train,
    ...(task === undefined ? {} : { task }),
    ...(model.contract === undefined ? {} : { contract: model.contract }),
    ...(base === undefined ? {} : { base }),
    ...(backend === undefined ? {} : { backend: { prefer: backend } }),
  });
  try {
    const { weights } = await trainer.train({
      weights: model.weights,
      round: 1,
      epochs,
      batchSize,
      learningRate,
      ...(optimizer === undefined ? {} : { optimizer }),
      seed,
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
    const modelHash = toHex(hashModel(model.manifest, weights));
    const origin = `fine-tuned from ${model.origin}`;
    const facts = tunedFacts(model.facts, model.modelHash, modelHash);
    const tuned = { ...model, origin, run: undefined, round: undefined, facts, weights, modelHash };
    return {
      model: tuned,
      examples: train.size,
      before,
      after: await scoreExamples(tuned, test, options),
    };
  } finally {
    trainer.dispose();
  }
};

/**
 * Writes a fine-tuned model as safetensors to a folder, which is made if missing; `evaluateModel`
 * and `predict` read it.
 *
 * @returns the file @throws FloeError `file_exists` unless `force`
 */
export const saveTuned = async (
  { manifest, weights, facts }: ReadModel,
  folder: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<string> => {
  const file = join(folder, RUN_FILES.model);
  if (!force && (await isThere(file)))
    throw new FloeError('file_exists', `${file} exists; --force overwrites it`);
  await mkdir(folder, { recursive: true });
  await writeWhole(file, encodeSafetensors(manifest, weights, facts, MODEL_FILE_LIMITS));
  return file;
};
