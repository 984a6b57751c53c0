/**
 * @module Buffered rounds in the simulator's virtual time: a fifth of the participants is slow, the
 * rounds do not wait for them, and their updates come later. The masked run ends with the model of
 * its unmasked twin, and `verify` recomputes it.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as task from '../../examples/simulation/task.ts';
import { openRun } from '../../client/index.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { decodeRunSpec, hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { makeScenario, simulate, type RunResult, type SimulateOptions } from '../../sim/index.ts';

let folder: string;
let twins: readonly [masked: RunResult, plain: RunResult];

const BUFFER = { buffer: 4, maxStaleness: 6 } as const;

const run = (options: SimulateOptions = {}): Promise<RunResult> =>
  simulate({
    data: task.data,
    trainer: task.trainer,
    name: task.name,
    participants: 10,
    rounds: 8,
    learningRate: 0.5,
    speed: { type: 'stragglers', median: 10, fraction: 0.2, factor: 3 },
    workers: 1,
    substrate: 'local',
    outDir: join(folder, 'runs'),
    ...options,
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-buffered-'));
  twins = [await run(BUFFER), await run({ ...BUFFER, mask: false })];
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const registersOf = async ({ folder: of }: RunResult) => {
  const spec = decodeRunSpec(await readFile(join(of, RUN_FILES.spec)));
  const bytes = await readFile(join(of, RUN_FILES.transcript));
  return decodeTranscript(hashRunSpec(spec), bytes).entries.flatMap(({ record }) =>
    record.type === 'register' ? [record.body.base!] : [],
  );
};

describe('a buffered run', () => {
  it('commits the same models with and without masks', () => {
    const [masked, plain] = twins;
    expect(masked.summary.rounds).toBe(8);
    expect(masked.summary.modelHash).toBe(plain.summary.modelHash);
    expect(masked.summary.history.map(({ modelHash }) => modelHash)).toEqual(
      plain.summary.history.map(({ modelHash }) => modelHash),
    );
    expect(masked.summary.attemptsAborted).toBe(0);
    expect(masked.summary.history.every(({ survivors }) => survivors === 4)).toBe(true);
  });

  it('does not wait for who is slow, and takes their updates when they are ready', async () => {
    const [masked] = twins;
    const bases = await registersOf(masked);
    const staleness = bases.map((base) => base.staleness);
    expect(bases).toHaveLength(32);
    const shown = masked.summary.history.flatMap((round) => round.staleness ?? []);
    const inOrder = (ages: readonly number[]) => ages.toSorted((a, b) => a - b);
    expect(inOrder(shown)).toEqual(inOrder(staleness));
    expect(Math.max(...staleness)).toBeGreaterThan(1);
    expect(Math.max(...staleness)).toBeLessThanOrEqual(6);
    const drawn = await run({ cohort: 4 });
    const timeOf = ({ summary }: RunResult) => summary.history.at(-1)?.virtualTime ?? 0;
    expect(timeOf(masked)).toBeLessThan(timeOf(drawn));
  });

  it('is recomputed by verify, with the ages that the registrations state', async () => {
    const opened = await openRun(twins[0].folder, {});
    const verification = await opened.verify();
    expect(verification).toMatchObject({ ok: true, level: 'L1' });
  });
});

describe('settings of a simulation', () => {
  const base = { participants: 10, substrate: 'local' } as const;
  const speed = { type: 'same', median: 1 } as const;
  const good = { buffer: 4, speed };
  it.each([
    ['a chain', { ...good, substrate: 'devnet' }, '--buffer'],
    ['no speed', { buffer: 4 }, '--speed'],
    ['another cohort', { ...good, cohort: 5 }, '--cohort'],
    ['batches', { ...good, selection: 'batches' }, '--selection'],
    ['over-selection', { ...good, overSelect: 2 }, '--over-select'],
    ['a robust rule', { ...good, mask: false, aggregation: { type: 'median' } }, '--aggregation'],
    ['drops', { ...good, drops: { upload: 0.1 } }, '--drop'],
    ['a staleness without a buffer', { speed, maxStaleness: 3 }, '--max-staleness'],
    ['more than there are', { speed, buffer: 11 }, '--cohort'],
  ] as const)('%s is refused by name', (_, change, flag) => {
    expect(() => makeScenario({ ...base, ...change })).toThrow(flag);
  });
});
