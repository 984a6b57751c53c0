/** Simulations that are interrupted and resumed end as the undisturbed ones. */
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRun } from '../../client/index.ts';
import { readJournalLedger } from '../../coordinator/index.ts';
import * as task from '../../examples/simulation/task.ts';
import { simulate, type ScenarioEvent, type SimulateOptions } from '../../sim/index.ts';
import type { FloeError } from '../../protocol/errors.ts';
import { writeTable } from '../support/table.ts';
import { partialFolder } from '../../sim/resume/reopen.ts';
import { openPartial } from '../../sim/resume/open-partial.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-resume-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const { data, name, trainer } = task;
const SMALL = {
  participants: 8,
  cohort: 5,
  rounds: 5,
  learningRate: 0.5,
  substrate: 'local',
  data,
  trainer,
  name,
} as const;

const run = (options: SimulateOptions) =>
  simulate({ ...SMALL, outDir: join(folder, 'runs'), ...options });

/** Stops the run at the first such event. @returns its folder */
const stopAt = async (
  when: (event: ScenarioEvent) => boolean,
  options: SimulateOptions,
): Promise<string> => {
  const abort = new AbortController();
  const onEvent = (event: ScenarioEvent): void => {
    if (when(event)) abort.abort();
  };
  try {
    await run({ ...options, signal: abort.signal, onEvent });
  } catch (thrown) {
    const { code, details } = thrown as { code: string; details: { resume: string } };
    expect(code).toBe('aborted');
    return details.resume;
  }
  throw new Error('the run was not stopped');
};

const inPhase =
  (attempt: number, phase: string) =>
  (event: ScenarioEvent): boolean =>
    event.type === 'phase' && event.attempt === attempt && event.phase === phase;

describe('an interrupted simulation', () => {
  it('ends with the model of the undisturbed run, before the first commit and twice after', async () => {
    const whole = await run({});
    let at = await stopAt(inPhase(1, 'share'), {});
    at = await stopAt(inPhase(2, 'unmask'), { resume: at });
    at = await stopAt(inPhase(4, 'upload'), { resume: at.replace('.partial', '') });
    // What a kill leaves of a line that was being written.
    await appendFile(join(at, 'history.jsonl'), '{"type":"round","att');
    const events: ScenarioEvent[] = [];
    const { summary, folder: own } = await run({
      resume: at,
      onEvent: (event) => events.push(event),
    });
    expect(events).toContainEqual({ type: 'resumed', rounds: 3 });
    expect(summary.modelHash).toBe(whole.summary.modelHash);
    expect(summary).toMatchObject({ rounds: 5, attemptsAborted: 0, resumed: 2 });
    const scores = whole.summary.history.map(({ testLoss }) => testLoss);
    expect(summary.history.map(({ testLoss }) => testLoss)).toEqual(scores);
    const files = await readdir(own);
    expect(files).not.toContain('checkpoint.cbor');
    expect(files).not.toContain('participants');
    await using opened = await openRun(own, { journalLedger: readJournalLedger });
    expect(await opened.verify()).toMatchObject({ ok: true, level: 'L1' });
    await expect(partialFolder(own)).rejects.toMatchObject({ code: 'usage' });
  });

  it('so does one that loses participants and stops at an accuracy', async () => {
    const losing = { drops: { upload: 1 / 5 }, targetAccuracy: 0.995, rounds: 4 } as const;
    const whole = await run(losing);
    const at = await stopAt(inPhase(2, 'upload'), losing);
    const { summary } = await run({ ...losing, resume: at });
    expect(summary.modelHash).toBe(whole.summary.modelHash);
    expect(summary.rounds).toBe(whole.summary.rounds);
  });

  it('so does one whose participants carry vectors from round to round', async () => {
    const table = await writeTable(join(folder, 'table.csv'), {
      rows: 240,
      features: 4,
      classes: 3,
    });
    const carrying: SimulateOptions = {
      participants: 6,
      cohort: 5,
      rounds: 4,
      strategy: { name: 'scaffold', parameters: {} },
      drops: { unmask: 1 / 5 },
      data: table,
      model: 'linear',
      backend: 'cpu',
      workers: 1,
      substrate: 'local',
      outDir: join(folder, 'runs'),
    };
    const whole = await simulate(carrying);
    const abort = new AbortController();
    const stopped = simulate({
      ...carrying,
      signal: abort.signal,
      onEvent: (event) => inPhase(3, 'unmask')(event) && abort.abort(),
    });
    const thrown: unknown = await stopped.catch((error: unknown) => error);
    const { details } = thrown as FloeError;
    const kept = await readdir(join(String(details['resume']), 'participants'));
    expect(kept.filter((file) => file.endsWith('.strategy')).length).toBeGreaterThan(4);
    const resumed = await simulate({ ...carrying, resume: String(details['resume']) });
    expect(resumed.summary.modelHash).toBe(whole.summary.modelHash);
  });

  it('is not resumed with other settings, on a devnet, or without the parts of its program', async () => {
    const at = await stopAt(inPhase(1, 'share'), {});
    await expect(run({ resume: at, rounds: 6 })).rejects.toMatchObject({ code: 'spec_mismatch' });
    await expect(run({ resume: at, substrate: 'devnet' })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('--local'),
    });
    await expect(openPartial(at)).rejects.toMatchObject({ code: 'usage' });
    const stored = JSON.parse(await readFile(join(at, 'scenario.json'), 'utf8'));
    expect(stored).toMatchObject({ substrate: 'local', ownTask: true });
    expect(stored.settings).toMatchObject({ participants: 8, cohort: 5, learningRate: 0.5 });
  });
});
