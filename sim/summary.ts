/**
 * @module The schema of `summary.json`, the results of a finished run: one definition for the
 * report, the tests and other programs.
 */
import * as v from 'valibot';
import { groupsSchema, ruleSchema } from './report/robust-rule.ts';
import { ANOMALY_KINDS } from '../coordinator/index.ts';
import { fineTunedSchema } from './fine-tune/distribution.ts';
import { worldSchema } from './world-summary.ts';

const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const amount = v.pipe(v.number(), v.finite(), v.minValue(0));

const finite = v.pipe(v.number(), v.finite());
const cosine = v.pipe(v.number(), v.minValue(-1), v.maxValue(1));
const anomalySchema = v.strictObject({
  kind: v.picklist(ANOMALY_KINDS),
  /** `sum`: the aggregate of the round. */
  subject: v.string(),
  value: finite,
  usual: finite,
  /** Modified z-score among the last rounds. */
  score: finite,
});

/** One attempt at a round that ended in a commit. */
export const roundSchema = v.strictObject({
  /** Number of the attempt in the records; aborted attempts use up a number. */
  attempt: count,
  /** Committed rounds so far, this one included: 1, 2, ... */
  version: count,
  cohort: count,
  survivors: count,
  /** Sum of the example weights that the survivors sent in masked form. */
  weight: amount,
  /**
   * The run's metrics by name, over the survivors, as the masked sums give them: `trainLoss`,
   * `trainAccuracy`...
   */
  training: v.record(v.string(), amount),
  /** Updates that were cut to the clip norm, among the survivors'. */
  clipped: count,
  /** Of the next round, where it is adaptive. */
  clipNorm: v.optional(amount),
  /** In a buffered run: how many commits old each update of the cohort was, ascending. */
  staleness: v.optional(v.array(count)),
  /**
   * The step is the model after the round less the model before, over all parameters: its L2 norm,
   * by the median norm of the last rounds, and its cosine to the step before and to the mean of
   * the last ones. Absent without a reference: at first, and after a resumption.
   */
  stepNorm: v.optional(amount),
  stepNormRatio: v.optional(amount),
  stepCosine: v.optional(cosine),
  stepCosineMean: v.optional(cosine),
  /** The training loss less that of the round before. */
  lossJump: v.optional(finite),
  /** Of a run in groups: what their sums said. */
  groups: v.optional(groupsSchema),
  /** What of it is far from usual; absent where nothing is. */
  anomalies: v.optional(v.array(anomalySchema)),
  /** Of the model after this round on the test set; absent where it was not evaluated. */
  testAccuracy: v.optional(share),
  testLoss: v.optional(amount),
  /** Of the attackers on the model after this round; absent where none is measured. */
  attackSuccess: v.optional(share),
  modelHash: hex,
  bytesUp: count,
  bytesDown: count,
  seconds: amount,
  /**
   * Of virtual time: from the commit before to this one, with aborted attempts between; and since
   * the beginning. Absent in real time.
   */
  virtualSeconds: v.optional(amount),
  virtualTime: v.optional(amount),
  /** Seconds spent in each phase. */
  phases: v.record(v.string(), amount),
});
export type RoundSummary = v.InferOutput<typeof roundSchema>;

const baselinePointSchema = v.strictObject({
  /** Examples trained on so far, in units of one federated round. */
  rounds: amount,
  /** Absent of regression. */
  testAccuracy: v.optional(share),
});

