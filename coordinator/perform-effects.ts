/**
 * @module Performs the effects of a batch once it is in the journal: frames, work, progress, and
 * the removal of uploads when an attempt ends.
 */
import { toFloeError } from '../protocol/errors.ts';
import type { SignedRecord } from '../protocol/records/records.ts';
import type { AnomalyWatch } from './anomalies/watch.ts';
import { errorFields, progressFields, shortKey, type Logger } from './log.ts';
import type { WorkFaults } from './own-fault-counter.ts';
import type { Effect, EventBody, Progress, Work } from './machine/index.ts';
import type { Metrics } from './metrics.ts';
import type { Sessions } from './sessions.ts';
import type { Told } from './status.ts';
import { doWork, type WorkContext } from './attempt-work.ts';

/**
 * Tells progress to metrics, log and the caller, whose error is no concern of the run; a commit
 * with its anomaly report.
 */
export const createPublisher =
  (
    metrics: Metrics,
    log: Logger,
    anomalies: Pick<AnomalyWatch, 'judge'>,
    onEvent: ((progress: Progress) => void) | undefined,
  ) =>
  (given: Progress): void => {
    const progress = given.type === 'committed' ? anomalies.judge(given) : given;
    metrics.observe(progress);
    log.info(progressFields(progress), progress.type);
    if (progress.type === 'committed')
      for (const anomaly of progress.anomalies ?? [])
        log.warn({ attempt: progress.attempt, version: progress.version, ...anomaly }, 'anomaly');
    try {
      onEvent?.(progress);
    } catch (thrown) {
      log.error({ reason: toFloeError(thrown).message }, 'onEvent threw');
    }
  };

const endsAttempt = ({ type }: SignedRecord): boolean => type === 'commit' || type === 'abort';

export interface PerformInit {
  readonly sessions: Pick<Sessions, 'send'>;
  readonly told: Told;
  readonly log: Logger;
  readonly publish: (progress: Progress) => void;
  readonly startWork: (work: Work) => void;
  /** An attempt has ended. */
  readonly onEnded: () => void;
}

/** Performs the effects of a batch. */
export const performEffects = (init: PerformInit, effects: readonly Effect[]): void => {
  const { sessions, told, log, publish, startWork } = init;
  const sendFrame = ({ to, frame }: Effect & { type: 'send' }): void => {
    if (frame.type === 'error' && to !== 'everyone') {
      const participant = shortKey(to[0] ?? '');
      log.warn({ participant, code: frame.code, reason: frame.message }, 'refused');
    }
    if (frame.type === 'finished') told.note(to);
    sessions.send(to, frame);
  };
  for (const effect of effects)
    switch (effect.type) {
      case 'append':
        break;
      case 'send':
        sendFrame(effect);
        break;
      case 'work':
        startWork(effect.work);
        break;
      case 'publish':
        publish(effect.progress);
        break;
    }
  if (effects.some((effect) => effect.type === 'append' && endsAttempt(effect.record)))
    init.onEnded();
};

/** The pieces of work in progress. */
export interface Working {
  readonly start: (work: Work) => void;
  /** Something else that never fails, and counts as work. */
  readonly beside: (task: Promise<void>) => void;
  /** Resolves once all of it has ended, or was left behind by the stop. */
  readonly settled: () => Promise<void>;
  /** Whether some is in progress. */
  readonly busy: boolean;
}

export const createWorking = (init: {
  readonly context: () => WorkContext;
  readonly dispatch: (body: EventBody) => void;
  readonly faults: WorkFaults;
  readonly fail: (thrown: unknown) => void;
  readonly signal: AbortSignal;
}): Working => {
  const { context, dispatch, faults, fail, signal } = init;
  const working = new Set<Promise<void>>();
  /**
   * What `work` gives, or undefined once the coordinator stops. A race with one promise that lasts
   * as long as the process would keep every result until its end.
   */
  const untilStopped = <Result>(work: Promise<Result>): Promise<Result | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<Result | undefined>();
    const stop = (): void => resolve(undefined);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject);
    return promise.finally(() => signal.removeEventListener('abort', stop));
  };
  /**
   * A fault of this program stops the coordinator, and leaves the attempt to the one that is
   * started again.
   */
  const settle = (work: Work, event: EventBody): void => {
    const stopsWith = faults.note(work, event);
    if (stopsWith === undefined) dispatch(event);
    else fail(stopsWith);
  };
  return {
    start: (work) => {
      // A store or ledger that never answers must not keep the coordinator from stopping.
      const task = untilStopped(doWork(context(), work))
        .then((event) => event && settle(work, event))
        .catch((thrown: unknown) => (signal.aborted ? undefined : fail(thrown)))
        .finally(() => working.delete(task));
      working.add(task);
    },
    beside: (given) => {
      const task = untilStopped(given).finally(() => working.delete(task));
      working.add(task);
    },
    settled: async () => {
      await Promise.allSettled(working);
    },
    get busy() {
      return working.size > 0;
    },
  };
};

/** Calls of `work`, one at a time; what fails is done again with the next call. */
export const createSweeper = (
  work: () => Promise<void>,
  log: Logger,
): { readonly start: () => void; readonly settled: () => Promise<void> } => {
  let sweeping: Promise<void> = Promise.resolve();
  return {
    start: () => {
      sweeping = sweeping
        .then(work)
        .catch((thrown: unknown) =>
          log.warn(errorFields(toFloeError(thrown)), 'uploads that are of no use stay for now'),
        );
    },
    settled: () => sweeping,
  };
};
