/**
 * @module The coordinator's own work waits for a service that does not answer for as long as the
 * phase allows, instead of spending attempt after attempt on it; then the attempt ends with the
 * cause. The operator is told once what it waits for.
 */
import { describe, expect, it } from 'vitest';
import { manualClock, type ManualClock } from '../../protocol/ports/clock.ts';
import { FloeError, type ErrorCode } from '../../protocol/errors.ts';
import { doWork, OUTAGE_PATIENCE_MS, type WorkContext } from '../../coordinator/attempt-work.ts';
import type { Work } from '../../coordinator/machine/index.ts';
import { emptyAttempt, initialState } from '../../coordinator/machine/state.ts';
import { turns } from '../support/run.ts';

const nothing = (): void => undefined;
const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const ROUND = 7;
const FREEZE: Work = {
  type: 'freeze-cohort',
  attempt: ROUND,
  root: new Uint8Array(32),
  members: [],
  entropy: new Uint8Array(32),
};

interface Stage {
  readonly clock: ManualClock;
  readonly told: string[];
  readonly asked: () => number;
  readonly done: ReturnType<typeof doWork>;
}

/** Freezes a cohort in a ledger that fails until `answersAt`, ms. */
const freeze = (code: ErrorCode, answersAt: number): Stage => {
  const clock = manualClock(0);
  const told: string[] = [];
  let asked = 0;
  const model = { version: 0, blob: {}, hash: new Uint8Array(32), envelope: new Uint8Array() };
  const attempt = emptyAttempt(ROUND, []);
  const phase = { type: 'freezing-cohort', since: 0, deadline: Infinity, attempt };
  const context = {
    run: new Uint8Array(32),
    clock,
    log: SILENT,
    state: () => ({ ...initialState, phase, model }),
    ledger: {
      freezeCohort: async () => {
        asked += 1;
        if (clock.now() < answersAt) throw new FloeError(code, 'connection refused');
        return { beacon: new Uint8Array(32), receipt: 'r' };
      },
    },
    hold: () => () => undefined,
    onOutage: (work: Work, error: FloeError) => told.push(`${work.type} ${error.code}`),
    signal: new AbortController().signal,
  } as unknown as WorkContext;
  return { clock, told, asked: () => asked, done: doWork(context, FREEZE) };
};

const pass = async ({ clock }: Stage, ms: number): Promise<void> => {
  for (const end = clock.now() + ms; clock.now() < end;) {
    await turns(2);
    clock.advance(1_000);
  }
  await turns(2);
};

describe('work of the coordinator', () => {
  it('waits out an outage of three minutes within the attempt, and says so once', async () => {
    const stage = freeze('ledger_unavailable', 180_000);
    await pass(stage, 220_000);
    expect(await stage.done).toMatchObject({ type: 'cohort-frozen', attempt: ROUND });
    expect(stage.told).toEqual(['freeze-cohort ledger_unavailable']);
    expect(stage.asked()).toBeLessThan(20);
  });

  it('of an outage that lasts longer the attempt ends with its cause, before the phase does', async () => {
    const stage = freeze('store_unavailable', Infinity);
    await pass(stage, OUTAGE_PATIENCE_MS + 1_000);
    expect(await stage.done).toMatchObject({ type: 'work-failed', code: 'store_unavailable' });
  });

  it('does not wait for what is no outage', async () => {
    const stage = freeze('blob_not_found', Infinity);
    await pass(stage, 10_000);
    expect(await stage.done).toMatchObject({ type: 'work-failed', code: 'blob_not_found' });
    expect(stage.told).toEqual([]);
  });
});
