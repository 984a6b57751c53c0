/**
 * @module The host of the machine: reduces one event after the other, saves the data of a step
 * before it shows the step's state, then performs the other effects. Long work runs in the
 * background; its results are queued like frames.
 */
import { toFloeError, FloeError } from '../../../protocol/errors.ts';
import type { ParticipantEvent } from '../events.ts';
import {
  attemptNumber,
  QUICK,
  type Effect,
  type Event,
  type Machine,
  type MachineConfig,
  type OutgoingFrame,
  type State,
  type Step,
  type Work,
} from '../machine/index.ts';
import type { KeptAttempt } from './attempt-cache.ts';
import { patience } from './wait-for-ports.ts';
import type { WorkPorts } from './ports.ts';
import type { Keeper } from './secrets.ts';
import { createWorks, isKeystoreFault } from './perform-work.ts';

export interface HostInit {
  readonly machine: Machine;
  readonly config: MachineConfig;
  readonly ports: WorkPorts;
  readonly keeper: Keeper;
  /** Aborts when the participant ends. */
  readonly signal: AbortSignal;
  /** Takes an event after all that came before it. */
  readonly post: (event: Event) => void;
  /** To the coordinator, if a session is up. */
  readonly send: (frame: OutgoingFrame) => void;
  readonly sendBytes: (frame: Uint8Array) => void;
  readonly announce: (remote: string) => void;
  readonly disconnect: (error: FloeError) => void;
  readonly end: (how: FloeError | 'finished') => void;
  readonly emit: (event: ParticipantEvent) => void;
  readonly warn: (message: string) => void;
}

export interface Host {
  readonly state: State;
  /** One event and what follows from it at once; never two at a time. */
  take(event: Event): Promise<void>;
  /** Cancels the works that run; what was saved stays. */
  stop(): void;
}

const failed = ({ type, attempt }: Work, error: FloeError): Event => ({
  type: 'failed',
  attempt,
  work: type,
  error,
});

interface Performer {
  /** @returns the event of the result, for a work that is done at once */
  readonly perform: (work: Work) => Promise<Event | undefined>;
  readonly cancel: () => void;
  /** Ends the training ahead, and forgets what it gave. */
  readonly drop: () => void;
}

/** Does the works of the attempt in progress, and keeps what they share. */
const createPerformer = (
  { ports, keeper, post, emit }: HostInit,
  isCurrent: (attempt: number) => boolean,
): Performer => {
  let kept: KeptAttempt | undefined;
  /** The update of a buffered run, which outlives attempts. */
  let hand: KeptAttempt | undefined = keeper.update && {
    number: keeper.loaded.ahead?.attempt ?? 0,
    stop: new AbortController(),
    trained: keeper.update,
  };
  const doWork = createWorks({
    ports,
    keeper,
    onTraining: (attempt, done, total) => {
      if (isCurrent(attempt)) emit({ type: 'training', attempt, done, total });
    },
    onEncoding: (attempt, done, total) => {
      if (isCurrent(attempt)) emit({ type: 'encoding', attempt, done, total });
    },
  });

  const cancel = (): void => {
    kept?.stop.abort();
    kept = undefined;
  };

  const drop = (): void => {
    hand?.stop.abort();
    hand = undefined;
  };

  /** What is kept of the attempt that the work is for. */
  const keptFor = ({ type, attempt }: Work): KeptAttempt => {
    if (type === 'prepare') {
      drop();
      hand = { number: attempt, stop: new AbortController() };
      return hand;
    }
    if (kept?.number === attempt) return kept;
    const fresh = { number: attempt, stop: new AbortController() };
    // A proof may be about an attempt of long ago.
    if (type === 'prove') return fresh;
    cancel();
    kept = fresh;
    return fresh;
  };

  const start = async (work: Work): Promise<Event> => {
    const { attempt } = work;
    const own = keptFor(work);
    if (work.type === 'vector' && hand?.trained !== undefined) own.trained = hand.trained;
    const { signal } = own.stop;
    const { clock, backoff, patienceMs } = ports;
    const wait = patience({
      clock,
      backoff,
      random: ports.own.random,
      patienceMs,
      signal,
      onWaiting: (error) => post({ type: 'outage', attempt, error }),
      onOver: ({ port }, milliseconds) =>
        post({ type: 'outage-over', attempt, port, milliseconds }),
    });
    return { type: 'done', attempt, result: await doWork(work, own, { signal, wait }) };
  };

  return {
    cancel,
    drop,
    perform: async (work) => {
      if (!QUICK.has(work.type)) {
        start(work).then(post, (thrown: unknown) =>
          post(failed(work, toFloeError(thrown, 'internal'))),
        );
        return undefined;
      }
      try {
        return await start(work);
      } catch (thrown) {
        // Anything else is a fault of this program, which ends the participant.
        if (!(thrown instanceof FloeError)) throw thrown;
        return failed(work, thrown);
      }
    },
  };
};

export const createHost = (init: HostInit): Host => {
  const { machine, config, keeper } = init;
  let state = machine.initial(config.view, keeper.loaded);
  const { perform, cancel, drop } = createPerformer(init, (attempt) => {
    const { phase, ahead } = state;
    const isAhead = ahead.type === 'training' && ahead.base.attempt === attempt;
    return isAhead || attemptNumber(phase) === attempt;
  });

  /** @returns the event of a result that is there at once */
  const apply = async (effect: Effect): Promise<Event | undefined> => {
    switch (effect.type) {
      case 'save':
        break;
      case 'send':
        init.send(effect.frame);
        break;
      case 'send-bytes':
        init.sendBytes(effect.frame);
        break;
      case 'work':
        return perform(effect.work);
      case 'cancel':
        cancel();
        break;
      case 'drop-update':
        drop();
        break;
      case 'emit':
        init.emit(effect.event);
        break;
      case 'warn':
        init.warn(effect.message);
        break;
      case 'announce':
        init.announce(effect.remote);
        break;
      case 'disconnect':
        init.disconnect(effect.error);
        break;
      case 'end':
        init.end(effect.how);
        break;
    }
    return undefined;
  };

  /** @returns what comes instead of the step, where the keystore does not take it */
  const save = async ({ effects }: Step): Promise<Event | undefined> => {
    for (const effect of effects) {
      if (effect.type !== 'save') continue;
      const { memory, otherwise } = effect;
      try {
        // In order: the last memory of a step is the one that stays.
        // oxlint-disable-next-line no-await-in-loop
        await keeper.save(memory);
      } catch (thrown) {
        if (!isKeystoreFault(thrown)) throw thrown;
        if (otherwise !== 'warn') return { type: 'not-saved', otherwise, error: thrown };
        const attempt = attemptNumber(state.phase);
        init.warn(
          `attempt ${attempt} is left, and the keystore cannot record it: ${thrown.message}`,
        );
      }
    }
    return undefined;
  };

  const reduce = async (event: Event): Promise<Event[]> => {
    const next = machine.step(config, state, event);
    const instead = await save(next);
    if (instead !== undefined) return [instead];
    ({ state } = next);
    const results: Event[] = [];
    for (const effect of next.effects) {
      // In order: a later effect may rest on an earlier one.
      // oxlint-disable-next-line no-await-in-loop
      const result = await apply(effect);
      if (result !== undefined) results.push(result);
    }
    return results;
  };

  return {
    get state() {
      return state;
    },
    take: async (event) => {
      const waiting = [event];
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if (init.signal.aborted) return;
        // oxlint-disable-next-line no-await-in-loop
        waiting.push(...(await reduce(next)));
      }
    },
    stop: () => {
      cancel();
      drop();
    },
  };
};
