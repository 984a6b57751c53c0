/**
 * @module The run specification: everything a run is agreed on before it starts. Its hash names the
 * run in every signed record, so two sides that hold different specifications cannot take part in
 * the same round.
 */
import { decodeVersioned } from '../wire/versioned.ts';
import { createInterned, isInterned } from './decode-once.ts';
import * as v from 'valibot';
import { compareBytes, sha256, utf8 } from '../bytes.ts';
import { encodeCbor, fixedBytes, integer, parseWith } from '../wire/cbor.ts';
import { modelAtPrecision, precisionViolation, rankViolation } from './model-in-spec.ts';
import { DEFAULT_METRICS, metricsSchema, type MetricSpec } from '../algorithm/metrics.ts';
import { declaredMetrics } from './declared-metrics.ts';
import {
  makeStrategySpec,
  strategyViolation,
  strategySchema,
  type StrategyInput,
} from '../algorithm/registry.ts';
import { classesOf, measuresInSpecViolation } from '../algorithm/test-counts.ts';
import { STATE_PREFIX } from '../algorithm/state.ts';
import { TENSOR_ROLES } from '../model/manifest.ts';
import { MAX_COHORT } from './bounds.ts';
import { partViolations } from './part-violations.ts';
import { contractViolation, taskOfContract } from './contract.ts';
import {
  MAX_SPEC_BYTES,
  MAX_TENSORS,
  requireBytesFit,
  requireContractFits,
  SPEC_BUDGET,
} from './spec-limits.ts';
import { privateDefaults, violationOfPrivacy, withNoise } from './privacy-in-spec.ts';
import { violationOfSurvey } from './survey-in-spec.ts';
import { bufferSchema, withStaleness, violationOfBuffer } from './buffer-in-spec.ts';
import { checkTogether } from './setting-checks.ts';
import { specEntries, specSchemaOf } from './setting-schema.ts';
import { specDefaults } from './settings-in-spec.ts';
import type { Setting } from './setting.ts';
import { SETTINGS, type SettingName } from './settings.ts';
import type { Buffer } from './settings/buffer.ts';
import { robustSchema, withRule } from './robust-in-spec.ts';
import type { Robust } from './settings/robust.ts';
import type { ModelAudience } from './settings/run.ts';

export { MAX_COHORT, MAX_MEMBERS, MAX_ATTEMPT, MIN_COHORT } from './bounds.ts';
export { MODEL_AUDIENCES, type ModelAudience } from './settings/run.ts';

/**
 * Records of a committed round that a spot check needs: four of each member of the largest cohort,
 * and five more.
 */
export const MAX_EVIDENCE = 4 * MAX_COHORT + 5;
/** Bytes of the proof that a commit is wrong. */
export const MAX_PROOF_BYTES = 4096;

const isAscending = (keys: Uint8Array[]): boolean =>
  keys.every((key, i) => i === 0 || compareBytes(keys[i - 1] as Uint8Array, key) < 0);

