/**
 * A trainer in a thread of its own: the compliance suite of the port, and what a thread adds:
 * progress by the clock, cancelling, errors that keep their code, a thread that dies.
 */
import { describe, expect, it } from 'vitest';
import { faultName } from '../../client/participant/machine/trainer-fault.ts';
import { threadTrainer } from '../../client/thread/trainer.ts';
import type { Trainer, TrainRequest } from '../../client/trainer.ts';
import { FloeError } from '../../protocol/errors.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { trainerSuite } from '../../testing/index.ts';
import type { ThreadCase } from './thread-modules.ts';

const module = new URL('./thread-modules.ts', import.meta.url);
const open = (argument: ThreadCase, clock = manualClock()): Promise<Trainer> =>
  threadTrainer({ module, argument, clock });

for (const type of ['function', 'tfjs'] as const)
  trainerSuite({ describe, expect, it }, `in a thread, ${type}`, async () => ({
    trainer: await open({ type }),
    learningRate: 0.01,
  }));

const request = (more: Partial<TrainRequest> = {}): TrainRequest => ({
  weights: new Float32Array(7).fill(1),
  round: 1,
  epochs: 1,
  batchSize: 2,
  learningRate: 0.1,
  seed: new Uint8Array(32),
  ...more,
});

const failure = async (work: Promise<unknown>): Promise<FloeError> => {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(FloeError);
  return thrown as FloeError;
};

/** Waits until cell 0 has reached the value, without holding this thread. */
const reached = async (cells: Int32Array, value: number): Promise<void> => {
  for (;;) {
    const now = Atomics.load(cells, 0);
    if (now >= value) return;
    await Atomics.waitAsync(cells, 0, now).value;
  }
};

const letGo = (cells: Int32Array, index: number): void => {
  Atomics.store(cells, index, 1);
  Atomics.notify(cells, index);
};

describe('a trainer in a thread', () => {
  it('says what it is before it trains, and trains no more once it is disposed of', async () => {
    const trainer = await open({ type: 'function' });
    expect(trainer).toMatchObject({ backend: 'own', examples: 3 });
    expect(trainer.corrections).toBeUndefined();
    trainer.dispose();
    await expect(trainer.train(request())).rejects.toMatchObject({ code: 'aborted' });
  });

  it('gives trained weights that are a view of larger memory', async () => {
    const trainer = await open({ type: 'view' });
    const plain = await open({ type: 'function' });
    expect(await trainer.train(request())).toEqual(await plain.train(request()));
    for (const each of [trainer, plain]) each.dispose();
  });

  it('reports progress once a second of the clock while its thread is held', async () => {
    const gate = new SharedArrayBuffer(16);
    const cells = new Int32Array(gate);
    const clock = manualClock();
    const trainer = await open({ type: 'held', gate }, clock);
    const seen: number[] = [];
    const training = trainer.train(request({ onProgress: (done) => seen.push(done) }));
    for (const step of [1, 2, 3]) {
      await reached(cells, step);
      clock.advance(999);
      expect(seen).toHaveLength(step - 1);
      clock.advance(1);
      expect(seen).toHaveLength(step);
      // Where nothing is new, nothing is reported.
      clock.advance(1000);
      expect(seen).toHaveLength(step);
      letGo(cells, step);
    }
    await training;
    expect(seen).toEqual([1, 2, 3]);
    expect(clock.next()).toBeUndefined();
    trainer.dispose();
  });

  it('rejects at once when it is cancelled, and a synchronous trainer stops at its next step', async () => {
    const counter = new SharedArrayBuffer(8);
    const cells = new Int32Array(counter);
    const trainer = await open({ type: 'steps', counter });
    const stop = new AbortController();
    const training = failure(trainer.train(request({ signal: stop.signal })));
    await reached(cells, 1);
    stop.abort();
    // The thread is still held in its first step.
    expect((await training).code).toBe('aborted');
    letGo(cells, 1);
    // Calls follow one another: once this one is answered, the cancelled one has ended.
    expect((await failure(trainer.evaluate(new Float32Array(7)))).code).toBe('trainer_failed');
    expect(Atomics.load(cells, 0)).toBe(1);
    trainer.dispose();
  });

  it('an error keeps its code, its details and the class of its cause', async () => {
    const trainer = await open({ type: 'fails' });
    const wrapped = await failure(trainer.train(request()));
    expect(wrapped).toMatchObject({ code: 'trainer_failed', message: 'expected a row' });
    expect(faultName(wrapped, wrapped.message)).toMatch(/^TypeError /u);
    const own = await failure(trainer.train(request({ round: 2 })));
    expect(own.code).toBe('data_unfit');
    expect(own.details).toEqual({ row: 3 });
    trainer.dispose();
  });

  it('a trainer that cannot be made is refused by its own code', async () => {
    expect(await failure(open({ type: 'unusable' }))).toMatchObject({
      code: 'model_malformed',
      details: { layer: 'x' },
    });
    const missing = new URL('./no-such-module.ts', import.meta.url);
    expect((await failure(threadTrainer({ module: missing }))).code).toBe('installation_broken');
    const other = new URL('./task-models.ts', import.meta.url);
    expect((await failure(threadTrainer({ module: other }))).code).toBe('trainer_failed');
  });

  it('a thread that dies is named, and the next call has another one', async () => {
    const trainer = await open({ type: 'dies' });
    const before = await trainer.train(request());
    const lost = await failure(trainer.train(request({ round: 2 })));
    expect(lost).toMatchObject({ code: 'trainer_lost', retryable: true });
    expect(await trainer.train(request())).toEqual(before);
    trainer.dispose();
  });
});
