/**
 * @module The admission policy of a participant: what a run must be before it takes part. It is on
 * by default and checked right after the login, before anything else is sent. Only the participant
 * can lower it. The coordinator writes the specification, so a promise in it protects only
 * participants that check it. Sources: Pasquini et al. 2022 (a server that misleads its clients),
 * Fowl et al. 2022 (crafted models), Zhu et al. 2019 (gradients leak examples).
 */
import * as v from 'valibot';
import { equalBytes, toHex } from '../protocol/bytes.ts';
import { fixedBytes, integer, parseWith } from '../protocol/wire/cbor.ts';
import { FloeError } from '../protocol/errors.ts';
import { groupSizeOf, leastSummed } from '../protocol/robust/groups.ts';
import { membersOf } from '../protocol/rules/selection.ts';
import { clipNormsOf } from '../protocol/privacy/adaptive-clipping.ts';
import { MAX_COHORT, MAX_MEMBERS, MIN_COHORT, type RunSpec } from '../protocol/spec/run-spec.ts';
import { counts, numbers, positive } from './admission-bounds.ts';
import { strategyNorm, weightRatio } from './admission-measures.ts';
import { ADMISSION_TABLE, DEFAULT_REQUIREMENTS } from './admission-table.ts';
import { localSteps } from './optimizer.ts';

export const admissionSchema = v.strictObject({
  /**
   * Updates leave masked. `false` takes runs without masks too, in which the coordinator reads
   * every update.
   */
  masked: v.boolean(),
  /**
   * The participant takes part in a survey, which opens counts and sums of its table rather than a
   * model; and in no run that trains. Otherwise it takes part in no survey.
   */
  survey: v.boolean(),
  /**
   * Fewest survivors whose sum may be opened: with fewer, fewer colluders subtract down to one
   * update.
   */
  minimum: integer(MIN_COHORT, MAX_COHORT),
  /**
   * Least share of a cohort that this participant knows, in [0, 1]: 1 - gamma. Those of a closed
   * run are known, or those of `members` where that is given. 0 takes open runs, in which one party
   * can be everybody else.
   */
  known: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  /**
   * Ed25519 keys that this participant knows. Without it, it takes the specification's word for who
   * the members are.
   */
  members: v.optional(v.pipe(v.array(fixedBytes(32)), v.maxLength(MAX_MEMBERS))),
  /**
   * Hashes of models, and of states of their strategies, that the run may begin with. The model
   * that the seed gives is always accepted; any other was made by somebody and must be named here.
   */
  parents: v.pipe(v.array(fixedBytes(32)), v.maxLength(1000)),
  /**
   * Fewest local steps of a round, where the trainer knows its examples: the update of one step is
   * a gradient.
   */
  steps: integer(1, 2 ** 31),
  /** L2 bound of an update. */
  clipNorm: numbers,
  /** Examples in a local batch. */
  batchSize: counts(65_536),
  /**
   * Examples that one participant counts for at most: a large one makes the mean its own update.
   */
  weightCap: counts(2 ** 24),
  /**
   * Largest ratio of the weights of two classes: with a large one, sites that lack a class send
   * nearly nothing, and the sum is the update of those that have it.
   */
  classWeights: v.pipe(v.number(), v.minValue(1), v.maxValue(1e9)),
  /** Largest L2 bound of a vector that the strategy sends beside the update. */
  strategyNorm: v.pipe(positive, v.maxValue(1e9)),
  /** Largest epsilon that a run may spend; a run without privacy is then refused. */
  epsilon: v.optional(v.pipe(positive, v.maxValue(1000))),
  /** Largest delta of a run with privacy; and the delta at which the total is counted. */
  delta: v.pipe(positive, v.maxValue(0.1)),
  /** Largest epsilon over all runs of this identity; one without privacy is then refused. */
  totalEpsilon: v.optional(v.pipe(positive, v.maxValue(1000))),
  /**
   * Largest fraction of a cohort that a run with privacy may assume to be honest: the more it
   * assumes, the less noise each participant adds for the same claim.
   */
  honest: v.pipe(positive, v.maxValue(1)),
  /** Takes part in runs with central noise, whose coordinator sees single updates. */
  central: v.boolean(),
  /** Architectures that it trains; any where missing. */
  architectures: v.optional(v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(1000))),
});
export type AdmissionPolicy = v.InferOutput<typeof admissionSchema>;
/** The requirements that a participant sets; the others have defaults. */
export type AdmissionInput = {
  readonly [Name in keyof AdmissionPolicy]?: AdmissionPolicy[Name] | undefined;
};

