/**
 * @module The adversary of the one-set rule in groups, searched exhaustively: see one-set-search.ts
 * for cohorts that are summed as a whole. A move is an attempt: up to two disjoint groups of the
 * seven members, each with its survivors, in whatever grouping the coordinator likes. The sum of a
 * group opens when t of its members answer; the coordinator opens both, or one of them, of which
 * the members of the other have uploaded all the same. Colluders answer and state whatever helps.
 */
import type { OneSetView, Standing } from '../../protocol/rules/one-set.ts';
import { groupThreshold } from '../../protocol/secagg/index.ts';
import {
  bits,
  count,
  listOf,
  maskOf,
  MEMBERS,
  names,
  NAMES,
  singleOf,
  smallBlock,
} from './one-set-search.ts';

/** Sets of members as bits. */
interface Group {
  readonly members: number;
  readonly survivors: number;
  /** Honest members that answered; none where the sum was not opened. */
  readonly answered: number;
  readonly isOpened: boolean;
}
type Attempt = readonly Group[];

export interface GroupedPresent {
  readonly attempt: number;
  readonly cohort: readonly Standing[];
  readonly beside: readonly (readonly string[])[];
}

/** A rule to be checked: `true` lets the member continue. */
export interface GroupedRule {
  mayUpload(view: OneSetView, present: GroupedPresent, group: readonly string[]): boolean;
  mayAnswer(view: OneSetView, present: GroupedPresent, proposed: readonly string[]): boolean;
}

export interface GroupedOptions {
  readonly rule: GroupedRule;
  readonly minimum: number;
  readonly colluders: number;
  /** Attempts, at most. */
  readonly attempts: number;
  /** Groups that are larger than their survivors, too. */
  readonly dropouts: boolean;
  /** What members remember and state is the survivors of the cohort, not those of their group. */
  readonly asWhole?: boolean;
}

export interface GroupedVerdict {
  readonly states: number;
  /** Sums that were opened at most. */
  readonly deepest: number;
  /** The attempts in words, groups in brackets; undefined where the claim holds. */
  readonly attack: string | undefined;
}

const ALL = 2 ** MEMBERS - 1;

/** Where one member is: out, or in a group as member, survivor, survivor that answers. */
type Role = readonly [group: number, rank: number];
const ROLES: readonly Role[] = [
  [-1, 0],
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 0],
  [1, 1],
  [1, 2],
];

/** By group: bits of its members, survivors, and those that answer. */
type Places = readonly [number, number, number, number, number, number];

/** All ways to give alike members roles, by numbers. */
const placings = (members: readonly number[], roles: readonly Role[]): readonly Places[] => {
  if (roles.length === 0) return members.length === 0 ? [[0, 0, 0, 0, 0, 0]] : [];
  const [[group, rank], ...others] = roles as [Role, ...Role[]];
  return Array.from({ length: members.length + 1 }, (_, taken) => {
    const own = maskOf(members.slice(0, taken));
    return placings(members.slice(taken), others).map((rest): Places => {
      const next = [...rest] as [number, number, number, number, number, number];
      if (group >= 0) for (let r = 0; r <= rank; r += 1) next[3 * group + r]! |= own;
      return next;
    });
  }).flat();
};

const rolesOf = (isHonest: boolean, dropouts: boolean): readonly Role[] =>
  ROLES.filter(([group, rank]) => group < 0 || ((dropouts || rank > 0) && (isHonest || rank < 2)));

/** The members by what has happened to them so far. */
const historyOf = (state: readonly Attempt[], i: number): string =>
  state
    .map((attempt) =>
      attempt
        .map((group) =>
          [group.members, group.survivors, group.answered].map((set) => (set >> i) & 1),
        )
        .join(''),
    )
    .join();

const classesOf = (state: readonly Attempt[], among: number): number[][] => {
  const classes = new Map<string, number[]>();
  for (const i of bits(among)) {
    const key = historyOf(state, i);
    classes.set(key, [...(classes.get(key) ?? []), i]);
  }
  return [...classes.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, found]) => found);
};

const unite = (attempt: Attempt, of: 'members' | 'survivors' | 'answered'): number =>
  attempt.reduce((mask, group) => mask | group[of], 0);

