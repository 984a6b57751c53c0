/**
 * @module What a reader knows of one attempt: the records so far, in one value that each record
 * extends. The coordinator and a verifier know every record; a participant knows those that it was
 * sent. The phases are those of Bonawitz et al. 2017.
 */
import { layoutOf } from '../algorithm/round.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { ENVELOPE_OVERHEAD } from '../model/envelope.ts';
import { merkleRoot } from '../records/merkle.ts';
import type { SignedRecord } from '../records/records.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { attemptContext, uncovered } from '../secagg/index.ts';
import { topologyOf } from './groups.ts';
import type { RunHistory } from './run-history.ts';

/** Records of one type by their author, the key in lower-case hex. */
export type ByAuthor<Type extends ParticipantType> = ReadonlyMap<string, SignedRecord<Type>>;
export type ParticipantType =
  'register' | 'share' | 'complaint' | 'upload' | 'consistent' | 'unmask';
export type CoordinatorType = 'open' | 'cohort' | 'sharers' | 'survivors' | 'commit' | 'abort';

/**
 * What a ledger holds of the attempt; null where it holds nothing, undefined where it was not
 * asked.
 */
export interface LedgerFacts {
  readonly cohort?: { readonly root: Uint8Array; readonly beacon: Uint8Array } | null;
  readonly survivors?: { readonly hash: Uint8Array; readonly dataCommitment: Uint8Array } | null;
}

/** What is remembered of a registration. */
export interface Registered {
  readonly counter: number;
  /** Of the record. */
  readonly hash: Uint8Array;
}

/** @param record of an earlier attempt */
export const registeredBy = ({ hash, body }: SignedRecord<'register'>): Registered => ({
  counter: body.counter,
  hash,
});

export interface AttemptView {
  readonly spec: RunSpec;
  /** Hash of the specification, 32 bytes. */
  readonly run: Uint8Array;
  /** The number of the attempt. */
  readonly attempt: number;
  /**
   * Whether every record up to now is here. A rule about records that a participant is not sent
   * during the attempt applies to complete views only.
   */
  readonly complete: boolean;
  /** The last commit before this attempt; undefined where there is none, or it is not known. */
  readonly previous: SignedRecord<'commit'> | undefined;
  /**
   * How many commits of the run are known before this attempt; there may be more where the view is
   * not complete.
   */
  readonly committed: number;
  /**
   * The survivors record of the commit that the attempt starts from; undefined where there is none,
   * or it is not known.
   */
  readonly lastSurvivors: SignedRecord<'survivors'> | undefined;
  /** The attempts before this one; undefined where not all are known. */
  readonly history: RunHistory | undefined;
  /** The last registration of this author (hex) before this attempt, as far as known. */
  readonly lastRegisterOf: (author: string) => Registered | undefined;
  /** `members`: the beacon can be computed from the records. `ledger`: only the ledger can tell. */
  readonly beacon: 'members' | 'ledger';
  readonly ledger: LedgerFacts;
  readonly open: SignedRecord<'open'> | undefined;
  readonly registers: ByAuthor<'register'>;
  readonly cohort: SignedRecord<'cohort'> | undefined;
  readonly shares: ByAuthor<'share'>;
  readonly sharers: SignedRecord<'sharers'> | undefined;
  readonly complaints: ByAuthor<'complaint'>;
  readonly uploads: ByAuthor<'upload'>;
  readonly survivors: SignedRecord<'survivors'> | undefined;
  readonly consistents: ByAuthor<'consistent'>;
  readonly unmasks: ByAuthor<'unmask'>;
  readonly commit: SignedRecord<'commit'> | undefined;
  readonly abort: SignedRecord<'abort'> | undefined;
}

export type ViewInit = Pick<AttemptView, 'spec' | 'run' | 'attempt'> &
  Partial<
    Pick<
      AttemptView,
      | 'complete'
      | 'previous'
      | 'committed'
      | 'lastSurvivors'
      | 'history'
      | 'lastRegisterOf'
      | 'beacon'
      | 'ledger'
    >
  >;

