/**
 * @module What verification ends with when something is wrong: the round, the record, and why.
 */
import type { RecordType, SignedRecord } from '../records.ts';
import { addressOf } from '../identity.ts';

export class Culprit extends Error {
  override readonly name = 'Culprit';
  readonly round: number;
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
    this.round = record?.round ?? 0;
    this.record = missing ?? record?.type ?? 'transcript';
    this.entry = entry;
    this.author = record === undefined ? undefined : addressOf(record.author);
  }
}
