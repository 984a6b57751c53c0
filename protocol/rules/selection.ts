/**
 * @module Who may be in a round by the specification: members of a closed run only, and where it is selected in batches
 * exactly one whole batch, from the invited to the survivors. One rule, for participant, coordinator and verifier.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { RunSpec } from '../run-spec.ts';
import { partition } from './batches.ts';

type Batches = readonly (readonly Uint8Array[])[];

const batchesKnown = new WeakMap<RunSpec, Batches>();
const membersKnown = new WeakMap<RunSpec, ReadonlySet<string>>();

/** The members of a closed run, in hex; undefined for an open one. */
export const membersOf = (spec: RunSpec): ReadonlySet<string> | undefined => {
  if (spec.members.type === 'open') return undefined;
  const known = membersKnown.get(spec) ?? new Set(spec.members.keys.map(toHex));
  membersKnown.set(spec, known);
  return known;
};

/** The batches of a run that is selected in batches, else none. */
export const batchesOf = (spec: RunSpec): Batches => {
  if (spec.selection !== 'batches' || spec.members.type === 'open') return [];
  const known = batchesKnown.get(spec) ?? partition(spec.id, spec.members.keys, spec.cohort);
  batchesKnown.set(spec, known);
  return known;
};

const isBatch = (batch: readonly Uint8Array[], keys: readonly Uint8Array[]): boolean =>
  batch.length === keys.length && batch.every((key, i) => equalBytes(key, keys[i] as Uint8Array));

/**
 * What is wrong with a list of participants of one round; undefined where nothing is.
 *
 * @param keys ascending: the invited, the cohort, the sharers or the survivors
 * @param what the list in words, for the message
 * @returns `not_a_member` or `batch_incomplete`
 */
export const selectionFault = (
  spec: RunSpec,
  keys: readonly Uint8Array[],
  what: string,
): FloeError | undefined => {
  const members = membersOf(spec);
  const stranger = members && keys.find((key) => !members.has(toHex(key)));
  if (stranger !== undefined)
    return new FloeError('not_a_member', `${what}: a key that the specification does not list`, {
      author: toHex(stranger),
    });
  if (spec.selection !== 'batches' || batchesOf(spec).some((batch) => isBatch(batch, keys)))
    return undefined;
  return new FloeError('batch_incomplete', `${what}: expected one whole batch of the members`);
};