/** The eligible members of a cohort: any key, or the listed keys in ascending order. */
const members = v.variant('type', [
  v.strictObject({ type: v.literal('open') }),
  v.strictObject({
    type: v.literal('closed'),
    keys: v.pipe(
      specSchemaOf(SETTINGS.allow),
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
  /** What training does to it: see model/manifest.ts. Trainable where missing. */
  role: v.optional(v.picklist(TENSOR_ROLES)),
});

const isTrainable = ({ role = 'trainable' }: { readonly role?: string | undefined }): boolean =>
  role === 'trainable';

/** The place of a setting in the specification, which names it in errors. */
const fieldOf = (name: SettingName): string => {
  const setting: Setting = SETTINGS[name];
  return setting.spec ?? name;
};

export const runSpecSchema = v.pipe(
  v.strictObject({
    version: v.literal(1),
    /** 16 random bytes: two runs of equal settings are still two runs. */
    id: fixedBytes(16),
    /** Ed25519 key of the coordinator, which signs the round's records. */
    coordinator: fixedBytes(32),
    /** `name`, `rounds`, `data`, `selection`, `secagg`, `auditors`: settings without a group. */
    ...specEntries(SETTINGS, ''),
    /**
     * Missing where only auditors and the cohorts read. Needs a gate whose policies are on chain.
     */
    access: v.optional(v.strictObject(specEntries(SETTINGS, 'access'))),
    /**
     * Missing where the blobs of all rounds are kept; a verifier accepts that those of older rounds
     * are gone.
     */
    retention: v.optional(v.strictObject(specEntries(SETTINGS, 'retention'))),
    robust: robustSchema,
    /** Missing where a cohort is drawn before it trains: see `protocol/rules/buffered.ts`. */
    buffer: bufferSchema,
    model: v.strictObject({
      /**
       * A name of the registry (`mlp-2nn`, `cnn`), or `custom` when the participants bring their
       * own trainer.
       */
      architecture: v.pipe(v.string(), v.minLength(1), v.maxLength(100)),
      /** The tensors of the flat parameter vector, in order. */
      tensors: v.pipe(
        v.array(tensor),
        v.minLength(1),
        v.maxLength(MAX_TENSORS),
        v.check((list) => list.some(isTrainable), 'expected at least one trainable tensor'),
      ),
      /** tfjs layers topology (JSON text) where the architecture is not in the registry. */
      topology: v.optional(v.pipe(v.string(), v.maxLength(2 << 20))),
      /**
       * Frozen weights under these tensors, which every site brings itself and none sends: see
       * `model/base.ts`.
       */
      base: v.optional(
        v.strictObject({
          hash: fixedBytes(32),
          name: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(200))),
        }),
      ),
      /**
       * The run is a survey: its model is a vector of counts and sums over the sites' tables, see
       * `protocol/survey`. Bins of a histogram.
       */
      survey: v.optional(v.strictObject({ bins: integer(4, 1024) })),
      /**
       * What the first model is drawn from, by a rule that everybody repeats: see `first-model.ts`.
       * Not with a parent.
       */
      seed: v.optional(fixedBytes(32)),
    }),
    /**
     * What the run starts from, where that is a model that was there before; else the seed gives
     * the first model.
     */
    parent: v.optional(
      v.strictObject({
        /** Hash of that model: the initial one must have it. */
        modelHash: fixedBytes(32),
        /**
         * Hash of the strategy's state that goes with it, where the run continues with that too.
         */
        stateHash: v.optional(fixedBytes(32)),
        /** Object id of that model's version on Sui. */
        object: v.optional(fixedBytes(32)),
      }),
    ),
    members,
    cohort: v.strictObject(specEntries(SETTINGS, 'cohort')),
    training: v.strictObject(specEntries(SETTINGS, 'training')),
    encoding: v.strictObject({
      ...specEntries(SETTINGS, 'encoding'),
      /** Missing: as many as a lane of the ring has for the cohort. */
      bits: v.optional(specSchemaOf(SETTINGS.bits)),
    }),
    /** Numbers that participants send with their updates, under the same masks. */
    metrics: metricsSchema,
    /**
     * What participants add to their updates, and what becomes of the sum: see
     * algorithm/registry.ts.
     */
    strategy: strategySchema,
    /** Times of the phases, and how long a lost participant is waited for: see timeouts.ts. */
    deadlines: v.strictObject(specEntries(SETTINGS, 'deadlines')),
  }),
  v.check(
    ({ model, parent }) => (model.seed === undefined) === (parent !== undefined),
    'model.seed: expected a seed or a parent, and not both',
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const spec = dataset.value;
    const { cohort, encoding, members: whose, model, training, buffer } = spec;
    for (const message of partViolations(model.tensors, training, fieldOf)) addIssue({ message });
    const ofPrecision = precisionViolation(encoding.modelPrecision, model.tensors, fieldOf);
    if (ofPrecision !== undefined) addIssue({ message: ofPrecision });
    const ofRank = rankViolation(encoding.compression, model.tensors, training, fieldOf);
    if (ofRank !== undefined) addIssue({ message: ofRank });
    const violation = checkTogether({
      cohort: cohort.size,
      minimum: cohort.minimum,
      overSelect: cohort.overSelect,
      selection: spec.selection,
      members: whose.type === 'closed' ? whose.keys.length : undefined,
      ring: encoding.ring,
      bits: encoding.bits,
      isMasked: spec.secagg === 'masked',
      robust: spec.robust ?? {},
      buffer: buffer?.size,
      maxStaleness: buffer?.maxStaleness,
      compression: encoding.compression,
      clipNorm: encoding.clipNorm,
      clipping: encoding.clipping,
    });
    if (violation === undefined) return;
    const { setting, message } = violation;
    addIssue({ message: `${fieldOf(setting)}: ${message(fieldOf)}` });
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || dataset.value.data === undefined) return;
    const { data, training } = dataset.value;
    // A contract says the task, and the specification repeats it: trainers read one field.
    const message = contractViolation(data, training.task?.type ?? 'none');
    if (message !== undefined) addIssue({ message });
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const spec = dataset.value;
    const ofMeasures = measuresInSpecViolation(spec);
    for (const message of [
      strategyViolation(spec),
      ofMeasures && `${fieldOf('measures')}: ${ofMeasures}`,
      violationOfSurvey(spec),
      violationOfBuffer(spec),
    ])
      if (message !== undefined) addIssue({ message });
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    const message = dataset.typed ? violationOfPrivacy(dataset.value) : undefined;
    if (message !== undefined) addIssue({ message });
  }),
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
      | 'retention'
      | 'robust'
      | 'buffer'
      | 'members'
      | 'metrics'
      | 'strategy'
      | 'data'
      | 'privacy'
    >
  ]?: RunSpec[Key] extends readonly unknown[] | string | number
    ? RunSpec[Key]
    : Partial<RunSpec[Key]>;
} & {
  /** In any order. */
  readonly members?: RunSpec['members'];
  /** An empty list is the same as none. */
  readonly access?: { readonly models: readonly ModelAudience[] } | undefined;
  /** How many rounds' blobs are kept; all unless told. */
  readonly retention?: { readonly rounds: number } | undefined;
  /** One false update unless told. */
  readonly robust?: Partial<Robust> | undefined;
  /** Buffered rounds; the cohort is as large as the buffer unless told. */
  readonly buffer?: Partial<Buffer> | undefined;
  readonly metrics?: readonly MetricSpec[];
  /** The task follows from it where none is given. */
  readonly data?: RunSpec['data'] | undefined;
  /** Differential privacy; what is 0 follows from the other fields. */
  readonly privacy?: RunSpec['privacy'] | undefined;
  /** FedAvg unless told; the parameters that are not given have the strategy's defaults. */
  readonly strategy?: StrategyInput;
};

