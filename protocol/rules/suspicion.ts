/**
 * @module Group testing: a sum that cannot be right names nobody, but one of its members made it
 * so. Each such failure narrows down who it can be, each commit clears its members, and after a
 * third failure in a row of narrowing the rest is suspended. A fold like the rest of the history.
 * Source: specification of secure aggregation, section 2.0.1.
 */

/** Codes of an Abort after a sum that no honest members can have made. */
export const IMPLAUSIBLE: ReadonlySet<string> = new Set([
  'mean_out_of_range',
  'weight_sum_out_of_range',
]);

/** Somebody among these has spoiled every one of so many sums. */
export interface Suspicion {
  readonly members: ReadonlySet<string>;
  readonly sums: number;
}

/** Sums from which on the next cohorts are groups that tell the suspects apart. */
export const GROUPS_FROM = 2;
/** Sums from which on those who were in every one are suspended. */
const SUSPENDED_FROM = 3;

export interface Judged {
  readonly suspicions: readonly Suspicion[];
  /** Members that this suspends. */
  readonly suspended: readonly string[];
}

const settled = (suspicions: readonly Suspicion[]): Judged => {
  const isOver = ({ members, sums }: Suspicion): boolean =>
    sums >= SUSPENDED_FROM || (sums >= GROUPS_FROM && members.size === 1);
  return {
    suspicions: suspicions.filter((one) => !isOver(one)),
    suspended: suspicions.filter(isOver).flatMap(({ members }) => [...members]),
  };
};

/** @param members of a sum that was implausible */
export const afterImplausible = (
  suspicions: readonly Suspicion[],
  members: readonly string[],
): Judged => {
  const here = new Set(members);
  const at = suspicions.findIndex((one) => [...one.members].some((key) => here.has(key)));
  const known = suspicions[at];
  const next =
    known === undefined
      ? { members: here, sums: 1 }
      : {
          members: new Set([...known.members].filter((key) => here.has(key))),
          sums: known.sums + 1,
        };
  return settled([...suspicions.filter((_, i) => i !== at), next]);
};

/** @param members of a sum that was committed */
export const afterPlausible = (
  suspicions: readonly Suspicion[],
  members: readonly string[],
): Judged => {
  const cleared = new Set(members);
  return settled(
    suspicions
      .map((one) => ({
        ...one,
        members: new Set([...one.members].filter((key) => !cleared.has(key))),
      }))
      .filter((one) => one.members.size > 0),
  );
};
