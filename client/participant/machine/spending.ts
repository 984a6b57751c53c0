/**
 * @module The participant's side of "one update is spent once": applies the rules of
 * `protocol/rules/one-set.ts` to the keystore's records of a model, and records an upload or an
 * answer before it is sent. Secure aggregation, section 2.0.
 */
import { equalBytes, fromHex, toHex } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { addressOf } from '../../../protocol/ports/identity.ts';
import type { FrozenSet } from '../../../protocol/ports/ledger.ts';
import {
  decodeRecordOf,
  MAX_ANSWERED,
  type SignedRecord,
} from '../../../protocol/records/records.ts';
import { groupingOf } from '../../../protocol/rules/groups.ts';
import { membersOf } from '../../../protocol/rules/selection.ts';
import { readConsents } from '../../../protocol/rules/consent.ts';
import {
  mayAnswer,
  mayBeGrouped,
  mayRegister,
  mayUpload,
  setName,
  type AnswerPolicy,
  type FrozenAttempt,
  type OneSetView,
  type Refusal,
  type Standing,
} from '../../../protocol/rules/one-set.ts';
import { MAX_COHORT } from '../../../protocol/spec/run-spec.ts';
import { groupSizeOf, leastSummed } from '../../../protocol/robust/groups.ts';
import { threshold } from '../../../protocol/secagg/index.ts';
import {
  MAX_PAST_MODELS,
  MAX_UPLOADED,
  type PastModel,
  type RunMemory,
  type SpentMemory,
} from '../../keystore/keystore.ts';
import type { CheckedCohort, RunView } from './record-checks.ts';

/** Which sets a participant answers for on one model. */
export interface Answers {
  readonly policy: AnswerPolicy;
  /** Policy `consent`: signed consents of the members, see `signConsent`. */
  readonly consents?: readonly Uint8Array[];
}

/** What of the memory of a run says what was spent. */
type Spendings = Pick<RunMemory, 'spent' | 'past' | 'culprits' | 'grouping'>;

type Lasting = Pick<RunMemory, 'spent' | 'past'>;

const refused = ({ reason, resume }: Refusal): FloeError =>
  new FloeError('update_already_spent', `${reason}; it continues after ${resume}`);

const nothingSpent = (model: Uint8Array): SpentMemory => ({ model, answered: [], uploaded: [] });

/** The model as an earlier one, where it comes again after others. */
const pastOf = ({ spent, past = [] }: Spendings, model: Uint8Array): PastModel | undefined =>
  spent !== undefined && equalBytes(spent.model, model)
    ? undefined
    : past.find((earlier) => equalBytes(earlier.model, model));

/** What is spent on this model. */
const spentOn = (memory: Spendings, model: Uint8Array): SpentMemory => {
  const { spent } = memory;
  if (spent !== undefined && equalBytes(spent.model, model)) return spent;
  const earlier = pastOf(memory, model);
  return earlier === undefined
    ? nothingSpent(model)
    : { ...nothingSpent(model), named: earlier.named };
};

/** Names of all sets that were answered for, each once. */
const namesOfAnswered = ({ answered, named = [] }: SpentMemory): string[] => [
  ...new Set([...named.map(toHex), ...answered.map(setName)]),
];

/** What is kept of a model when another one is the newest. */
const asPast = (spent: SpentMemory): PastModel => ({
  model: spent.model,
  named: namesOfAnswered(spent).slice(-MAX_ANSWERED).map(fromHex),
  ...(spent.uploaded.length === 0 && spent.older === undefined ? {} : { left: true }),
});

/**
 * The policy that holds in this run. In groups `ledger` is `strict`: the public list names the
 * survivors of an attempt, not the groups whose sums were opened.
 */
export const policyIn = ({ spec }: Pick<RunView, 'spec'>, { policy }: Answers): AnswerPolicy =>
  policy === 'ledger' && groupSizeOf(spec) !== undefined ? 'strict' : policy;

const viewOf = (
  { spec, run, self }: RunView,
  answers: Answers,
  memory: Spendings,
  model: Uint8Array,
  family?: readonly FrozenAttempt[],
): OneSetView => {
  const { answered, uploaded, named = [] } = spentOn(memory, model);
  return {
    policy: policyIn({ spec }, answers),
    minimum: leastSummed(spec),
    self: addressOf(self),
    answered,
    named: named.map(toHex),
    uploaded,
    culprits: new Set(memory.culprits),
    ...(family === undefined ? {} : { family }),
    consents: readConsents(answers.consents ?? [], run, model),
  };
};

/**
 * A model belongs to the run in which this identity first uploaded for it: a second run on the same
 * model opens the same update in another sum.
 * @param owner of the model, over all runs of the keystore
 * @throws FloeError `update_already_spent`
 */
export const checkOwner = (
  { run }: Pick<RunView, 'run'>,
  model: Uint8Array,
  owner: Uint8Array | undefined,
): void => {
  if (owner === undefined || equalBytes(owner, run)) return;
  throw refused({
    reason: `model ${toHex(model).slice(0, 16)} was uploaded for in run ${toHex(owner).slice(0, 16)}`,
    resume: 'a model that is new to this participant',
  });
};