/** An attempt of which nothing is known yet. */
export const emptyView = (init: ViewInit): AttemptView => ({
  complete: false,
  previous: undefined,
  committed: 0,
  lastSurvivors: undefined,
  history: undefined,
  lastRegisterOf: () => undefined,
  beacon: 'members',
  ledger: {},
  open: undefined,
  registers: new Map(),
  cohort: undefined,
  shares: new Map(),
  sharers: undefined,
  complaints: new Map(),
  uploads: new Map(),
  survivors: undefined,
  consistents: new Map(),
  unmasks: new Map(),
  commit: undefined,
  abort: undefined,
  ...init,
});

/** Where records of a participant's type are kept. */
export const LISTS = {
  register: 'registers',
  share: 'shares',
  complaint: 'complaints',
  upload: 'uploads',
  consistent: 'consistents',
  unmask: 'unmasks',
} as const satisfies Record<ParticipantType, keyof AttemptView>;

const isListed = (type: SignedRecord['type']): type is ParticipantType =>
  Object.hasOwn(LISTS, type);

export const isCoordinators = (record: SignedRecord): record is SignedRecord<CoordinatorType> =>
  !isListed(record.type);

/**
 * The view with one more record; a second one of the same author and type takes the place of the
 * first.
 */
export const withRecord = (view: AttemptView, record: SignedRecord): AttemptView => {
  const { type } = record;
  if (!isListed(type)) return { ...view, [type]: record };
  const list = LISTS[type];
  const next = new Map<string, SignedRecord>(view[list]).set(toHex(record.author), record);
  return { ...view, [list]: next };
};

/** The view with many more records. */
export const withRecords = (view: AttemptView, records: Iterable<SignedRecord>): AttemptView => {
  let next = view;
  for (const record of records) next = withRecord(next, record);
  return next;
};

/** The standing record of this type, by this author where it is a participant's. */
export const standing = (view: AttemptView, record: SignedRecord): SignedRecord | undefined =>
  isListed(record.type)
    ? view[LISTS[record.type]].get(toHex(record.author))
    : view[record.type as CoordinatorType];

export const isMasked = ({ spec }: Pick<AttemptView, 'spec'>): boolean => spec.secagg === 'masked';

/**
 * Why what `authors` shared could not be opened if `present` answer; undefined where it can be, and
 * without masks.
 * @param authors members of the cohort @param present members of the cohort
 */
export const coverFault = (
  view: AttemptView & { readonly cohort: SignedRecord<'cohort'> },
  authors: readonly Uint8Array[],
  present: readonly Uint8Array[],
): string | undefined => {
  if (!isMasked(view)) return undefined;
  const { members } = view.cohort.body;
  const indexOf = (key: Uint8Array): number => members.findIndex((id) => equalBytes(id, key));
  const topology = topologyOf(view);
  const short = uncovered(topology, authors.map(indexOf), new Set(present.map(indexOf)));
  return short && `${short.have} of ${short.need} holders of a member's shares are there`;
};

/** By cohort record: every record after it is compared with the root of its registrations. */
const registersRoots = new WeakMap<SignedRecord<'cohort'>, Uint8Array>();

const registersRootOf = (cohort: SignedRecord<'cohort'>): Uint8Array => {
  const root = registersRoots.get(cohort) ?? merkleRoot(cohort.body.registers);
  registersRoots.set(cohort, root);
  return root;
};

/** What every mask of the attempt is bound to, 32 bytes. See `attemptContext`. */
export const contextOf = (view: {
  readonly run: Uint8Array;
  readonly attempt: number;
  readonly open: SignedRecord<'open'>;
  readonly cohort: SignedRecord<'cohort'>;
}): Uint8Array =>
  attemptContext({
    runHash: view.run,
    attempt: view.attempt,
    modelHash: view.open.body.model.hash,
    cohortRoot: view.cohort.body.root,
    registersRoot: registersRootOf(view.cohort),
    beacon: view.cohort.body.beacon,
  });

/**
 * Bytes of an upload for a cohort of n.
 *
 * @param meanExamples of the attempt's Open record; the smaller, the more bytes
 */
export const uploadBytesOf = (
  { spec }: Pick<AttemptView, 'spec'>,
  n: number,
  meanExamples: number,
): number =>
  layoutOf(spec, n, meanExamples).byteLength + (spec.secagg === 'none' ? ENVELOPE_OVERHEAD : 0);
