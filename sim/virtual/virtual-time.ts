/**
 * @module Virtual time, a discrete-event simulation round the production code. The coordinator's
 * clock stands still while anybody works, and moves to the next arrival or timer once everybody has
 * answered: the clock never waits for this machine. What a participant sends is held until the
 * virtual moment at which it would arrive, by the participant's speed and bandwidth. The
 * coordinator decides by its own rules who is in time. Same seed, same result, whatever the speed
 * of the machine and the number of workers.
 *
 * A participant owes an answer from the frame that asks for it until it has sent that answer or
 * withdrawn; its answers have the protocol's order, so nothing else tells that it still works.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { manualClock, type Clock } from '../../protocol/ports/clock.ts';
import {
  decodeRecord,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import {
  decodeClientFrame,
  decodeServerFrame,
  type ClientFrame,
  type ServerFrame,
} from '../../protocol/wire/messages.ts';
import { trainMs, transferMs, type Capacity } from './capacity.ts';
import { createAgenda } from './agenda.ts';

export interface VirtualTimeInit {
  /** Milliseconds since 1970 at which the simulation begins. */
  readonly start: number;
  readonly masked: boolean;
  readonly capacityOf: (index: number) => Capacity;
  /** Examples that a participant trains on in a round, each epoch counted. */
  readonly examplesOf: (index: number) => number;
  /** Virtual ms that its upload is late, beyond what it takes. */
  readonly delayOf: (index: number) => number;
  /** Ms of a message. */
  readonly latency: number;
  readonly keyOf: (index: number) => Uint8Array;
  /** The coordinator has let a participant in. */
  readonly onWelcome: (index: number) => void;
  /** A participant that owed an answer gave none for minutes of real time, and is not waited for. */
  readonly onLost: (index: number) => void;
}

