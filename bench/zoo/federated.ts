/**
 * @module A masked run of a model over sites of different sizes, with the production coordinator
 * and participants on local ports, beside FedAvg in float64 without encoding and masks: the same
 * sites, rates and seeds of training. The trainers of the masked run are listened to, so that the
 * mean of the very updates of each round is known too.
 */
import { rm } from 'node:fs/promises';
import { openRun } from '../../client/index.ts';
import type { Dataset } from '../../client/data/dataset.ts';
import type { Backend } from '../../client/tfjs/backends.ts';
import { type TfjsTrainer, tfjsTrainer } from '../../client/tfjs/trainer.ts';
import type { Trainer, TrainRequest } from '../../client/trainer.ts';
import { readJournalLedger } from '../../coordinator/index.ts';
import { put, take } from '../../protocol/model/index.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { type ModelParts, type Range, partsOf } from '../../protocol/model/parts.ts';
import { simulate } from '../../sim/index.ts';
import { type ZooModel, zooExamples } from './models.ts';

export interface FederatedInit {
  /** Examples of each site, at least 3 of them. */
  readonly sites: readonly number[];
  readonly rounds: number;
  readonly backend: Backend;
  /** Examples that models are scored on. */
  readonly test: number;
  /** A folder that the run's folder is made in. */
  readonly folder: string;
}

export interface FederatedResult {
  /**
   * On the test examples, of the masked run and of the float run: the mean of the last models, as
   * local batches let single ones waver.
   */
  readonly masked: number;
  readonly float: number;
  /** `verify` recomputed every round. */
  readonly verified: boolean;
  /**
   * Of each round: distance of the trainable tensors' step to the weighted mean of the updates,
   * relative to the root mean square of the updates' norms, weighted as they count.
   */
  readonly errors: readonly number[];
  /** Frozen elements that differ from the first model in any bit. */
  readonly frozenMoved: number;
  /** Of all variances of the last model; undefined without any. */
  readonly leastVariance: number | undefined;
}

/** One update as its trainer made it. */
interface Heard {
  readonly site: number;
  readonly request: TrainRequest;
  readonly after: Float32Array;
}

const CAP = 1000;
/** Models that are scored, those of the last rounds. */
const SCORED = 5;
const weightsOf = (sites: readonly number[]): readonly number[] => {
  const capped = sites.map((size) => Math.min(size, CAP));
  const total = capped.reduce((a, b) => a + b);
  return capped.map((size) => size / total);
};

const norm = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += (values[i] ?? 0) ** 2;
  return Math.sqrt(sum);
};

const minus = (a: ArrayLike<number>, b: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: a.length }, (_, i) => (a[i] ?? 0) - (b[i] ?? 0));

/** The weighted mean of whole models, in float64. */
const meanOf = (models: readonly Float32Array[], weights: readonly number[]): Float64Array => {
  const mean = new Float64Array(models[0]?.length ?? 0);
  for (const [k, model] of models.entries())
    for (let i = 0; i < mean.length; i += 1)
      mean[i] = (mean[i] ?? 0) + (weights[k] ?? 0) * (model[i] ?? 0);
  return mean;
};

/** Only the trainable and the statistics; what is frozen stays. */
const floatStep = (
  { trainable, statistics }: ModelParts,
  before: Float32Array,
  models: readonly Float32Array[],
  weights: readonly number[],
): Float32Array => {
  const mean = Float32Array.from(meanOf(models, weights));
  const after = before.slice();
  const moving: readonly Range[] = [...trainable, ...statistics];
  for (const range of moving) put(after, [range], take(mean, [range]));
  return after;
};

const errorOfRound = (
  { trainable }: ModelParts,
  heard: readonly Heard[],
  after: Float32Array,
  weights: readonly number[],
): number => {
  const before = take(heard[0]?.request.weights ?? after, trainable);
  const models = heard.map((update) => take(update.after, trainable));
  const step = minus(take(after, trainable), before);
  const exact = minus(meanOf(models, weights), before);
  const squares = models.map((model, k) => (weights[k] ?? 0) * norm(minus(model, before)) ** 2);
  return norm(minus(step, exact)) / Math.sqrt(squares.reduce((a, b) => a + b));
};

