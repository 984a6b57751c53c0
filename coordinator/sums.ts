/**
 * @module The sums of the attempt in progress: each upload is folded into the accumulator of its
 * group as it arrives, or of the cohort where it has no groups (Bonawitz et al. 2017, round 2).
 * They are a cache: after a restart they are rebuilt from the blobs.
 */
import { createFold, layoutOf, type Fold, type GroupSum } from '../protocol/algorithm/round.ts';
import { toHex } from '../protocol/bytes.ts';
import { FIRST_MEAN_EXAMPLES } from '../protocol/encoding/index.ts';
import { FloeError } from '../protocol/errors.ts';
import type { SignedRecord } from '../protocol/records/records.ts';
import {
  groupOf,
  groupsOf,
  livingGroups,
  type FrozenCohort,
  type PresentGroup,
} from '../protocol/rules/groups.ts';
import type { Lanes } from '../protocol/secagg/index.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { UnmaskingBundle } from '../protocol/verify/bundle.ts';
import type { Attempt, Hex } from './machine/index.ts';

interface Sum {
  readonly attempt: number;
  /** By place of the group: one, or in groups one for each, O(groups d) memory. */
  readonly folds: ReadonlyMap<number, Fold>;
  /** By the hashes of the upload records that are in it. */
  readonly folded: Map<Hex, UploadLeaves>;
  /** The same as single updates, where a robust rule compares these: O(n d) memory. */
  readonly each: Map<Hex, Lanes>;
}

/** What spot checks need of an upload: its leaf hashes, joined, and its last leaf. */
export type UploadLeaves = UnmaskingBundle['uploads'][number];

export interface Fetched {
  readonly packed: Uint8Array;
  readonly leaves: UploadLeaves;
}

/** @throws FloeError `internal` before the cohort is frozen */
const frozenOf = (spec: RunSpec, { cohort }: Attempt): FrozenCohort => {
  if (cohort === undefined) throw new FloeError('internal', 'the attempt has no cohort yet');
  return { spec, cohort };
};

export const cohortSize = (attempt: Attempt): number => attempt.members.length;

/** Of the Open record. */
export const meanOf = ({ open }: Attempt): number => open?.body.meanExamples ?? FIRST_MEAN_EXAMPLES;

/** Of groups that are left out nothing is read, so that what is folded of them may stay. */
const isLeftOut = (attempt: Attempt, id: Hex, living: readonly PresentGroup[]): boolean => {
  const record = [...attempt.uploads.values()].find((one) => toHex(one.record.hash) === id);
  const author = record && toHex(record.record.author);
  return author !== undefined && !living.some(({ group }) => group.keys.has(author));
};

/**
 * The sum of the attempt in progress: a cache, rebuilt for another attempt, and when it contains an
 * upload that the attempt excludes.
 */
export const createSums = (
  spec: RunSpec,
  fetchUpload: (
    attempt: Attempt,
    record: SignedRecord<'upload'>,
    signal: AbortSignal,
  ) => Promise<Fetched>,
) => {
  let sum: Sum | undefined;

  const isEachKept = spec.robust !== undefined && spec.secagg === 'none';

  const emptySum = (attempt: Attempt): Sum => {
    const layout = layoutOf(spec, cohortSize(attempt), meanOf(attempt));
    const groups = groupsOf(frozenOf(spec, attempt));
    return {
      attempt: attempt.attempt,
      folds: new Map(groups.map(({ index }) => [index, createFold(layout)])),
      folded: new Map(),
      each: new Map(),
    };
  };

  const sumOf = (attempt: Attempt): Sum => {
    if (sum?.attempt !== attempt.attempt) sum = emptySum(attempt);
    return sum;
  };

  const addTo = async (
    target: Sum,
    attempt: Attempt,
    record: SignedRecord<'upload'>,
    signal: AbortSignal,
  ): Promise<void> => {
    const id = toHex(record.hash);
    if (target.folded.has(id)) return;
    const { packed, leaves } = await fetchUpload(attempt, record, signal);
    // Two calls for one upload may have been under way together.
    if (target.folded.has(id)) return;
    const group = groupOf(frozenOf(spec, attempt), record.author);
    const fold = target.folds.get(group?.index ?? -1);
    if (fold === undefined)
      throw new FloeError('internal', 'an upload of a stranger to the cohort');
    const lanes = fold.add(packed);
    target.folded.set(id, leaves);
    if (isEachKept) target.each.set(id, lanes as Lanes);
  };

  /** The sums over exactly U: the accumulators, or where they hold anything else, new ones. */
  const survivorSum = async (
    attempt: Attempt,
    signal: AbortSignal,
  ): Promise<{
    readonly sums: readonly GroupSum[];
    readonly each: readonly Lanes[] | undefined;
    readonly uploads: readonly UploadLeaves[];
  }> => {
    const wanted = attempt.survivors?.body.uploads.map(toHex) ?? [];
    const current = sumOf(attempt);
    const living = livingGroups(frozenOf(spec, attempt), attempt.survivors?.body.members ?? []);
    const fits = [...current.folded.keys()].every(
      (id) => wanted.includes(id) || isLeftOut(attempt, id, living),
    );
    const target = fits ? current : emptySum(attempt);
    sum = target;
    for (const { record } of attempt.uploads.values())
      if (wanted.includes(toHex(record.hash))) await addTo(target, attempt, record, signal);
    // The masks are taken out of a copy, so that the work can be repeated.
    return {
      sums: living.map(({ group, present }) => ({
        lanes: target.folds.get(group.index)!.lanes.slice(),
        survivors: present.length,
      })),
      each: isEachKept ? wanted.map((id) => target.each.get(id) as Lanes) : undefined,
      uploads: wanted.map((id) => target.folded.get(id) as UploadLeaves),
    };
  };

  return {
    of: sumOf,
    addTo,
    ofSurvivors: survivorSum,
    forget: () => {
      sum = undefined;
    },
  };
};
