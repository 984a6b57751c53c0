/**
 * @module The unmasking bundle of an attempt: the secrets that the survivors' shares gave back, and
 * what a spot check of the commit needs (secure-aggregation, section 2, steps 7 and 8). With it and
 * the public blobs anyone can recompute the sum and the models before and after, so it is encrypted
 * and gated like the model itself.
 */
import * as v from 'valibot';
import { equalBytes } from '../bytes.ts';
import { bytesUpTo, decodeCbor, encodeCbor, fixedBytes } from '../wire/cbor.ts';
import type { RingLayout } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { entryPathSchema } from '../records/records.ts';
import { entropyOf } from '../secagg/index.ts';
import { MAX_COHORT, MIN_COHORT } from '../spec/run-spec.ts';
import { SECRET_BYTES, SELF_SECRET_BYTES } from '../secagg/secrets.ts';
import { aggregateOfGroups, sameAggregate, type Aggregate } from '../algorithm/fold.ts';
import { groupSizeOf } from '../robust/groups.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import {
  areLeavesOf,
  extrasLeaf,
  LEAF_HASH_BYTES,
  leafCount,
  MAX_LEAVES,
} from '../encoding/leaves.ts';

const MAX_BUNDLE_BYTES = 512 << 20;
const MAX_ENTRY_BYTES = 4096;
/** None is smaller than the smallest cohort. */
const MAX_GROUPS = Math.floor(MAX_COHORT / MIN_COHORT);
/** Dropped sharers times survivors, at most. */
const MAX_PAIRS = Math.floor((MAX_COHORT * MAX_COHORT) / 4);
/** 512 metrics of ten lanes of 16 bits (limbs of 4 bits), and the weight. */
const MAX_EXTRAS_BYTES = 12 << 10;
const leafHashesOf = bytesUpTo(MAX_LEAVES * LEAF_HASH_BYTES);
const list = <Item extends v.GenericSchema>(item: Item) =>
  v.pipe(v.array(item), v.maxLength(MAX_COHORT));

const bundleSchema = v.strictObject({
  v: v.literal(4),
  /**
   * b || e of each survivor (`self`), sigma of each participant that dropped after sharing (`key`).
   */
  secrets: list(
    v.variant('kind', [
      v.strictObject({
        author: fixedBytes(32),
        kind: v.literal('self'),
        secret: fixedBytes(SELF_SECRET_BYTES),
      }),
      v.strictObject({
        author: fixedBytes(32),
        kind: v.literal('key'),
        secret: fixedBytes(SECRET_BYTES),
      }),
    ]),
  ),
  /**
   * Of each pair of a dropped sharer and a survivor, the entry that wraps the key of their mask,
   * with the path to the root that its author signed. Empty where nobody dropped.
   */
  pairs: v.pipe(
    v.array(
      v.strictObject({
        author: fixedBytes(32),
        recipient: fixedBytes(32),
        entry: bytesUpTo(MAX_ENTRY_BYTES),
        path: entryPathSchema,
      }),
    ),
    v.maxLength(MAX_PAIRS),
  ),
  /**
   * The leaf hashes of S, 32 bytes each. Empty without masks, like all that follows, and in groups.
   */
  sum: leafHashesOf,
  /** In groups: the packed sum of each group with survivors, in their order. */
  groups: v.optional(
    v.pipe(v.array(bytesUpTo(MAX_BUNDLE_BYTES)), v.minLength(1), v.maxLength(MAX_GROUPS)),
  ),
  /** Of each survivor's upload, in the order of the survivors: its leaf hashes, its last leaf. */
  uploads: list(v.strictObject({ leaves: leafHashesOf, extras: bytesUpTo(MAX_EXTRAS_BYTES) })),
  /** AES-256 keys of the models before and after the attempt, so that the step can be repeated. */
  keys: v.strictObject({ before: bytesUpTo(32), after: bytesUpTo(32) }),
});

export type UnmaskingBundle = Omit<v.InferOutput<typeof bundleSchema>, 'v'>;

/**
 * The bundle of a run without masks: a reader that may recompute its sums opens the
 * uploads themselves.
 */
export const EMPTY_BUNDLE: UnmaskingBundle = {
  secrets: [],
  pairs: [],
  sum: new Uint8Array(),
  uploads: [],
  keys: { before: new Uint8Array(), after: new Uint8Array() },
};

export const encodeBundle = (bundle: UnmaskingBundle): Uint8Array =>
  encodeCbor({
    v: 4,
    secrets: bundle.secrets.map(({ author, kind, secret }) => ({ author, kind, secret })),
    pairs: bundle.pairs.map(({ author, recipient, entry, path }) => ({
      author,
      recipient,
      entry,
      path,
    })),
    sum: bundle.sum,
    ...(bundle.groups === undefined ? {} : { groups: [...bundle.groups] }),
    uploads: bundle.uploads.map(({ leaves, extras }) => ({ leaves, extras })),
    keys: { before: bundle.keys.before, after: bundle.keys.after },
  });

/**
 * The beacon entropy of each survivor, in member order: what the next beacon is made of.
 * @throws FloeError `not_enough_shares` when the self secret of a survivor is missing
 */
export const entropiesOf = (
  survivors: readonly Uint8Array[],
  secrets: UnmaskingBundle['secrets'],
): Uint8Array[] =>
  survivors.map((member) => {
    const own = secrets.find(({ author, kind }) => kind === 'self' && equalBytes(author, member));
    if (own === undefined)
      throw new FloeError('not_enough_shares', 'the self secret of a survivor is missing');
    return entropyOf(own.secret);
  });

/** @throws FloeError `record_malformed` */
export const decodeBundle = (bytes: Uint8Array): UnmaskingBundle => {
  const { v: _version, ...bundle } = decodeCbor(
    bundleSchema,
    bytes,
    'record_malformed',
    MAX_BUNDLE_BYTES,
  );
  return bundle;
};

/**
 * Whether the bundle shows what a commit says of its sum: the hashes of all its leaves, or in
 * groups their sums.
 */
export const isSumOf = (
  spec: RunSpec,
  layout: RingLayout,
  { sum, groups }: Pick<UnmaskingBundle, 'sum' | 'groups'>,
  committed: Aggregate,
): boolean => {
  if (groupSizeOf(spec) === undefined)
    return groups === undefined && areLeavesOf(layout, sum, committed.chunkRoot);
  if (groups === undefined || sum.length > 0) return false;
  if (groups.some(({ length }) => length !== layout.byteLength)) return false;
  return sameAggregate(aggregateOfGroups(layout, groups), committed);
};

/**
 * Most bytes that the encrypted bundle of a cohort of n can have: a longer one is not fetched.
 *
 * @param groups of the cohort; 0 where it has none
 */
export const maxBundleBytes = (layout: RingLayout, n: number, groups = 0): number =>
  groups * (layout.byteLength + 16) +
  (n + 1) * leafCount(layout) * LEAF_HASH_BYTES +
  n * (layout.byteLength - extrasLeaf(layout).start + 256) +
  Math.floor((n * n) / 4) * (MAX_ENTRY_BYTES + 512) +
  4096;
