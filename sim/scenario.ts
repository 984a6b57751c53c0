/**
 * @module A scenario: everything that decides the outcome of a simulated run. Two runs of one scenario on one backend end
 * with the same model, bit for bit.
 */
import * as v from 'valibot';
import { sha256, utf8 } from '../protocol/bytes.ts';
import { integer } from '../protocol/wire/cbor.ts';
import { FloeError } from '../protocol/errors.ts';
import { networkConfigSchema, type NetworkConfig } from '../protocol/net/config.ts';
import { MAX_COHORT, MAX_MEMBERS, MIN_COHORT, SPEC_DEFAULTS } from '../protocol/spec/run-spec.ts';
import { DEFAULT_STRATEGY, strategyInput } from '../protocol/algorithm/registry.ts';
import { batchCount } from '../protocol/rules/batches.ts';
import { checkDrops, DROP_PHASES, phasesOf } from './faults.ts';

/** As many as a specification lists: every participant gets the list. */
export const MAX_PARTICIPANTS = MAX_MEMBERS;

const numberIn = (above: number, max: number) =>
  v.pipe(
    v.number(),
    v.finite(),
    v.check((x) => x > above, `expected a number above ${above}`),
    v.maxValue(max),
  );
const seconds = integer(1, 7 * 24 * 3600);
const dropShare = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)));

/** What blobs, keys and freezes rest on. */
export type ScenarioSubstrate =
  /** This machine's disk, sealed boxes, the journal. */
  | { readonly type: 'local' }
  /** Walrus, Seal and Sui on a devnet of the run's own. */
  | { readonly type: 'devnet' }
  /** The same on a network that is there already. */
  | { readonly type: 'network'; readonly network: NetworkConfig };

const substrateSchema = v.pipe(
  v.union([
    v.picklist(['local', 'devnet']),
    v.strictObject({ type: v.literal('network'), network: networkConfigSchema }),
  ]),
  v.transform((given): ScenarioSubstrate => (typeof given === 'string' ? { type: given } : given)),
);

const scenarioSchema = v.strictObject({
  participants: v.optional(integer(MIN_COHORT, MAX_PARTICIPANTS), 100),
  /** Participants in a round. */
  cohort: v.optional(integer(MIN_COHORT, MAX_COHORT), 10),
  /** Fewest survivors whose sum may be opened; default: half of the cohort, at least 3. */
  minimum: v.optional(integer(MIN_COHORT, MAX_COHORT)),
  /** With the default training the 2NN on MNIST passes 97 % about round 20; this leaves a margin. */
  rounds: v.optional(integer(1, 100_000), 25),
  /** Any text; everything random in the run derives from it. */
  seed: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(100)), '1'),
  partition: v.optional(
    v.variant('type', [
      v.strictObject({ type: v.literal('iid') }),
      v.strictObject({ type: v.literal('shards'), perParticipant: integer(1, 1000) }),
      v.strictObject({ type: v.literal('dirichlet'), alpha: numberIn(0, 1e6) }),
    ]),
    { type: 'iid' },
  ),
  /** Share of the cohort lost after each phase. */
  drops: v.optional(
    v.strictObject(
      Object.fromEntries(DROP_PHASES.map((phase) => [phase, dropShare])) as Record<
        (typeof DROP_PHASES)[number],
        typeof dropShare
      >,
    ),
    {},
  ),
  masked: v.optional(v.boolean(), true),
  /** Seconds, where the phases are to end by them; unless told no phase ends before all are through. See protocol/spec/timeouts.ts. */
  deadlines: v.optional(
    v.strictObject({
      register: v.optional(seconds),
      share: v.optional(seconds),
      upload: v.optional(seconds),
      uploadFactor: v.optional(numberIn(0, 1000)),
      uploadFloor: v.optional(seconds),
      consistency: v.optional(seconds),
      unmask: v.optional(seconds),
      grace: v.optional(integer(0, 24 * 3600)),
    }),
    {},
  ),
  /** How cohorts are chosen: drawn for each round, or as batches, each of which takes part whole or not at all. */
  selection: v.optional(v.picklist(['draw', 'batches']), 'draw'),
  /** `mnist`, a CSV table, a folder of IDX files. */
  data: v.optional(v.pipe(v.string(), v.minLength(1)), 'mnist'),
  /** `mlp-2nn`, `cnn`, `linear`, or `mlp:64,32` for hidden layers of these widths, sized to the data. */
  model: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(100)), 'mlp-2nn'),
  /** More work in fewer rounds: a round costs keys, blobs and transactions whatever is trained in it. */
  epochs: v.optional(integer(1, 1000), 3),
  batchSize: v.optional(integer(1, 65_536), SPEC_DEFAULTS.training.batchSize),
  learningRate: v.optional(numberIn(0, 1e3), SPEC_DEFAULTS.training.learningRate),
  /** What becomes of the updates; parameters that are not given have the strategy's defaults. */
  strategy: v.optional(strategyInput, { name: DEFAULT_STRATEGY, parameters: {} }),
  /**
   * Paths or `file:` URLs of modules with strategies of one's own: see algorithm/load-module.ts.
   */
  strategyModules: v.optional(v.array(v.pipe(v.string(), v.minLength(1))), []),
  clipNorm: v.optional(numberIn(0, 1e6), SPEC_DEFAULTS.encoding.clipNorm),
  ring: v.optional(v.picklist(['ring16', 'ring24', 'ring32']), SPEC_DEFAULTS.encoding.ring),
  bits: v.optional(integer(4, 20), SPEC_DEFAULTS.encoding.bits),
  /** Train the same model on all the data in one place, to compare with. */
  baseline: v.optional(v.boolean(), true),
  /** Stop once the test accuracy reaches this. */
  targetAccuracy: v.optional(numberIn(0, 1)),
  backend: v.optional(v.picklist(['auto', 'tensorflow', 'webgpu', 'wasm', 'cpu']), 'auto'),
  substrate: v.optional(substrateSchema, 'devnet'),
  /** Worker threads that host the participants; default: one for each core, at most the cohort. */
  workers: v.optional(integer(1, 256)),
});

