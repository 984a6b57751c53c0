/**
 * @module The summary of a run that was never run: for tests of what reads summaries.
 */
import type { RoundSummary, Summary } from '../../sim/summary.ts';

export interface SummaryInit {
  readonly seed?: string;
  /** Test accuracy after each round. */
  readonly testAccuracies?: readonly number[];
  readonly more?: Partial<Summary>;
}

const roundOf = (testAccuracy: number, i: number): RoundSummary => ({
  attempt: i + 1,
  version: i + 1,
  cohort: 10,
  survivors: 9,
  weight: 6000,
  training: { trainLoss: 1 / (i + 1), trainAccuracy: testAccuracy },
  clipped: 0,
  testAccuracy,
  testLoss: 1 - testAccuracy,
  modelHash: 'ab'.repeat(32),
  bytesUp: 1000,
  bytesDown: 2000,
  seconds: 1.5,
  phases: { register: 0.5, upload: 1 },
});

export const summaryOf = ({
  seed = '1',
  testAccuracies = [0.5, 0.8],
  more = {},
}: SummaryInit = {}): Summary => {
  const history = testAccuracies.map(roundOf);
  const last = history.at(-1);
  return {
    format: 'floe/summary/v1',
    status: 'complete',
    ...(last?.testAccuracy === undefined ? {} : { testAccuracy: last.testAccuracy }),
    ...(last?.testLoss === undefined ? {} : { testLoss: last.testLoss }),
    rounds: history.length,
    attemptsAborted: 0,
    participants: 100,
    cohort: 10,
    parameters: 5,
    seed,
    run: 'cd'.repeat(32),
    modelHash: 'ab'.repeat(32),
    transcriptRoot: 'ef'.repeat(32),
    bytesUp: 1000 * history.length,
    bytesDown: 2000 * history.length,
    seconds: 3,
    processorSeconds: 5,
    peakMemory: 500_000_000,
    backend: 'wasm',
    masked: true,
    model: 'mlp-2nn',
    data: { source: 'mnist', train: 60_000, test: 10_000 },
    partition: { scheme: 'iid', smallest: 600, largest: 600, mean: 600, meanLabels: 10 },
    drops: 'none',
    published: { blob: 'ab'.repeat(32) },
    strategy: { name: 'fedavg', parameters: { serverLearningRate: 1 } },
    training: { epochs: 1, batchSize: 10, learningRate: 0.1 },
    encoding: {
      ring: 'ring16',
      bits: 8,
      clipNorm: 2,
      rounding: { expectedError: 0.01, words: 'expected relative rounding error: 0.01' },
    },
    history,
    phaseSeconds: { register: 1, upload: 2 },
    activities: {},
    workers: 2,
    store: 'directory',
    gate: 'sealed-box',
    ledger: 'journal',
    versions: { floe: '0.1.0' },
    files: { model: 'model.safetensors' },
    ...more,
  };
};
