/**
 * @module One update is spent once: whether a participant may take part in an attempt, and answer
 * for a survivor set, on a model on which it has uploaded before. Without this rule a coordinator
 * opens the same model twice and subtracts two sums. The rule (specification of secure aggregation,
 * section 2.0) rests on three things that a participant can check:
 *
 * 1. what it has answered itself, kept on its disk;
 * 2. what every member of the cohort says, signed in its Register record, that it has answered on
 *    this model;
 * 3. that each earlier attempt into which it uploaded can no longer be opened. Registering again
 *    erases the shares of the attempt before, so each member of the earlier cohort that stands in
 *    the new one has renounced it. With {@link renouncing} such members, fewer than t can still
 *    answer, colluders included.
 *
 * The second and the third are needed beyond the member's own memory: with t of n answers a sum
 * opens without the answers of up to n - t survivors, who would answer the next, different set in
 * good faith. With policy `ledger` the public list of all sets frozen on the model takes the place
 * of the second and third: every atom of that family (Venn diagram cell: members with equal
 * membership in all sets) must have the minimum cohort. All functions are pure; members are any
 * distinct strings.
 */
import { sha256, toHex, utf8 } from '../bytes.ts';
import { encodeCbor } from '../wire/cbor.ts';

/** What a participant answers again on a model; see {@link mayAnswer}. */
export type AnswerPolicy = 'strict' | 'ledger' | 'consent';
export const ANSWER_POLICIES = ['strict', 'ledger', 'consent'] as const;

/** A member of a cohort; the product uses Sui addresses, as a chain knows no keys. */
export type Member = string;
/** Members, in any order, each once. */
export type MemberSet = readonly Member[];

/** Name of a set of members: what Register records state. 64 hex digits. */
export const setName = (members: MemberSet): string =>
  toHex(sha256(utf8('floe/answered-set/v1'), encodeCbor(members.toSorted())));

/** A member of a cohort, with the names of the sets it says it has answered on this model. */
export interface Standing {
  readonly member: Member;
  readonly answered: readonly string[];
}

/** An attempt on this model whose cohort was frozen; of one in groups, each group is one. */
export interface Attempt {
  readonly attempt: number;
  readonly cohort: MemberSet;
  /** t of its cohort. */
  readonly threshold: number;
}

/** The attempt that would be answered. */
export interface Present {
  readonly attempt: number;
  /** All members of the frozen cohort. */
  readonly cohort: readonly Standing[];
  /** Survivor sets of the other groups, whose sums are opened beside the proposed one. */
  readonly beside?: readonly MemberSet[];
}

/** An attempt whose survivors were frozen, as a public ledger shows it. */
export interface FrozenAttempt extends Attempt {
  readonly survivors: MemberSet;
}

/** A member's signed word that the joint sum of `members` on this model may become known. */
export interface Consent {
  readonly author: Member;
  readonly members: MemberSet;
}

/** What a participant knows of one model. */
export interface OneSetView {
  readonly policy: AnswerPolicy;
  /** Updates in a sum that may become known, at least. */
  readonly minimum: number;
  readonly self: Member;
  /** The sets it has answered for, each once. */
  readonly answered: readonly MemberSet[];
  /**
   * Names of sets that it has answered for when this model was the newest before: a model can come
   * again, and of an earlier one no more than the names is kept.
   */
  readonly named?: readonly string[];
  /** Earlier attempts into which it uploaded and for which it did not answer. */
  readonly uploaded: readonly Attempt[];
  /** Members whose breach of the protocol it has verified itself. */
  readonly culprits: ReadonlySet<Member>;
  /**
   * Policy `ledger`: every attempt on this model that the public ledger shows, without the present
   * one.
   */
  readonly family?: readonly FrozenAttempt[];
  /** Policy `consent`: verified consents for this model. */
  readonly consents?: readonly Consent[];
}

/** Why not, and what would let the participant answer again. */
export interface Refusal {
  readonly reason: string;
  readonly resume: string;
}

