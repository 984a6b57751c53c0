/**
 * @module The events that the machine reduces. The session has decoded the frames and checked that
 * they come from this run's coordinator; it has not checked their records.
 */
import type { FloeError } from '../../../protocol/errors.ts';
import type { BlobRef } from '../../../protocol/ports/blob-store.ts';
import type { SignedRecord } from '../../../protocol/records/records.ts';
import type { LedgerFacts } from '../../../protocol/rules/index.ts';
import type { Skew } from '../../../protocol/clock-skew.ts';
import type { CommitProof } from '../../../protocol/verify/commit-proof.ts';
import type { ServerFrame } from '../../../protocol/wire/messages.ts';
import type { Ledger } from '../../../protocol/ports/ledger.ts';
import type { Otherwise } from './effects.ts';
import type { WorkType } from './work-types.ts';
import type { PortFault } from './verdict.ts';
import type { Vector } from './run-memory.ts';

/** What a work gave, without what the host keeps of it: secrets, weights, bytes of vectors. */
export type Result =
  | { readonly type: 'owner'; readonly owner: Uint8Array | undefined }
  | { readonly type: 'register'; readonly record: SignedRecord<'register'> }
  | {
      readonly type: 'cohort-freeze' | 'survivors-freeze';
      readonly facts: LedgerFacts;
    }
  | {
      readonly type: 'check';
      readonly leaf: number;
      readonly milliseconds: number;
      /** Undefined: the commit is as its uploads say, and the host has the model. */
      readonly proof: CommitProof | undefined;
    }
  | { readonly type: 'shares'; readonly frame: Uint8Array }
  | {
      readonly type: 'inbox';
      readonly complaint:
        | {
            readonly record: SignedRecord<'complaint'>;
            readonly accused: string;
            readonly kind: 'sealed' | 'pair';
            readonly reason: string;
          }
        | undefined;
    }
  | { readonly type: 'fetch' }
  | {
      readonly type: 'prepare';
      /** The check of the commit, where there was one. */
      readonly check:
        | {
            readonly commit: SignedRecord<'commit'>;
            readonly leaf: number;
            readonly milliseconds: number;
            readonly proof: CommitProof | undefined;
          }
        | undefined;
      /** Undefined where the commit is wrong. */
      readonly trained: Omit<Extract<Result, { readonly type: 'train' }>, 'type'> | undefined;
    }
  | {
      readonly type: 'train';
      readonly examples: number;
      readonly lossSum: number;
      readonly correct: number;
      readonly milliseconds: number;
    }
  | { readonly type: 'vector'; readonly vector: Vector }
  | { readonly type: 'keep-vector'; readonly owner: Uint8Array | undefined }
  | { readonly type: 'upload'; readonly blob: BlobRef }
  | { readonly type: 'sign-upload'; readonly record: SignedRecord<'upload'> }
  | { readonly type: 'sign-consistent'; readonly record: SignedRecord<'consistent'> }
  | { readonly type: 'family'; readonly family: Awaited<ReturnType<Ledger['readFamily']>> }
  | {
      readonly type: 'answer';
      readonly record: SignedRecord<'unmask'>;
      readonly answer: Uint8Array;
    }
  | {
      readonly type: 'prove';
      readonly record: SignedRecord<'abort'>;
      /** Whose breach the proof shows. */
      readonly culprits: readonly Uint8Array[];
    };

export type ResultOf<Type extends Result['type']> = Extract<Result, { readonly type: Type }>;

export type Event =
  /** A login, also after a reconnect; `register` is the last own one that the coordinator shows. */
  | {
      readonly type: 'logged-in';
      readonly remote: string;
      readonly register: Uint8Array | undefined;
    }
  | { readonly type: 'frame'; readonly frame: ServerFrame }
  /** What came is no frame. */
  | { readonly type: 'bad-frame'; readonly error: FloeError }
  /** The clocks were compared. */
  | { readonly type: 'clocks'; readonly skew: Skew | undefined }
  | { readonly type: 'done'; readonly attempt: number; readonly result: Result }
  | {
      readonly type: 'failed';
      readonly attempt: number;
      readonly work: WorkType;
      readonly error: FloeError;
    }
  /** A store, gate or ledger fails, and the host asks it again. */
  | { readonly type: 'outage'; readonly attempt: number; readonly error: PortFault }
  | {
      readonly type: 'outage-over';
      readonly attempt: number;
      readonly port: PortFault['port'];
      readonly milliseconds: number;
    }
  /** The step before was not saved and did not happen. */
  | {
      readonly type: 'not-saved';
      readonly otherwise: Exclude<Otherwise, 'warn'>;
      /** The attempt that the step would have begun or continued. */
      readonly error: FloeError;
    };
