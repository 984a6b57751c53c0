/**
 * @module What each participant owes, and when what it sends would arrive. A participant owes an
 * answer from the frame that asks for it until it has sent that answer or withdrawn: nothing else
 * tells that it still works on this machine. All times are ms since the
 * beginning of the simulation.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import {
  decodeRecord,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import {
  decodeServerFrame,
  type ClientFrame,
  type ServerFrame,
} from '../../protocol/wire/messages.ts';
import { trainMs, transferMs, type Capacity } from './capacity.ts';

export interface LanesInit {
  readonly masked: boolean;
  /** Participants train before they register: see `protocol/rules/buffered.ts`. */
  readonly buffered: boolean;
  readonly capacityOf: (index: number) => Capacity;
  /** Examples that a participant trains on in a round, each epoch counted. */
  readonly examplesOf: (index: number) => number;
  /** Ms that its upload is late, beyond what it takes. */
  readonly delayOf: (index: number) => number;
  /** Ms of a message. */
  readonly latency: number;
  readonly keyOf: (index: number) => Uint8Array;
  /** The coordinator has let a participant in. */
  readonly onWelcome: (index: number) => void;
}

export interface Lanes {
  /** Answers that are owed, of all participants. */
  readonly owing: number;
  /** The coordinator sends a frame. */
  down(index: number, bytes: Uint8Array, now: number): void;
  /** A participant that is logged in sends a frame. Returns when it arrives. */
  up(index: number, frame: AnswerFrame, size: number, now: number): number;
  /** It owes nothing any more. @param isOut whatever comes in this attempt asks nothing of it */
  forgive(index: number, isOut?: boolean): void;
  /** Forgives all who owe something. Returns who they were. */
  forgiveAll(): readonly number[];
  /** The attempt is over. Returns whose frames are of no use any more. */
  clear(now: number): readonly number[];
}

export type AnswerFrame = Exclude<ClientFrame, { readonly type: 'hello' | 'login' }>;

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

/** One participant in one attempt. */
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

export const createLanes = (init: LanesInit): Lanes => {
  const { masked, buffered, capacityOf, examplesOf, delayOf, keyOf, latency } = init;
  const lanes = new Map<number, Lane>();
  /** The coordinator sends one array of bytes to all, so each is read once. */
  const read = new WeakMap<Uint8Array, Told>();
  let modelBytes = 0;
  /** Of buffered rounds, by participant and version: when a training on it would be over. */
  const ahead = new Map<number, Map<number, number>>();
  let owing = 0;

  const laneOf = (index: number): Lane => {
    const lane = lanes.get(index) ?? { owes: new Set(), out: false, ready: 0, trained: 0, last: 0 };
    lanes.set(index, lane);
    return lane;
  };
  const pay = (lane: Lane, what?: Owed): void => {
    const before = lane.owes.size;
    if (what === undefined) lane.owes.clear();
    else lane.owes.delete(what);
    owing -= before - lane.owes.size;
  };
  /** When its training on a version is over; earlier versions are of no use to it any more. */
  const trainedOn = (index: number, version: number): number => {
    const times = ahead.get(index) ?? new Map<number, number>();
    for (const other of times.keys()) if (other < version) times.delete(other);
    return times.get(version) ?? 0;
  };
  /** It trains on a version from the first time that it sees it, if it has no update by then. */
  const begin = (index: number, version: number, ready: number): void => {
    const times = ahead.get(index) ?? new Map<number, number>();
    ahead.set(index, times);
    const capacity = capacityOf(index);
    if (!times.has(version))
      times.set(
        version,
        ready + transferMs(capacity, modelBytes) + trainMs(capacity, examplesOf(index)),
      );
  };
  /** When what a participant sends would arrive, and which debt it pays. */
  const arrivalOf = (
    index: number,
    lane: Lane,
    frame: AnswerFrame,
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
    const base = record.type === 'register' ? record.body.base : undefined;
    const trained = base === undefined ? 0 : trainedOn(index, base.version);
    return { at: sent(Math.max(lane.ready, trained), size), pays };
  };
  return {
    get owing() {
      return owing;
    },
    down: (index, bytes, now) => {
      const told = read.get(bytes) ?? toldBy(decodeServerFrame(bytes));
      read.set(bytes, told);
      if (told.type === 'welcome') init.onWelcome(index);
      const asked = asksFor(told, masked, keyOf(index));
      if (asked === undefined) return;
      const [lane, capacity] = [laneOf(index), capacityOf(index)];
      lane.ready = Math.max(lane.ready, now) + latency + transferMs(capacity, bytes.length);
      if (told.record?.type === 'open') {
        const { model } = told.record.body;
        modelBytes = model.blob.size;
        if (buffered) begin(index, model.version, lane.ready);
      }
      // Members fetch the model once the cohort is frozen, and train from then on.
      if (told.type === 'cohort' && !buffered)
        lane.trained =
          lane.ready + transferMs(capacity, modelBytes) + trainMs(capacity, examplesOf(index));
      if (lane.out) return;
      if (!lane.owes.has(asked)) owing += 1;
      lane.owes.add(asked);
    },
    up: (index, frame, size, now) => {
      const lane = laneOf(index);
      const { at, pays } = arrivalOf(index, lane, frame, size);
      lane.last = Math.max(lane.last, at, now);
      if (frame.type === 'withdraw') lane.out = true;
      if (pays !== undefined) pay(lane, pays === 'all' ? undefined : pays);
      return lane.last;
    },
    forgive: (index, isOut = false) => {
      const lane = laneOf(index);
      if (isOut) lane.out = true;
      pay(lane);
    },
    forgiveAll: () =>
      [...lanes].flatMap(([index, lane]) => {
        if (lane.owes.size === 0) return [];
        lane.out = true;
        pay(lane);
        return [index];
      }),
    clear: (now) => {
      const late = [...lanes].flatMap(([index, lane]) => (lane.last > now ? [index] : []));
      // Whoever still works stops.
      for (const lane of lanes.values()) pay(lane);
      lanes.clear();
      return late;
    },
  };
};
