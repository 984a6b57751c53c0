/**
 * @module The adversary of the one-set rule, searched exhaustively: a coordinator and its colluders
 * propose survivor sets over seven members on one model, honest members decide by the rule, and
 * every reachable state is examined.
 *
 * **When a sum opens.** The coordinator recovers the sum over S from an attempt with cohort K (S in
 * K) when t(K) of its members answer. Colluders in K always answer, whether they are in S or not,
 * and state whatever helps; the coordinator delivers its records to the honest members it picks and
 * to no others, so of those in S whose rule lets them answer, it takes just as many as it needs.
 * That is the strongest adversary of this kind: another answer only adds to what members have
 * spent, an attempt that opens nothing only adds to what they have uploaded or to the public list,
 * and a repeated set adds nothing to the span. An honest member of S has let its upload pass by the
 * rule; its sum needs no answer of its own.
 *
 * **Symmetry.** Honest members that were treated alike so far are exchangeable, and so are
 * colluders: moves are numbers of members of each class, and a state is examined once.
 */
import {
  mayAnswer,
  mayUpload,
  setName,
  type FrozenAttempt,
  type OneSetView,
  type Standing,
} from '../../protocol/rules/one-set.ts';
import { threshold } from '../../protocol/secagg/index.ts';

export const MEMBERS = 7;
export const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const MAX_SETS = 4;

export interface Present {
  readonly attempt: number;
  readonly cohort: readonly Standing[];
}

/** A rule to be checked: `true` lets the member continue. */
export interface Rule {
  /** @param family all attempts on the model so far */
  mayUpload(view: OneSetView, present: Present, family: readonly FrozenAttempt[]): boolean;
  mayAnswer(
    view: OneSetView,
    present: Present,
    proposed: readonly string[],
    family: readonly FrozenAttempt[],
  ): boolean;
}

/** The product's rule. */
export const productRule = (policy: 'strict' | 'ledger'): Rule => {
  const viewOf = (view: OneSetView, family: readonly FrozenAttempt[]): OneSetView => ({
    ...view,
    policy,
    ...(policy === 'ledger' ? { family } : {}),
  });
  return {
    mayUpload: (view, { cohort }, family) => mayUpload(viewOf(view, family), cohort) === undefined,
    mayAnswer: (view, present, proposed, family) =>
      mayAnswer(viewOf(view, family), present, proposed) === undefined,
  };
};

/** Sets of members as bits. */
interface Opened {
  readonly cohort: number;
  readonly survivors: number;
  /** Honest members that answered. */
  readonly answered: number;
}

export interface Attack {
  /**
   * Survivor sets in order, honest members in lower case, colluders in upper case; `!` marks who
   * answered.
   */
  readonly sets: readonly string[];
  readonly colluders: number;
  /** The block that is too small. */
  readonly block: string;
  /** An honest member whose update alone is in the span. */
  readonly single: string | undefined;
}

export interface Verdict {
  readonly states: number;
  /** The sets that were opened at most. */
  readonly deepest: number;
  readonly attack: Attack | undefined;
}

export const bits = (mask: number): number[] => {
  const found: number[] = [];
  for (let i = 0; i < MEMBERS; i += 1) if ((mask >> i) & 1) found.push(i);
  return found;
};
const counts = Array.from({ length: 2 ** MEMBERS }, (_, mask) => bits(mask).length);
export const count = (mask: number): number => counts[mask] as number;
const lists = Array.from({ length: 2 ** MEMBERS }, (_, mask) =>
  bits(mask).map((i) => NAMES[i] as string),
);
export const listOf = (mask: number): readonly string[] => lists[mask] as readonly string[];
export const names = lists.map((members) => setName(members));

/**
 * A prime; the determinants of at most seven rows of zeros and ones are far below it, so ranks are
 * those over Q.
 */
const PRIME = 2_147_483_647n;
const inverse = (value: bigint): bigint => {
  let [result, base, exponent] = [1n, value, PRIME - 2n];
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % PRIME;
    base = (base * base) % PRIME;
  }
  return result;
};

export const rankOf = (rows: readonly (readonly number[])[]): number => {
  const matrix = rows.map((row) => row.map(BigInt));
  let rank = 0;
  for (let column = 0; column < (matrix[0]?.length ?? 0); column += 1) {
    const pivot = matrix.findIndex((row, i) => i >= rank && row[column] !== 0n);
    if (pivot < 0) continue;
    const top = matrix[pivot] as bigint[];
    matrix[pivot] = matrix[rank] as bigint[];
    matrix[rank] = top;
    const scale = inverse(top[column] as bigint);
    for (const [i, row] of matrix.entries()) {
      if (i <= rank || row[column] === 0n) continue;
      const factor = ((row[column] as bigint) * scale) % PRIME;
      for (let j = column; j < row.length; j += 1)
        row[j] = ((((row[j] as bigint) - factor * (top[j] as bigint)) % PRIME) + PRIME) % PRIME;
    }
    rank += 1;
  }
  return rank;
};

