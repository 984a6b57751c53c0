/**
 * Virtual time: capacities and presence by their distributions, and whole runs whose times,
 * deadlines and drop-outs follow from them, whatever the machine does.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as task from '../../examples/simulation/task.ts';
import {
  makeScenario,
  simulate,
  type RunResult,
  type ScenarioEvent,
  type SimulateOptions,
} from '../../sim/index.ts';
import { availabilityOf, chanceOf } from '../../sim/participation/availability.ts';
import { createAgenda } from '../../sim/virtual/agenda.ts';
import { capacityOf, trainMs, transferMs } from '../../sim/virtual/capacity.ts';

const seed = new Uint8Array(32).fill(3);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-virtual-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const events: ScenarioEvent[] = [];
const run = (options: SimulateOptions): Promise<RunResult> => {
  events.length = 0;
  return simulate({
    participants: 9,
    cohort: 5,
    rounds: 3,
    learningRate: 0.5,
    workers: 1,
    substrate: 'local',
    outDir: join(folder, 'runs'),
    onEvent: (event) => events.push(event),
    ...options,
  });
};
/** In this thread. */
const OWN = { data: task.data, trainer: task.trainer, name: task.name };

describe('capacities', () => {
  it('are log-normal by median and sigma, and times follow from them', () => {
    const speed = { type: 'log-normal', median: 200, sigma: 0.5 } as const;
    const speeds = Array.from(
      { length: 2000 },
      (_, i) => capacityOf({ speed }, i, seed, 2000).speed,
    );
    const logs = speeds.map(Math.log);
    const mean = logs.reduce((a, b) => a + b) / logs.length;
    const deviation = Math.sqrt(logs.reduce((a, x) => a + (x - mean) ** 2, 0) / logs.length);
    expect(Math.exp(mean) / 200).toBeCloseTo(1, 1);
    expect(deviation).toBeGreaterThan(0.48);
    expect(deviation).toBeLessThan(0.52);
    expect(capacityOf({ speed }, 7, seed, 2000)).toEqual(capacityOf({ speed }, 7, seed, 2000));
    const own = capacityOf({ bandwidth: { type: 'same', median: 8 } }, 0, seed, 2000);
    expect(transferMs(own, 1_000_000)).toBe(1000);
    expect(trainMs(own, 1_000_000)).toBe(0);
    expect(trainMs({ ...own, speed: 50 }, 100)).toBe(2000);
  });
});

describe('availability', () => {
  const parts = [Uint32Array.of(0, 1), Uint32Array.of(2, 3), Uint32Array.of(1, 2)];
  const train = { labels: Int32Array.of(0, 0, 2, 2), classes: 3, size: 4 };
  const of = (participation: Parameters<typeof availabilityOf>[0]['participation']) =>
    availabilityOf({ participation, parts, train, seed });

  it('poisson: each attempt by its own chance', () => {
    const { present, nextChange } = of({ type: 'poisson', rate: 0.3 });
    const count = Array.from({ length: 4000 }, (_, i) =>
      present(i % 50, { attempt: Math.floor(i / 50), time: 0 }),
    ).filter(Boolean).length;
    // Mean 1,200, standard deviation 29.
    expect(Math.abs(count - 1200)).toBeLessThan(110);
    expect(nextChange(0, 0)).toBeUndefined();
  });

  it('diurnal: there for a fraction of the day, from a phase of its own', () => {
    const { present, nextChange } = of({ type: 'diurnal', day: 100, open: 0.25 });
    for (const index of [0, 1, 2]) {
      const here = Array.from({ length: 1000 }, (_, i) =>
        present(index, { attempt: 1, time: 100 * i }),
      );
      expect(here.filter(Boolean)).toHaveLength(250);
      const change = nextChange(index, 0)!;
      const at = (time: number): boolean => present(index, { attempt: 1, time });
      expect(at(change)).toBe(!at(0));
      expect(at(change - 1)).toBe(at(0));
    }
    const firsts = [0, 1, 2].map((index) => nextChange(index, 0));
    expect(new Set(firsts).size).toBe(3);
    expect(of({ type: 'diurnal', day: 10, open: 1 }).nextChange(0, 0)).toBeUndefined();
  });

  it('labels: the chance is linear in the mean label, and needs labels', () => {
    const chances = parts.map((rows) => chanceOf({ low: 0.2, high: 1 }, rows, train.labels, 3));
    expect(chances).toEqual([0.2, 1, expect.closeTo(0.6, 12)]);
    expect(of({ type: 'labels', low: 0.2, high: 1 }).present(1, { attempt: 5, time: 0 })).toBe(
      true,
    );
    expect(() =>
      availabilityOf({
        participation: { type: 'labels', low: 0.2, high: 1 },
        parts,
        train: { labels: Float32Array.of(0), size: 1 },
        seed,
      }),
    ).toThrow(/needs classes/u);
  });
});

describe('the agenda', () => {
  it('is ordered by time, participant and order of arrival', () => {
    const agenda = createAgenda();
    const done: string[] = [];
    for (const [at, index, name] of [
      [5, 2, 'c'],
      [5, 1, 'b'],
      [1, 9, 'a'],
      [5, 2, 'd'],
      [7, 3, 'x'],
    ] as const)
      agenda.add({ at, index, act: () => done.push(name) });
    agenda.forget(3);
    for (let next = agenda.first(); next; next = agenda.first()) {
      next.act();
      agenda.shift();
    }
    expect(done.join('')).toBe('abcd');
  });
});

