/**
 * @module The events of a run, which the machine reduces and the journal stores, and their strict
 * encoding. An event that does not decode exactly means a corrupt journal; it is not replayed.
 */
import * as v from 'valibot';
import {
  bytesUpTo,
  decodeCbor,
  encodeCbor,
  fixedBytes,
  integer,
} from '../../protocol/wire/cbor.ts';
import { FloeError } from '../../protocol/errors.ts';
import { MAX_ANSWER_BYTES } from '../../protocol/wire/messages.ts';
import {
  bodySchemas,
  decodeRecord,
  liesSchema,
  MAX_RECORD_BYTES,
  modelRefSchema,
  publicKeysSchema,
  type SignedRecord,
} from '../../protocol/records/records.ts';

const key = fixedBytes(32);
const attempt = integer(0, 100_000);
const text = v.pipe(v.string(), v.maxLength(500));
const event = <Type extends string, Entries extends v.ObjectEntries>(
  type: Type,
  entries: Entries,
) => v.strictObject({ type: v.literal(type), ...entries });

const schemas = [
  /** The initial model is published; `beacon` is R_0. */
  event('started', {
    model: modelRefSchema,
    beacon: fixedBytes(32),
    startWith: integer(3, 100_000),
  }),
  /** The coordinator process was started again: every session is gone. */
  event('resumed', {
    startWith: integer(3, 100_000),
    /** Ms in which those of before may come back; by default as long as a real network needs. */
    reconnect: v.optional(integer(0, 3_600_000)),
  }),
  event('joined', { key }),
  event('left', { key }),
  event('withdrawn', { key, attempt, code: text, detail: v.optional(text) }),
  /** It waits for something, and is still in the attempt. */
  event('reported', { key, attempt, code: text }),
  /** Nothing but time. */
  event('tick', {}),
  /**
   * The keys of the model, and of the bundle of the newest commit, are wrapped for the invited;
   * `key` is the coordinator's of this attempt, its secret is elsewhere.
   */
  event('opened', {
    attempt,
    model: modelRefSchema,
    key: publicKeysSchema,
    bundle: v.optional(bytesUpTo(512 << 10)),
  }),
  event('cohort-frozen', { attempt, beacon: fixedBytes(32), receipt: text }),
  event('folded', { attempt, member: key }),
  event('upload-rejected', { attempt, member: key, code: text, reason: text }),
  event('complaint-judged', {
    attempt,
    member: key,
    verdict: v.picklist(['author', 'complainer', 'invalid']),
  }),
  event('survivors-frozen', { attempt, receipt: text }),
  event('aggregated', { attempt, commit: bodySchemas.commit }),
  event('registered', { attempt, receipt: text }),
  /**
   * The host could not complete the work of an attempt. `culprits` broke the protocol; `lies` prove
   * it to third parties, in the same order.
   */
  event('work-failed', {
    attempt,
    code: text,
    reason: text,
    culprits: v.pipe(v.array(key), v.maxLength(255)),
    lies: v.optional(liesSchema),
  }),
] as const;

const entries = v.pipe(v.array(bytesUpTo(MAX_ANSWER_BYTES)), v.maxLength(255));

/**
 * Without record and entries when these are stored separately: data in the transcript is stored
 * once.
 */
const recordSchema = event('record', {
  from: key,
  record: v.optional(bytesUpTo(MAX_RECORD_BYTES)),
  entries: v.optional(entries),
});

const storedSchema = v.variant('type', [...schemas, recordSchema]);

/** A participant's record, decoded and with a valid signature, and the session it came from. */
export interface RecordEvent {
  readonly type: 'record';
  readonly from: Uint8Array;
  readonly record: SignedRecord;
  /**
   * The sealed entries that came with the record: those of a share, or the one answer of an unmask
   * record.
   */
  readonly entries: readonly Uint8Array[];
}

export type EventBody = v.InferOutput<(typeof schemas)[number]> | RecordEvent;
export type EventType = EventBody['type'];
/** `time`: milliseconds since the epoch. */
export type Event = EventBody & { readonly time: number };
export type EventOf<Type extends EventType> = Extract<Event, { readonly type: Type }>;

const MAX_EVENT_BYTES = 4 << 20;

/**
 * The data stored separately from an event: the record that it added to the transcript, and the
 * sealed entries of a share.
 */
export interface Beside {
  readonly record: Uint8Array;
  readonly entries: readonly Uint8Array[];
}

/**
 * Canonical CBOR of an event without its time.
 * @param apart true if record and entries are stored separately, see {@link Beside}
 */
export const encodeEvent = (body: EventBody, apart = false): Uint8Array => {
  const { time: _time, ...fields } = body as EventBody & { time?: number };
  if (fields.type !== 'record') return encodeCbor(fields);
  const { type, from, record, entries: sealed } = fields;
  return encodeCbor(apart ? { type, from } : { type, from, record: record.bytes, entries: sealed });
};

/** @throws FloeError `journal_corrupt`, and what `decodeRecord` throws on a broken record */
export const decodeEvent = (bytes: Uint8Array, time: number, beside?: Beside): Event => {
  const stored = decodeCbor(storedSchema, bytes, 'journal_corrupt', MAX_EVENT_BYTES);
  if (stored.type !== 'record') {
    if (beside !== undefined)
      throw new FloeError('journal_corrupt', `a ${stored.type} event brings no record`);
    return { ...stored, time };
  }
  const { type, from } = stored;
  const record = stored.record ?? beside?.record;
  if (record === undefined || (stored.record === undefined) === (beside === undefined))
    throw new FloeError('journal_corrupt', 'expected the record in the event or stored separately');
  const sealed = beside?.entries ?? stored.entries ?? [];
  return { type, from, record: decodeRecord(record), entries: sealed, time };
};

export const encodeEntries = (sealed: readonly Uint8Array[]): Uint8Array => encodeCbor([...sealed]);

/** @throws FloeError `journal_corrupt` */
export const decodeEntries = (bytes: Uint8Array): readonly Uint8Array[] =>
  decodeCbor(entries, bytes, 'journal_corrupt', MAX_EVENT_BYTES);
