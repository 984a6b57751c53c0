/**
 * @module What the attempts of a run so far mean for the next draw: the set that it takes from, who
 * has missed attempts and is drawn later, who was named as a culprit, who may have been summed on
 * the newest model. A fold over complete attempts, which the coordinator makes as they end and a
 * verifier makes from the transcript. Source: specification of secure aggregation, sections 2.0 and
 * 2.0.1.
 */
import { equalBytes, toHex } from '../bytes.ts';
import type { SignedRecord } from '../records/records.ts';
import { spentAfter } from './budget.ts';
import { carriersAfter } from './noise-streams.ts';
import { versionsAfter } from './buffered.ts';
import { uploadersOf } from './sharing.ts';
import {
  afterImplausible,
  afterPlausible,
  GROUPS_FROM,
  IMPLAUSIBLE,
  type Judged,
} from './suspicion.ts';
import type { RunHistory } from './run-history.ts';
import { groupSizeOf } from '../robust/groups.ts';
import { groupingName, groupingOf, livingGroups } from './groups.ts';
import type { AttemptView } from './view.ts';

/**
 * Attempts for which an identity is drawn later once it has missed one; doubled with each miss that
 * follows.
 */
export const FIRST_PENALTY = 16;
/** Attempts for which a suspension lasts; doubled with each that follows. */
const FIRST_SUSPENSION = 128;
/** Attempts for which it may be left out, though there is a place; doubled in the same way. */
const FIRST_REST = 1;
/**
 * A rest lasts no longer: an outage of its own store, however long, costs an identity so many
 * attempts more.
 */
export const LONGEST_REST = 16;
const LONGEST_PENALTY = 1024;
/** Identities whose misses are remembered: those of the latest attempts. */
export const MAX_MISSED = 4096;

export const EMPTY_HISTORY: RunHistory = {
  lastSurvivors: undefined,
  missed: new Map(),
  culprits: new Set(),
  suspicions: [],
  suspended: new Map(),
  summed: new Map(),
  released: new Map(),
};

/** How many attempts after the last miss: doubled with each miss that follows the first. */
const penalty = (first: number, misses: number, longest = LONGEST_PENALTY): number =>
  Math.min(longest, first * 2 ** Math.min(misses - 1, 16));

const within = (
  entries: RunHistory['missed'],
  key: string,
  attempt: number,
  first: number,
  longest?: number,
): boolean => {
  const entry = entries.get(key);
  return entry !== undefined && attempt <= entry.last + penalty(first, entry.misses, longest);
};

/** Whether it is drawn after the others in this attempt. */
export const isLate = (history: RunHistory, key: string, attempt: number): boolean =>
  within(history.missed, key, attempt, FIRST_PENALTY);

/** Whether it missed attempts so lately that it may be left out, though there is a place. */
export const mayRest = (history: RunHistory, key: string, attempt: number): boolean =>
  within(history.missed, key, attempt, FIRST_REST, LONGEST_REST);

/** Whether it is suspended in this attempt. */
export const isSuspended = (history: RunHistory, key: string, attempt: number): boolean =>
  within(history.suspended, key, attempt, FIRST_SUSPENSION);

/** Those among whom is who has spoiled two sums or more: groups tell them apart. */
export const suspectsOf = ({ suspicions }: RunHistory): readonly ReadonlySet<string>[] =>
  suspicions.filter(({ sums }) => sums >= GROUPS_FROM).map(({ members }) => members);

/** What an attempt says of those who were suspected, however it ends. @param code of an Abort */
const judgedBy = (
  { suspicions }: RunHistory,
  survivors: readonly Uint8Array[],
  code: string | undefined,
): Judged => {
  const members = survivors.map(toHex);
  if (code === undefined) return afterPlausible(suspicions, members);
  return IMPLAUSIBLE.has(code) && members.length > 0
    ? afterImplausible(suspicions, members)
    : { suspicions, suspended: [] };
};

/** Whom an Abort suspends, ascending. @param survivors of the attempt @param code of the Abort */
export const suspendedBy = (
  history: RunHistory,
  survivors: readonly Uint8Array[],
  code: string,
): readonly string[] => judgedBy(history, survivors, code).suspended.toSorted();

/** Members whose update may be in a sum on the newest model. */
export const everSummed = ({ summed }: Pick<RunHistory, 'summed'>): ReadonlySet<string> =>
  new Set([...summed.values()].flatMap((keys) => [...keys]));

const without = (keys: readonly Uint8Array[], has: (key: string) => boolean): string[] =>
  keys.map(toHex).filter((key) => !has(key));

/** Codes of an Abort that a phase ends with in which too few have answered. */
const TOO_FEW: ReadonlySet<string> = new Set(['cohort_too_small', 'batch_incomplete']);

/** Of each group that gave too few signatures, else too few answers, those who gave none. */
const unanswered = (
  view: AttemptView & { readonly cohort: SignedRecord<'cohort'> },
  survivors: readonly Uint8Array[],
): readonly string[] => {
  if (view.spec.secagg !== 'masked') return [];
  const groups = livingGroups(view, survivors);
  const shortOf = (answers: ReadonlyMap<string, unknown>) =>
    groups
      .map(({ group: { threshold }, present }) => ({
        missing: without(present, (key) => answers.has(key)),
        isShort: present.filter((key) => answers.has(toHex(key))).length < threshold,
      }))
      .filter(({ isShort }) => isShort);
  const unsigned = shortOf(view.consistents);
  return (unsigned.length > 0 ? unsigned : shortOf(view.unmasks)).flatMap(({ missing }) => missing);
};

/**
 * Members that did not answer in a finished attempt: invited and not registered, or in the cohort
 * and not summed.
 */