export const SPEC_DEFAULTS = {
  version: 1,
  ...specDefaults(SETTINGS, ''),
  auditors: [],
  members: { type: 'open' },
  cohort: specDefaults(SETTINGS, 'cohort'),
  training: specDefaults(SETTINGS, 'training'),
  encoding: specDefaults(SETTINGS, 'encoding'),
  metrics: [...DEFAULT_METRICS],
  strategy: makeStrategySpec({}),
  deadlines: specDefaults(SETTINGS, 'deadlines'),
} as const satisfies Partial<RunSpec>;

const ascending = (given: RunSpec['members']): RunSpec['members'] =>
  given.type === 'open' ? given : { ...given, keys: given.keys.toSorted(compareBytes) };

const taskOf = (data: RunSpec['data']): RunSpec['training']['task'] => {
  if (data === undefined) return undefined;
  const type = taskOfContract(data);
  return type === 'regression' ? { type, loss: 'squared', delta: 1 } : { type };
};

/**
 * Fills in the defaults and validates. A run that names neither a seed nor a parent begins with the
 * seed of its id.
 *
 * @throws FloeError `spec_invalid` naming the field
 */
export const makeRunSpec = ({
  access,
  retention,
  robust,
  buffer,
  members: given,
  data,
  privacy,
  ...input
}: RunSpecInput): RunSpec => {
  const task = input.training?.task ?? taskOf(data);
  const training = {
    ...SPEC_DEFAULTS.training,
    ...input.training,
    ...(task === undefined ? {} : { task }),
  };
  const size = input.cohort?.size ?? buffer?.size ?? SPEC_DEFAULTS.cohort.size;
  const { minimum, metrics, ...ofRing } = privateDefaults(privacy, size);
  const made = {
    ...SPEC_DEFAULTS,
    ...input,
    model: modelAtPrecision(input),
    ...(given === undefined ? {} : { members: ascending(given) }),
    cohort: {
      ...SPEC_DEFAULTS.cohort,
      size,
      minimum: minimum ?? Math.min(SPEC_DEFAULTS.cohort.minimum, size),
      ...input.cohort,
    },
    ...(data === undefined ? {} : { data }),
    training,
    metrics:
      metrics === undefined
        ? declaredMetrics(input.metrics, training, classesOf(data, input.model.tensors))
        : (input.metrics ?? metrics),
    encoding: { ...SPEC_DEFAULTS.encoding, ...ofRing, ...input.encoding },
    strategy: makeStrategySpec(input.strategy ?? {}, {
      members: given?.type === 'closed' ? given.keys.length : undefined,
      buffer: buffer?.size,
    }),
    deadlines: { ...SPEC_DEFAULTS.deadlines, ...input.deadlines },
    ...(retention === undefined ? {} : { retention }),
    ...withRule(robust, input.secagg ?? SPEC_DEFAULTS.secagg),
    ...withStaleness(buffer),
    ...(access === undefined || access.models.length === 0 ? {} : { access }),
  };
  return parseWith(runSpecSchema, withNoise(made, privacy), 'spec_invalid');
};

const SPEC_FORMAT = { field: 'version', version: 1, what: "the run's specification" };

const specsOfProcess = createInterned((bytes) =>
  decodeVersioned(runSpecSchema, SPEC_FORMAT, bytes, 'spec_invalid', MAX_SPEC_BYTES, SPEC_BUDGET),
);

/** @throws FloeError `spec_invalid` for one that no participant would read */
export const encodeRunSpec = (spec: RunSpec): Uint8Array => {
  requireContractFits(spec.data);
  const bytes = encodeCbor(spec);
  requireBytesFit(bytes, spec.data);
  return bytes;
};

/** @throws FloeError `spec_invalid`, `run_outdated` */
export const decodeRunSpec = (bytes: Uint8Array): RunSpec => specsOfProcess.decode(bytes);

const hashes = new WeakMap<RunSpec, Uint8Array>();

/** The name of the run in every record: SHA-256 over the domain tag and the canonical bytes. */
export const hashRunSpec = (spec: RunSpec): Uint8Array => {
  const known = hashes.get(spec);
  if (known !== undefined) return known.slice();
  const hash = sha256(utf8('floe/run-spec/v1'), encodeRunSpec(spec));
  // One that can still change keeps no hash.
  if (isInterned(spec)) hashes.set(spec, hash.slice());
  return hash;
};