/**
 * The keystore keeps every model that was claimed, the memory of the run no more than its last
 * models: what it says of older ones is not known.
 *
 * @param owner of the model, over all runs of the keystore
 * @throws FloeError `update_already_spent`
 */
export const checkRemembered = (
  memory: Spendings,
  model: Uint8Array,
  owner: Uint8Array | undefined,
): void => {
  const { spent, past = [] } = memory;
  if (owner === undefined || past.length < MAX_PAST_MODELS) return;
  if (spent !== undefined && equalBytes(spent.model, model)) return;
  if (pastOf(memory, model) !== undefined) return;
  throw refused({
    reason: `model ${toHex(model).slice(0, 16)} was uploaded for before the last ${MAX_PAST_MODELS} models, and its set is not known any more`,
    resume: 'a model that is new to this participant',
  });
};

/** What the Register record states. */
export const statedNames = (memory: Spendings, model: Uint8Array): Uint8Array[] =>
  namesOfAnswered(spentOn(memory, model)).map(fromHex);

/**
 * Before it registers. @param hasUpdate whether the update that was used on this model is there
 * @throws FloeError `update_already_spent`
 */
export const checkRegister = (
  view: RunView,
  answers: Answers,
  memory: Spendings,
  { model, invited }: SignedRecord<'open'>['body'],
  hasUpdate = false,
): void => {
  if (pastOf(memory, model.hash)?.left === true)
    throw refused({
      reason: `model ${toHex(model.hash).slice(0, 16)} was trained on before another model, in an attempt that this participant did not answer for`,
      resume: 'a model that is new to this participant',
    });
  const spent = spentOn(memory, model.hash);
  // Two sums of one set differ in what has changed: the update of this participant alone.
  if (spent.older === true && !hasUpdate)
    throw refused({
      reason: `this participant used an update of an earlier model on model ${toHex(model.hash).slice(0, 16)}, and it is lost; a new one would be another`,
      resume: 'a commit that changes the model',
    });
  const { uploaded } = spent;
  const answered = namesOfAnswered(spent);
  if (answered.length >= MAX_ANSWERED || uploaded.length >= MAX_UPLOADED)
    throw refused({
      reason: `this participant took part ${answered.length + uploaded.length} times on this model`,
      resume: 'a commit that changes the model',
    });
  const refusal = mayRegister(viewOf(view, answers, memory, model.hash), invited.map(addressOf));
  if (refusal !== undefined) throw refused(refusal);
};

/**
 * An attempt that repeats an earlier one on its model is not drawn. So it takes only members that
 * this participant knows from an attempt on the model into which it uploaded itself. Where all
 * members of a closed run are invited nobody was chosen.
 * @throws FloeError `not_drawn`
 */
export const checkAgain = (
  { spec }: Pick<RunView, 'spec'>,
  memory: Spendings,
  { model, invited, draw }: SignedRecord<'open'>['body'],
): void => {
  if (draw?.again === undefined || membersOf(spec)?.size === invited.length) return;
  const spent = spentOn(memory, model.hash);
  const { answered, uploaded } = spent;
  const { grouping } = memory;
  const drawn =
    grouping !== undefined && equalBytes(grouping.model, model.hash) ? [grouping.members] : [];
  const known = [...answered, ...uploaded.map(({ cohort }) => cohort), ...drawn].map(
    (set) => new Set(set),
  );
  const members = invited.map(addressOf);
  if (namesOfAnswered(spent).includes(setName(members))) return;
  if (known.some((set) => members.every((member) => set.has(member)))) return;
  throw new FloeError(
    'not_drawn',
    `it repeats attempt ${draw.again}, and this participant was in none with all of the invited`,
  );
};

/**
 * What the groups of an accepted cohort were drawn from, to be kept with it. A cohort that takes
 * its groups from an earlier attempt on the model takes those that this participant was shown then:
 * nobody chooses them afterwards.
 *
 * @returns FloeError `not_drawn` for others
 */
export const groupingIn = (
  { spec }: Pick<RunView, 'spec'>,
  { grouping: known }: Pick<RunMemory, 'grouping'>,
  model: Uint8Array,
  cohort: SignedRecord<'cohort'>,
): Pick<RunMemory, 'grouping'> | FloeError => {
  if (groupSizeOf(spec) === undefined) return {};
  const { attempt, members, beacon } = groupingOf(cohort.attempt, cohort);
  const now = { model, attempt, members: members.map(addressOf), beacon };
  // The rules of Cohort say what an attempt draws itself.
  if (attempt === cohort.attempt) return { grouping: now };
  const isKnown =
    known !== undefined &&
    equalBytes(known.model, model) &&
    known.attempt === attempt &&
    equalBytes(known.beacon, beacon) &&
    setName(known.members) === setName(now.members);
  if (isKnown) return { grouping: known };
  return new FloeError(
    'not_drawn',
    `its groups are said to be those of attempt ${attempt}, which this participant does not know`,
  );
};

/**
 * The cohort with what its members state. @param registers the Register records of the cohort,
 * checked already
 */