export const missedIn = (view: AttemptView): readonly string[] => {
  const { open, cohort, sharers, survivors, abort, spec } = view;
  if (open === undefined) return [];
  const tooFew = abort !== undefined && TOO_FEW.has(abort.body.code);
  if (cohort === undefined)
    // Whoever still trains for a buffered run misses nothing.
    return tooFew && spec.buffer === undefined
      ? without(open.body.invited, (key) => view.registers.has(key))
      : [];
  // A cohort that is full closes the phase before the others had their time.
  const full = spec.buffer !== undefined || view.registers.size >= spec.cohort.size;
  const absent = full ? [] : without(open.body.invited, (key) => view.registers.has(key));
  const masked = spec.secagg === 'masked';
  const { members } = cohort.body;
  if (masked && sharers === undefined)
    return [...absent, ...(tooFew ? without(members, (key) => view.shares.has(key)) : [])];
  const sharing = new Set(uploadersOf(view).map(toHex));
  absent.push(...without(members, (key) => sharing.has(key)));
  if (survivors === undefined)
    return [
      ...absent,
      ...(tooFew ? without(uploadersOf(view), (key) => view.uploads.has(key)) : []),
    ];
  const alive = new Set(survivors.body.members.map(toHex));
  // Who is left out with its group has not failed itself.
  const beside = new Set(
    survivors.body.rejected
      .filter(({ code }) => code === 'group_too_small')
      .map(({ member }) => toHex(member)),
  );
  absent.push(...[...sharing].filter((key) => !alive.has(key) && !beside.has(key)));
  if (abort?.body.code !== 'not_enough_shares') return absent;
  return [...absent, ...unanswered({ ...view, cohort }, survivors.body.members)];
};

/** Also for suspensions: they are counted in the same way. */
const withMissed = (
  missed: RunHistory['missed'],
  attempt: number,
  keys: readonly string[],
): RunHistory['missed'] => {
  if (keys.length === 0) return missed;
  const next = new Map(missed);
  for (const key of keys) {
    const misses = (next.get(key)?.misses ?? 0) + 1;
    // Set anew, a key moves to the end.
    next.delete(key);
    next.set(key, { misses, last: attempt });
  }
  return next.size <= MAX_MISSED ? next : new Map([...next].slice(-MAX_MISSED));
};

/** Members that may be in a sum of this attempt, or that report an earlier answer on its model. */
const summedIn = (view: AttemptView): ReadonlySet<string> => {
  const stated = [...view.registers].filter(([, { body }]) => body.answered !== undefined);
  const shared = view.spec.secagg === 'masked' ? (view.sharers?.body.members ?? []) : [];
  return new Set([...stated.map(([key]) => key), ...shared.map(toHex)]);
};

/**
 * Of attempts with the same members the latest is enough: failures on one model do not make the
 * history grow.
 */
const withSummed = (
  summed: RunHistory['summed'],
  attempt: number,
  now: ReadonlySet<string>,
): RunHistory['summed'] => {
  if (now.size === 0) return summed;
  const others = [...summed].filter(
    ([, keys]) => keys.size !== now.size || [...keys].some((key) => !now.has(key)),
  );
  return new Map([...others, [attempt, now]]);
};

/**
 * The latest attempt on this model in which all of these may have been summed; undefined where
 * there is none.
 */
export const latestWith = ({ summed }: RunHistory, keys: readonly string[]): number | undefined =>
  [...summed].findLast(([, all]) => keys.every((key) => all.has(key)))?.[0];

/** With the groups that this attempt has drawn. */
const withGrouping = (
  { groupings = new Map() }: RunHistory,
  { spec, attempt, cohort }: AttemptView,
): Pick<RunHistory, 'groupings'> => {
  if (cohort === undefined || groupSizeOf(spec) === undefined) return { groupings };
  const drawn = groupingOf(attempt, cohort);
  if (drawn.attempt !== attempt) return { groupings };
  return { groupings: new Map([...groupings, [attempt, groupingName(drawn)]]) };
};

/** @param view complete, with the Commit or the Abort that ended the attempt */
export const afterAttempt = (history: RunHistory, view: AttemptView): RunHistory => {
  const { attempt, commit, abort, survivors } = view;
  const missed = withMissed(history.missed, attempt, missedIn(view));
  const summed = withSummed(history.summed, attempt, summedIn(view));
  const alive = survivors?.body.members ?? [];
  const code = commit === undefined ? (abort?.body.code ?? '') : undefined;
  const judged = judgedBy(history, alive, code);
  const suspended = withMissed(history.suspended, attempt, judged.suspended);
  const { suspicions } = judged;
  const released = spentAfter(history.released, view);
  const drawn = withGrouping(history, view);
  const streams = carriersAfter(history, view);
  if (commit === undefined)
    return {
      ...history,
      ...(drawn.groupings?.size === 0 ? {} : drawn),
      ...streams,
      missed,
      suspicions,
      suspended,
      summed,
      released,
      culprits: new Set([...history.culprits, ...(abort?.body.culprits ?? []).map(toHex)]),
    };
  const finished = new Set(alive.map(toHex));
  const { model, step } = commit.body;
  const { groupings: _before, ...bare } = history;
  const isSame = equalBytes(model.hash, step.before);
  return {
    ...bare,
    ...versionsAfter(view.spec, history, attempt),
    ...streams,
    ...(isSame && drawn.groupings?.size !== 0 ? drawn : {}),
    lastSurvivors: survivors,
    released,
    suspicions,
    suspended,
    missed: new Map([...missed].filter(([key]) => !finished.has(key))),
    // No attempt before a commit is repeated: of those on a model that has not moved the union is
    // enough.
    summed: isSame ? new Map([[attempt, everSummed({ summed })]]) : new Map(),
  };
};
