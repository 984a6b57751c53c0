/**
 * @module Group testing on the coordinator's side: chooses the suspects of the next cohort, whose
 * sum then distinguishes them. On a new model, half of the suspects take part with all other
 * members. On the model of the spoiled sums, whose members have all answered, disjoint groups of
 * the minimum cohort are asked again, if members answer for groups at all. Specification, sections
 * 2.0 and 2.0.1.
 */
import { fromHex } from '../../protocol/bytes.ts';
import { groupSizeOf, leastCohort } from '../../protocol/robust/groups.ts';
import { isSuspended, suspectsOf } from '../../protocol/rules/history.ts';
import { byTicket } from '../../protocol/rules/tickets.ts';
import type { MachineConfig } from './config.ts';
import type { Hex, State } from './state.ts';
import type { Tried } from './tried.ts';

const ordered = (state: State, keys: readonly Hex[]): readonly Hex[] =>
  byTicket({ attempt: state.attempt + 1, beacon: state.beacon }, keys, fromHex);

export const suspendedNow = ({ history, attempt }: State, key: Hex): boolean =>
  isSuspended(history, key, attempt + 1);

/**
 * Of the participants that can be invited, the suspects that this attempt leaves out; none if too
 * few would be left.
 */
export const untested = (
  { spec }: MachineConfig,
  state: State,
  keys: readonly Hex[],
): ReadonlySet<Hex> => {
  const out = new Set<Hex>();
  for (const suspects of suspectsOf(state.history)) {
    const here = ordered(
      state,
      keys.filter((key) => suspects.has(key)),
    );
    for (const key of here.slice(Math.ceil(here.length / 2))) out.add(key);
  }
  return keys.length - out.size >= leastCohort(spec) ? out : new Set();
};

/**
 * The largest attempt on this model, the last one of these: its sharers are the ones to tell apart.
 */
const spoiled = ({ tried }: State): Tried | undefined =>
  tried.reduce<Tried | undefined>(
    (best, at) => (best === undefined || at.uploaded.length >= best.uploaded.length ? at : best),
    undefined,
  );

/**
 * Whether sums of this model were spoiled so often that asking for the same one again is in vain.
 */
export const isSpoiled = (state: State): boolean => {
  const uploaded = spoiled(state)?.uploaded ?? [];
  const suspects = suspectsOf(state.history);
  return uploaded.some(
    (key) => suspendedNow(state, key) || suspects.some((members) => members.has(key)),
  );
};

export interface Group {
  /** The attempt whose sharers they are. */
  readonly of: number;
  readonly keys: readonly Hex[];
}

/**
 * The next group of the spoiled attempt, disjoint from the groups asked since. It has the minimum
 * size while another group can follow.
 * @param here present participants, neither excluded nor suspended
 */
export const nextGroup = (
  { spec }: MachineConfig,
  state: State,
  here: readonly Hex[],
): Group | undefined => {
  const whole = spoiled(state);
  // The groups that the beacon draws test themselves: an implausible one is left out.
  if (whole === undefined || groupSizeOf(spec) !== undefined) return undefined;
  const asked = new Set(
    state.tried
      .filter(({ uploaded }) => uploaded.length < whole.uploaded.length)
      .flatMap(({ uploaded }) => uploaded),
  );
  const members = new Set(whole.uploaded);
  const left = here.filter((key) => members.has(key) && !asked.has(key));
  const { minimum } = spec.cohort;
  if (left.length < minimum) return undefined;
  const suspects = suspectsOf(state.history);
  const isSuspect = (key: Hex): boolean => suspects.some((each) => each.has(key));
  const divided = left.some(isSuspect) && left.length >= 2 * minimum;
  const order = ordered(state, left).toSorted(
    (a, b) => Number(isSuspect(b)) - Number(isSuspect(a)),
  );
  return { of: whole.attempt, keys: divided ? order.slice(0, minimum) : order };
};
