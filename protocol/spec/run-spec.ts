/**
 * @module The run specification: everything a run is agreed on before it starts. Its hash names the run in every signed
 * record, so two sides that hold different specifications cannot take part in the same round.
 */
import * as v from 'valibot';
import { compareBytes, equalBytes, sha256, utf8 } from '../bytes.ts';
import { decodeCbor, encodeCbor, fixedBytes, integer, parseWith } from '../wire/cbor.ts';
import { initialModelHash, seedOfId } from '../model/first-model.ts';
import { DEFAULT_METRICS, metricsSchema, type MetricSpec } from '../algorithm/metrics.ts';
import {
  makeStrategySpec,
  strategyOf,
  strategySchema,
  type StrategyInput,
} from '../algorithm/registry.ts';
import { initialState, STATE_PREFIX, stateHashOf } from '../algorithm/state.ts';
import { parameterCount } from '../model/manifest.ts';
import { batchCount } from '../rules/batches.ts';

/** Complete graph over GF(2^8) shares: x-coordinates 1..255. */
export const MAX_COHORT = 255;
/** Records of a committed round that a spot check needs: four of each member of the largest cohort, and five more. */
export const MAX_EVIDENCE = 4 * MAX_COHORT + 5;
/** Bytes of the proof that a commit is wrong. */
export const MAX_PROOF_BYTES = 4096;
/** Below three, the sum of the others is one participant's update. */
export const MIN_COHORT = 3;
/** Keys that a closed run may list: every participant gets the list at login. */
export const MAX_MEMBERS = 10_000;
/** Rounds of a run, attempts that failed included. */
export const MAX_ROUND = 100_000;
const MAX_SPEC_BYTES = 4 << 20;

const positive = (max: number) =>
  v.pipe(
    v.number(),
    v.finite(),
    v.check((x) => x > 0, 'expected a number > 0'),
    v.maxValue(max),
  );
const seconds = integer(1, 7 * 24 * 3600);

/** Who else a run's models are sealed for, beside its auditors and the cohorts; each is a policy on chain. */
export const MODEL_AUDIENCES = ['pass', 'subscription', 'time-lock', 'compute'] as const;
export type ModelAudience = (typeof MODEL_AUDIENCES)[number];

const isAscending = (keys: Uint8Array[]): boolean =>
  keys.every((key, i) => i === 0 || compareBytes(keys[i - 1] as Uint8Array, key) < 0);

/** Who may be in a cohort: anybody, or the keys that are listed, ascending. */
const members = v.variant('type', [
  v.strictObject({ type: v.literal('open') }),
  v.strictObject({
    type: v.literal('closed'),
    keys: v.pipe(
      v.array(fixedBytes(32)),
      v.minLength(MIN_COHORT),
      v.maxLength(MAX_MEMBERS),
      v.check(isAscending, 'expected each key once, in ascending order'),
    ),
  }),
]);

const tensor = v.strictObject({
  name: v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(200),
    v.check((name) => !name.startsWith(STATE_PREFIX), `expected no name in ${STATE_PREFIX}`),
  ),
  shape: v.pipe(v.array(integer(1, 2 ** 31)), v.maxLength(8)),
  dtype: v.picklist(['float32', 'bfloat16']),
});