const NEW_MODEL = 'a commit that changes the model';

/**
 * Members that must have renounced an attempt, for fewer than t to be left. @param n size of its
 * cohort @param t its threshold
 */
export const renouncing = (n: number, t: number, minimum: number): number => {
  // The rule holds for up to minimum - 2 colluders; t of them open anything without an answer.
  const colluders = Math.min(minimum - 2, t - 1);
  return n - t + colluders + 1;
};

const isSubset = (part: MemberSet, whole: ReadonlySet<Member>): boolean =>
  part.every((member) => whole.has(member));

/** Whether the sets are equal once `culprits` are left out of both. */
const equalBut = (a: MemberSet, b: MemberSet, culprits: ReadonlySet<Member>): boolean => {
  const honest = (set: MemberSet): MemberSet => set.filter((member) => !culprits.has(member));
  const [left, right] = [honest(a), honest(b)];
  return left.length === right.length && isSubset(left, new Set(right));
};

const NOBODY: ReadonlySet<Member> = new Set();

/** More culprits than this, the latest, are not tried in all combinations against a name. */
const MAX_TRIED = 8;

/**
 * The names under which `set` may have been answered before culprits were left out of it.
 * @param culprits in the order in which they were proven
 */
export const namesOf = (set: MemberSet, culprits: ReadonlySet<Member>): ReadonlySet<string> => {
  const present = new Set(set);
  const gone = [...culprits].filter((member) => !present.has(member)).slice(-MAX_TRIED);
  const names = new Set<string>();
  for (let choice = 0; choice < 2 ** gone.length; choice += 1)
    names.add(setName([...set, ...gone.filter((_, i) => ((choice >> i) & 1) === 1)]));
  return names;
};

/** Members with equal membership in all sets, members of none and culprits left out. */
export const atomsOf = (
  sets: readonly MemberSet[],
  culprits: ReadonlySet<Member>,
): readonly MemberSet[] => {
  const patterns = new Map<Member, string>();
  for (const [i, set] of sets.entries())
    for (const member of set)
      if (!culprits.has(member)) patterns.set(member, `${patterns.get(member) ?? ''},${i}`);
  const atoms = new Map<string, Member[]>();
  for (const [member, pattern] of patterns) {
    const atom = atoms.get(pattern);
    if (atom === undefined) atoms.set(pattern, [member]);
    else atom.push(member);
  }
  return [...atoms.values()];
};

const missingFrom = (set: MemberSet, present: ReadonlySet<Member>): Member[] =>
  set.filter((member) => !present.has(member));

const list = (members: MemberSet): string => {
  const shown = members.slice(0, 5).join(', ');
  return members.length > 5 ? `${shown} and ${members.length - 5} more` : shown;
};

/** Whether the set differs from one that is known by its name only, proven culprits aside. */
const isOther = ({ named = [], culprits }: OneSetView, set: MemberSet): boolean => {
  if (named.length === 0) return false;
  const names = namesOf(set, culprits);
  return named.some((name) => !names.has(name));
};

const otherThanNamed = (): Refusal => ({
  reason: 'this participant has answered for another set when this model was the newest before',
  resume: `${NEW_MODEL}, or an attempt with the very same set`,
});

/**
 * Before an answering member registers: whether a set that it could answer can come of this attempt
 * at all.
 * @param invited who may be in the cohort
 * @returns why it sits out, or undefined
 */
export const mayRegister = (view: OneSetView, invited: MemberSet): Refusal | undefined => {
  if (view.policy === 'ledger') return undefined;
  if (isOther(view, invited)) return otherThanNamed();
  if (view.policy !== 'strict') return undefined;
  const present = new Set(invited);
  const [set] = view.answered;
  if (set === undefined) return undefined;
  const missing = missingFrom(set, present).filter((member) => !view.culprits.has(member));
  if (missing.length === 0) return undefined;
  return {
    reason: `this participant has answered for a set of ${set.length} on this model`,
    resume: `${NEW_MODEL}, or an attempt with ${list(missing)}`,
  };
};