export interface DriveInit {
  /** Resolves once the coordinator waits for frames or timers. */
  readonly idle: () => Promise<void>;
  /** Nothing will happen by itself: returns whether something was put on the agenda. */
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

type Owed = Extract<RecordType, 'register' | 'share' | 'upload' | 'consistent' | 'unmask'>;

/** What matters of a frame of the coordinator. */
interface Told {
  readonly type: ServerFrame['type'];
  /** Of a frame that is a record. */
  readonly record: SignedRecord | undefined;
}

const toldBy = (frame: ServerFrame): Told => ({
  type: frame.type,
  record: frame.type === 'record' ? decodeRecord(frame.record) : undefined,
});

/** What a frame of the coordinator asks for. */
const asksFor = ({ type, record }: Told, masked: boolean, key: Uint8Array): Owed | undefined => {
  const isAsked = (keys: readonly Uint8Array[]): boolean =>
    keys.some((each) => equalBytes(each, key));
  if (type === 'cohort') return masked ? 'share' : 'upload';
  if (type === 'sharers') return 'upload';
  if (type === 'consistency') return 'unmask';
  if (record?.type === 'open') return isAsked(record.body.invited) ? 'register' : undefined;
  if (record?.type !== 'survivors' || !masked) return undefined;
  return isAsked(record.body.members) ? 'consistent' : undefined;
};

/** Real ms without any answer after which those who owe one are not waited for. */
const LOST_MS = 10 * 60_000;
/** Real ms after which a coordinator that waits for a timer, such as of a retry, gets it. */
const PATIENCE_MS = 5_000;

/** One participant, as far as its time is concerned. */
interface Lane {
  readonly owes: Set<Owed>;
  /** It has withdrawn: whatever comes asks nothing of it. */
  out: boolean;
  /** When it has received the newest frame, and when its training is over. */
  ready: number;
  trained: number;
  /** Arrival of what it sent last: the connection keeps the order. */
  last: number;
}

export const createVirtualTime = (init: VirtualTimeInit): VirtualTime => {
  const { masked, capacityOf, examplesOf, delayOf, keyOf, latency, start } = init;
  const clock = manualClock(start);
  const agenda = createAgenda();
  const lanes = new Map<number, Lane>();
  /** The coordinator sends one array of bytes to all, so each is read once. */
  const read = new WeakMap<Uint8Array, Told>();
  let modelBytes = 0;
  let owing = 0;
  let holds = 0;
  let stopped = false;
  let wake: (() => void) | undefined;

  const elapsed = (): number => clock.now() - start;
  const changed = (): void => {
    wake?.();
    wake = undefined;
  };
  const laneOf = (index: number): Lane => {
    const lane = lanes.get(index) ?? { owes: new Set(), out: false, ready: 0, trained: 0, last: 0 };
    lanes.set(index, lane);
    return lane;
  };
  const settle = (lane: Lane, what?: Owed): void => {
    const before = lane.owes.size;
    if (what === undefined) lane.owes.clear();
    else lane.owes.delete(what);
    owing -= before - lane.owes.size;
    changed();
  };

  const onDown = (index: number, bytes: Uint8Array): void => {
    const told = read.get(bytes) ?? toldBy(decodeServerFrame(bytes));
    read.set(bytes, told);
    if (told.type === 'welcome') init.onWelcome(index);
    const asked = asksFor(told, masked, keyOf(index));
    if (asked === undefined) return;
    const [lane, capacity] = [laneOf(index), capacityOf(index)];
    lane.ready = Math.max(lane.ready, elapsed()) + latency + transferMs(capacity, bytes.length);
    if (told.record?.type === 'open') modelBytes = told.record.body.model.blob.size;
    // Members fetch the model once the cohort is frozen, and train from then on.
    if (told.type === 'cohort')
      lane.trained =
        lane.ready + transferMs(capacity, modelBytes) + trainMs(capacity, examplesOf(index));
    if (lane.out) return;
    if (!lane.owes.has(asked)) owing += 1;
    lane.owes.add(asked);
  };

  /** When what a participant sends would arrive, and which debt it pays. */
  const arrivalOf = (
    index: number,
    lane: Lane,
    frame: Exclude<ClientFrame, { readonly type: 'hello' | 'login' }>,
    size: number,
  ): { readonly at: number; readonly pays: Owed | 'all' | undefined } => {
    const capacity = capacityOf(index);
    const sent = (ready: number, bytes: number): number =>
      Math.ceil(ready + transferMs(capacity, bytes) + latency);
    if (!('record' in frame)) {
      const trained = lane.owes.has('upload') ? lane.trained : 0;
      const at = sent(Math.max(lane.ready, trained), size);
      return { at, pays: frame.type === 'withdraw' ? 'all' : undefined };
    }
    const record = decodeRecord(frame.record);
    if (record.type === 'upload') {
      const ready = Math.max(lane.ready, lane.trained) + delayOf(index);
      return { at: sent(ready, size + record.body.blob.size), pays: 'upload' };
    }
    const pays = record.type === 'complaint' ? 'all' : (record.type as Owed);
    return { at: sent(lane.ready, size), pays };
  };

  const onUp = (index: number, bytes: Uint8Array, deliver: () => void): void => {
    let frame: ClientFrame;
    try {
      frame = decodeClientFrame(bytes);
    } catch {
      // The coordinator refuses it, by its own words.
      deliver();
      return;
    }
    if (frame.type === 'hello' || frame.type === 'login') {
      deliver();
      return;
    }
    const lane = laneOf(index);
    const { at, pays } = arrivalOf(index, lane, frame, bytes.length);
    lane.last = Math.max(lane.last, at, elapsed());
    agenda.add({ at: lane.last, index, act: deliver });
    if (frame.type === 'withdraw') lane.out = true;
    if (pays !== undefined) settle(lane, pays === 'all' ? undefined : pays);
  };

  /** Resolves with the coordinator's rest, or after a while where it waits for a timer. */
  const rest = async (idle: DriveInit['idle']): Promise<void> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    const resting = idle();
    if (clock.next() === undefined) await resting;
    else await Promise.race([resting, patience]);
    clearTimeout(timer);
  };

  /** Resolves when something has changed. @param most real ms to wait for those who owe */
  const someChange = async (most?: number): Promise<void> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = (): void => {
      for (const [index, lane] of lanes) {
        if (lane.owes.size === 0) continue;
        lane.out = true;
        settle(lane);
        init.onLost(index);
      }
    };
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (most !== undefined) timer = setTimeout(late, most);
    });
    clearTimeout(timer);
  };

  const advanceTo = (at: number): void => clock.advance(Math.max(0, at - elapsed()));

  const pump = async ({ idle, onStill }: DriveInit): Promise<void> => {
    while (!stopped) {
      await rest(idle);
      const timer = clock.next();
      const next = agenda.first();
      if (stopped) return;
      if (owing > 0 || holds > 0) await someChange(LOST_MS);
      else if (timer !== undefined && timer - start <= (next?.at ?? Infinity))
        advanceTo(timer - start);
      else if (next !== undefined) {
        agenda.shift();
        advanceTo(next.at);
        next.act();
      } else if (!onStill()) await someChange();
    }
  };

  const forget = (index: number): void => {
    agenda.forget(index);
    settle(laneOf(index));
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
        onDown(index, frame);
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
      const lane = laneOf(index);
      lane.out = true;
      settle(lane);
    },
    attemptOver: () => {
      for (const [index, lane] of lanes) {
        if (lane.owes.size === 0 && lane.last <= elapsed() && lane.ready <= elapsed()) continue;
        forget(index);
      }
      // Whoever still trained has stopped.
      lanes.clear();
    },
    drive: (given) => void pump(given).catch(given.onFailure),
    stop: () => {
      stopped = true;
      changed();
    },
  };
};