/** Examines every state that the adversary can reach, up to symmetry, until one breaks it. */
export const searchGroups = (options: GroupedOptions): GroupedVerdict => {
  const { rule, minimum, colluders, attempts, dropouts, asWhole = false } = options;
  const honest = (1 << (MEMBERS - colluders)) - 1;
  const seen = new Set<string>();
  let deepest = 0;

  /** What a member of the attempt remembers as the set that it was in. */
  const setOf = (attempt: Attempt, group: Group): number =>
    asWhole ? unite(attempt, 'survivors') : group.survivors;
  const cohortOf = (attempt: Attempt, group: Group): number =>
    asWhole ? unite(attempt, 'members') : group.members;
  const answeredBy = (state: readonly Attempt[], i: number): number[] =>
    state.flatMap((attempt) =>
      attempt.flatMap((group) => ((group.answered >> i) & 1 ? setOf(attempt, group) : [])),
    );

  const viewOf = (state: readonly Attempt[], i: number): OneSetView => ({
    policy: 'strict',
    minimum,
    self: NAMES[i]!,
    answered: [...new Set(answeredBy(state, i))].map(listOf),
    uploaded: state.flatMap((attempt, k) =>
      attempt.flatMap((group) =>
        ((group.survivors & ~group.answered) >> i) & 1
          ? {
              attempt: k + 1,
              cohort: listOf(cohortOf(attempt, group)),
              threshold: groupThreshold(count(cohortOf(attempt, group))),
            }
          : [],
      ),
    ),
    culprits: new Set(),
  });

  /** What each member knows, and states, after these attempts. */
  const knownAfter = (state: readonly Attempt[]) =>
    NAMES.map((member, i) => ({
      view: viewOf(state, i),
      standing: { member, answered: answeredBy(state, i).map((set) => names[set]!) },
    }));
  type Known = ReturnType<typeof knownAfter>;

  const allowed = (state: readonly Attempt[], known: Known, attempt: Attempt): boolean => {
    const cohort = bits(unite(attempt, 'members')).map((i) => known[i]!.standing);
    return attempt.every((group) => {
      const proposed = setOf(attempt, group);
      const beside = asWhole ? [] : attempt.filter((other) => other !== group);
      const present = {
        attempt: state.length + 1,
        cohort,
        beside: beside.map(({ survivors }) => listOf(survivors)),
      };
      const own = cohortOf(attempt, group);
      return (
        bits(group.survivors & honest).every((i) =>
          rule.mayUpload(known[i]!.view, present, listOf(own)),
        ) &&
        bits(group.answered).every((i) => rule.mayAnswer(known[i]!.view, present, listOf(proposed)))
      );
    });
  };

  /** The group of these places; undefined where its sum cannot be. */
  const groupOf = ([members, survivors, answered]: readonly number[]): Group | undefined => {
    const t = groupThreshold(count(members!));
    if (count(survivors!) < Math.max(minimum, t)) return undefined;
    const needed = Math.max(0, t - count(members! & ~honest));
    const isOpened = count(answered!) === needed;
    if (!isOpened && answered !== 0) return undefined;
    return { members: members!, survivors: survivors!, answered: answered!, isOpened };
  };

  const moves = function* (state: readonly Attempt[]): Generator<Attempt> {
    const kinds = [
      ...classesOf(state, honest).map((of) => placings(of, rolesOf(true, dropouts))),
      ...classesOf(state, ALL & ~honest).map((of) => placings(of, rolesOf(false, dropouts))),
    ];
    const merged = kinds.reduce<readonly Places[]>(
      (made, placed) =>
        made.flatMap((a) => placed.map((b) => a.map((set, k) => set | b[k]!) as unknown as Places)),
      [[0, 0, 0, 0, 0, 0]],
    );
    for (const places of merged) {
      // A single group is the first one.
      if (places[0] === 0) continue;
      const first = groupOf(places.slice(0, 3));
      const second = places[3] === 0 ? undefined : groupOf(places.slice(3));
      if (first === undefined || (places[3] !== 0 && second === undefined)) continue;
      const attempt = second === undefined ? [first] : [first, second];
      if (attempt.some(({ isOpened }) => isOpened)) yield attempt;
    }
  };

  const sumsOf = (state: readonly Attempt[]): number[] =>
    state.flatMap((attempt) =>
      attempt.flatMap(({ isOpened, survivors }) => (isOpened ? survivors : [])),
    );

  const isBroken = (state: readonly Attempt[]): boolean => {
    const sums = sumsOf(state);
    deepest = Math.max(deepest, new Set(sums).size);
    return (
      smallBlock(sums, honest, minimum) !== undefined ||
      (colluders < minimum - 1 && singleOf(sums, honest) !== undefined)
    );
  };

  const show = (state: readonly Attempt[]): string =>
    state
      .map((attempt) => attempt.map(({ survivors }) => `[${listOf(survivors).join('')}]`).join(''))
      .join(' ');

  const keyOf = (state: readonly Attempt[]): string =>
    [honest, ALL & ~honest]
      .map((among) =>
        bits(among)
          .map((i) => historyOf(state, i))
          .toSorted()
          .join(' '),
      )
      .join(' | ');

  const visit = (state: readonly Attempt[]): string | undefined => {
    if (isBroken(state)) return show(state);
    if (state.length === attempts) return undefined;
    const known = knownAfter(state);
    for (const attempt of moves(state)) {
      const next = [...state, attempt];
      const key = keyOf(next);
      if (seen.has(key)) continue;
      seen.add(key);
      if (!allowed(state, known, attempt)) continue;
      const found = visit(next);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const attack = visit([]);
  return { states: seen.size, deepest, attack };
};