/**
 * An honest member whose update alone is a combination of the sums, the colluders' own updates
 * subtracted.
 */
export const singleOf = (sets: readonly number[], honest: number): number | undefined => {
  const rows = sets.map((set) => NAMES.map((_, i) => ((set & honest) >> i) & 1));
  const rank = rankOf(rows);
  return bits(honest).find(
    (i) => rankOf([...rows, NAMES.map((_, j) => (i === j ? 1 : 0))]) === rank,
  );
};

/**
 * A block that is too small. Every sum is a combination of the honest atoms of all sets, which are
 * disjoint, so the span is one of disjoint blocks when each has at least the minimum cohort less
 * the colluders in it: those with the same membership, or, where the block is all that is honest in
 * one of the sets, those of that set.
 */
export const smallBlock = (
  sets: readonly number[],
  honest: number,
  minimum: number,
): number | undefined => {
  const atoms = new Map<string, number>();
  for (let i = 0; i < MEMBERS; i += 1) {
    const pattern = sets.map((set) => (set >> i) & 1).join('');
    if (pattern.includes('1')) atoms.set(pattern, (atoms.get(pattern) ?? 0) | (1 << i));
  }
  return [...atoms.values()].find((atom) => {
    const block = atom & honest;
    if (block === 0) return false;
    const colluders = sets
      .filter((set) => (set & honest) === block)
      .map((set) => count(set & ~honest));
    return count(block) < minimum - Math.max(count(atom & ~honest), ...colluders);
  });
};

/** Bits of who is in the cohort, of whom survivors, of whom answering. */
type Places = readonly [cohort: number, survivors: number, answered: number];

export const maskOf = (members: readonly number[]): number =>
  members.reduce((mask, member) => mask | (1 << member), 0);

/** All ways to place alike members, by numbers; colluders do not answer by a rule. */
const placings = (members: readonly number[], answers: boolean): Places[] => {
  const found: Places[] = [];
  const n = members.length;
  for (let cohort = 0; cohort <= n; cohort += 1)
    for (let survivors = 0; survivors <= cohort; survivors += 1)
      for (let answered = 0; answered <= (answers ? survivors : 0); answered += 1)
        found.push([
          maskOf(members.slice(0, cohort)),
          maskOf(members.slice(0, survivors)),
          maskOf(members.slice(0, answered)),
        ]);
  return found;
};

/** Every combination of one placing for each class. */
const combinations = (classes: readonly (readonly Places[])[]): readonly Places[] =>
  classes.reduce<Places[]>(
    (made, placed) =>
      made.flatMap(([k, s, a]) => placed.map((p): Places => [k | p[0], s | p[1], a | p[2]])),
    [[0, 0, 0]],
  );

/** Members by what has happened to them so far. */
const classesOf = (state: readonly Opened[], among: number): number[][] => {
  const classes = new Map<string, number[]>();
  for (const i of bits(among)) {
    const key = state
      .map((at) => [at.cohort, at.survivors, at.answered].map((set) => (set >> i) & 1).join(''))
      .join();
    classes.set(key, [...(classes.get(key) ?? []), i]);
  }
  return [...classes.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, found]) => found);
};

const keyOf = (state: readonly Opened[], honest: number): string => {
  const part = (among: number): string =>
    bits(among)
      .map((i) =>
        state
          .map((at) => [at.cohort, at.survivors, at.answered].map((set) => (set >> i) & 1).join(''))
          .join(),
      )
      .toSorted()
      .join(' ');
  return `${part(honest)} | ${part(127 & ~honest)}`;
};

export interface SearchOptions {
  readonly rule: Rule;
  readonly minimum: number;
  readonly colluders: number;
  /** Cohorts that are larger than their survivor sets, too. */
  readonly dropouts?: boolean;
  readonly sets?: number;
  /** Search on until an honest update stands alone. */
  readonly untilSingle?: boolean;
}

/**
 * Examines every state that the adversary can reach, up to symmetry, until one breaks the claim.
 */
