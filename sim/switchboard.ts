/**
 * @module The hub of the simulated network: gives each participant a connection to the coordinator,
 * or the session of its sleeper, counts its bytes, and cuts the participants that the scenario
 * loses. A lost participant stays away until its attempt is over and then reconnects.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { equalBytes } from '../protocol/bytes.ts';
import type { Connection } from '../protocol/wire/connection.ts';
import { decodeClientFrame, decodeServerFrame } from '../protocol/wire/messages.ts';
import { decodeRecord, decodeRecordOf } from '../protocol/records/records.ts';
import { planDrops, type DropPhase, type Drops } from './faults.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import { CLOSE_ABNORMAL, portConnection, tapped, type Tap, type Traffic } from './network.ts';
import { createSleepers, type Sleeper, type SleepersInit } from './sleepers.ts';

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
}

export interface Switchboard {
  /** Bytes of frames so far. */
  readonly traffic: Readonly<Traffic>;
  /** Logs a participant in that is made when it is first invited: `onWake`. */
  sleep(index: number, identity: Identity, onWake: () => void): void;
  /** Calls `give` with the participant's end as soon as it may connect. */
  connect(index: number, give: (port: MessagePort) => void): void;
  /** The attempt is over: lost participants reconnect. */
  roundOver(): void;
  /** The participant's connection breaks, and it does not come back before `arrive`. */
  depart(index: number): void;
  /** It may come back. Returns whether it does so by itself; one that was asleep is laid asleep. */
  arrive(index: number): boolean;
}

interface Line {
  readonly near: Connection;
  /** Welcomed by the coordinator. */
  loggedIn: boolean;
  /** Hash of the record after whose acknowledgement the line is cut. */
  last?: Uint8Array;
}

export const createSwitchboard = ({
  accept,
  keys,
  drops,
  seed,
  onDrop,
  onComplete,
  between = (_, connection) => connection,
  ...init
}: SwitchboardInit): Switchboard => {
  const traffic: Traffic = { up: 0, down: 0 };
  const lines = new Map<number, Line>();
  const away = new Set<number>();
  const held = new Map<number, (port: MessagePort) => void>();
  const plans = new Map<number, ReadonlyMap<string, DropPhase>>();
  const sleeping = new Map<number, Sleeper>();
  const sleepers = createSleepers({
    ...init,
    accept: (connection) => accept(between(entering, tapped(connection, traffic))),
  });
  /** Whose sleeper is just logging in. */
  let entering = 0;
  const awake = new Set<number>();
  const departed = new Set<number>();
  const faulty = Object.keys(drops).length > 0;
  let current = 0;

  const cut = (index: number, phase: DropPhase): void => {
    const line = lines.get(index);
    if (line === undefined) return;
    away.add(index);
    lines.delete(index);
    onDrop(index, phase, current);
    // Deferred, because it must not run inside the coordinator's `send`, but before any further
    // message of the participant.
    queueMicrotask(() => line.near.close(CLOSE_ABNORMAL, 'cut by the scenario'));
  };

  const plannedFor = (index: number): DropPhase | undefined =>
    plans.get(current)?.get(keys[index] as string);

  const completeIfAll = (): void => {
    if (
      lines.size === keys.length - departed.size &&
      [...lines.values()].every(({ loggedIn }) => loggedIn)
    )
      onComplete();
  };

  /** Sees every frame of one participant; only with drop-outs, since decoding has its cost. */
  const watch = (index: number): Tap => ({
    up: (bytes) => {
      const phase = plannedFor(index);
      const line = lines.get(index);
      if (phase === undefined || line === undefined) return;
      const frame = decodeClientFrame(bytes);
      if (!('record' in frame)) return;
      const record = decodeRecord(frame.record);
      if (record.type === phase && record.attempt === current) line.last = record.hash;
    },
    down: (bytes) => {
      const line = lines.get(index);
      if (line === undefined) return;
      const frame = decodeServerFrame(bytes);
      if (frame.type === 'welcome') {
        line.loggedIn = true;
        completeIfAll();
      } else if (frame.type === 'cohort') {
        const { attempt, body } = decodeRecordOf('cohort', frame.record);
        current = attempt;
        if (!plans.has(attempt)) plans.set(attempt, planDrops(drops, body.members, attempt, seed));
        // Registered and in the frozen cohort, but gone before it shares: the earliest that can be
        // told apart.
        if (plannedFor(index) === 'register') cut(index, 'register');
      } else if (frame.type === 'ack' && line.last && equalBytes(frame.hash, line.last)) {
        cut(index, plannedFor(index) as DropPhase);
      }
    },
  });

  const nameOf = (index: number): string =>
    `participant ${index} (${(keys[index] as string).slice(0, 8)})`;

  const open = (index: number, give: (port: MessagePort) => void): void => {
    const { port1, port2 } = new MessageChannel();
    const near = portConnection(port1, nameOf(index));
    const sleeper = sleeping.get(index);
    if (sleeper !== undefined) {
      sleeping.delete(index);
      lines.set(index, { near, loggedIn: true });
      sleeper.handOver(near);
      give(port2);
      return;
    }
    lines.set(index, { near, loggedIn: false });
    accept(between(index, tapped(near, traffic, faulty ? watch(index) : {})));
    give(port2);
  };

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
      departed.add(index);
      const sleeper = sleeping.get(index);
      sleeping.delete(index);
      if (sleeper !== undefined) return sleeper.leave();
      const line = lines.get(index);
      lines.delete(index);
      line?.near.close(CLOSE_ABNORMAL, 'away');
    },
    arrive: (index) => {
      departed.delete(index);
      const give = held.get(index);
      if (give !== undefined && !away.has(index)) {
        held.delete(index);
        open(index, give);
      }
      return faulty || awake.has(index);
    },
    connect: (index, give) => {
      if (away.has(index) || departed.has(index)) held.set(index, give);
      else open(index, give);
    },
    roundOver: () => {
      away.clear();
      for (const [index, give] of held) {
        if (departed.has(index)) continue;
        held.delete(index);
        open(index, give);
      }
      if (faulty) completeIfAll();
    },
  };
};
