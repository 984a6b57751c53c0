/**
 * @module A participant waits for as long as the run stands, unless it was told how long: then it
 * leaves by name after that time without progress, whatever it waits for. One line an outage.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { patience, patienceOrNone } from '../../cli/flags.ts';
import { EXIT, exitCodeOf } from '../../cli/exit-codes.ts';
import { functionTrainer, join } from '../../client/index.ts';
import type { ParticipantEvent } from '../../client/participant/index.ts';
import { giveUpAfter } from '../../client/connect/give-up.ts';
import { serve } from '../../coordinator/index.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { FloeError } from '../../protocol/errors.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { createStage, DIMENSION, silent, testSpec, turns } from '../support/run.ts';

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const trainer = functionTrainer({
  manifest: { tensors: [{ name: 'w', shape: [DIMENSION], dtype: 'float32' }] },
  train: ({ weights }) => ({ weights, examples: 5, lossSum: 1, correct: 2 }),
});

const MINUTE = 60_000;
/** Its details are of no matter here. */
const CONNECTED = { type: 'connected' } as ParticipantEvent;

describe('a bound on waiting', () => {
  it('counts while a port does not answer, and names what was waited for', () => {
    const clock = manualClock(0);
    const ended: FloeError[] = [];
    const waiting = giveUpAfter(10 * MINUTE, clock, (error) => ended.push(error));
    clock.advance(9 * MINUTE);
    waiting.note(CONNECTED);
    clock.advance(30 * MINUTE);
    const error = new FloeError('gate_unavailable', 'two of three servers');
    waiting.note({ type: 'waiting', attempt: 1, error, port: 'gate' });
    clock.advance(9 * MINUTE);
    waiting.note({ type: 'waiting', attempt: 1, error, port: 'gate' });
    expect(ended).toEqual([]);
    clock.advance(MINUTE);
    expect(ended).toMatchObject([
      {
        code: 'no_progress',
        message: expect.stringMatching(
          /600 s.*the gate: gate_unavailable: two of three/u,
        ) as string,
      },
    ]);
    clock.advance(100 * MINUTE);
    expect(ended).toHaveLength(1);
  });

  it('does not count while others are missing and the connection is healthy', () => {
    const clock = manualClock(0);
    const ended: FloeError[] = [];
    const waiting = giveUpAfter(10 * MINUTE, clock, (error) => ended.push(error));
    waiting.note(CONNECTED);
    clock.advance(1000 * MINUTE);
    const error = new FloeError('connection_lost', 'reset');
    waiting.note({ type: 'reconnecting', tries: 1, delayMs: 1, isFirst: true, error });
    clock.advance(9 * MINUTE);
    waiting.note(CONNECTED);
    clock.advance(1000 * MINUTE);
    expect(ended).toEqual([]);
  });

  it('counts attempts that fail at this participant, one after the other', () => {
    const clock = manualClock(0);
    const ended: FloeError[] = [];
    const waiting = giveUpAfter(10 * MINUTE, clock, (error) => ended.push(error));
    waiting.note(CONNECTED);
    const error = new FloeError('trainer_failed', 'no such column');
    for (let attempt = 1; attempt < 7; attempt += 1) {
      waiting.note({ type: 'registered', attempt });
      waiting.note({ type: 'withdrawn', attempt, error } as ParticipantEvent);
      clock.advance(2 * MINUTE);
    }
    expect(ended).toMatchObject([
      { message: expect.stringMatching(/trainer_failed: no such column/u) as string },
    ]);
  });

  it('holds nobody once the run is over', () => {
    const clock = manualClock(0);
    const ended: FloeError[] = [];
    giveUpAfter(MINUTE, clock, (error) => ended.push(error)).release();
    clock.advance(2 * MINUTE);
    expect(ended).toEqual([]);
  });

  it('ends a participant of a coordinator that is gone, and has an exit code', async () => {
    const clock = manualClock(1e12);
    const stage = await createStage(await testSpec());
    const coordinator = stage.create();
    coordinator.finished.catch(() => undefined);
    await coordinator.start();
    const { store } = stage;
    const served = await serve(coordinator, { host: '127.0.0.1', port: 0, store, log: silent });
    const lines: string[] = [];
    const joined = Promise.withResolvers<void>();
    const run = await join(`ws://127.0.0.1:${served.port}`, {
      trainer,
      require: TEST_ADMISSION,
      giveUpMs: 10 * MINUTE,
      clock,
      log: (_, line) => lines.push(line),
      onEvent: ({ type }) => {
        if (type === 'connected') joined.resolve();
      },
    });
    closing.push(() => run.stop());
    const ended = run.finished.then(
      () => undefined,
      (thrown: unknown) => thrown as FloeError,
    );
    await joined.promise;
    await coordinator.stop();
    await served.close();
    const left: unknown[] = [];
    void ended.then((error) => left.push(error));
    for (let minutes = 0; minutes < 40 && left.length === 0; minutes += 1) {
      await turns(200);
      clock.advance(MINUTE / 2);
    }
    const error = await ended;
    expect(error).toMatchObject({ code: 'no_progress', retryable: false });
    expect(error?.message).toMatch(/600 s; it waited for the coordinator: connection_lost/u);
    expect(exitCodeOf('no_progress')).toBe(EXIT.unavailable);
    // However often it was tried meanwhile.
    expect(lines.filter((line) => line.startsWith('connection_lost')).length).toBeLessThanOrEqual(
      2,
    );
  });

  it('is the bound of a first contact, too: no shorter one ends it before', async () => {
    const clock = manualClock(Date.now());
    const began = clock.now();
    const causes = new Set<string>();
    const run = await join('ws://127.0.0.1:1', {
      trainer,
      clock,
      giveUpMs: 15 * MINUTE,
      log: () => undefined,
      onEvent: (event) => {
        if (event.type !== 'reconnecting') return;
        causes.add(event.error.code);
        setImmediate(() => clock.advance(event.delayMs));
      },
    });
    await expect(run.finished).rejects.toMatchObject({
      code: 'no_progress',
      message: expect.stringMatching(/900 s; it waited for the coordinator: connection_lost/u),
    });
    expect([...causes]).toEqual(['connection_lost']);
    expect(clock.now() - began).toBeGreaterThanOrEqual(15 * MINUTE);
  });

  it('is given as a time', () => {
    const read = (text: string) => patience('--give-up', text);
    expect(['90', '90s', '10m', '2h'].map(read)).toEqual([90_000, 90_000, 600_000, 7_200_000]);
    for (const text of ['', '0', '10d', '-1m', '1e3', '9999999h'])
      expect(() => read(text)).toThrowError(expect.objectContaining({ code: 'usage' }));
  });

  it('--wait takes the same times, and 0 for no waiting', () => {
    const read = (text: string) => patienceOrNone('--wait', text);
    expect(['0', '120', '10m'].map(read)).toEqual([0, 120_000, 600_000]);
    expect(() => read('0m')).toThrowError(expect.objectContaining({ code: 'usage' }));
  });
});
