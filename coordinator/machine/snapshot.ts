/**
 * @module A snapshot of the machine's state: with the events after it, it is all that a restart
 * needs. This file holds the schema of the whole state; a field added to the state is added here. A
 * snapshot refers to records of the transcript by hash, and to sealed entries by their share: it
 * stays small, and nothing is stored twice.
 */
import * as v from 'valibot';
import { equalBytes, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { bytesUpTo, decodeCbor, encodeCbor, fixedBytes } from '../../protocol/wire/cbor.ts';
import { modelRefSchema } from '../../protocol/records/records.ts';
import type { Missed, RunHistory } from '../../protocol/rules/run-history.ts';
import type { Draw } from '../../protocol/rules/selection.ts';
import type { Suspicion } from '../../protocol/rules/suspicion.ts';
import {
  absent,
  bytes,
  carried,
  collectRefs,
  damaged,
  decimal,
  errorCode,
  fitting,
  flag,
  hash,
  hex,
  identities,
  kept,
  keptBytes,
  keptEither,
  list,
  mapBy,
  mapOf,
  oneOf,
  openRefs,
  optional,
  pair,
  struct,
  text,
  variant,
  whole,
  type Codec,
  type Found,
} from './codec.ts';
import type { EarlierModels } from './earlier-models.ts';
import { ATTEMPT_PHASES } from './phases.ts';
import type {
  BoundedPhase,
  Committing,
  Complained,
  Evidence,
  Frozen,
  Hex,
  Opened,
  Phase,
  PhaseOf,
  PhaseType,
  Presence,
  Attempt,
  Shared,
  State,
  Streak,
  Survived,
  Upload,
} from './state.ts';
import type { KeptGrouping, Tried } from './tried.ts';

/** Raised when the state changes: another version is refused, not guessed at. */
export const SNAPSHOT_VERSION = 5;
const MAX_SNAPSHOT_BYTES = 256 << 20;

const phaseType = oneOf<PhaseType>('waiting', ...ATTEMPT_PHASES, 'finished');

/** Its entries are stored separately in the journal. */
const shared: Codec<Shared> = {
  write: ({ record }, refs) => kept('share').write(record, refs),
  read: (data, found) => {
    const record = kept('share').read(data, found);
    return { record, entries: found.entriesOf(record) };
  },
};

type Report = Attempt['reports'] extends ReadonlyMap<Hex, infer Value> ? Value : never;

const draw = struct<Draw>({
  eligible: list(hash) as Codec<Uint8Array[]>,
  late: list(hash) as Codec<Uint8Array[]>,
  out: list(hash) as Codec<Uint8Array[]>,
  again: absent(whole),
});

const missed = mapOf(struct<Missed>({ misses: whole, last: whole }));

const history = struct<RunHistory>({
  lastSurvivors: optional(kept('survivors')),
  missed,
  culprits: identities,
  suspicions: list(struct<Suspicion>({ members: identities, sums: whole })),
  suspended: missed,
  summed: mapBy(whole, identities),
  versions: absent(list(whole)),
  groupings: absent(mapBy(whole, hex)),
  carriers: absent(identities),
  released: mapOf(whole),
});

const attemptCodec = struct<Attempt>({
  attempt: whole,
  invited: list(hex),
  isGroup: flag,
  draw: absent(draw),
  withdrawn: mapOf(text),
  details: mapOf(text),
  reports: mapOf(struct<Report>({ code: absent(optional(text)), changes: whole })),
  open: optional(kept('open')),
  registers: mapOf(kept('register')),
  members: list(hex),
  cohort: optional(kept('cohort')),
  context: optional(hash),
  shares: mapOf(shared),
  sharers: optional(kept('sharers')),
  // A complaint goes into the transcript with its verdict, and the attempt is over then.
  complaints: mapOf(struct<Complained>({ record: carried('complaint'), judged: flag })),
  uploads: mapOf(
    struct<Upload>({
      record: kept('upload'),
      status: oneOf('accepted', 'folded', 'rejected'),
      took: whole,
      code: absent(text),
    }),
  ),
  survivors: optional(kept('survivors')),
  silent: identities,
  eligible: list(hex),
  consistent: mapOf(kept('consistent')),
  unmasks: mapOf(kept('unmask')),
  answers: mapOf(bytes),
  // In the transcript only when the ledger holds the model.
  commit: optional(carried('commit')),
  times: list(pair(phaseType, whole)),
});

/** An attempt in a phase that rests on these records. */
const attemptWith = <In extends Attempt>(...needed: readonly (keyof Attempt)[]): Codec<In> => ({
  write: (value, refs) => attemptCodec.write(value, refs),
  read: (data, found) => {
    const read = attemptCodec.read(data, found);
    const missing = needed.find((name) => read[name] === undefined);
    if (missing !== undefined) throw damaged(`the attempt lacks its ${missing}`);
    // The fields that the type adds to Round were checked above.
    return read as In;
  },
});

const OPENED = ['open'] as const;
const FROZEN = [...OPENED, 'cohort', 'context'] as const;
const SURVIVED = [...FROZEN, 'survivors'] as const;

const bounded = <Type extends BoundedPhase['type'], In extends Attempt>(
  type: Type,
  attempt: Codec<In>,
) =>
  struct<{
    readonly type: Type;
    readonly since: number;
    readonly deadline: number;
    readonly timedFrom?: number;
    readonly attempt: In;
  }>({
    type: oneOf(type),
    since: whole,
    deadline: whole,
    timedFrom: absent(whole),
    attempt,
  });

const PHASES = {
  waiting: struct<PhaseOf<'waiting'>>({
    type: oneOf('waiting'),
    since: whole,
    until: whole,
    reason: absent(text),
    pause: absent(text),
  }),
  opening: bounded('opening', attemptCodec),
  register: bounded('register', attemptWith<Opened>(...OPENED)),
  'freezing-cohort': bounded('freezing-cohort', attemptWith<Opened>(...OPENED)),
  share: bounded('share', attemptWith<Frozen>(...FROZEN)),
  upload: bounded('upload', attemptWith<Frozen>(...FROZEN)),
  'freezing-survivors': bounded('freezing-survivors', attemptWith<Frozen>(...FROZEN)),
  consistency: bounded('consistency', attemptWith<Survived>(...SURVIVED)),
  unmask: bounded('unmask', attemptWith<Survived>(...SURVIVED)),
  finishing: bounded('finishing', attemptWith<Survived>(...SURVIVED)),
  registering: struct<PhaseOf<'registering'>>({
    type: oneOf('registering'),
    since: whole,
    attempt: attemptWith<Committing>(...SURVIVED, 'commit'),
  }),
  finished: struct<PhaseOf<'finished'>>({ type: oneOf('finished'), since: whole }),
} satisfies { readonly [Type in PhaseType]: Codec<PhaseOf<Type>> };

const phase = variant<Phase>(PHASES);

const state = struct<State>({
  phase,
  startWith: whole,
  attempt: whole,
  committed: whole,
  failures: whole,
  streak: optional(
    struct<Streak>({ code: errorCode, attempts: whole, everybody: flag, detail: absent(text) }),
  ),
  failure: optional(errorCode),
  model: optional(fitting(modelRefSchema)),
  beacon: hash,
  meanExamples: whole,
  clipNorm: absent(decimal),
  drawn: identities,
  history,
  silent: identities,
  tried: list(
    struct<Tried>({
      attempt: whole,
      members: list(hex),
      threshold: whole,
      uploaded: list(hex),
      survivors: list(hex),
      answered: list(hex),
      grouping: absent(struct<KeptGrouping>({ attempt: whole, members: list(hex), beacon: hex })),
    }),
  ),
  earlier: struct<EarlierModels>({ sets: list(list(hex)), models: mapOf(whole) }),
  sitting: identities,
  excluded: identities,
  proven: identities,
  proofs: list(kept('abort')),
  participants: mapOf(struct<Presence>({ present: flag, since: whole })),
  places: identities,
  registered: mapOf(kept('register')),
  patience: whole,
  closing: optional(keptEither('commit', 'abort')),
  evidence: optional(struct<Evidence>({ commit: kept('commit'), records: list(keptBytes) })),
});

const storedSchema = v.strictObject({
  v: v.literal(SNAPSHOT_VERSION),
  /** SHA-256 of `state` under a tag: a byte that a disk has changed is not taken for a state. */
  sum: fixedBytes(32),
  /** Hashes of the records that `state` refers to by their number here. */
  records: v.array(fixedBytes(32)),
  state: bytesUpTo(MAX_SNAPSHOT_BYTES),
});

const sumOf = (encoded: Uint8Array, records: readonly Uint8Array[]): Uint8Array =>
  sha256(utf8('floe/snapshot/v1'), encoded, ...records);

export const encodeSnapshot = (value: State): Uint8Array => {
  const refs = collectRefs();
  const encoded = encodeCbor(state.write(value, refs));
  const records = [...refs.hashes];
  return encodeCbor({
    v: SNAPSHOT_VERSION,
    sum: sumOf(encoded, records),
    records,
    state: encoded,
  });
};

/** Where a snapshot's references lead. */
export interface SnapshotSource {
  /** Records of the transcript by their hashes, in order. */
  records(hashes: readonly Uint8Array[]): Promise<readonly Uint8Array[]>;
  /** The sealed entries of share records, by the record's hash in hex. */
  readonly entries: ReadonlyMap<string, readonly Uint8Array[]>;
}

/**
 * @throws FloeError `journal_corrupt` for input that `encodeSnapshot` does not write exactly so, or
 * of another version
 */
export const decodeSnapshot = async (
  encoded: Uint8Array,
  source: SnapshotSource,
): Promise<State> => {
  const stored = decodeCbor(storedSchema, encoded, 'journal_corrupt', MAX_SNAPSHOT_BYTES);
  if (!equalBytes(sumOf(stored.state, stored.records), stored.sum))
    throw damaged('its checksum is another');
  const found: Found = {
    records: openRefs(stored.records, await source.records(stored.records)),
    entriesOf: ({ hash: share }) => {
      const entries = source.entries.get(toHex(share));
      if (entries === undefined) throw damaged(`the entries of share ${toHex(share)} are missing`);
      return entries;
    },
  };
  const data = decodeCbor(v.unknown(), stored.state, 'journal_corrupt', MAX_SNAPSHOT_BYTES);
  return state.read(data, found);
};
