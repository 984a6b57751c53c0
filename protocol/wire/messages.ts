/**
 * @module The frames on the wire: CBOR maps with a protocol version and a type. They carry signed
 * records and the data delivered with them; nothing that matters later is said in a frame that is
 * not in a record.
 */
import { Tokenizer, Type } from 'cborg';
import * as v from 'valibot';
import { bytesUpTo, decodeCbor, encodeCbor, fixedBytes, integer } from './cbor.ts';
import { FloeError, isErrorCode, type ErrorCode } from '../errors.ts';
import { entryPathSchema, MAX_RECORD_BYTES } from '../records/records.ts';
import { MAX_COHORT, MAX_EVIDENCE, MAX_PROOF_BYTES } from '../spec/run-spec.ts';

/** Raised when a frame or a record changes: peers of different versions refuse each other. */
export const PROTOCOL_VERSION = 3;
/** Largest frame of the coordinator: the records of a round of 255 fit. */
export const MAX_FRAME_BYTES = 8 << 20;
/** A sealed entry of a share, at most. */
const MAX_SHARE_ENTRY_BYTES = 4096;
/**
 * Largest frame of a participant: a share record with an entry for each member of the largest
 * cohort.
 */
export const MAX_CLIENT_FRAME_BYTES =
  MAX_RECORD_BYTES + MAX_COHORT * (MAX_SHARE_ENTRY_BYTES + 3) + 64;
/**
 * What a participant sends until it has logged in, hello and login with all that frames them, has
 * fewer bytes.
 */
export const MAX_LOGIN_BYTES = 1024;
/** Largest sealed answer: one share for each of 255 members fits. */
export const MAX_ANSWER_BYTES = 64 << 10;
/** Characters that a withdrawal says of its cause. */
export const MAX_DETAIL = 200;

const record = bytesUpTo(MAX_RECORD_BYTES);
const key = fixedBytes(32);
const list = <Item extends v.GenericSchema>(item: Item) =>
  v.pipe(v.array(item), v.maxLength(MAX_COHORT));
const frame = <Type extends string, Entries extends v.ObjectEntries>(
  type: Type,
  entries: Entries,
) => v.strictObject({ v: v.literal(PROTOCOL_VERSION), type: v.literal(type), ...entries });

/** What a participant sends. */
export const clientFrames = {
  /** First frame: the identity of the sender, and a nonce that the coordinator signs. */
  hello: frame('hello', { key, nonce: fixedBytes(32) }),
  /** Answer to the challenge: signature over {@link loginPayload} under the tag `login`. */
  login: frame('login', { signature: fixedBytes(64) }),
  /** A register, complaint, upload or consistent record. */
  record: frame('record', { record }),
  /**
   * A share record with its sealed entries, one for each holder of its shares by place, its own
   * included.
   */
  share: frame('share', { record, entries: list(bytesUpTo(MAX_SHARE_ENTRY_BYTES)) }),
  /** An unmask record with the sealed answer that it names. */
  unmask: frame('unmask', { record, answer: bytesUpTo(MAX_ANSWER_BYTES) }),
  /**
   * The participant cannot continue with this attempt (training failed, data unfit...) and says so.
   */
  withdraw: frame('withdraw', {
    attempt: integer(0, 100_000),
    code: v.pipe(v.string(), v.maxLength(100)),
    /**
     * Where the participant's trainer threw: the message without numbers, quotations and paths, so
     * that it is the same at all who meet the same fault.
     */
    detail: v.optional(v.pipe(v.string(), v.maxLength(MAX_DETAIL))),
    /** With the code `commit_fabricated`: the proof, for whoever may open the bundle to repeat. */
    proof: v.optional(bytesUpTo(MAX_PROOF_BYTES)),
  }),
  /**
   * The participant waits for a store, a gate, a ledger, and is still in the attempt; it is counted
   * where the attempt fails.
   */
  report: frame('report', {
    attempt: integer(0, 100_000),
    code: v.pipe(v.string(), v.maxLength(60)),
  }),
} as const;

