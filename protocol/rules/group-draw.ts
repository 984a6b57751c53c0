/**
 * @module The groups of an attempt, drawn before anybody registers for it. After the first commit R
 * and the number of the attempt cut the whole eligible set into groups, and whole groups are
 * invited: to refuse a registration, or to call a member late or out, makes a group smaller and
 * moves nobody into another one. Before it the invited are cut by R_0. Source: specification of
 * secure aggregation, section 5; Bell et al. 2020 for a seed that nobody chooses.
 */
import { compareBytes, concatBytes, sha256, toHex, utf8 } from '../bytes.ts';
import { drawsInvited, groupSizeOf, leastOfGroup } from '../robust/groups.ts';
import type { Body, SignedRecord } from '../records/records.ts';
import { drawGroupsOfKeys } from '../secagg/index.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import type { Grouping } from './groups.ts';
import type { DrawAt } from './tickets.ts';

type Keys = readonly Uint8Array[];
type Draw = NonNullable<Body<'open'>['draw']>;

const SEED = utf8('floe/group-seed/v1');

/** What the groups of an attempt are drawn by, 32 bytes: one draw for each attempt. */
export const groupSeed = ({ attempt, beacon }: DrawAt): Uint8Array => {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, attempt);
  return sha256(concatBytes(SEED, beacon, number));
};

/** A group of the eligible set. */
interface EligibleGroup {
  /** Ascending. */
  readonly members: Keys;
  /** Of these, who is not out. */
  readonly here: Keys;
}

/**
 * The groups of the eligible set, in the order of the draw; none of fewer than one has. Of a set
 * that is larger than a cohort, those at the end of the draw may be in none.
 */
export const groupsOfEligible = (spec: RunSpec, at: DrawAt, eligible: Keys): readonly Keys[] => {
  const size = groupSizeOf(spec) ?? 0;
  if (eligible.length < size || size === 0) return [];
  return drawGroupsOfKeys(eligible, size, groupSeed(at), spec.cohort.size);
};

/** Of these, the groups of which enough are left for a sum. */
const usableGroups = (
  spec: RunSpec,
  at: DrawAt,
  eligible: Keys,
  isOut: (key: Uint8Array) => boolean,
): readonly EligibleGroup[] =>
  groupsOfEligible(spec, at, eligible)
    .map((members) => ({ members, here: members.filter((key) => !isOut(key)) }))
    .filter(({ members, here }) => here.length >= leastOfGroup(spec, members.length));

/** The groups of an attempt. */
export interface InvitedGroups {
  /** All their members, ascending: the groups are drawn from these again. */
  readonly members: Keys;
  /** Of these, who is invited, ascending. */
  readonly invited: Keys;
}

/**
 * The groups that are invited: as many as the cohort has room for, and those first that late
 * members are not needed for.
 */
export const drawnGroups = (
  spec: RunSpec,
  at: DrawAt,
  { eligible, late, out }: Draw,
): InvitedGroups => {
  const gone = new Set(out.map(toHex));
  const behind = new Set(late.map(toHex));
  const usable = usableGroups(spec, at, eligible, (key) => gone.has(toHex(key)));
  const isSure = ({ members, here }: EligibleGroup): boolean =>
    here.filter((key) => !behind.has(toHex(key))).length >= leastOfGroup(spec, members.length);
  const taken: EligibleGroup[] = [];
  let left = spec.cohort.size;
  for (const group of [...usable.filter(isSure), ...usable.filter((one) => !isSure(one))])
    if (group.members.length <= left) {
      taken.push(group);
      left -= group.members.length;
    }
  return {
    members: taken.flatMap(({ members }) => members).toSorted(compareBytes),
    invited: taken.flatMap(({ here }) => here).toSorted(compareBytes),
  };
};

/**
 * What the groups of an attempt are drawn from before anybody registers. Undefined in a run that
 * draws them over the frozen cohort; where the attempt repeats an earlier one and keeps its groups;
 * and before the first commit where a ledger draws its beacon after the freeze.
 *
 * @param beacon where the beacon of a cohort comes from
 */
export const groupingBefore = (
  spec: RunSpec,
  beacon: 'members' | 'ledger',
  { attempt, body: { beacon: R, draw, invited } }: Pick<SignedRecord<'open'>, 'attempt' | 'body'>,
): Grouping | undefined => {
  if (!drawsInvited(spec) || draw?.again !== undefined) return undefined;
  if (draw === undefined && beacon === 'ledger') return undefined;
  const at = { attempt, beacon: R };
  const members = draw === undefined ? invited : drawnGroups(spec, at, draw).members;
  return { attempt, members: [...members], beacon: groupSeed(at) };
};