export const summarySchema = v.strictObject({
  format: v.literal('floe/summary/v1'),
  /** `complete`: all rounds; `target`: stopped at the wanted accuracy. */
  status: v.picklist(['complete', 'target']),
  testAccuracy: v.optional(share),
  testLoss: v.optional(amount),
  /** Rounds committed. */
  rounds: count,
  attemptsAborted: count,
  participants: count,
  cohort: count,
  parameters: count,
  seed: v.string(),
  run: hex,
  modelHash: hex,
  transcriptRoot: hex,
  /** Frames and blobs from the participants, and to them. */
  bytesUp: count,
  bytesDown: count,
  seconds: amount,
  /** User and system time of the whole process so far, all threads. */
  processorSeconds: amount,
  /** Most bytes of memory that the process had at once, all threads. */
  peakMemory: count,
  /**
   * How often the run was resumed; absent where it never was. `activities` and `peakMemory` are of
   * its last part.
   */
  resumed: v.optional(count),
  backend: v.string(),
  masked: v.boolean(),
  model: v.string(),
  data: v.strictObject({ source: v.string(), train: count, test: count }),
  partition: v.strictObject({
    scheme: v.string(),
    smallest: count,
    largest: count,
    mean: amount,
    meanLabels: v.optional(amount),
  }),
  drops: v.string(),
  world: v.optional(worldSchema),
  /** Of the attackers on the last model; absent where none is measured. */
  attackSuccess: v.optional(share),
  /** Of virtual time, to the last commit: where the status is `target`, the time to it. */
  virtualSeconds: v.optional(amount),
  /** The last version. */
  published: v.strictObject({
    /** Id of its blob in `store`. */
    blob: v.string(),
    /** On Sui: the version, and the run that it is of. */
    object: v.optional(v.string()),
    runObject: v.optional(v.string()),
    /** Id of the blob with specification and transcript. */
    transcript: v.optional(v.string()),
  }),
  strategy: v.strictObject({ name: v.string(), parameters: v.record(v.string(), v.number()) }),
  training: v.strictObject({ epochs: count, batchSize: count, learningRate: amount }),
  encoding: v.strictObject({
    ring: v.string(),
    bits: v.optional(count),
    clipNorm: amount,
    /** Where the clip norm is adaptive: `clipNorm` is that of the first attempt. */
    clipping: v.optional(
      v.strictObject({ quantile: amount, rate: amount, floor: amount, ceiling: amount }),
    ),
    /** Of committed models; absent for float32. */
    modelPrecision: v.optional(v.string()),
    /** Expected error of the mean, in units of the clip norm; `words` states the assumptions. */
    rounding: v.strictObject({ expectedError: amount, words: v.string() }),
  }),
  /** Of buffered rounds: updates of a round, and commits that one may be old, at most. */
  buffer: v.optional(v.strictObject({ size: count, maxStaleness: count })),
  /** The robust rule; absent where updates become their mean. */
  rule: v.optional(ruleSchema),
  /** What the run guarantees each participant; absent without differential privacy. */
  privacy: v.optional(
    v.strictObject({
      mechanism: v.string(),
      epsilon: amount,
      delta: amount,
      noiseMultiplier: amount,
      participations: count,
      minimum: count,
      honestSurvivors: count,
      words: v.string(),
    }),
  ),
  targetAccuracy: v.optional(share),
  /** What each site gains where it trains the finished model further; see sim/fine-tune/. */
  fineTuned: v.optional(fineTunedSchema),
  baselineAccuracy: v.optional(share),
  baseline: v.optional(
    v.strictObject({
      epochs: amount,
      batchSize: count,
      learningRate: amount,
      /** Processor time. */
      seconds: amount,
      points: v.array(baselinePointSchema),
    }),
  ),
  history: v.array(roundSchema),
  phaseSeconds: v.record(v.string(), amount),
  /**
   * Where the time of the rounds went: training, storage, keys, ledger. They overlap, so shares add
   * up to more than 1.
   */
  activities: v.record(
    v.string(),
    v.strictObject({
      /** Seconds in which something of the kind was under way. */
      seconds: amount,
      /** Of the rounds' time. */
      share,
      /** How much of it ran while participants trained. */
      besideTraining: share,
    }),
  ),
  workers: count,
  store: v.string(),
  gate: v.string(),
  ledger: v.string(),
  versions: v.record(v.string(), v.string()),
  /** Paths inside the run's folder. `model` and `tfjs` are the one clear copy of the model. */
  files: v.record(v.string(), v.string()),
});
export type Summary = v.InferOutput<typeof summarySchema>;