export const runSpecSchema = v.pipe(
  v.strictObject({
    version: v.literal(1),
    /** 16 random bytes: two runs of equal settings are still two runs. */
    id: fixedBytes(16),
    name: v.pipe(v.string(), v.minLength(1), v.maxLength(100)),
    /** Ed25519 key of the coordinator, which signs the round's records. */
    coordinator: fixedBytes(32),
    /** Ed25519 keys that may open every model and unmasking bundle. */
    auditors: v.pipe(v.array(fixedBytes(32)), v.maxLength(64)),
    /** Missing where only auditors and the cohorts read. Needs a gate whose policies are on chain. */
    access: v.optional(
      v.strictObject({
        /** What a run's owner sells or grants on chain opens its models for those named here, and for nobody else. */
        models: v.pipe(
          v.array(v.picklist(MODEL_AUDIENCES)),
          v.minLength(1),
          v.check((list) => new Set(list).size === list.length, 'expected each audience once'),
        ),
      }),
    ),
    model: v.strictObject({
      /** A name of the registry (`mlp-2nn`, `cnn`), or `custom` when the participants bring their own trainer. */
      architecture: v.pipe(v.string(), v.minLength(1), v.maxLength(100)),
      /** The tensors of the flat parameter vector, in order. */
      tensors: v.pipe(v.array(tensor), v.minLength(1), v.maxLength(4096)),
      /** tfjs layers topology (JSON text) where the architecture is not in the registry. */
      topology: v.optional(v.pipe(v.string(), v.maxLength(2 << 20))),
      /** What the first model is drawn from, by a rule that everybody repeats: see `first-model.ts`. Not with a parent. */
      seed: v.optional(fixedBytes(32)),
    }),
    /** What the run starts from, where that is a model that was there before; else the seed gives the first model. */
    parent: v.optional(
      v.strictObject({
        /** Hash of that model: the initial one must have it. */
        modelHash: fixedBytes(32),
        /** Hash of the strategy's state that goes with it, where the run goes on with that too. */
        stateHash: v.optional(fixedBytes(32)),
        /** Object id of that model's version on Sui. */
        object: v.optional(fixedBytes(32)),
      }),
    ),
    rounds: integer(1, MAX_ROUND),
    members,
    /** How a cohort is chosen: drawn anew for each round, or as one of the batches that the members are cut into once. */
    selection: v.picklist(['draw', 'batches']),
    cohort: v.strictObject({
      /** Participants wanted in a round. */
      size: integer(MIN_COHORT, MAX_COHORT),
      /** Fewest survivors whose sum may be opened. */
      minimum: integer(MIN_COHORT, MAX_COHORT),
      /** Invitations are sent to `ceil(size * overSelect)` participants; the first `size` to register are taken. */
      overSelect: v.pipe(v.number(), v.minValue(1), v.maxValue(4)),
    }),
    training: v.strictObject({
      epochs: integer(1, 1000),
      batchSize: integer(1, 65_536),
      learningRate: positive(1e3),
    }),
    encoding: v.strictObject({
      ring: v.picklist(['ring16', 'ring24', 'ring32']),
      /** Bits of one coordinate before summing (q). */
      bits: integer(4, 20),
      /** L2 bound of an update (C). */
      clipNorm: positive(1e6),
      rotation: v.boolean(),
      /** Example counts above this count as this. */
      weightCap: integer(1, 2 ** 24),
    }),
    secagg: v.picklist(['masked', 'none']),
    /** Numbers that participants send beside their updates, under the same masks. */
    metrics: metricsSchema,
    /**
     * What participants add to their updates, and what becomes of the sum: see
     * algorithm/registry.ts.
     */
    strategy: strategySchema,
    /** Seconds each phase may take, and how long a lost participant is waited for: see timeouts.ts. */
    deadlines: v.strictObject({
      register: seconds,
      share: seconds,
      /** At most; see `uploadFactor`. */
      upload: seconds,
      /** Once a quorum has uploaded the others have this many times the median of its upload times. */
      uploadFactor: v.pipe(v.number(), v.minValue(1), v.maxValue(1000)),
      /** But no fewer seconds than these. */
      uploadFloor: seconds,
      consistency: seconds,
      unmask: seconds,
      grace: integer(0, 24 * 3600),
    }),
  }),
  v.check(
    (spec) => spec.cohort.minimum <= spec.cohort.size,
    'cohort.minimum must not exceed cohort.size',
  ),
  v.check(
    ({ model, parent }) => (model.seed === undefined) === (parent !== undefined),
    'model.seed: expected a seed or a parent, and not both',
  ),
  v.check(
    (spec) => spec.members.type === 'open' || spec.members.keys.length >= spec.cohort.minimum,
    'members.keys: expected at least cohort.minimum keys',
  ),
  v.check(
    (spec) => spec.selection === 'draw' || spec.members.type === 'closed',
    'selection: batches are made of the members of a closed run',
  ),
  v.check(
    (spec) => spec.selection === 'draw' || spec.cohort.overSelect === 1,
    'cohort.overSelect: a batch takes part whole, so nobody beyond it is invited',
  ),
  v.check(
    (spec) =>
      spec.selection === 'draw' ||
      spec.members.type === 'open' ||
      batchCount(spec.members.keys.length, spec.cohort) !== undefined,
    'members.keys: cannot be cut into batches of cohort.minimum to cohort.size keys',
  ),
);

export type RunSpec = v.InferOutput<typeof runSpecSchema>;

