/**
 * @module The coordinator's one writer: events are reduced in the order in which they came, kept in the journal, and only then
 * is what they ask for done. Whatever arrives within a turn of the event loop, or while the journal writes, shares one batch.
 * A disk that takes no write is waited for: nothing is acknowledged meanwhile, nothing is lost, and the run's time stands still.
 */
import { sleep, type Clock } from '../protocol/ports/clock.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { eventLoopTurn } from '../protocol/secagg/turn.ts';
import { STORAGE_ERRORS } from '../protocol/storage-errors.ts';
import { openHistory, type History, type JournalStep } from './journal/history.ts';
import type { Journal } from './journal/port.ts';
import { errorFields, type Logger } from './log.ts';
import {
  initialState,
  nextWake,
  step,
  type Effect,
  type Event,
  type EventBody,
  type MachineConfig,
  type State,
} from './machine/index.ts';
import { runClock, type RunClock } from './run-clock.ts';
import { pauseAfter } from './work.ts';

/** Events that wait to be written at most; a participant that sends more meanwhile is cut off. */
const MAX_WAITING = 10_000;

export interface LoopInit {
  readonly config: MachineConfig;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Does what a batch asks for; it is in the journal. */
  readonly perform: (effects: readonly Effect[]) => void;
  /** After a batch is in the journal, before its effects: what must not outlive the state before. Repeated until it works. */
  readonly tidy: (state: State) => Promise<void>;
  /** Says why the disk is waited for. */
  readonly onHold: (error: FloeError) => void;
  readonly onFailure: (thrown: unknown) => void;
}

export interface Loop {
  readonly state: State;
  readonly history: History;
  /** The run's own time, ms. */
  now(): number;
  /** Restores the state from the journal. @returns events that were replayed */
  open(): Promise<number>;
  dispatch(body: EventBody): void;
  /** @throws FloeError `rate_limited` when more events wait than may */
  checkRoom(): void;
  /** Resolves once nothing waits to be written. */
  drained(): Promise<void>;
  /** Repeats a piece of work while the disk is at fault. */
  persist(work: () => Promise<void>): Promise<void>;
  /** Lets the run's time stand still until the function that it returns is called. */
  hold(error: FloeError): () => void;
  /** What the run waits for, if its disk takes no write. */
  readonly held: FloeError | undefined;
  stop(): void;
}

export const createLoop = (init: LoopInit): Loop => {
  const { config, clock, log, signal } = init;
  let state: State = initialState;
  let history: History | undefined;
  let time: RunClock = runClock(clock, 0);
  let lastTime = 0;
  let queue: EventBody[] = [];
  let running: Promise<void> | undefined;
  let cancelWake: (() => void) | undefined;
  const holds = new Set<FloeError>();

  const opened = (): History => {
    if (history === undefined) throw new FloeError('internal', 'the journal is not open');
    return history;
  };

  const armWake = (): void => {
    cancelWake?.();
    const at = nextWake(config, state, lastTime);
    cancelWake = at === undefined ? undefined : time.at(at, () => dispatch({ type: 'tick' }));
  };

  const hold = (error: FloeError): (() => void) => {
    // Several pieces of work may wait for the same disk.
    const own = new FloeError(error.code, error.message, error.details, { cause: error });
    if (holds.size === 0) {
      time.hold();
      cancelWake?.();
      log.error(errorFields(error), 'the run stands still until the disk takes writes');
      init.onHold(error);
    }
    holds.add(own);
    return () => {
      if (!holds.delete(own) || holds.size > 0 || signal.aborted) return;
      time.release();
      armWake();
      log.info({}, 'the disk takes writes again');
    };
  };

  const persist = async (write: () => Promise<void>): Promise<void> => {
    let release: (() => void) | undefined;
    try {
      for (let failures = 1; ; failures += 1) {
        try {
          return await write();
        } catch (thrown) {
          const error = toFloeError(thrown);
          if (!STORAGE_ERRORS.has(error.code)) throw error;
          release ??= hold(error);
          await sleep(clock, pauseAfter(failures), signal);
        }
      }
    } finally {
      release?.();
    }
  };

  /** Reduces what waits, keeps it as one batch, then does what it asks for. */
  const flush = async (): Promise<void> => {
    const bodies = queue;
    queue = [];
    const steps: JournalStep[] = [];
    let next = state;
    const effects = bodies.flatMap((body) => {
      lastTime = Math.max(lastTime, time.now());
      const event: Event = { ...body, time: lastTime };
      const before = next;
      const result = step(config, next, event);
      next = result.state;
      const records = result.effects.flatMap((effect) =>
        effect.type === 'append' ? [effect.record] : [],
      );
      if (next !== before) steps.push({ event, records });
      return result.effects;
    });
    if (steps.length > 0) await persist(() => opened().append(steps, next));
    state = next;
    await persist(() => init.tidy(next));
    init.perform(effects);
    armWake();
  };

  const drain = async (): Promise<void> => {
    try {
      do {
        // In order: each batch begins where the one before has ended.
        /* oxlint-disable no-await-in-loop */
        await eventLoopTurn();
        if (!signal.aborted) await flush();
        /* oxlint-enable no-await-in-loop */
      } while (queue.length > 0 && !signal.aborted);
    } catch (thrown) {
      if (!signal.aborted) init.onFailure(thrown);
    } finally {
      running = undefined;
    }
  };

  const dispatch = (body: EventBody): void => {
    if (signal.aborted) return;
    queue.push(body);
    running ??= drain();
  };

  return {
    get state() {
      return state;
    },
    get history() {
      return opened();
    },
    now: () => time.now(),
    open: async () => {
      history = await openHistory(init.journal, config.run);
      const restored = await history.restore(config);
      ({ state, time: lastTime } = restored);
      time = runClock(clock, lastTime);
      return restored.replayed;
    },
    dispatch,
    checkRoom: () => {
      if (queue.length >= MAX_WAITING)
        throw new FloeError('rate_limited', `${queue.length} events wait to be written`);
    },
    drained: async () => running,
    persist,
    hold,
    get held() {
      const [first] = holds;
      return first;
    },
    stop: () => cancelWake?.(),
  };
};
