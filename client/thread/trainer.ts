/**
 * @module A trainer in a worker thread of its own: the thread that holds the connection answers
 * heartbeats, notices aborts and reports progress while a training step runs. Node only.
 *
 * Memory: the thread has its own copy of the argument, so of the examples, unless they are on a
 * SharedArrayBuffer. A call copies the weights that it is given once and moves the copy; the
 * trained weights are moved without a copy. Beside the trainer's own memory that is one model while
 * it trains.
 */
import { FloeError } from '../../protocol/errors.ts';
import { systemClock, type Clock } from '../../protocol/ports/clock.ts';
import {
  requireCorrections,
  requireSteps,
  requireLength,
  requireRequest,
  throwIfAborted,
  type Trainer,
  type TrainRequest,
  type TrainResult,
} from '../trainer.ts';
import { sharedCall, type SharedCall, type ThreadStart } from './messages.ts';
import { sibling, startWorker, type Running } from './running.ts';

export interface ThreadTrainerOptions {
  /**
   * A module that exports `createTrainer(argument)`, which gives a {@link Trainer} or a promise of
   * one. It is imported in the thread, at the start, and again after the thread was lost.
   */
  readonly module: URL | string;
  /** Given to `createTrainer`; must be clonable. */
  readonly argument?: unknown;
  /** Default: the system's. Progress is reported about once a second of it. */
  readonly clock?: Clock;
}

const PROGRESS_MS = 1000;

/**
 * The module that makes the tfjs trainer of a specification and examples: `SpecTrainerInput`. A
 * function, because a bundle for browsers loads where `import.meta.url` is not defined.
 */
export const specTrainerModule = (): URL => sibling('spec-trainer');

/** The same for the trainer of a user's own module: `ModuleTrainerInput`. */
export const moduleTrainerModule = (): URL => sibling('module-trainer');

/** Rejects with `aborted` as soon as the signal fires, whatever the thread is doing. */
const untilAborted = async <T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> => {
  if (signal === undefined) return work;
  const fired = Promise.withResolvers<never>();
  const abort = (): void =>
    fired.reject(new FloeError('aborted', 'Training was cancelled.', {}, { cause: signal.reason }));
  // The thread's own answer to the cancelled call comes later, to nobody.
  work.catch(() => undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, fired.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
};

/** Looks once a second how far the thread is; returns what tells the rest, and what ends it. */
const followProgress = (
  clock: Clock,
  { heard }: SharedCall,
  onProgress: TrainRequest['onProgress'],
): { readonly tell: () => void; readonly stop: () => void } => {
  if (onProgress === undefined) return { tell: () => undefined, stop: () => undefined };
  let told = -1;
  let stop: () => void;
  const tell = (): void => {
    const { done, total } = heard();
    if (done <= told || total === 0) return;
    told = done;
    onProgress(done, total);
  };
  const tellLater = (): void => {
    stop = clock.after(PROGRESS_MS, () => {
      tellLater();
      tell();
    });
  };
  tellLater();
  return { tell, stop: () => stop() };
};

/**
 * Makes the trainer of a module in a worker thread.
 *
 * A thread that is lost rejects what it was doing with `trainer_lost`; the next call starts
 * another one. An abort rejects at once, and the thread stops where its trainer next reports
 * progress or looks at its signal: for tfjs after 20 ms, or after the step that runs.
 *
 * @example
 * const trainer = await threadTrainer({ module: new URL('./my-trainer.js', import.meta.url) });
 * @throws FloeError what `createTrainer` throws, with its code; `trainer_lost`,
 * `backend_unavailable` where there are no threads, `installation_broken`
 */
export const threadTrainer = async (options: ThreadTrainerOptions): Promise<Trainer> => {
  const { module, argument, clock = systemClock } = options;
  const start: ThreadStart = { module: String(module), argument };
  let current: Promise<Running> | undefined;
  let disposed = false;
  const running = (): Promise<Running> => {
    if (current !== undefined) return current;
    const begun = startWorker(start, clock, () => {
      if (current === begun) current = undefined;
    });
    current = begun;
    return begun;
  };
  const { facts } = await running();
  const { manifest } = facts;

  /** The worker of now: one that was started again trains the same model. */
  const worker = async (): Promise<Running> => {
    if (disposed) throw new FloeError('aborted', 'The trainer was disposed.');
    const found = await running();
    if (JSON.stringify(found.facts.manifest) !== JSON.stringify(manifest))
      throw new FloeError('tensor_mismatch', 'the thread started again with another model');
    return found;
  };

  const train = async (request: TrainRequest): Promise<TrainResult> => {
    const { signal, onProgress, ...plain } = request;
    requireRequest(manifest, request);
    requireCorrections(facts, request.correction);
    requireSteps(facts, request.steps);
    throwIfAborted(signal);
    const thread = await worker();
    throwIfAborted(signal);
    const shared = sharedCall();
    const progress = followProgress(clock, shared, onProgress);
    // The caller keeps its weights: a copy is moved.
    const weights = new Float32Array(request.weights);
    const { memory } = shared;
    try {
      const work = thread.call(
        (id) => ({ type: 'train', id, request: { ...plain, weights }, shared: memory }),
        [weights.buffer],
      );
      const result = await untilAborted(signal, work);
      progress.tell();
      return result as TrainResult;
    } finally {
      progress.stop();
      // After a result it changes nothing. Else a trainer that lets nothing else run learns here
      // that it is to stop.
      shared.cancel();
    }
  };

  return {
    ...facts,
    train,
    evaluate: async (given, data) => {
      requireLength(manifest, given);
      const thread = await worker();
      const weights = new Float32Array(given);
      return thread.call((id) => ({ type: 'evaluate', id, weights, data }), [weights.buffer]);
    },
    dispose: () => {
      if (disposed) return;
      disposed = true;
      // One that could not be started has nothing to dispose of; its caller has the error.
      current?.then(
        (thread) => thread.dispose(),
        () => undefined,
      );
    },
  };
};