export const ADMISSION_DEFAULTS: AdmissionPolicy = DEFAULT_REQUIREMENTS;

/** Fills in the defaults. @throws FloeError `usage` naming the field */
export const makeAdmission = (input: AdmissionInput = {}): AdmissionPolicy =>
  parseWith(
    admissionSchema,
    {
      ...ADMISSION_DEFAULTS,
      // An undefined value must not override a default.
      ...Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)),
    },
    'usage',
  );

type Field = keyof AdmissionPolicy;
type Bounded = 'clipNorm' | 'batchSize' | 'weightCap';

/** The flag of `floe join` that sets a field. */
const flagOf = (field: Field): string => `--${ADMISSION_TABLE[field].flag}`;

const refused = (field: Field, offered: string, required: string): FloeError =>
  new FloeError(
    'admission_refused',
    `${field}: the run offers ${offered}, this participant requires ${required}; ` +
      `only ${flagOf(field)} of this participant lowers that (\`require.${field}\` in code)`,
    { field, offered, required, flag: flagOf(field) },
  );

/** `--require-clip-norm 0.001..100` for a value that the default bounds leave out. */
const widened = (field: Bounded, ...values: readonly number[]): string[] => {
  const { min, max } = ADMISSION_DEFAULTS[field];
  if (values.every((value) => value >= min && value <= max)) return [];
  return [`${flagOf(field)} ${Math.min(min, ...values)}..${Math.max(max, ...values)}`];
};

/** What a run opens the sums of. */
const summedIn = (spec: RunSpec) => (groupSizeOf(spec) === undefined ? 'cohort' : 'group');

/** Requirements that are a largest number. */
export type MostField = 'delta' | 'classWeights' | 'strategyNorm';

const raised = (field: MostField, value: number): string[] =>
  value > ADMISSION_DEFAULTS[field] ? [`${flagOf(field)} ${value}`] : [];

/**
 * The flags with which a participant takes a run that offers less than the default; none where it
 * offers enough. That it takes part in a survey (`--accept-survey`) is not among them.
 */
export const loweringFlags = (spec: RunSpec): readonly string[] => {
  const { secagg, members, parent, encoding, training, data, model, privacy, ...others } = spec;
  const least = leastSummed(spec);
  return [
    ...(secagg === 'masked' ? [] : [flagOf('masked')]),
    ...(least < ADMISSION_DEFAULTS.minimum ? [`${flagOf('minimum')} ${least}`] : []),
    ...(members.type === 'closed' ? [] : [`${flagOf('known')} 0`]),
    ...[parent?.modelHash, parent?.stateHash].flatMap((hash) =>
      hash === undefined ? [] : [`${flagOf('parents')} ${toHex(hash)}`],
    ),
    ...(model.survey === undefined
      ? [
          ...widened('clipNorm', ...clipNormsOf(encoding)),
          ...widened('batchSize', training.batchSize),
          ...widened('weightCap', encoding.weightCap),
          ...raised('delta', privacy?.delta ?? 0),
          ...(privacy?.type === 'central' ? [flagOf('central')] : []),
          ...raised('classWeights', Math.ceil(weightRatio(data))),
          ...raised('strategyNorm', strategyNorm(others)),
        ]
      : []),
  ];
};

type Bounds = AdmissionPolicy['clipNorm'];
const within = (field: Bounded, offered: number, bounds: Bounds) =>
  offered >= bounds.min && offered <= bounds.max
    ? undefined
    : refused(field, String(offered), `${bounds.min} to ${bounds.max}`);

const over = (
  policy: AdmissionPolicy,
  field: MostField,
  offered: number,
  text: (offered: number) => string,
) =>
  offered > policy[field]
    ? refused(field, text(Number(offered.toPrecision(3))), `at most ${policy[field]}`)
    : undefined;

