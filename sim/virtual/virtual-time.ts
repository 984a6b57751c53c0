/**
 * @module Virtual time, a discrete-event simulation round the production code. The coordinator's
 * clock stands still while anybody works, and moves to the next arrival or timer once everybody has
 * answered: the clock never waits for this machine. What a participant sends is held until the
 * virtual moment at which it would arrive, by the participant's speed and bandwidth. The
 * coordinator decides by its own rules who is in time. Same seed, same result, whatever the speed
 * of the machine and the number of workers.
 */
import { manualClock, type Clock } from '../../protocol/ports/clock.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { decodeClientFrame, type ClientFrame } from '../../protocol/wire/messages.ts';
import { createAgenda } from './agenda.ts';
import { createLanes, type LanesInit } from './lanes.ts';

export interface VirtualTimeInit extends LanesInit {
  /** Milliseconds since 1970 at which the simulation begins. */
  readonly start: number;
  /** Ms that have passed in an earlier part of the run. */
  readonly passed: number;
  /** An answer will arrive at that ms of the simulation. */
  readonly onAnswer?: ((index: number, record: Uint8Array, at: number) => void) | undefined;
  /** One that owed an answer gave none for minutes of real time, and is not waited for. */
  readonly onLost: (index: number) => void;
}

export interface DriveInit {
  /** Resolves once the coordinator waits for frames or timers. */
  readonly idle: () => Promise<void>;
  /** No event is due: returns whether something was put on the agenda. */
  readonly onStill: () => boolean;
  readonly onFailure: (thrown: unknown) => void;
}

export interface VirtualTime {
  readonly clock: Clock;
  /** Ms since the beginning of the simulation. */
  elapsed(): number;
  /** The coordinator's end of a participant's connection. */
  connectionOf(index: number, connection: Connection): Connection;
  /** Calls `act` at that many ms since the beginning. */
  at(elapsed: number, act: () => void): void;
  /** Time stands still until the returned function is called. */
  hold(): () => void;
  /** The participant answers nothing more in this attempt. */
  excuse(index: number): void;
  /** The attempt is over: nobody owes anything, and what is still on its way is of no use. */
  attemptOver(): void;
  /** Lets time pass, until stopped. */
  drive(init: DriveInit): void;
  stop(): void;
}

/** Real ms without any answer after which those who owe one are not waited for. */
const LOST_MS = 10 * 60_000;
/** Real ms after which a coordinator that waits for a timer, such as of a retry, gets it. */
const PATIENCE_MS = 5_000;

/** Waits for `work`, for at most `ms` of real time. Returns whether it has ended. */
const atMost = async (ms: number, work: Promise<void>): Promise<boolean> => {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ms);
  const ended = async (): Promise<boolean> => {
    await work;
    return true;
  };
  const inTime = await Promise.race([ended(), late.promise]);
  clearTimeout(timer);
  return inTime;
};

export const createVirtualTime = (init: VirtualTimeInit): VirtualTime => {
  const { start, passed, onLost } = init;
  const clock = manualClock(start + passed);
  const agenda = createAgenda();
  const lanes = createLanes(init);
  const stopping = new AbortController();
  let holds = 0;
  let change = Promise.withResolvers<void>();

  const elapsed = (): number => clock.now() - start;
  const changed = (): void => change.resolve();

  const onUp = (index: number, bytes: Uint8Array, deliver: () => void): void => {
    let frame: ClientFrame | undefined;
    try {
      frame = decodeClientFrame(bytes);
    } catch {
      // The coordinator refuses it, in its own words.
    }
    if (frame === undefined || frame.type === 'hello' || frame.type === 'login') deliver();
    else {
      const at = lanes.up(index, frame, bytes.length, elapsed());
      if ('record' in frame) init.onAnswer?.(index, frame.record, at);
      agenda.add({ at, index, act: deliver });
    }
    changed();
  };

  const advanceTo = (at: number): void => clock.advance(Math.max(0, at - elapsed()));

  /** Waits for those who work here; those who never answer are forgiven. */
  const awaitAnswers = async (): Promise<void> => {
    const { promise } = change;
    if (!(await atMost(LOST_MS, promise))) for (const index of lanes.forgiveAll()) onLost(index);
  };

  const pump = async ({ idle, onStill }: DriveInit): Promise<void> => {
    for (;;) {
      change = Promise.withResolvers<void>();
      // A coordinator that waits for a timer, such as of a retry, gets it after a while.
      await (clock.next() === undefined ? idle() : atMost(PATIENCE_MS, idle()));
      if (stopping.signal.aborted) return;
      const timer = clock.next();
      const next = agenda.first();
      if (lanes.owing > 0 || holds > 0) await awaitAnswers();
      else if (timer !== undefined && timer - start <= (next?.at ?? Infinity))
        advanceTo(timer - start);
      else if (next !== undefined) {
        agenda.shift();
        advanceTo(next.at);
        next.act();
      } else if (!onStill()) await change.promise;
    }
  };

  const forget = (index: number): void => {
    agenda.forget(index);
    lanes.forgive(index);
    changed();
  };

  return {
    clock,
    elapsed,
    connectionOf: (index, connection) => ({
      remote: connection.remote,
      get bufferedBytes() {
        return connection.bufferedBytes;
      },
      send: (frame) => {
        lanes.down(index, frame, elapsed());
        connection.send(frame);
      },
      close: (code, reason) => connection.close(code, reason),
      receive: (handlers) =>
        connection.receive({
          close: (code, reason) => {
            forget(index);
            handlers.close(code, reason);
          },
          message: (frame) => onUp(index, frame, () => handlers.message(frame)),
        }),
    }),
    at: (time, act) => {
      agenda.add({ at: Math.ceil(time), index: -1, act });
      changed();
    },
    hold: () => {
      holds += 1;
      let held = true;
      return () => {
        if (held) holds -= 1;
        held = false;
        changed();
      };
    },
    excuse: (index) => {
      lanes.forgive(index, true);
      changed();
    },
    attemptOver: () => {
      for (const index of lanes.clear(elapsed())) agenda.forget(index);
      changed();
    },
    drive: (given) => void pump(given).catch(given.onFailure),
    stop: () => {
      stopping.abort();
      changed();
    },
  };
};
