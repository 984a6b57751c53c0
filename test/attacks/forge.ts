/**
 * @module A finished run, and transcripts of it that its coordinator, alone or with all members,
 * signs anew with something else in them: everything that follows from a changed record is signed
 * and chained again, so that only the rules can tell.
 */
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import type { Identity } from '../../protocol/ports/identity.ts';
import {
  signRecord,
  survivorsHash,
  type Body,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { encodeEntry, genesis, nextEntry } from '../../protocol/records/transcript.ts';
import { verifyRun, type Verification } from '../../protocol/verify/index.ts';
import { testIdentity } from '../support/run.ts';
import { realRun, type Client, type RealRun } from './real-run.ts';

export interface FinishedRun {
  readonly run: RealRun;
  readonly people: readonly Client[];
  readonly auditor: Identity;
  readonly records: readonly SignedRecord[];
}

/** A run of one round, played to its end by honest clients. */
export const finishedRun = async (
  over: Parameters<typeof realRun>[0] = {},
  names: readonly string[] = ['a', 'b', 'c', 'd', 'e'],
): Promise<FinishedRun> => {
  const auditor = await testIdentity('auditor');
  const run = await realRun({
    cohort: { size: 5, minimum: 3 },
    auditors: [auditor.publicKey],
    ...over,
  });
  const people = await Promise.all(names.map((name) => run.join(name)));
  await run.coordinator.finished;
  const records = run.entries().map(({ record }) => record);
  await run.stop();
  return { run, people, auditor, records };
};

type Change = <Type extends RecordType>(record: SignedRecord<Type>) => unknown;

/** Puts new hashes in the place of old ones, wherever they stand. */
const renamed = (value: unknown, names: ReadonlyMap<string, string>): unknown => {
  if (value instanceof Uint8Array) {
    const other = value.length === 32 ? names.get(toHex(value)) : undefined;
    return other === undefined ? value : fromHex(other);
  }
  if (Array.isArray(value)) return value.map((item) => renamed(item, names));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, renamed(item, names)]),
  );
};

/**
 * The records with other bodies where `change` gives one, and whatever refers to them signed again
 * by its author: the members are in league with the coordinator, or the record is the coordinator's
 * alone.
 */
export const forged = (
  { run, people, records }: FinishedRun,
  change: Change,
): readonly SignedRecord[] => {
  const authors = new Map(
    [run.stage.coordinatorIdentity, ...people.map(({ keystore }) => keystore.identity)].map(
      (identity) => [toHex(identity.publicKey), identity],
    ),
  );
  const names = new Map<string, string>();
  const signed = records.map((record): SignedRecord => {
    const body = renamed(change(record) ?? record.body, names) as Body<RecordType>;
    if (record.type === 'survivors') {
      const next = body as Body<'survivors'>;
      const hash = survivorsHash(next);
      names.set(toHex(record.body.hash), toHex(hash));
      next.hash = hash;
    }
    const author = authors.get(toHex(record.author))!;
    const again = signRecord(author, record.type, record.run, record.attempt, body);
    names.set(toHex(record.hash), toHex(again.hash));
    return again;
  });
  if (signed.every(({ hash }, i) => equalBytes(hash, records[i]!.hash)))
    throw new Error('nothing was forged');
  return signed;
};

/** A change of one type of record. */
export const changing =
  <Type extends RecordType>(
    type: Type,
    change: (body: Body<Type>, record: SignedRecord<Type>) => Body<Type>,
  ): Change =>
  (record) => {
    const wanted: RecordType = type;
    if (record.type !== wanted) return undefined;
    const own = record as SignedRecord as SignedRecord<Type>;
    return change(own.body, own);
  };

/** A record that the coordinator adds. */
export const added = <Type extends RecordType>(
  { run }: FinishedRun,
  type: Type,
  attempt: number,
  body: Body<Type>,
): SignedRecord =>
  signRecord(run.stage.coordinatorIdentity, type, run.run, attempt, body) as SignedRecord;

/** What a verifier says who has no ledger but the coordinator's word, reading as `reader`. */
export const verdictOn = (
  { run }: FinishedRun,
  records: readonly SignedRecord[],
  reader?: Identity,
): Promise<Verification> => {
  let head = genesis(run.run);
  const transcript = Buffer.concat(
    records.map((record, index) => {
      const entry = nextEntry(head, index, record);
      head = entry.hash;
      return encodeEntry(entry);
    }),
  );
  return verifyRun({
    spec: run.spec,
    transcript,
    store: run.stage.store,
    ...(reader === undefined ? {} : { gate: sealedBoxGate(reader) }),
  });
};

/** An envelope without the box of one reader: wrapped anew by whoever can open it. */
export const withoutReader = async (
  { run }: FinishedRun,
  envelope: Uint8Array,
  purpose: { readonly attempt: number; readonly role: 'model' | 'bundle' },
  readers: readonly Uint8Array[],
): Promise<Uint8Array> => {
  const gate = sealedBoxGate(run.stage.coordinatorIdentity);
  const whole = { run: run.run, ...purpose };
  return gate.wrap(await gate.unwrap(envelope, whole), whole, readers);
};
