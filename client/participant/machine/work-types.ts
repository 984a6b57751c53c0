/**
 * @module The types of work that the machine requests from its host: all work that needs a secret,
 * a port, randomness or time.
 */
import type { Body, ModelRef, SignedRecord } from '../../../protocol/records/records.ts';
import type { Registered, AttemptView } from '../../../protocol/rules/index.ts';
import type { Reveal } from '../../../protocol/secagg/index.ts';
import type { CommitEvidence } from '../../../protocol/verify/evidence.ts';
import type { CheckedCohort, CheckedSharers } from './record-checks.ts';
import type { Vector } from './run-memory.ts';

/**
 * What the host does with secrets, ports or time; its result comes back as `done` or `failed`.
 * Frames wait for the works in `QUICK`; the others run beside the frames.
 */
export type Work =
  /** Which run a model belongs to, over all runs of the keystore. */
  | { readonly type: 'owner'; readonly attempt: number; readonly model: Uint8Array }
  /** Fresh secrets, and the registration of the keys that derive from them. */
  | {
      readonly type: 'register';
      readonly attempt: number;
      readonly open: SignedRecord<'open'>;
      readonly before: Registered | undefined;
      /** Names of the survivor sets that it has answered for on the model. */
      readonly answered: readonly Uint8Array[];
      /** With correlated noise: digest of the sums that its stream is in. */
      readonly stream?: Body<'register'>['stream'];
      /** In a buffered run: of the update that it registers with. */
      readonly base: Body<'register'>['base'];
    }
  /** Checks a commit, fetches its model and trains on it, while attempts come and go. */
  | {
      readonly type: 'prepare';
      readonly attempt: number;
      readonly open: SignedRecord<'open'>;
      /** Of the commit to check; undefined where there is none, or it was checked. */
      readonly evidence: CommitEvidence | undefined;
      readonly round: number;
      readonly summedIn: number | undefined;
    }
  | {
      readonly type: 'cohort-freeze' | 'survivors-freeze';
      readonly attempt: number;
    }
  /** The spot check of the commit that the attempt starts from. */
  | {
      readonly type: 'check';
      readonly attempt: number;
      readonly open: SignedRecord<'open'>;
      readonly evidence: CommitEvidence;
    }
  | {
      readonly type: 'shares';
      readonly attempt: number;
      readonly cohort: CheckedCohort;
      /** The spot check that the Share record states. */
      readonly check: Body<'share'>['check'];
    }
  /** Opens what the others sealed, or makes the complaint over the first entry that is bad. */
  | {
      readonly type: 'inbox';
      readonly attempt: number;
      readonly cohort: CheckedCohort;
      readonly sharers: CheckedSharers;
    }
  | { readonly type: 'fetch'; readonly attempt: number; readonly open: SignedRecord<'open'> }
  /** On the model that was fetched, once what was sent has left. */
  | {
      readonly type: 'train';
      readonly attempt: number;
      /** Counts from 1: the commits before the attempt, and one. */
      readonly round: number;
      readonly model: ModelRef;
      /** The newest commit that the own update is in the sum of, see `site-state.ts`. */
      readonly summedIn: number | undefined;
    }
  /** Encodes and masks what was trained. */
  | {
      readonly type: 'vector';
      readonly attempt: number;
      readonly open: SignedRecord<'open'>;
      readonly cohort: CheckedCohort;
      /** Commits since the model that was trained on; 0 where rounds are not buffered. */
      readonly staleness: number;
    }
  /** Claims the model for this run, if it is masked, then writes the vector that was made. */
  | {
      readonly type: 'keep-vector';
      readonly attempt: number;
      /** The model of the attempt, and the one that was trained on; none without masks. */
      readonly models: readonly Uint8Array[];
    }
  | { readonly type: 'upload'; readonly attempt: number; readonly vector: Vector }
  | {
      readonly type: 'sign-upload';
      readonly attempt: number;
      readonly body: Omit<Body<'upload'>, 'entropy'>;
    }
  | {
      readonly type: 'sign-consistent';
      readonly attempt: number;
      readonly body: Body<'consistent'>;
    }
  /** What the ledger lists on a model: each survivor set that was ever frozen on it. */
  | { readonly type: 'family'; readonly attempt: number; readonly model: ModelRef }
  /** Seals the shares that the guard has released, and signs the answer. */
  | {
      readonly type: 'answer';
      readonly attempt: number;
      readonly open: SignedRecord<'open'>;
      readonly context: Uint8Array;
      /** Hash of the survivor set. */
      readonly survivors: Uint8Array;
      readonly reveal: readonly Reveal[];
    }
  /** Judges the proof that an Abort carries. */
  | {
      readonly type: 'prove';
      readonly attempt: number;
      readonly view: AttemptView;
      readonly record: SignedRecord<'abort'>;
    };

export type WorkType = Work['type'];
export type WorkOf<Type extends WorkType> = Extract<Work, { readonly type: Type }>;

/** No frame and no other result is taken between such a work and its own result. */
export const QUICK: ReadonlySet<WorkType> = new Set([
  'owner',
  'register',
  'shares',
  'inbox',
  'keep-vector',
  'sign-upload',
  'sign-consistent',
  'answer',
  'prove',
]);