/** What a run file or a caller must give; the rest has defaults. */
export type RunSpecInput = Pick<RunSpec, 'id' | 'coordinator' | 'model' | 'parent'> & {
  readonly [
    Key in Exclude<
      keyof RunSpec,
      | 'id'
      | 'coordinator'
      | 'model'
      | 'parent'
      | 'version'
      | 'access'
      | 'members'
      | 'metrics'
      | 'strategy'
    >
  ]?: RunSpec[Key] extends readonly unknown[] | string | number
    ? RunSpec[Key]
    : Partial<RunSpec[Key]>;
} & {
  /** In any order. */
  readonly members?: RunSpec['members'];
  /** An empty list is the same as none. */
  readonly access?: { readonly models: readonly ModelAudience[] } | undefined;
  readonly metrics?: readonly MetricSpec[];
  /** FedAvg unless told; the parameters that are not given have the strategy's defaults. */
  readonly strategy?: StrategyInput;
};

export const SPEC_DEFAULTS = {
  version: 1,
  name: 'floe',
  auditors: [],
  rounds: 50,
  members: { type: 'open' },
  selection: 'draw',
  cohort: { size: 10, minimum: 5, overSelect: 1 },
  training: { epochs: 1, batchSize: 10, learningRate: 0.2 },
  encoding: { ring: 'ring16', bits: 8, clipNorm: 4, rotation: true, weightCap: 1000 },
  secagg: 'masked',
  metrics: [...DEFAULT_METRICS],
  deadlines: {
    register: 60,
    share: 60,
    upload: 1800,
    uploadFactor: 4,
    uploadFloor: 30,
    consistency: 60,
    unmask: 60,
    grace: 30,
  },
} as const satisfies Partial<RunSpec>;

const ascending = (given: RunSpec['members']): RunSpec['members'] =>
  given.type === 'open' ? given : { ...given, keys: given.keys.toSorted(compareBytes) };

/**
 * Fills in the defaults and validates. A run that names neither a seed nor a parent begins with the seed of its id.
 *
 * @throws FloeError `spec_invalid` naming the field
 */
export const makeRunSpec = ({ access, members: given, ...input }: RunSpecInput): RunSpec => {
  const size = input.cohort?.size ?? SPEC_DEFAULTS.cohort.size;
  return parseWith(
    runSpecSchema,
    {
      ...SPEC_DEFAULTS,
      ...input,
      model:
        input.model.seed === undefined && input.parent === undefined
          ? { ...input.model, seed: seedOfId(input.id) }
          : input.model,
      ...(given === undefined ? {} : { members: ascending(given) }),
      cohort: {
        ...SPEC_DEFAULTS.cohort,
        minimum: Math.min(SPEC_DEFAULTS.cohort.minimum, size),
        ...input.cohort,
      },
      training: { ...SPEC_DEFAULTS.training, ...input.training },
      encoding: { ...SPEC_DEFAULTS.encoding, ...input.encoding },
      strategy: makeStrategySpec(input.strategy ?? {}),
      deadlines: { ...SPEC_DEFAULTS.deadlines, ...input.deadlines },
      ...(access === undefined || access.models.length === 0 ? {} : { access }),
    },
    'spec_invalid',
  );
};

/** Whether a run begins with the model of this hash: its parent's, or the one that its seed gives. */
export const mayBeginWith = ({ parent, model }: RunSpec, modelHash: Uint8Array): boolean =>
  equalBytes(parent === undefined ? initialModelHash(model) : parent.modelHash, modelHash);

/**
 * The state that goes with the first model: the parent's, or the one that the strategy begins with.
 */
export const mayBeginWithState = (spec: RunSpec, state: Uint8Array | undefined): boolean => {
  const expected = spec.parent?.stateHash ?? firstStateHash(spec);
  return expected === undefined || state === undefined
    ? expected === state
    : equalBytes(expected, state);
};

const firstStates = new WeakMap<RunSpec, Uint8Array>();

const firstStateHash = (spec: RunSpec): Uint8Array | undefined => {
  const chosen = strategyOf(spec);
  if (chosen.strategy.state.length === 0) return undefined;
  const known = firstStates.get(spec);
  if (known !== undefined) return known;
  const state = initialState(chosen, parameterCount(spec.model));
  const hash = stateHashOf(chosen, spec.model, state);
  if (hash !== undefined) firstStates.set(spec, hash);
  return hash;
};

export const encodeRunSpec = (spec: RunSpec): Uint8Array => encodeCbor(spec);

/** @throws FloeError `spec_invalid` */
export const decodeRunSpec = (bytes: Uint8Array): RunSpec =>
  decodeCbor(runSpecSchema, bytes, 'spec_invalid', MAX_SPEC_BYTES);

/** The name of the run in every record: SHA-256 over the domain tag and the canonical bytes. */
export const hashRunSpec = (spec: RunSpec): Uint8Array =>
  sha256(utf8('floe/run-spec/v1'), encodeRunSpec(spec));
