/**
 * @module What verification ends with when something is wrong: the attempt, the record, and why.
 */
import { FloeError, type ErrorCode } from '../errors.ts';
import { addressOf } from '../ports/identity.ts';
import type { RecordType, SignedRecord } from '../records/records.ts';

export class Culprit extends Error {
  override readonly name = 'Culprit';
  readonly attempt: number;
  readonly record: RecordType | 'transcript';
  /** Index in the transcript; -1 where there is no entry. */
  readonly entry: number;
  /** Address of who signed the record that is wrong. */
  readonly author: string | undefined;

  constructor(
    record: SignedRecord | undefined,
    entry: number,
    reason: string,
    missing?: RecordType,
  ) {
    super(reason);
    this.attempt = record?.attempt ?? 0;
    this.record = missing ?? record?.type ?? 'transcript';
    this.entry = entry;
    this.author = record === undefined ? undefined : addressOf(record.author);
  }
}

/** A blob that a record names is nowhere: of a run that continues, perhaps not there yet. */
export class MissingBlob extends Culprit {}

/** What says nothing about the run: it could not be read, or not by this identity. */
const NOBODYS_FAULT: ReadonlySet<ErrorCode> = new Set([
  'access_denied',
  'gate_unavailable',
  'key_server_faulty',
  'store_unavailable',
  'ledger_unavailable',
  'aborted',
]);

/**
 * Does `work` on what `record` says; an error that its content causes makes the record the culprit.
 */
export const blaming = async <Result>(
  record: SignedRecord,
  entry: number,
  what: string,
  work: () => Result | Promise<Result>,
): Promise<Result> => {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof FloeError) || NOBODYS_FAULT.has(thrown.code)) throw thrown;
    throw new Culprit(record, entry, `${what}: ${thrown.message} (${thrown.code})`);
  }
};