const accuracyOf = async (
  trainer: TfjsTrainer,
  models: readonly Float32Array[],
  test: Dataset,
): Promise<number> => {
  let sum = 0;
  for (const weights of models.slice(-SCORED))
    sum += (await trainer.evaluate(weights, test)).correct;
  return sum / Math.min(models.length, SCORED) / test.size;
};

/** The updates of a round in the order of the sites; of repeated attempts the last. */
const roundOf = (heard: readonly Heard[], round: number, sites: number): readonly Heard[] =>
  Array.from({ length: sites }, (_, site) => {
    const found = heard.findLast((one) => one.site === site && one.request.round === round);
    if (found === undefined) throw new Error(`site ${site} did not train in round ${round}`);
    return found;
  });

/** A trainer that tells what it was asked and what it gave. */
const listening = (trainer: Trainer, site: number, heard: Heard[]): Trainer => ({
  ...trainer,
  train: async (request) => {
    const result = await trainer.train(request);
    const { signal: _, onProgress: __, ...kept } = request;
    const copy = { ...kept, weights: request.weights.slice() };
    heard.push({ site, request: copy, after: result.weights.slice() });
    return result;
  },
});

export const federate = async (
  small: ZooModel,
  { sites, rounds, backend, test, folder }: FederatedInit,
): Promise<FederatedResult> => {
  const all = await tfjsTrainer({
    model: small.model,
    data: zooExamples(small, sites[0] ?? 1, 'site 0'),
    backend,
  });
  const own = sites.map((size, site) => all.withData(zooExamples(small, size, `site ${site}`)));
  const heard: Heard[] = [];
  try {
    const { folder: out } = await simulate({
      participants: sites.length,
      cohort: sites.length,
      minimum: sites.length,
      rounds,
      epochs: 1,
      batchSize: 10,
      learningRate: small.learningRate,
      substrate: 'local',
      baseline: false,
      name: small.name,
      outDir: folder,
      // Cut by nobody: each trainer has its own site's examples.
      data: {
        train: zooExamples(small, 60 * sites.length, 'unused'),
        test: zooExamples(small, 40, 'test'),
      },
      trainer: ({ index }) =>
        index === undefined
          ? { ...all, dispose: () => undefined }
          : listening({ ...own[index]!, dispose: () => undefined }, index, heard),
    });
    await using run = await openRun(out, { journalLedger: readJournalLedger });
    const { ok } = await run.verify();
    const { weights: last } = await run.pull();
    const parts = partsOf(run.spec.model.tensors);
    const first = initialModel(run.spec.model);
    const weights = weightsOf(sites);
    const byRound = Array.from({ length: rounds }, (_, i) => roundOf(heard, i + 1, sites.length));
    /** The model after each round. */
    const models = byRound.map((_, i) => byRound[i + 1]?.[0]?.request.weights ?? last);
    const errors = byRound.map((updates, i) =>
      errorOfRound(parts, updates, models[i] ?? last, weights),
    );
    const floats = [first];
    for (const updates of byRound) {
      const before = floats.at(-1) ?? first;
      const trained: Float32Array[] = [];
      for (const { site, request } of updates)
        trained.push((await own[site]!.train({ ...request, weights: before })).weights);
      floats.push(floatStep(parts, before, trained, weights));
    }
    const scored = zooExamples(small, test, 'test');
    const frozen = [take(first, parts.frozen), take(last, parts.frozen)] as const;
    const variances = parts.statistics.filter(({ isVariance }) => isVariance);
    return {
      masked: await accuracyOf(all, models, scored),
      float: await accuracyOf(all, floats.slice(1), scored),
      verified: ok,
      errors,
      frozenMoved: frozen[0].reduce(
        (sum, value, i) => sum + (Object.is(value, frozen[1][i]) ? 0 : 1),
        0,
      ),
      leastVariance: variances.length === 0 ? undefined : Math.min(...take(last, variances)),
    };
  } finally {
    for (const trainer of own) trainer.dispose();
    all.dispose();
    await rm(folder, { recursive: true, force: true });
  }
};