/** A run that asks for something else than the participant consents to. */
const checkSurvey = ({ survey }: AdmissionPolicy, { model }: RunSpec): FloeError | undefined => {
  const offered = model.survey !== undefined;
  if (offered === survey) return undefined;
  const [kind, wanted] = offered
    ? ['a survey, which opens counts and sums of the tables', 'a run that trains']
    : ['a run that trains', 'a survey'];
  return new FloeError(
    'admission_refused',
    `survey: the run is ${kind}; this participant takes part in ${wanted} alone; ` +
      `${offered ? `consent with ${flagOf('survey')}` : `leave ${flagOf('survey')} out`} (\`require.survey\` in code)`,
    { field: 'survey', offered, required: survey, flag: flagOf('survey') },
  );
};

const checkParent = ({ parents }: AdmissionPolicy, { parent }: RunSpec): FloeError | undefined => {
  if (parent === undefined) return undefined;
  const isNamed = (hash: Uint8Array): boolean => parents.some((named) => equalBytes(named, hash));
  const { modelHash, stateHash } = parent;
  // The first step follows from the state as much as from the model.
  const isAgreed = stateHash === undefined || isNamed(stateHash);
  if (isNamed(modelHash) && isAgreed) return undefined;
  const state = isAgreed ? '' : ` and the state ${toHex(stateHash)} of its strategy`;
  const offered = `the model ${toHex(modelHash)}${state} to begin with`;
  return refused('parents', offered, 'what a seed gives, or hashes that it names itself');
};

/** Who has a budget, of a run or of all, gives nothing to a sum without noise. */
const checkPrivacy = (
  { epsilon, delta, totalEpsilon, honest, central }: AdmissionPolicy,
  { privacy }: RunSpec,
): FloeError | undefined => {
  if (privacy === undefined) {
    const field = epsilon === undefined ? 'totalEpsilon' : 'epsilon';
    const most = epsilon ?? totalEpsilon;
    return most === undefined
      ? undefined
      : refused(field, 'no differential privacy', `epsilon of at most ${most}`);
  }
  if (epsilon !== undefined && privacy.epsilon > epsilon)
    return refused('epsilon', `epsilon ${privacy.epsilon}`, `at most ${epsilon}`);
  if (privacy.type === 'central' && !central)
    return refused(
      'central',
      'noise that its coordinator adds, which sees single updates',
      'noise of the participants',
    );
  if (privacy.delta > delta) return refused('delta', `delta ${privacy.delta}`, `at most ${delta}`);
  return privacy.type !== 'central' && privacy.honest > honest
    ? refused('honest', `noise for a cohort that is ${privacy.honest} honest`, `at most ${honest}`)
    : undefined;
};

const listedIn = new WeakMap<AdmissionPolicy, ReadonlySet<string>>();

/** The keys that the participant lists itself, else the members of a closed run. */
const knownOf = (policy: AdmissionPolicy, spec: RunSpec): ReadonlySet<string> | undefined => {
  if (policy.members === undefined) return membersOf(spec);
  const known = listedIn.get(policy) ?? new Set(policy.members.map(toHex));
  listedIn.set(policy, known);
  return known;
};

/** How many of the keys this participant does not know. */
const strangers = (policy: AdmissionPolicy, spec: RunSpec, keys: readonly Uint8Array[]): number => {
  const known = knownOf(policy, spec);
  return known === undefined ? keys.length : keys.filter((key) => !known.has(toHex(key))).length;
};

/** @param self own key, which is known without being listed */
const checkKnown = (
  policy: AdmissionPolicy,
  spec: RunSpec,
  keys: readonly Uint8Array[],
  self: Uint8Array,
  what: string,
): FloeError | undefined => {
  const others = keys.filter((key) => !equalBytes(key, self));
  const unknown = strangers(policy, spec, others);
  // Counted as whole members: the share of a small cohort is not one that floats may round.
  const allowed = Math.floor((1 - policy.known) * others.length + 1e-9);
  if (unknown <= allowed) return undefined;
  return refused(
    'known',
    `${unknown} unknown keys among ${others.length} others of ${what}`,
    `at most ${allowed} (a known share of ${policy.known})`,
  );
};

