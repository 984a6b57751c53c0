/**
 * @module The coordinator's single writer. Events are reduced in order of arrival and written to
 * the journal; their effects are performed after that. Events that arrive within one turn of the
 * event loop, or while the journal writes, share a batch. While the disk rejects writes, the loop
 * acknowledges nothing, loses nothing and pauses the run clock.
 */
import type { Clock } from '../protocol/ports/clock.ts';
import { FloeError } from '../protocol/errors.ts';
import { eventLoopTurn } from '../protocol/secagg/event-loop-turn.ts';
import { createDiskHold, type DiskHold } from './disk-hold.ts';
import {
  EVENTS_PER_SNAPSHOT,
  openHistory,
  type History,
  type JournalStep,
} from './journal/history.ts';
import type { Journal } from './journal/port.ts';
import type { Logger } from './log.ts';
import type { Effect, Event, EventBody, Machine, MachineConfig, State } from './machine/index.ts';
import { runClock, type RunClock } from './run-clock.ts';

/** Events that wait to be written at most; a participant that sends more meanwhile is cut off. */
const MAX_WAITING = 10_000;

export interface LoopInit {
  readonly machine: Machine;
  readonly config: MachineConfig;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Performs the effects of a batch, once it is in the journal. */
  readonly perform: (effects: readonly Effect[]) => void;
  /**
   * After a batch is in the journal, before its effects: what must not outlive the state before.
   * Repeated until it works.
   */
  readonly tidy: (state: State) => Promise<void>;
  /** Reports the error that the loop waits on. */
  readonly onHold: (error: FloeError) => void;
  readonly onFailure: (thrown: unknown) => void;
}

export interface Loop extends DiskHold {
  readonly state: State;
  readonly history: History;
  /** The run clock, ms. */
  now(): number;
  /** Restores the state from the journal. @returns events that were replayed */
  open(): Promise<number>;
  dispatch(body: EventBody): void;
  /** @throws FloeError `rate_limited` when more events wait than may */
  checkRoom(): void;
  /** Resolves once nothing waits to be written. */
  drained(): Promise<void>;
  /** Whether something does. */
  readonly busy: boolean;
  stop(): void;
}

export const createLoop = (init: LoopInit): Loop => {
  const { machine, config, clock, log, signal } = init;
  let state: State = machine.initial;
  let history: History | undefined;
  let time: RunClock = runClock(clock, 0);
  let lastTime = 0;
  let queue: EventBody[] = [];
  let running: Promise<void> | undefined;
  let cancelWake: (() => void) | undefined;

  const opened = (): History => {
    if (history === undefined) throw new FloeError('internal', 'the journal is not open');
    return history;
  };

  const armWake = (): void => {
    cancelWake?.();
    const at = machine.nextWake(config, state, lastTime);
    cancelWake = at === undefined ? undefined : time.at(at, () => dispatch({ type: 'tick' }));
  };

  const disk = createDiskHold({
    clock,
    log,
    signal,
    onHold: (error) => {
      time.hold();
      cancelWake?.();
      init.onHold(error);
    },
    onRelease: () => {
      time.release();
      armWake();
    },
  });

  /** Reduces the queued events, writes them as one batch, then performs its effects. */
  const flush = async (): Promise<void> => {
    const bodies = queue;
    queue = [];
    const steps: JournalStep[] = [];
    let next = state;
    const effects = bodies.flatMap((body) => {
      lastTime = Math.max(lastTime, time.now());
      const event: Event = { ...body, time: lastTime };
      const before = next;
      const result = machine.step(config, next, event);
      next = result.state;
      const records = result.effects.flatMap((effect) =>
        effect.type === 'append' ? [effect.record] : [],
      );
      if (next !== before) steps.push({ event, records });
      return result.effects;
    });
    if (steps.length > 0) await disk.persist(() => opened().append(steps, next));
    state = next;
    await disk.persist(() => init.tidy(next));
    init.perform(effects);
    armWake();
  };

  const drain = async (): Promise<void> => {
    try {
      do {
        // In order: each batch begins where the one before has ended.
        await eventLoopTurn();
        if (!signal.aborted) await flush();
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
      history = await openHistory(init.journal, config.run, EVENTS_PER_SNAPSHOT, machine);
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
    get busy() {
      return running !== undefined;
    },
    persist: (write) => disk.persist(write),
    hold: (error) => disk.hold(error),
    get held() {
      return disk.held;
    },
    stop: () => cancelWake?.(),
  };
};
