/**
 * @module The hub of the simulated network: gives each participant a connection to the coordinator,
 * or the session of its sleeper, counts its bytes, and cuts the participants that the scenario
 * loses. A lost participant stays away until its attempt is over and then reconnects.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Identity } from '../protocol/ports/identity.ts';
import type { Connection } from '../protocol/wire/connection.ts';
import { createDropWatch } from './drop-watch.ts';
import type { DropPhase, Drops } from './faults.ts';
import { CLOSE_ABNORMAL, portConnection, tapped, type Count, type Traffic } from './network.ts';
import { createSleepers, type Sleeper, type SleepersInit } from './sleepers.ts';
import { createWaiting } from './waiting.ts';

export interface SwitchboardInit extends Omit<SleepersInit, 'accept'> {
  /** The coordinator's side. */
  readonly accept: (connection: Connection) => void;
  /** Keys in hex, by the participant's number. */
  readonly keys: readonly string[];
  readonly drops: Drops;
  readonly seed: Uint8Array;
  /** Somebody was cut off. */
  readonly onDrop: (index: number, phase: DropPhase, attempt: number) => void;
  /** Called when all participants are logged in again after a drop-out. */
  readonly onComplete: () => void;
  /** What stands between a participant and the coordinator. */
  readonly between?: (index: number, connection: Connection) => Connection;
  /**
   * Of a resumed run, those that were connected when it was interrupted: the frames of their
   * logins are not counted, up to `returned`.
   */
  readonly returning?: ReadonlySet<number>;
}

export interface Switchboard {
  /** Bytes of frames so far. */
  readonly traffic: Readonly<Traffic>;
  /** Logs a participant in that is made when it is first invited: `onWake`. */
  sleep(index: number, identity: Identity, onWake: () => void): void;
  /** Calls `give` with the participant's end as soon as it may connect. */
  connect(index: number, give: (port: MessagePort) => void): void;
  /** Everybody of a resumed run is back. */
  returned(): void;
  /** Those that are cut off up to the end of the attempt. */
  readonly lost: readonly number[];
  /** The attempt is over: lost participants reconnect. */
  roundOver(): void;
  /** The participant's connection breaks, and it does not come back before `arrive`. */
  depart(index: number): void;
  /**
   * The participant may connect again. Returns whether its client does so; a participant that had
   * not been created yet is a login again.
   */
  arrive(index: number): boolean;
}

interface Line {
  readonly near: Connection;
  /** Welcomed by the coordinator. */
  loggedIn: boolean;
}

export const createSwitchboard = ({
  accept,
  keys,
  drops,
  seed,
  onDrop,
  onComplete,
  between = (_, connection) => connection,
  returning = new Set(),
  ...init
}: SwitchboardInit): Switchboard => {
  const traffic: Traffic = { up: 0, down: 0 };
  let isBack = false;
  const countOf =
    (index: number): Count =>
    (way, bytes) => {
      if (isBack || !returning.has(index)) traffic[way] += bytes;
    };
  const lines = new Map<number, Line>();
  const sleeping = new Map<number, Sleeper>();
  const awake = new Set<number>();
  /** Whose sleeper is just logging in. */
  let entering = 0;
  const sleepers = createSleepers({
    ...init,
    accept: (connection) => accept(between(entering, tapped(connection, countOf(entering)))),
  });
  const faulty = Object.keys(drops).length > 0;

  const completeIfAll = (): void => {
    const expected = keys.length - waiting.departed;
    if (lines.size === expected && [...lines.values()].every(({ loggedIn }) => loggedIn))
      onComplete();
  };
  const watch = createDropWatch({
    drops,
    keys,
    seed,
    isThere: (index) => lines.has(index),
    onWelcome: (index) => {
      const line = lines.get(index);
      if (line !== undefined) line.loggedIn = true;
      completeIfAll();
    },
    cut: (index, phase, attempt) => {
      const line = lines.get(index);
      if (line === undefined) return;
      waiting.lose(index);
      lines.delete(index);
      onDrop(index, phase, attempt);
      // Deferred, because it must not run inside the coordinator's `send`, but before any further
      // message of the participant.
      queueMicrotask(() => line.near.close(CLOSE_ABNORMAL, 'cut by the scenario'));
    },
  });

  const nameOf = (index: number): string =>
    `participant ${index} (${(keys[index] as string).slice(0, 8)})`;

  const waiting = createWaiting((index: number, give: (port: MessagePort) => void): void => {
    const { port1, port2 } = new MessageChannel();
    const near = portConnection(port1, nameOf(index));
    const sleeper = sleeping.get(index);
    sleeping.delete(index);
    lines.set(index, { near, loggedIn: sleeper !== undefined });
    if (sleeper === undefined)
      accept(between(index, tapped(near, countOf(index), faulty ? watch(index) : {})));
    else sleeper.handOver(near);
    give(port2);
  });

  return {
    traffic,
    sleep: (index, identity, onWake) => {
      entering = index;
      const wake = (): void => {
        awake.add(index);
        onWake();
      };
      sleeping.set(index, sleepers.sleep(identity, nameOf(index), wake));
    },
    depart: (index) => {
      waiting.depart(index);
      sleeping.get(index)?.leave();
      sleeping.delete(index);
      const line = lines.get(index);
      lines.delete(index);
      line?.near.close(CLOSE_ABNORMAL, 'away');
      // It may be the one that the others waited for.
      if (faulty) completeIfAll();
    },
    arrive: (index) => {
      waiting.arrive(index);
      return faulty || awake.has(index);
    },
    returned: () => {
      isBack = true;
    },
    get lost() {
      return waiting.lost;
    },
    connect: (index, give) => waiting.connect(index, give),
    roundOver: () => {
      waiting.roundOver();
      if (faulty) completeIfAll();
    },
  };
};