export const standingsOf = (registers: readonly Uint8Array[]): Standing[] =>
  registers.map((bytes) => {
    const { author, body } = decodeRecordOf('register', bytes);
    return { member: addressOf(author), answered: (body.answered ?? []).map(toHex) };
  });

/** Before it shares and uploads. @throws FloeError `update_already_spent` */
export const checkUpload = (
  view: RunView,
  answers: Answers,
  memory: Spendings,
  model: Uint8Array,
  standings: readonly Standing[],
  /** All members whose updates come into one sum with its own. */
  group: readonly Uint8Array[],
): void => {
  const known = viewOf(view, answers, memory, model);
  const refusal = mayUpload(known, standings) ?? mayBeGrouped(known, group.map(addressOf));
  if (refusal !== undefined) throw refused(refusal);
};

/**
 * Before it answers.
 * @param frozen what the public list holds on the model, where the policy needs it
 * @param at.survivors of the own group @param at.beside of each other group
 * @throws FloeError `update_already_spent`, `context_mismatch`
 */
export const checkAnswer = (
  view: RunView,
  answers: Answers,
  memory: Spendings,
  frozen: readonly FrozenSet[] | undefined,
  at: {
    readonly open: SignedRecord<'open'>;
    readonly standings: readonly Standing[];
    readonly survivors: readonly Uint8Array[];
    readonly beside?: readonly (readonly Uint8Array[])[];
  },
): void => {
  const { hash } = at.open.body.model;
  const { attempt } = at.open;
  if (frozen !== undefined && !frozen.some((one) => one.attempt === attempt))
    throw new FloeError('context_mismatch', 'the ledger holds this attempt on another model');
  const family = frozen
    ?.filter((one) => one.attempt !== attempt)
    .map(({ cohort, members, attempt: of }) => ({
      attempt: of,
      cohort: cohort.map(addressOf).toSorted(),
      survivors: members.map(addressOf).toSorted(),
      threshold: threshold(cohort.length),
    }));
  const refusal = mayAnswer(
    viewOf(view, answers, memory, hash, family),
    {
      attempt,
      cohort: at.standings,
      beside: (at.beside ?? []).map((set) => set.map(addressOf)),
    },
    at.survivors.map(addressOf),
  );
  if (refusal !== undefined) throw refused(refusal);
};

/**
 * To be written with the vector: from now on its update may be in a sum of this attempt. An older
 * model that it was trained on is left: on it the same update would be trained again.
 *
 * @param bases the model that was trained on, where that is another one than `model`
 */
export const uploadedIn = (
  memory: Spendings,
  model: Uint8Array,
  cohort: CheckedCohort,
  bases: readonly Uint8Array[] = [],
): Lasting => {
  const lasting = uploadedOn(memory, model, cohort);
  const { spent, past = memory.past ?? [] } = lasting;
  if (bases.length === 0 || spent === undefined) return lasting;
  const names = new Set(bases.map(toHex));
  const isBase = (earlier: PastModel): boolean => names.has(toHex(earlier.model));
  const left = bases.map((base): PastModel => {
    const known = past.find((earlier) => equalBytes(earlier.model, base));
    return { model: base, named: known?.named ?? [], left: true };
  });
  return {
    spent: { ...spent, older: true },
    past: [...past.filter((earlier) => !isBase(earlier)), ...left].slice(-MAX_PAST_MODELS),
  };
};

const uploadedOn = (
  memory: Spendings,
  model: Uint8Array,
  { record, group }: CheckedCohort,
): Lasting => {
  const cohort = group.members.map(addressOf);
  const before = spentOn(memory, model);
  const uploaded = [
    ...before.uploaded.filter(({ attempt }) => attempt !== record.attempt),
    { attempt: record.attempt, cohort, threshold: group.threshold },
  ];
  const { spent, past = [] } = memory;
  const isNew = spent !== undefined && !equalBytes(spent.model, model);
  if (!isNew) return { spent: { ...before, uploaded } };
  const others = past.filter((earlier) => !equalBytes(earlier.model, model));
  return {
    spent: { ...before, uploaded },
    past: [...others, asPast(spent)].slice(-MAX_PAST_MODELS),
  };
};

/** To be written with the answer, before it is sent. */
export const answeredFor = (
  memory: Spendings,
  model: Uint8Array,
  attempt: number,
  survivors: readonly Uint8Array[],
): Lasting => {
  const set = survivors.map(addressOf);
  const before = spentOn(memory, model);
  const name = setName(set);
  const known = before.answered.some((earlier) => setName(earlier) === name);
  return {
    spent: {
      ...before,
      answered: known ? before.answered : [...before.answered, set],
      uploaded: before.uploaded.filter((one) => one.attempt !== attempt),
    },
  };
};

/** The earlier culprits and those whose breach this participant has just proven itself. */
export const withCulprits = (
  memory: Spendings,
  proven: readonly Uint8Array[],
): Pick<RunMemory, 'culprits'> => ({
  culprits: [...new Set([...(memory.culprits ?? []), ...proven.map(addressOf)])].slice(-MAX_COHORT),
});