describe('a run in virtual time', () => {
  it('has the deadlines of a real run, unless they are given', () => {
    const speed = { type: 'same', median: 10 } as const;
    expect(makeScenario({}).uploadDeadline).toBe(86_400);
    expect(makeScenario({ speed })).toMatchObject({ uploadDeadline: 1800, grace: 30 });
    expect(makeScenario({ speed, uploadDeadline: 7 }).uploadDeadline).toBe(7);
  });

  it('takes what training and messages take', async () => {
    // 600 / 9 examples in 2 epochs at 10 a second, and messages of a tenth.
    const speed = { type: 'same', median: 10 } as const;
    const { summary } = await run({ ...OWN, speed, latency: 0.1, epochs: 2, rounds: 2 });
    // Open and register, cohort and share, train, upload, survivors and consistent, set and unmask.
    const longest = (2 * 67) / 10;
    const messages = 2 + 1 + 1 + 2 + 2;
    for (const { virtualSeconds } of summary.history)
      expect(virtualSeconds).toBeCloseTo(longest + 0.1 * messages, 1);
    expect(summary.virtualSeconds).toBe(summary.history[1]?.virtualTime);
    expect(summary.world?.time).toBe('training 10 examples/s, transfer no limit, latency 0.1 s');
  });

  it('drops who is slower than the deadline, the same with any number of workers', async () => {
    const options: SimulateOptions = {
      module: pathToFileURL('examples/simulation/task.ts').href,
      speed: { type: 'log-normal', median: 100, sigma: 1 },
      bandwidth: { type: 'log-normal', median: 0.5, sigma: 0 },
      uploadDeadline: 20,
      rounds: 3,
      participants: 12,
      cohort: 6,
    };
    const one = await run({ ...options, workers: 1 });
    const three = await run({ ...options, workers: 3 });
    const timesOf = ({ summary }: RunResult) =>
      summary.history.map(({ attempt, virtualTime, survivors, modelHash }) => [
        attempt,
        virtualTime,
        survivors,
        modelHash,
      ]);
    expect(timesOf(three)).toEqual(timesOf(one));
    const { history } = one.summary;
    expect(history.some(({ survivors, cohort }) => survivors < cohort)).toBe(true);
    for (const { survivors, cohort, virtualSeconds } of history)
      if (survivors < cohort) expect(virtualSeconds).toBeGreaterThan(20);
  });

  it('ends where no attempt can succeed', async () => {
    const speed = { type: 'same', median: 1 } as const;
    await expect(run({ ...OWN, speed, uploadDeadline: 5, rounds: 1 })).rejects.toMatchObject({
      code: 'scenario_stalled',
      message: expect.stringContaining('30 attempts in a row were aborted') as string,
    });
  });

  it('loses participants whose window closes; others wait for theirs', async () => {
    const { summary } = await run({
      ...OWN,
      participation: { type: 'diurnal', day: 60, open: 0.6 },
      speed: { type: 'same', median: 20 },
      minimum: 3,
    });
    expect(summary.rounds).toBe(3);
    const sizes = summary.history.map(({ survivors }) => survivors);
    expect(Math.min(...sizes)).toBeLessThan(5);
    expect(summary.virtualSeconds).toBeGreaterThan(12);
  });

  it('over-selection takes the first to register', async () => {
    const { summary } = await run({
      ...OWN,
      overSelect: 1.4,
      bandwidth: { type: 'log-normal', median: 0.05, sigma: 1 },
      mask: false,
      rounds: 2,
    });
    expect(summary.history.map(({ cohort }) => cohort)).toEqual([5, 5]);
  });
});

describe('attacks on the protocol', () => {
  it.each([
    ['replay', 'record_replayed', 4],
    ['equivocation', 'record_conflict', 5],
    ['wrong-model-hash', 'record_malformed', 4],
    ['bad-share', 'complaint_upheld', 5],
  ] as const)('%s is refused with %s', async (kind, code, survivors) => {
    const { summary } = await run({
      ...OWN,
      participants: 5,
      rounds: 2,
      attack: [`${kind}:0.2`],
      minimum: 3,
    });
    const codes = events.flatMap((event) => {
      if (event.type === 'participant') return [event.event.code];
      return event.type === 'aborted' ? [event.code] : [];
    });
    expect(codes).toContain(code);
    const attackers = summary.world?.attackers;
    expect(attackers?.[0]?.attack).toBe(`${kind}:0.2`);
    expect(attackers?.[0]?.participants).toHaveLength(1);
    expect(Math.min(...summary.history.map((round) => round.survivors))).toBeLessThanOrEqual(
      survivors,
    );
  });

  it('a late upload costs the floor of the deadline and does not count', async () => {
    const { summary } = await run({
      ...OWN,
      participants: 5,
      rounds: 1,
      uploadFloor: 20,
      attack: ['late-upload:0.2'],
    });
    expect(summary.history[0]).toMatchObject({ cohort: 5, survivors: 4 });
    expect(summary.virtualSeconds).toBeGreaterThan(20);
    expect(summary.virtualSeconds).toBeLessThan(22);
  });
});
