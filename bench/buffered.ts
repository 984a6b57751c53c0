/**
 * @module Time to an accuracy under the virtual clock, where a fifth of the participants is ten
 * times slower: synchronous rounds, which wait for the slowest of a cohort, against buffered ones
 * (FedBuff: Nguyen et al. 2022). MNIST, one hidden layer of 32, masked, same seeds. All runs train
 * the same participants on the same examples at the same speeds; the table also says how many
 * updates each took, because buffered rounds keep everybody busy and synchronous cohorts do not.
 * Buffers that are filled from one model add their steps, so the default of the server's rate is
 * lower than 1 (`protocol/algorithm/buffered-rate.ts`); with a rate of 1 the model swings.
 *
 *   node bench/buffered.ts [--participants 30] [--buffer 6] [--target 0.95] [--slow 0.2]
 *     [--factor 10] [--partition iid|dirichlet] [--seed 1] [--only "buffered"]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { simulate } from '../sim/index.ts';
import type { ScenarioInput } from '../sim/scenario.ts';
import { report } from './table.ts';

const { values } = parseArgs({
  options: {
    participants: { type: 'string', default: '30' },
    buffer: { type: 'string', default: '6' },
    target: { type: 'string', default: '0.95' },
    slow: { type: 'string', default: '0.2' },
    factor: { type: 'string', default: '10' },
    partition: { type: 'string', default: 'iid' },
    rounds: { type: 'string', default: '200' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const participants = Number(values.participants);
const size = Number(values.buffer);
const target = Number(values.target);

/** Examples a second of a fast participant. */
const SPEED = 100;
const MINIMUM = 3;

const RATE_1 = { name: 'fedavg', parameters: { serverLearningRate: 1 } };

const KINDS: Readonly<Record<string, ScenarioInput>> = {
  'cohorts of the buffer size': { cohort: size },
  'of it, over-selected by half': { cohort: size, overSelect: 1.5 },
  'cohorts of all': { cohort: participants },
  'buffered, server rate 1': { buffer: size, maxStaleness: 100, rounds: 60, strategy: RATE_1 },
  buffered: { buffer: size, maxStaleness: 100 },
};

const folder = await mkdtemp(join(tmpdir(), 'floe-bench-buffered-'));

interface Reached {
  /** Virtual seconds; undefined where the accuracy was not reached. */
  readonly seconds: number | undefined;
  /** The highest accuracy, 0 to 1. */
  readonly best: number;
  readonly rounds: number;
  readonly updates: number;
}

const play = async (kind: ScenarioInput): Promise<Reached> => {
  const { summary } = await simulate({
    model: 'mlp:32',
    backend: 'wasm',
    participants,
    minimum: MINIMUM,
    rounds: Number(values.rounds),
    epochs: 1,
    batchSize: 20,
    learningRate: 0.1,
    partition: values.partition === 'iid' ? { type: 'iid' } : { type: 'label-dirichlet', alpha: 1 },
    speed: {
      type: 'stragglers',
      median: SPEED,
      fraction: Number(values.slow),
      factor: Number(values.factor),
    },
    targetAccuracy: target,
    baseline: false,
    workers: 1,
    seed: values.seed,
    substrate: 'local',
    outDir: folder,
    ...kind,
  });
  await rm(folder, { recursive: true, force: true });
  const { history } = summary;
  const at = history.findIndex(({ testAccuracy = 0 }) => testAccuracy >= target);
  const upTo = at < 0 ? history : history.slice(0, at + 1);
  return {
    seconds: at < 0 ? undefined : upTo.at(-1)?.virtualTime,
    best: Math.max(...upTo.map(({ testAccuracy = 0 }) => testAccuracy)),
    rounds: upTo.length,
    updates: upTo.reduce((sum, { survivors }) => sum + survivors, 0),
  };
};

try {
  const found = new Map<string, number>();
  const rows: string[] = [];
  for (const [name, kind] of Object.entries(KINDS)) {
    if (values.only !== undefined && values.only !== name) continue;
    const { seconds, best, rounds, updates } = await play(kind);
    if (seconds === undefined) {
      rows.push(
        `${name.padEnd(30)} not reached in ${rounds} rounds: ${(100 * best).toFixed(1)} % at best`,
      );
      continue;
    }
    const fastest = Math.min(...found.values());
    found.set(name, seconds);
    report({
      what: `${name}: virtual time to ${100 * target} %`,
      value: seconds,
      unit: 's',
      ...(name === 'buffered' && Number.isFinite(fastest)
        ? { ratio: { value: seconds / fastest, to: 'the fastest synchronous rounds' } }
        : {}),
    });
    rows.push(
      `${name.padEnd(30)} ${seconds.toFixed(0).padStart(8)} s ${String(rounds).padStart(7)} rounds ${String(updates).padStart(6)} updates in sums`,
    );
  }
  console.log(
    `\nMNIST, ${participants} participants, ${100 * Number(values.slow)} % of them ${values.factor} times slower; buffer ${size}; ${values.partition}`,
  );
  for (const row of rows) console.log(row);
} finally {
  await rm(folder, { recursive: true, force: true });
}
