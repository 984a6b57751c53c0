/**
 * @module The signed records of an attempt: what they hold, how they are signed and checked. A
 * record is a COSE_Sign1 envelope (RFC 9052) whose payload is CBOR of {type, author, run, attempt,
 * body}. The bytes that the author signed are the bytes that travel, are stored, hashed and served;
 * the hash of the envelope names the record everywhere else. Sources: Bonawitz et al. 2017 (the
 * phases), Bell et al. 2020.
 */
import * as v from 'valibot';
import { sha256, toHex, utf8 } from '../bytes.ts';
import { budgetOfAny, widened } from '../wire/cbor-budget.ts';
import { decodeCbor, encodeCbor, fixedBytes, integer } from '../wire/cbor.ts';
import { openCose, signCose, verifyCose } from './cose.ts';
import { FloeError } from '../errors.ts';
import type { Identity } from '../ports/identity.ts';
import { bodySchemas, MAX_RECORD_BYTES } from './bodies.ts';
import { createVerified } from './verified.ts';

export {
  dataCommitment,
  eligibleRoot,
  sortKeys,
  survivorsHash,
  type FrozenSurvivors,
} from './commitments.ts';
export * from './bodies.ts';

export type RecordType = keyof typeof bodySchemas;
export type Body<Type extends RecordType> = v.InferOutput<(typeof bodySchemas)[Type]>;

/** Which records the coordinator signs; the others are the participants'. */
export const COORDINATOR_RECORDS: ReadonlySet<RecordType> = new Set([
  'open',
  'cohort',
  'sharers',
  'survivors',
  'commit',
  'abort',
]);

interface RecordOf<Type extends RecordType> {
  readonly type: Type;
  /** Ed25519 public key. */
  readonly author: Uint8Array;
  /** Hash of the run specification. */
  readonly run: Uint8Array;
  readonly attempt: number;
  readonly body: Body<Type>;
  /** The signed wire form, and its SHA-256, which names the record. */
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

export type SignedRecord<Type extends RecordType = RecordType> = { [T in Type]: RecordOf<T> }[Type];

const payloadSchema = v.strictObject({
  type: v.picklist(Object.keys(bodySchemas) as RecordType[]),
  author: fixedBytes(32),
  run: fixedBytes(32),
  attempt: integer(0, 100_000),
  body: v.record(v.string(), v.unknown()),
});

/** The widest body, and the four other fields. */
const PAYLOAD_BUDGET = widened(budgetOfAny(Object.values(bodySchemas)), 10, 1);

/** Authenticated with every record: no other COSE message of the same key is one. */
export const recordContext = (version: number): Uint8Array => utf8(`floe/record/v${version}`);

/** Raised when the fields of a record change. */
export const RECORD_VERSION = 2;
const RECORD_AAD = recordContext(RECORD_VERSION);

/** Names a record: of its signed bytes. */
export const recordHash = (bytes: Uint8Array): Uint8Array =>
  sha256(utf8('floe/record-hash/v1'), bytes);

/**
 * Signs a record. The body is checked against its schema, so that no malformed record is ever
 * signed.
 */
export const signRecord = <Type extends RecordType>(
  identity: Identity,
  type: Type,
  run: Uint8Array,
  attempt: number,
  body: Body<Type>,
): SignedRecord<Type> => {
  const payload = encodeCbor({ type, author: identity.publicKey, run, attempt, body });
  const fields = readPayload(payload);
  const bytes = signCose(identity, RECORD_AAD, payload);
  return { ...fields, bytes, hash: recordHash(bytes) } as SignedRecord<Type>;
};

/** The fields of a payload. @throws FloeError `record_malformed` */
const readPayload = (bytes: Uint8Array) => {
  const payload = decodeCbor(
    payloadSchema,
    bytes,
    'record_malformed',
    MAX_RECORD_BYTES,
    PAYLOAD_BUDGET,
  );
  const result = v.safeParse(bodySchemas[payload.type], payload.body, { abortEarly: true });
  if (result.success) return { ...payload, body: result.output };
  const [issue] = result.issues;
  throw new FloeError(
    'record_malformed',
    `${payload.type}.${v.getDotPath(issue) ?? ''}: ${issue.message}`,
  );
};

/** Of two rounds of a cohort of 255, about. */
const VERIFIED_BYTES = 16 << 20;
/** Never changed. */
const verified = createVerified<SignedRecord>(VERIFIED_BYTES);

/** Records of the last rounds that this process keeps, decoded. */
export const verifiedRecords = (): number => verified.size;

/**
 * Decodes a record, checks schema and signature over the bytes as they came. Who may author what,
 * and whether run and attempt fit, is for the rules of the attempt to check. The same bytes again
 * are not verified again.
 *
 * @throws FloeError `record_malformed`, `signature_invalid`
 */
export const decodeRecord = (bytes: Uint8Array): SignedRecord => {
  if (bytes.length > MAX_RECORD_BYTES)
    throw new FloeError(
      'record_malformed',
      `expected at most ${MAX_RECORD_BYTES} bytes, got ${bytes.length}`,
    );
  const name = recordHash(bytes);
  const known = verified.get(toHex(name));
  // The caller's own bytes, whatever became of those that were verified.
  if (known !== undefined) return { ...known, bytes };
  const cose = openCose(bytes, 'record_malformed');
  const fields = readPayload(cose.payload);
  if (!verifyCose(cose, RECORD_AAD, fields.author))
    throw new FloeError(
      'signature_invalid',
      `the signature of the ${fields.type} record does not verify`,
    );
  const record = { ...fields, bytes, hash: name } as SignedRecord;
  verified.add(toHex(name), record);
  return record;
};

/**
 * Decodes and checks that the record is of `type`. @throws FloeError `record_malformed`,
 * `signature_invalid`
 */
export const decodeRecordOf = <Type extends RecordType>(
  type: Type,
  bytes: Uint8Array,
): SignedRecord<Type> => {
  const record = decodeRecord(bytes);
  if (record.type !== type)
    throw new FloeError('record_malformed', `expected a ${type} record, got ${record.type}`);
  return record as SignedRecord<Type>;
};