/**
 * Before a member shares and uploads: whether every earlier attempt into which it uploaded is dead
 * for all sets but one that the whole new cohort may still answer. Policy `ledger` decides at
 * {@link mayAnswer}, with the public list.
 * @param cohort the frozen cohort of the new attempt
 */
export const mayUpload = (view: OneSetView, cohort: readonly Standing[]): Refusal | undefined => {
  if (view.policy === 'ledger') return undefined;
  const present = new Set(cohort.map(({ member }) => member));
  for (const attempt of view.uploaded) {
    const needed = renouncing(attempt.cohort.length, attempt.threshold, view.minimum);
    const missing = missingFrom(attempt.cohort, present);
    const here = attempt.cohort.length - missing.length;
    if (here < needed)
      return {
        reason:
          `its upload of attempt ${attempt.attempt} on this model may have been opened: ` +
          `expected ${needed} members of that cohort in this one, got ${here}`,
        resume: `${NEW_MODEL}, or ${needed - here} of ${list(missing)}`,
      };
  }
  return undefined;
};

/**
 * Before a member shares and uploads: whether the set that it has answered for can come out of its
 * group. Policies `ledger` and `consent` decide at {@link mayAnswer}.
 * @param group whose updates come into one sum with its own
 */
export const mayBeGrouped = (view: OneSetView, group: MemberSet): Refusal | undefined => {
  const [set] = view.answered;
  if (view.policy !== 'strict' || set === undefined) return undefined;
  const apart = missingFrom(set, new Set(group)).filter((member) => !view.culprits.has(member));
  return apart.length === 0
    ? undefined
    : {
        reason: `this participant has answered for a set of ${set.length} on this model, and ${apart.length} of it are not in its group`,
        resume: `${NEW_MODEL}, or an attempt that keeps the groups`,
      };
};

const tooSmall = (atom: MemberSet, minimum: number): Refusal => ({
  reason: `the joint sum of ${atom.length} members would become known, the minimum is ${minimum}: ${list(atom)}`,
  resume: `${NEW_MODEL}, or a survivor set that does not part them from the others`,
});

/**
 * Strict: what anybody here has answered is this very set, proven culprits aside. They hide nobody
 * either: what a member that has lied once adds to a sum may be known.
 */
const strict = (
  view: OneSetView,
  { cohort, beside = [] }: Present,
  proposed: MemberSet,
): Refusal | undefined => {
  const honest = proposed.filter((member) => !view.culprits.has(member));
  if (honest.length < view.minimum) return tooSmall(honest, view.minimum);
  if (isOther(view, proposed)) return otherThanNamed();
  const other = view.answered.find((set) => !equalBut(set, proposed, view.culprits));
  if (other !== undefined)
    return {
      reason: `this participant has answered for another set of ${other.length} on this model`,
      resume: `${NEW_MODEL}, or the very same set: ${list(other)}`,
    };
  const stated = cohort.filter(({ answered }) => answered.length > 0);
  if (stated.length === 0) return undefined;
  // The sets that this participant has answered itself are this one, culprits aside. In groups each
  // has answered for its own: another grouping of the same members is another family of sets.
  const names = new Set([
    ...[proposed, ...beside].flatMap((set) => [...namesOf(set, view.culprits)]),
    ...view.answered.map(setName),
    ...(view.named ?? []),
  ]);
  const spent = stated.filter(({ answered }) => !answered.every((name) => names.has(name)));
  return spent.length === 0
    ? undefined
    : {
        reason: `members have answered for another set on this model: ${list(spent.map(({ member }) => member))}`,
        resume: `${NEW_MODEL}, or an attempt without them`,
      };
};