/** What the coordinator sends. */
export const serverFrames = {
  /**
   * Nonce to sign, and the coordinator's own signature over {@link loginPayload} under the tag
   * `challenge`.
   */
  challenge: frame('challenge', {
    coordinator: key,
    run: fixedBytes(32),
    nonce: fixedBytes(32),
    signature: fixedBytes(64),
  }),
  /**
   * Logged in: the run specification, canonical bytes, and the own last registration: an old
   * keystore shows. The running attempt follows.
   */
  welcome: frame('welcome', {
    spec: bytesUpTo(4 << 20),
    register: v.optional(record),
    /** What the coordinator's clock shows, ms since the epoch. */
    time: integer(0, 2 ** 48),
  }),
  /** An open, survivors, commit or abort record. */
  record: frame('record', { record }),
  /**
   * Before the cohort, where Open names a commit: the records of its attempt, from Open to Commit,
   * without the answers.
   */
  evidence: frame('evidence', {
    records: v.pipe(v.array(record), v.maxLength(MAX_EVIDENCE)),
  }),
  /** The cohort record with the registrations it names, in the same order. */
  cohort: frame('cohort', { record, registers: list(record) }),
  /**
   * The sharers record with, for each sharer in order, its share record, its entry for the receiver
   * and the path from that to the root in the record; both are empty where the sharer made none,
   * and in the receiver's own place.
   */
  sharers: frame('sharers', {
    record,
    inbox: list(
      v.strictObject({
        record,
        entry: bytesUpTo(MAX_SHARE_ENTRY_BYTES),
        path: entryPathSchema,
      }),
    ),
  }),
  /** Consistent records of at least `threshold` survivors. */
  consistency: frame('consistency', { records: list(record) }),
  /** The record of this hash is journalled: the coordinator will not request it again. */
  ack: frame('ack', { hash: fixedBytes(32) }),
  /**
   * Refuses a frame or record. `about` is the hash of the record, if there was one; the session
   * continues unless it closes.
   */
  error: frame('error', {
    code: v.pipe(v.string(), v.maxLength(100)),
    message: v.pipe(v.string(), v.maxLength(1000)),
    about: v.optional(fixedBytes(32)),
  }),
  /**
   * The run is over; the final model is that of the last commit. `failure`: why it ended before its
   * last round.
   */
  finished: frame('finished', {
    rounds: integer(0, 100_000),
    failure: v.optional(v.pipe(v.string(), v.maxLength(60))),
  }),
} as const;

type Frames<Table extends Record<string, v.GenericSchema>> = {
  [Type in keyof Table]: v.InferOutput<Table[Type]>;
}[keyof Table];
export type ClientFrame = Frames<typeof clientFrames>;
export type ServerFrame = Frames<typeof serverFrames>;
type Unversioned<Frame> = Frame extends unknown ? Omit<Frame, 'v'> : never;

/** Encodes a frame; the version is put in here. */
export const encodeFrame = (
  message: Unversioned<ClientFrame> | Unversioned<ServerFrame>,
): Uint8Array<ArrayBuffer> => encodeCbor({ v: PROTOCOL_VERSION, ...message });

/**
 * In canonical order the type comes behind the fields with shorter names, of which no frame has
 * more.
 */
const FIELDS_BEFORE_TYPE = 8;

/** Which of two sides is the older one. */
const otherVersion = (version: unknown): FloeError => {
  const isNumber = typeof version === 'number' && Number.isSafeInteger(version);
  const older = isNumber && version < PROTOCOL_VERSION;
  return new FloeError(
    'version_unsupported',
    `this side speaks version ${PROTOCOL_VERSION} of the protocol, the other one ${isNumber ? version : 'none that is known'}: ` +
      `upgrade ${older ? 'the other side' : 'this side'}`,
    isNumber ? { version } : {},
  );
};