export const search = (options: SearchOptions): Verdict => {
  const { rule, minimum, colluders, dropouts = true, sets = MAX_SETS, untilSingle } = options;
  const honest = (1 << (MEMBERS - colluders)) - 1;
  const seen = new Set<string>();
  let deepest = 0;

  const familyOf = (state: readonly Opened[]): FrozenAttempt[] =>
    state.map(({ cohort, survivors }, i) => ({
      attempt: i + 1,
      cohort: listOf(cohort),
      survivors: listOf(survivors),
      threshold: threshold(count(cohort)),
    }));

  const viewOf = (
    state: readonly Opened[],
    family: readonly FrozenAttempt[],
    i: number,
  ): OneSetView => ({
    policy: 'strict',
    minimum,
    self: NAMES[i] as string,
    answered: state.filter((at) => (at.answered >> i) & 1).map((at) => listOf(at.survivors)),
    uploaded: family.filter((_, k) => {
      const at = state[k] as Opened;
      return ((at.survivors & ~at.answered) >> i) & 1;
    }),
    culprits: new Set(),
  });

  const presentOf = (state: readonly Opened[], cohort: number): Present => ({
    attempt: state.length + 1,
    cohort: bits(cohort).map((i) => ({
      member: NAMES[i] as string,
      answered: state
        .filter((at) => (at.answered >> i) & 1)
        .map((at) => names[at.survivors] as string),
    })),
  });

  /**
   * What can be opened next: each honest class splits into out, cohort, survivor, survivor that
   * answers.
   */
  const moves = function* (state: readonly Opened[]): Generator<Opened> {
    const family = familyOf(state);
    const good = classesOf(state, honest);
    const bad = classesOf(state, 127 & ~honest);
    const verdicts = new Map<string, boolean>();
    const goodPlacings = combinations(good.map((members) => placings(members, true)));
    for (const [badCohort, badSurvivors] of combinations(
      bad.map((members) => placings(members, false)),
    ))
      for (const [goodCohort, goodSurvivors, answered] of goodPlacings) {
        const cohort = badCohort | goodCohort;
        const survivors = badSurvivors | goodSurvivors;
        if (!dropouts && cohort !== survivors) continue;
        if (count(survivors) < minimum) continue;
        const t = threshold(count(cohort));
        if (count(survivors) < t) continue;
        if (count(answered) !== Math.max(0, t - count(cohort & ~honest))) continue;
        if (state.some((at) => at.survivors === survivors)) continue;
        const present = presentOf(state, cohort);
        const allows = (i: number, what: 'upload' | 'answer'): boolean => {
          const key = `${i} ${cohort} ${survivors} ${what}`;
          const known = verdicts.get(key);
          if (known !== undefined) return known;
          const view = viewOf(state, family, i);
          const verdict =
            what === 'upload'
              ? rule.mayUpload(view, present, family)
              : rule.mayAnswer(view, present, listOf(survivors), family);
          verdicts.set(key, verdict);
          return verdict;
        };
        // Of members that were treated alike one speaks for all.
        const first = (mask: number): number[] =>
          good.flatMap((members) => members.find((i) => (mask >> i) & 1) ?? []);
        if (!first(survivors & honest).every((i) => allows(i, 'upload'))) continue;
        if (!first(answered).every((i) => allows(i, 'answer'))) continue;
        yield { cohort, survivors, answered };
      }
  };

  const attackOf = (state: readonly Opened[]): Attack | undefined => {
    const opened = state.map(({ survivors }) => survivors);
    const block = smallBlock(opened, honest, minimum);
    const single = singleOf(opened, honest);
    const alone = single !== undefined && colluders < minimum - 1;
    if (untilSingle === true ? !alone : block === undefined && !alone) return undefined;
    const show = (set: number, answered: number): string =>
      bits(set)
        .map((i) => {
          const name = NAMES[i] as string;
          if (!((honest >> i) & 1)) return name.toUpperCase();
          return (answered >> i) & 1 ? `${name}!` : name;
        })
        .join('');
    return {
      sets: state.map(({ survivors, answered }) => show(survivors, answered)),
      colluders,
      block: show(block ?? 0, 0),
      single: alone ? NAMES[single] : undefined,
    };
  };

  const visit = (state: readonly Opened[]): Attack | undefined => {
    deepest = Math.max(deepest, state.length);
    const attack = attackOf(state);
    if (attack !== undefined || state.length === sets) return attack;
    for (const move of moves(state)) {
      const next = [...state, move];
      const key = keyOf(next, honest);
      if (seen.has(key)) continue;
      seen.add(key);
      const found = visit(next);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const attack = visit([]);
  return { states: seen.size, deepest, attack };
};