const checkMembers = (
  policy: AdmissionPolicy,
  spec: RunSpec,
  self: Uint8Array,
): FloeError | undefined => {
  const { members } = spec;
  // Its own members are known to all: comparing them costs as much as the run has members.
  if (members.type === 'closed' && policy.members === undefined) return undefined;
  if (members.type === 'closed')
    return checkKnown(policy, spec, members.keys, self, 'the members of the run');
  // An open run fills its cohorts with any participant; known keys may or may not be among them.
  return policy.known > 0 && policy.members === undefined
    ? refused('known', 'an open run: anybody is a member', `a known share of ${policy.known}`)
    : undefined;
};

const checkTraining = (
  policy: AdmissionPolicy,
  { encoding, training, data, ...others }: RunSpec,
): FloeError | undefined =>
  clipNormsOf(encoding)
    .map((norm) => within('clipNorm', norm, policy.clipNorm))
    .find((fault) => fault !== undefined) ??
  within('batchSize', training.batchSize, policy.batchSize) ??
  within('weightCap', encoding.weightCap, policy.weightCap) ??
  over(policy, 'classWeights', weightRatio(data), (ratio) => `${ratio} times the least weight`) ??
  over(policy, 'strategyNorm', strategyNorm(others), (norm) => `vectors of norm ${norm}`);

/**
 * Decides whether this participant takes part in a run, from the specification alone.
 *
 * @param self own key
 * @throws FloeError `admission_refused` naming the field, the offered and the required value, and
 * the flag that lowers the requirement
 */
export const admitRun = (policy: AdmissionPolicy, spec: RunSpec, self: Uint8Array): void => {
  const { secagg, model } = spec;
  const { architectures } = policy;
  const fault =
    (policy.masked && secagg !== 'masked'
      ? refused('masked', 'updates WITHOUT masks', 'masks')
      : undefined) ??
    (leastSummed(spec) < policy.minimum
      ? refused(
          'minimum',
          `sums of ${leastSummed(spec)} updates of each ${summedIn(spec)}`,
          `at least ${policy.minimum}`,
        )
      : undefined) ??
    checkMembers(policy, spec, self) ??
    checkSurvey(policy, spec) ??
    checkParent(policy, spec) ??
    checkPrivacy(policy, spec) ??
    // A survey trains nothing, and its specification fixes how it is encoded.
    (model.survey === undefined ? checkTraining(policy, spec) : undefined) ??
    (architectures !== undefined && !architectures.includes(model.architecture)
      ? refused('architectures', model.architecture, architectures.join(' or '))
      : undefined);
  if (fault !== undefined) throw fault;
};

/**
 * Checks that a round trains enough: `localSteps`, or epochs * ceil(examples / batch size). A
 * trainer that does not report its number of examples belongs to the participant, which checks its
 * steps itself.
 *
 * @throws FloeError `admission_refused`
 */
export const admitTraining = (
  policy: AdmissionPolicy,
  { training }: RunSpec,
  examples: number | undefined,
): void => {
  if (examples === undefined) return;
  const steps = localSteps(training, examples);
  if (steps < policy.steps)
    throw refused(
      'steps',
      `${steps} local steps on ${examples} examples`,
      `at least ${policy.steps}`,
    );
};

/**
 * Why this participant does not stay in a cohort: its size, or how many of it are unknown;
 * undefined where it stays. The coordinator may have kept every rule, so this is a reason to sit
 * the round out and no violation.
 *
 * @param members of the frozen cohort, in groups of the own group, ascending
 * @returns `admission_refused`
 */
export const cohortRefusal = (
  policy: AdmissionPolicy,
  spec: RunSpec,
  members: readonly Uint8Array[],
  self: Uint8Array,
): FloeError | undefined =>
  members.length < policy.minimum
    ? refused('minimum', `a ${summedIn(spec)} of ${members.length}`, `at least ${policy.minimum}`)
    : checkKnown(policy, spec, members, self, `the ${summedIn(spec)}`);
