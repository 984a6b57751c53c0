/**
 * @module The handle of one worker thread with a trainer in it: calls and their answers, its end.
 * Node only.
 */
import { FloeError, toFloeError } from '../../protocol/errors.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import { keepGenericWrappers } from '../../protocol/wasm-wrappers.ts';
import { prepareTensorflow } from '../native/built.ts';
import type { EvaluateResult, TrainResult } from '../trainer.ts';
import {
  errorOf,
  type Facts,
  type ThreadAnswer,
  type ThreadCall,
  type ThreadStart,
} from './messages.ts';

/** How long the thread may take to dispose of its trainer before it is ended. */
const DISPOSE_MS = 5000;

/** `node:worker_threads` where there is one. */
const workerThreads = globalThis.process?.getBuiltinModule?.('node:worker_threads');
type Worker = InstanceType<NonNullable<typeof workerThreads>['Worker']>;

/** Whether trainers can have a thread here: in Node, not in browsers. */
export const hasThreads = workerThreads !== undefined;

/** Modules of this folder: TypeScript in the sources, JavaScript in `dist`. */
export const sibling = (name: string): URL =>
  new URL(`./${name}.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

/** A worker whose trainer is there. */
export interface Running {
  readonly facts: Facts;
  call(
    message: (id: number) => ThreadCall,
    transfer: readonly ArrayBuffer[],
  ): Promise<TrainResult | EvaluateResult>;
  dispose(): void;
}

const lost = (why: string, cause?: unknown): FloeError =>
  new FloeError(
    'trainer_lost',
    `the thread that trains has ended: ${why}`,
    {},
    cause === undefined ? {} : { cause },
  );

/**
 * Starts the worker and waits for its trainer.
 *
 * @param onEnd called once the worker takes no more calls
 * @throws FloeError what makes the trainer throws; `trainer_lost`, `backend_unavailable`
 */
export const startWorker = async (
  start: ThreadStart,
  clock: Clock,
  onEnd: () => void,
): Promise<Running> => {
  if (workerThreads === undefined)
    throw new FloeError('backend_unavailable', 'there are no worker threads here: use Node');
  prepareTensorflow();
  keepGenericWrappers();
  const worker: Worker = new workerThreads.Worker(sibling('worker'), { workerData: start });
  const waiting = new Map<
    number,
    {
      readonly resolve: (value: TrainResult | EvaluateResult) => void;
      readonly reject: (error: Error) => void;
    }
  >();
  const ready = Promise.withResolvers<Facts>();
  let next = 0;
  let ended: FloeError | undefined;
  let cancelGrace: (() => void) | undefined;
  const end = (error: FloeError): void => {
    if (ended === undefined) onEnd();
    ended ??= error;
    ready.reject(ended);
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  const settle = (id: number) => {
    const call = waiting.get(id);
    waiting.delete(id);
    // A thread that has nothing to do keeps no process alive.
    if (waiting.size === 0) worker.unref();
    return call;
  };
  worker.on('message', (answer: ThreadAnswer) => {
    switch (answer.type) {
      case 'ready':
        ready.resolve(answer.facts);
        return;
      case 'unusable':
        end(toFloeError(errorOf(answer.error)));
        void worker.terminate();
        return;
      case 'done':
        settle(answer.id)?.resolve(answer.value);
        return;
      case 'failed':
        settle(answer.id)?.reject(errorOf(answer.error));
    }
  });
  worker.on('error', (thrown) => end(lost(thrown.message, thrown)));
  worker.on('exit', (code) => {
    cancelGrace?.();
    end(lost(`exit code ${code}`));
  });
  const facts = await ready.promise;
  worker.unref();
  return {
    facts,
    call: (message, transfer) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) {
          reject(ended);
          return;
        }
        const id = next;
        next += 1;
        waiting.set(id, { resolve, reject });
        worker.ref();
        worker.postMessage(message(id), transfer);
      }),
    dispose: () => {
      end(new FloeError('aborted', 'The trainer was disposed.'));
      worker.unref();
      cancelGrace = clock.after(DISPOSE_MS, () => void worker.terminate());
      const message: ThreadCall = { type: 'dispose' };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- not a window
      worker.postMessage(message);
    },
  };
};
