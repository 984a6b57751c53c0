/**
 * @module The attacks on the protocol: a connection between the honest participant of the product
 * and the coordinator that changes what the participant sends, and signs it with the participant's
 * own key. The coordinator and the other participants judge it by their own rules; an upload that
 * is late is a matter of virtual time (sim/virtual).
 */
import { sha256 } from '../../protocol/bytes.ts';
import type { Identity } from '../../protocol/ports/identity.ts';
import {
  decodeRecord,
  decodeRecordOf,
  signRecord,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { entryHash, signedEntries } from '../../protocol/secagg/index.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { decodeClientFrame, encodeFrame, type ClientFrame } from '../../protocol/wire/messages.ts';
import type { AttackMemory } from './attack-memory.ts';
import type { AttackName } from './kinds.ts';

/** What is sent in place of a frame. */
type Lie = (frame: ClientFrame, identity: Identity) => readonly Uint8Array[] | undefined;

const flipped = (bytes: Uint8Array, at = 0): Uint8Array => {
  const other = bytes.slice();
  other[at] = (other[at] as number) ^ 0xff;
  return other;
};

const uploadIn = (frame: ClientFrame): SignedRecord<'upload'> | undefined => {
  if (frame.type !== 'record') return undefined;
  const record = decodeRecord(frame.record);
  return record.type === 'upload' ? record : undefined;
};

/** What a liar knows of earlier rounds. */
interface Kept {
  readonly memory: AttackMemory;
  /** The last attempt of an earlier part of the run: what came after is repeated. */
  readonly until: number | undefined;
}

/** The first upload is sent in place of all later ones. */
const replay = ({ memory, until }: Kept): Lie => {
  const saved = memory.load();
  const isOfRepeated =
    saved !== undefined && until !== undefined && decodeRecord(saved).attempt > until;
  let first = isOfRepeated ? undefined : saved;
  return (frame) => {
    const upload = uploadIn(frame);
    if (upload === undefined) return undefined;
    if (first === undefined) {
      first = upload.bytes;
      memory.save(first);
    }
    return [encodeFrame({ type: 'record', record: first })];
  };
};

/** A second upload, of another blob. */
const equivocation: Lie = (frame, identity) => {
  const upload = uploadIn(frame);
  if (upload === undefined) return undefined;
  const { run, attempt, body, bytes } = upload;
  const blob = { ...body.blob, sha256: sha256(body.blob.sha256) };
  const other = signRecord(identity, 'upload', run, attempt, { ...body, blob });
  return [bytes, other.bytes].map((record) => encodeFrame({ type: 'record', record }));
};

const shareAgain = (
  frame: Extract<ClientFrame, { readonly type: 'share' }>,
  identity: Identity,
  body: SignedRecord<'share'>['body'],
  entries = frame.entries,
): readonly Uint8Array[] => {
  const { run, attempt } = decodeRecord(frame.record);
  const record = signRecord(identity, 'share', run, attempt, body);
  return [encodeFrame({ type: 'share', record: record.bytes, entries })];
};

/** It says that it checked another commit than the one of Open. */
const wrongModelHash: Lie = (frame, identity) => {
  if (frame.type !== 'share') return undefined;
  const { body } = decodeRecordOf('share', frame.record);
  if (body.check === undefined) return undefined;
  const check = { ...body.check, commit: flipped(body.check.commit) };
  return shareAgain(frame, identity, { ...body, check });
};

/** Two of its sealed shares cannot be opened, of which one at least is for somebody else. */
const badShare: Lie = (frame, identity) => {
  if (frame.type !== 'share') return undefined;
  const { body } = decodeRecordOf('share', frame.record);
  const entries = frame.entries.map((entry, i) => (i < 2 ? flipped(entry) : entry));
  const about = { context: body.context, author: identity.publicKey };
  const signed = signedEntries(about, entries.map(entryHash));
  return shareAgain(frame, identity, { ...body, entries: signed }, entries);
};

/** Undefined for an attack that sends nothing else. */
const lieOf = (kind: AttackName, kept: Kept): Lie | undefined => {
  switch (kind) {
    case 'replay':
      return replay(kept);
    case 'equivocation':
      return equivocation;
    case 'wrong-model-hash':
      return wrongModelHash;
    case 'bad-share':
      return badShare;
    default:
      return undefined;
  }
};

/** Makes the participant's end of its connections lie; honest ones are given back as they are. */
export const createLiar = (
  kind: AttackName | undefined,
  identity: Identity,
  kept: Kept,
): ((connection: Connection) => Connection) => {
  const lie = kind && lieOf(kind, kept);
  if (lie === undefined) return (connection) => connection;
  return (connection) => ({
    remote: connection.remote,
    get bufferedBytes() {
      return connection.bufferedBytes;
    },
    send: (bytes) => {
      for (const frame of lie(decodeClientFrame(bytes), identity) ?? [bytes])
        connection.send(frame);
    },
    close: (code, reason) => connection.close(code, reason),
    receive: (handlers) => connection.receive(handlers),
  });
};
