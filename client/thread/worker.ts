/**
 * @module The worker behind `threadTrainer`: makes the trainer of a module and answers calls. Node
 * only.
 */
import { parentPort, workerData, type Transferable } from 'node:worker_threads';
import { FloeError } from '../../protocol/errors.ts';
import type { Trainer } from '../trainer.ts';
import {
  carryError,
  sharedCall,
  type ThreadAnswer,
  type ThreadCall,
  type ThreadStart,
} from './messages.ts';

const port = parentPort;
if (port === null) throw new FloeError('internal', 'expected to run in a worker thread');
const { module, argument } = workerData as ThreadStart;

const send = (answer: ThreadAnswer, transfer: readonly Transferable[] = []): void =>
  port.postMessage(answer, transfer);

/** Weights that own their memory are moved; a view, or a trainer's own memory, is copied first. */
const movable = (weights: Float32Array): Float32Array<ArrayBuffer> =>
  weights.buffer instanceof ArrayBuffer && weights.byteLength === weights.buffer.byteLength
    ? (weights as Float32Array<ArrayBuffer>)
    : new Float32Array(weights);

/** One call after the other, as every trainer is used. */
let last: Promise<void> = Promise.resolve();
const inTurn = (work: () => Promise<void>): void => {
  last = last.then(work);
};

const running = new Map<number, AbortController>();

const trainOnce = async (
  trainer: Trainer,
  { id, request, shared }: Extract<ThreadCall, { type: 'train' }>,
): Promise<void> => {
  const cancel = new AbortController();
  const call = sharedCall(shared);
  const look = (): void => {
    if (call.isCancelled()) cancel.abort();
  };
  running.set(id, cancel);
  try {
    look();
    const result = await trainer.train({
      ...request,
      signal: cancel.signal,
      // Here the trainer is between two steps, whether or not it lets other work run.
      onProgress: (done, total) => {
        call.say(done, total);
        look();
      },
    });
    const weights = movable(result.weights);
    send({ type: 'done', id, value: { ...result, weights } }, [weights.buffer]);
  } catch (thrown) {
    send({ type: 'failed', id, error: carryError(thrown, 'trainer_failed') });
  } finally {
    running.delete(id);
  }
};

const evaluateOnce = async (
  trainer: Trainer,
  { id, weights, data }: Extract<ThreadCall, { type: 'evaluate' }>,
): Promise<void> => {
  try {
    send({ type: 'done', id, value: await trainer.evaluate(weights, data) });
  } catch (thrown) {
    send({ type: 'failed', id, error: carryError(thrown, 'trainer_failed') });
  }
};

const answer = (trainer: Trainer, call: ThreadCall): void => {
  switch (call.type) {
    case 'train':
      inTurn(() => trainOnce(trainer, call));
      return;
    case 'evaluate':
      inTurn(() => evaluateOnce(trainer, call));
      return;
    case 'dispose':
      for (const cancel of running.values()) cancel.abort();
      // What still runs stops at its next step; no memory is freed below it.
      inTurn(async () => {
        trainer.dispose();
        port.close();
      });
  }
};

const open = async (): Promise<Trainer> => {
  const made = (await import(module)) as { createTrainer?: unknown };
  if (typeof made.createTrainer !== 'function')
    throw new FloeError('trainer_failed', `${module}: expected an export createTrainer`);
  return (made.createTrainer as (argument: unknown) => Promise<Trainer> | Trainer)(argument);
};

try {
  const trainer = await open();
  const { manifest, backend, examples, base, corrections, localSteps, report } = trainer;
  port.on('message', (call: ThreadCall) => answer(trainer, call));
  const facts = {
    manifest,
    backend,
    ...(examples === undefined ? {} : { examples }),
    ...(base === undefined ? {} : { base }),
    ...(corrections === undefined ? {} : { corrections }),
    ...(localSteps === undefined ? {} : { localSteps }),
    ...(report === undefined ? {} : { report }),
  };
  send({ type: 'ready', facts });
} catch (thrown) {
  send({ type: 'unusable', error: carryError(thrown, 'trainer_failed') });
}
