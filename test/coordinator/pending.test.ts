/**
 * @module A store, gate or ledger that hangs instead of failing: the operator hears of it after ten
 * seconds, long before a deadline ends the attempt.
 */
import { describe, expect, it } from 'vitest';
import { manualClock } from '../../protocol/ports/clock.ts';
import { PENDING_MS, watchCalls } from '../../protocol/ports/hanging-calls.ts';
import { journalLedger } from '../../coordinator/index.ts';
import { connect, createStage, testSpec, turns } from '../support/run.ts';

describe('a call that hangs', () => {
  it('is told once, and again only after the port has answered', async () => {
    const clock = manualClock(0);
    const told: string[] = [];
    const calls: PromiseWithResolvers<string>[] = [];
    const port = watchCalls(
      {
        kind: 'slow',
        get: () => {
          const call = Promise.withResolvers<string>();
          calls.push(call);
          return call.promise;
        },
      },
      clock,
      (method) => told.push(method),
    );
    const first = port.get();
    clock.advance(PENDING_MS - 1);
    expect([port.kind, told]).toEqual(['slow', []]);
    void port.get();
    clock.advance(PENDING_MS);
    expect(told).toEqual(['get']);
    calls[0]!.resolve('here');
    expect(await first).toBe('here');
    void port.get();
    clock.advance(PENDING_MS);
    expect(told).toEqual(['get', 'get']);
  });

  it('of the ledger is named to the operator of a coordinator', async () => {
    const clock = manualClock(0);
    const stage = await createStage(await testSpec(), { clock });
    const coordinator = stage.create({
      ledger: {
        ...journalLedger(stage.journal),
        freezeCohort: () => new Promise(() => undefined),
      },
    });
    coordinator.finished.catch(() => undefined);
    await coordinator.start();
    for (const name of ['anna', 'berta', 'caesar', 'dorothea'])
      connect(coordinator, await stage.participant(name));
    await turns(200);
    for (let second = 0; second < 12; second += 1) {
      clock.advance(1000);
      await turns(20);
    }
    const waiting = stage.progress.filter(({ type }) => type === 'waiting');
    expect(waiting).toEqual([
      expect.objectContaining({
        reason: expect.stringMatching(/attempt 1 .*ledger has not answered.*freezeCohort.*10 s/u),
      }),
    ]);
    await coordinator.stop();
  });
});
