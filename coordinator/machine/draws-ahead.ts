/**
 * @module Whether one of the next draws can put enough of those who are here into whole groups. An
 * absent member keeps its place in the draw. What is drawn follows from the signed set, R and the
 * attempt, so each draw is made once, however often members come and go: over thousands of keys the
 * draws of all attempts that are looked at take seconds. The rule is in `protocol/rules`.
 */
import { fromHex } from '../../protocol/bytes.ts';
import {
  drawsInvited,
  groupSizeOf,
  leastOfGroup,
  neededGroups,
} from '../../protocol/robust/groups.ts';
import { groupsOfEligible } from '../../protocol/rules/group-draw.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Hex, State } from './state.ts';

/** Attempts whose draws are looked at: a run with a chance in each of them opens some in vain. */
const DRAWS_AHEAD = 64;

/** The groups that one attempt draws. */
interface Draw {
  /** Members of each. */
  readonly sizes: readonly number[];
  /** By the place of a key in the signed set: its group; as many as there are for none. */
  readonly groupOf: Uint16Array;
}

/** A signed set, and the draws from it that are ahead, by attempt. */
interface Signed {
  readonly beacon: Uint8Array;
  readonly keys: readonly Uint8Array[];
  readonly places: ReadonlyMap<Hex, number>;
  readonly draws: Map<number, Draw>;
}

const known = new WeakMap<State['drawn'], Signed>();

const signedOf = ({ drawn, beacon }: State): Signed => {
  const before = known.get(drawn);
  if (before?.beacon === beacon) return before;
  const sorted = [...drawn].toSorted();
  const signed = {
    beacon,
    keys: sorted.map(fromHex),
    places: new Map(sorted.map((key, i) => [key, i])),
    draws: new Map<number, Draw>(),
  };
  known.set(drawn, signed);
  return signed;
};

const drawAt = (spec: RunSpec, { beacon, keys, draws }: Signed, attempt: number): Draw => {
  const before = draws.get(attempt);
  if (before !== undefined) return before;
  const groups = groupsOfEligible(spec, { attempt, beacon }, keys);
  const places = new Map(keys.map((key, i) => [key, i]));
  const groupOf = new Uint16Array(keys.length).fill(groups.length);
  for (const [index, group] of groups.entries())
    for (const key of group) groupOf[places.get(key)!] = index;
  const draw = { sizes: groups.map(({ length }) => length), groupOf };
  draws.set(attempt, draw);
  return draw;
};

/** Groups of which enough are here. @param here places in the signed set */
const usableIn = (spec: RunSpec, { sizes, groupOf }: Draw, here: readonly number[]): number => {
  const counts = new Uint16Array(sizes.length + 1);
  for (const place of here) counts[groupOf[place]!]! += 1;
  return sizes.filter((size, i) => counts[i]! >= leastOfGroup(spec, size)).length;
};

/**
 * How many whole groups are needed, where none of the next draws has them; undefined where one has,
 * and in a run whose groups are not drawn from the signed set.
 *
 * @param keys of those who are here
 */
export const tooFewGroups = (
  spec: RunSpec,
  state: State,
  keys: readonly Hex[],
): number | undefined => {
  const { robust } = spec;
  const size = groupSizeOf(spec);
  if (robust === undefined || size === undefined || !drawsInvited(spec)) return undefined;
  const signed = signedOf(state);
  for (const past of signed.draws.keys()) if (past <= state.attempt) signed.draws.delete(past);
  const here = keys.flatMap((key) => signed.places.get(key) ?? []);
  const needed = neededGroups(robust);
  // So few are in no draw enough.
  if (here.length < needed * leastOfGroup(spec, size)) return needed;
  for (let next = 1; next <= DRAWS_AHEAD; next += 1)
    if (usableIn(spec, drawAt(spec, signed, state.attempt + next), here) >= needed)
      return undefined;
  return needed;
};
