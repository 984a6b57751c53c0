/**
 * @module Streams of correlated noise: a sum is opened only with enough members whose streams are
 * in the same sums, so that their noise is that of one mechanism (docs/correlated-noise.md). Each
 * member states in its registration the sums that its own stream is in, as a digest that grows
 * with every survivor set, before it answers for the set. Of the members that opened a sum at least
 * one honest one is in any set that is large enough (`sharesCarriers` of a specification), so equal
 * digests are those of all sums: a coordinator that shows different attempts to different members
 * divides them, and the rule counts no part as the whole. A member that missed a sum may come back,
 * and does not count any more.
 */
import { fromHex, sha256, toHex, utf8 } from '../bytes.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { rulesOf, type Rule } from './rule.ts';
import type { RunHistory } from './run-history.ts';
import type { AttemptView } from './view.ts';

const NEW = utf8('floe/noise-stream/v1');
const GROWN = utf8('floe/noise-stream-sum/v1');

export const isCorrelated = ({ privacy }: Pick<RunSpec, 'privacy'>): boolean =>
  privacy?.type === 'ftrl';

/** The digest of a stream that is in no sum, 32 bytes. */
export const newStream = (run: Uint8Array): Uint8Array => sha256(NEW, run);

/** The digest with one more sum. @param survivors hash of its survivor set */
export const streamAfter = (stream: Uint8Array, survivors: Uint8Array): Uint8Array =>
  sha256(GROWN, stream, survivors);

type Streams = Pick<AttemptView, 'registers' | 'history'>;

/**
 * The largest set of these members whose streams are in the same sums, among those that were in
 * every sum as far as the history knows. Of equally large ones, that of the lowest digest.
 *
 * @param members of the cohort, in its order
 */
export const carriersOf = (
  { registers, history }: Streams,
  members: readonly Uint8Array[],
): readonly Uint8Array[] => {
  const known = history?.carriers;
  const sets = new Map<string, Uint8Array[]>();
  for (const member of members) {
    const key = toHex(member);
    const stream = registers.get(key)?.body.stream;
    if (stream === undefined || known?.has(key) === false) continue;
    const name = toHex(stream);
    const set = sets.get(name);
    if (set === undefined) sets.set(name, [member]);
    else set.push(member);
  }
  return [...sets]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .reduce<readonly Uint8Array[]>((most, [, set]) => (set.length > most.length ? set : most), []);
};

/** Why no sum of these members may be opened; undefined where it may. @param what in words */
export const streamFault = (
  view: Streams & Pick<AttemptView, 'spec'>,
  members: readonly Uint8Array[],
  what: string,
): string | undefined => {
  if (!isCorrelated(view.spec)) return undefined;
  const { minimum } = view.spec.cohort;
  const found = carriersOf(view, members).length;
  return found >= minimum
    ? undefined
    : `${what}: expected at least ${minimum} members whose noise is in the same sums so far, got ${found}`;
};

/** Members whose streams may be in every sum so far: all of the run before its first sum. */
export const carriersLeft = (
  { members }: Pick<RunSpec, 'members'>,
  { carriers }: Pick<RunHistory, 'carriers'>,
): ReadonlySet<string> =>
  carriers ?? new Set(members.type === 'closed' ? members.keys.map(toHex) : []);

/** The same after one more attempt, of which every record is known. */
export const carriersAfter = (
  history: RunHistory,
  view: AttemptView,
): Pick<RunHistory, 'carriers'> => {
  const { spec, survivors, cohort, registers } = view;
  if (!isCorrelated(spec)) return {};
  const before = carriersLeft(spec, history);
  // Once all of them have stated their streams, no other set of equals can become the largest.
  const isStated = cohort === undefined && [...before].every((key) => registers.has(key));
  const members = survivors?.body.members ?? (isStated ? [...before].map(fromHex) : undefined);
  return { carriers: members === undefined ? before : setOfCarriers(view, members) };
};

const setOfCarriers = (view: Streams, members: readonly Uint8Array[]): ReadonlySet<string> =>
  new Set(carriersOf(view, members).map(toHex));

/**
 * Why no further sum can be opened: too few are left. Undefined where there are enough.
 *
 * @param excluded in hex: who is not invited any more
 */
export const brokenStreams = (
  spec: Pick<RunSpec, 'privacy' | 'members' | 'cohort'>,
  history: Pick<RunHistory, 'carriers'>,
  excluded: ReadonlySet<string>,
): string | undefined => {
  if (!isCorrelated(spec)) return undefined;
  const left = [...carriersLeft(spec, history)].filter((key) => !excluded.has(key)).length;
  return left >= spec.cohort.minimum
    ? undefined
    : `expected at least ${spec.cohort.minimum} members whose noise is in every sum so far, got ${left}`;
};

/** Whether an attempt is beyond those that the budget of correlated noise has. */
export const isBeyondBudget = ({ privacy }: Pick<RunSpec, 'privacy'>, attempt: number): boolean =>
  privacy?.type === 'ftrl' && attempt > privacy.participations;

export const NOISE_STREAM_RULES: readonly Rule[] = [
  rulesOf('open')({
    name: 'noise-steps',
    says: 'With correlated noise no attempt follows the last one of the budget.',
    code: 'privacy_budget_spent',
    check: ({ spec }, { attempt }) =>
      isBeyondBudget(spec, attempt)
        ? `attempt ${attempt} would spend more than the budget: it has ${spec.privacy?.participations} attempts`
        : undefined,
  }),
  rulesOf('open')({
    name: 'noise-streams',
    says: 'With correlated noise an attempt opens only if enough members were in every sum so far.',
    code: 'noise_streams_broken',
    complete: true,
    check: ({ spec, history }) => history && brokenStreams(spec, history, history.culprits),
  }),
  rulesOf('register')({
    name: 'stream',
    says: 'A registration states the sums that its noise is in, where the noise is correlated; no other does.',
    code: 'record_malformed',
    check: ({ spec }, { body: { stream } }) =>
      isCorrelated(spec) === (stream !== undefined)
        ? undefined
        : `the registration comes ${stream === undefined ? 'without' : 'with'} a stream of noise`,
  }),
  rulesOf('cohort')({
    name: 'streams',
    says: 'With correlated noise at least the minimum cohort has noise that is in the same sums so far.',
    code: 'noise_streams_broken',
    check: (view, { body: { members } }) => streamFault(view, members, 'cohort'),
  }),
  rulesOf('survivors')({
    name: 'streams',
    says: 'With correlated noise at least the minimum cohort of the survivors has noise that is in the same sums so far.',
    code: 'noise_streams_broken',
    check: (view, { body: { members } }) => streamFault(view, members, 'survivors'),
  }),
];