/** Whether an earlier public attempt can no longer be opened; see the module's third point. */
const isDead = (
  { cohort: members, threshold, survivors, attempt }: FrozenAttempt,
  present: Present,
  minimum: number,
): boolean => {
  // A registration for an attempt renounces earlier attempts, not later ones.
  if (attempt >= present.attempt) return false;
  const needed = renouncing(members.length, threshold, minimum);
  const earlier = new Set(members);
  const here = present.cohort.filter(({ member }) => earlier.has(member));
  if (here.length < needed) return false;
  const silent = here.filter(({ answered }) => answered.length === 0).length;
  if (silent >= needed) return true;
  const name = setName(survivors);
  return here.filter(({ answered }) => !answered.includes(name)).length >= needed;
};

const publicFamily = (
  view: OneSetView,
  present: Present,
  proposed: MemberSet,
): Refusal | undefined => {
  const family = view.family ?? [];
  const hidden = view.answered.find(
    (set) => !family.some(({ survivors }) => equalBut(survivors, set, NOBODY)),
  );
  if (hidden !== undefined)
    return {
      reason: `the ledger does not show a set of ${hidden.length} that this participant has answered`,
      resume: `${NEW_MODEL}, or a ledger that shows every set`,
    };
  const unseen = (view.named ?? []).some(
    (name) => !family.some(({ survivors }) => setName(survivors) === name),
  );
  if (unseen)
    return {
      reason: 'the ledger does not show a set that this participant has answered',
      resume: `${NEW_MODEL}, or a ledger that shows every set`,
    };
  const alive = family.filter((attempt) => !isDead(attempt, present, view.minimum));
  const { beside = [] } = present;
  const sets = [...alive.map(({ survivors }) => survivors), ...beside, proposed];
  const small = atomsOf(sets, view.culprits).find((atom) => atom.length < view.minimum);
  return small && tooSmall(small, view.minimum);
};

/**
 * Consent: each atom of what this participant has answered and the proposed set is named, as it is,
 * by all its members. A member that names two sets which meet has named none: together they would
 * say more than either.
 */
const consented = (
  view: OneSetView,
  present: Present,
  proposed: MemberSet,
): Refusal | undefined => {
  const refusal = strict(view, present, proposed);
  // Of a set known by its name only, nobody can say what consents would have to cover.
  if (refusal === undefined || isOther(view, proposed)) return refusal;
  const { cohort, beside = [] } = present;
  const own = new Set([proposed, ...beside, ...view.answered].map(setName));
  const unknown = cohort.find(({ answered }) => answered.some((name) => !own.has(name)));
  if (unknown !== undefined) return refusal;
  const named = new Map<Member, Set<string>>();
  for (const { author, members } of view.consents ?? [])
    if (members.includes(author))
      named.set(author, (named.get(author) ?? new Set()).add(setName(members)));
  // Of the other groups only what an own set has been cut into is this participant's to allow.
  const ownMembers = new Set([...view.answered, proposed].flat());
  const atoms = atomsOf([...view.answered, ...beside, proposed], view.culprits);
  const unnamed = atoms.find((atom) => {
    if (!isSubset(atom, ownMembers)) return false;
    const name = setName(atom);
    return !atom.every((member) => named.get(member)?.size === 1 && named.get(member)?.has(name));
  });
  return (
    unnamed && {
      reason: `the joint sum of ${unnamed.length} members would become known without the consent of each: ${list(unnamed)}`,
      resume: `${NEW_MODEL}, or their signed consents`,
    }
  );
};

/**
 * Before an answer: whether the sum over `proposed` may become known. `strict`: (a) the very same
 * set as before, (b) or that set without proven culprits, and nobody in the cohort has answered
 * another. `ledger`: (c) every atom of the public family has the minimum cohort, proven culprits
 * aside; attempts that can no longer be opened do not count. `consent`: as `strict`, or (d) by
 * signed consents.
 *
 * @returns why not, or undefined
 */
export const mayAnswer = (
  view: OneSetView,
  present: Present,
  proposed: MemberSet,
): Refusal | undefined => {
  switch (view.policy) {
    case 'strict':
      return strict(view, present, proposed);
    case 'consent':
      return consented(view, present, proposed);
    case 'ledger':
      return publicFamily(view, present, proposed);
  }
};