/**
 * The type of a frame, from its first elements alone: what else it may hold depends on it. In
 * canonical order the version comes first, and nothing is read of a frame of another one.
 *
 * @throws FloeError `frame_malformed`, `version_unsupported`
 */
const typeOf = (bytes: Uint8Array): unknown => {
  try {
    const tokens = new Tokenizer(bytes, { strict: true, allowIndefinite: false });
    const head = tokens.next();
    if (head.type !== Type.map) throw new Error('expected a map');
    let version: unknown;
    for (let i = 0; i < Math.min(head.value as number, FIELDS_BEFORE_TYPE); i += 1) {
      const name: unknown = tokens.next().value;
      const value = tokens.next();
      if (name === 'v') version = value.value;
      if (name === 'v' && version !== PROTOCOL_VERSION) throw otherVersion(version);
      if (!value.type.terminal) break;
      if (name !== 'type') continue;
      if (version === undefined) throw otherVersion(version);
      return value.value;
    }
    throw new Error('expected a type among the first fields');
  } catch (cause) {
    if (cause instanceof FloeError) throw cause;
    const message = `no frame: ${(cause as Error).message}`;
    throw new FloeError('frame_malformed', message, {}, { cause });
  }
};

const decodeFrame = <Table extends Readonly<Record<string, v.GenericSchema>>>(
  table: Table,
  bytes: Uint8Array,
  maxBytes: number,
): v.InferOutput<Table[keyof Table]> => {
  if (bytes.length > maxBytes)
    throw new FloeError(
      'frame_too_large',
      `expected at most ${maxBytes} bytes, got ${bytes.length}`,
    );
  const type = typeOf(bytes);
  if (typeof type !== 'string' || !Object.hasOwn(table, type))
    throw new FloeError(
      'frame_malformed',
      `no frame of this side has the type ${String(type).slice(0, 40)}`,
    );
  const schema = table[type as keyof Table] as Table[keyof Table];
  return decodeCbor(schema, bytes, 'frame_malformed', maxBytes);
};

/** @throws FloeError `frame_too_large`, `frame_malformed`, `version_unsupported` */
export const decodeClientFrame = (
  bytes: Uint8Array,
  maxBytes = MAX_CLIENT_FRAME_BYTES,
): ClientFrame => decodeFrame(clientFrames, bytes, maxBytes);

/** @throws FloeError `frame_too_large`, `frame_malformed`, `version_unsupported` */
export const decodeServerFrame = (bytes: Uint8Array, maxBytes = MAX_FRAME_BYTES): ServerFrame =>
  decodeFrame(serverFrames, bytes, maxBytes);

/**
 * What both sides sign at login: both nonces, both keys and the run, so that no signature fits
 * another session.
 */
export const loginPayload = (session: {
  readonly clientNonce: Uint8Array;
  readonly serverNonce: Uint8Array;
  readonly client: Uint8Array;
  readonly coordinator: Uint8Array;
  readonly run: Uint8Array;
}): Uint8Array =>
  encodeCbor({
    clientNonce: session.clientNonce,
    serverNonce: session.serverNonce,
    client: session.client,
    coordinator: session.coordinator,
    run: session.run,
  });

/**
 * A request to the coordinator's blob endpoint is signed by a member: this is what, under the tag
 * `blob-put`.
 */
export const blobPutPayload = (run: Uint8Array, sha256Hash: Uint8Array, size: number): Uint8Array =>
  encodeCbor({ run, sha256: sha256Hash, size });

/**
 * The WebSocket close code (RFC 6455, section 7.4.2: 4000-4999 are the application's) of every
 * close with an error; the reason is then the error's stable code, so that a new entry of the
 * catalogue never shifts a number.
 */
export const CLOSE_WITH_ERROR = 4000;
export const CLOSE_NORMAL = 1000;

/** The error a close stands for; anything that is not Floe's is a lost connection. */
export const errorOfClose = (code: number, reason: string): ErrorCode =>
  code === CLOSE_WITH_ERROR && isErrorCode(reason) ? reason : 'connection_lost';