export type ScenarioInput = v.InferInput<typeof scenarioSchema>;
export type Scenario = v.InferOutput<typeof scenarioSchema>;

/** `batchSize` as the flag is written. */
const flagOf = (field: string): string =>
  `--${field.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * Fills in the defaults and checks every field and what they mean together.
 *
 * @throws FloeError `usage` naming the flag
 */
export const makeScenario = (input: ScenarioInput = {}): Scenario => {
  const result = v.safeParse(scenarioSchema, input, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const [field = 'scenario'] = (v.getDotPath(issue) ?? '').split('.');
    throw new FloeError('usage', `${flagOf(field)}: ${issue.message}`);
  }
  const scenario = result.output;
  const { participants, cohort, masked, drops } = scenario;
  if (cohort > participants)
    throw new FloeError(
      'usage',
      `--cohort: expected at most the ${participants} participants, got ${cohort}`,
    );
  if (minimumOf(scenario) > cohort)
    throw new FloeError('usage', `--minimum: expected at most the cohort of ${cohort}`);
  const phases = phasesOf(masked);
  const unknown = DROP_PHASES.find((phase) => (drops[phase] ?? 0) > 0 && !phases.includes(phase));
  if (unknown !== undefined)
    throw new FloeError('usage', `--drop: there is no phase ${unknown} without masks`);
  checkBatches(scenario);
  checkDrops(dropsOf(scenario), { size: cohort, minimum: minimumOf(scenario) }, masked);
  return scenario;
};

/** @throws FloeError `usage` where no partition of the participants into batches fits, or losses would end every attempt */
const checkBatches = (scenario: Scenario): void => {
  const { selection, participants, cohort, drops } = scenario;
  if (selection !== 'batches') return;
  if (batchCount(participants, { size: cohort, minimum: minimumOf(scenario) }) === undefined)
    throw new FloeError(
      'usage',
      `--selection batches: ${participants} participants cannot be cut into batches of ${minimumOf(scenario)} to ${cohort}`,
    );
  // Who has uploaded is a survivor, whatever becomes of it.
  const lost = (['register', 'share'] as const).find((phase) => (drops[phase] ?? 0) > 0);
  if (lost !== undefined)
    throw new FloeError(
      'usage',
      `--drop: a batch takes part whole, so a loss after ${lost} ends every attempt`,
    );
};

/** Half of the cohort, within the limits of the protocol, unless the scenario says otherwise. */
export const minimumOf = ({ minimum, cohort }: Pick<Scenario, 'minimum' | 'cohort'>): number =>
  minimum ?? Math.max(MIN_COHORT, Math.min(SPEC_DEFAULTS.cohort.minimum, Math.floor(cohort / 2)));

/** The drop-outs without the phases that lose nobody. */
export const dropsOf = ({
  drops,
}: Pick<Scenario, 'drops'>): Partial<Record<(typeof DROP_PHASES)[number], number>> => ({
  ...(drops.register === undefined ? {} : { register: drops.register }),
  ...(drops.share === undefined ? {} : { share: drops.share }),
  ...(drops.upload === undefined ? {} : { upload: drops.upload }),
  ...(drops.consistent === undefined ? {} : { consistent: drops.consistent }),
  ...(drops.unmask === undefined ? {} : { unmask: drops.unmask }),
});

/** 32 bytes from which every seed of the run derives. */
export const masterSeed = (seed: string): Uint8Array =>
  sha256(utf8('floe/scenario-seed/v1'), utf8(seed));
