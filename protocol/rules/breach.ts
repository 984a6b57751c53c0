/**
 * @module A breach: what the coordinator signed breaks a rule, and the records that show it.
 * Nothing else is one: an error has this type only where it is made with a record of the
 * coordinator, so no store, gate, ledger, clock or line can be taken for a lie of the coordinator.
 */
import { FloeError, type ErrorCode, type ErrorDetails } from '../errors.ts';
import type { SignedRecord } from '../records/records.ts';
import type { CoordinatorType } from './view.ts';

/** What proves a breach: a record of the coordinator, then what it is compared with. */
export type Proof = readonly [SignedRecord<CoordinatorType>, ...SignedRecord[]];

export class Breach extends FloeError {
  readonly records: Proof;

  constructor(code: ErrorCode, message: string, records: Proof, details: ErrorDetails = {}) {
    super(code, message, details);
    this.records = records;
  }
}
