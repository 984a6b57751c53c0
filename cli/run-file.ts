/**
 * @module The settings of a run as an operator gives them: a JSON file, flags that win over it, defaults for the rest.
 */
import * as v from 'valibot';
import { fromHex, toHex } from '../protocol/bytes.ts';
import { integer } from '../protocol/wire/cbor.ts';
import { FloeError } from '../protocol/errors.ts';
import { metricsSchema } from '../protocol/algorithm/metrics.ts';
import { DEFAULT_STRATEGY, strategyInput } from '../protocol/algorithm/registry.ts';
import { makeRunSpec, MODEL_AUDIENCES, type RunSpec } from '../protocol/spec/run-spec.ts';
import { hexKey, readInput } from './flags.ts';
import { deadlinesOf } from './run-flags.ts';
import { strategyFrom, type StrategyFlags } from './strategy-flags.ts';

const MAX_RUN_FILE_BYTES = 1 << 20;
const MAX_ALLOW_BYTES = 1 << 20;
const number = v.pipe(v.number(), v.finite());
const keyText = v.pipe(
  v.string(),
  v.toLowerCase(),
  v.regex(/^[0-9a-f]{64}$/u, 'expected 64 hex digits'),
);

/** Ranges are those of the run specification, which is checked after. */
const runFileSchema = v.strictObject({
  name: v.optional(v.string()),
  rounds: v.optional(number),
  cohort: v.optional(number),
  minimum: v.optional(number),
  startWith: v.optional(integer(3, 100_000)),
  model: v.optional(v.pipe(v.string(), v.maxLength(100))),
  inputs: v.optional(integer(1, 1_000_000)),
  classes: v.optional(integer(2, 100_000)),
  epochs: v.optional(number),
  batchSize: v.optional(number),
  learningRate: v.optional(number),
  clipNorm: v.optional(number),
  ring: v.optional(v.picklist(['ring16', 'ring24', 'ring32'])),
  bits: v.optional(number),
  mask: v.optional(v.boolean()),
  registerDeadline: v.optional(number),
  shareDeadline: v.optional(number),
  uploadDeadline: v.optional(number),
  uploadFactor: v.optional(number),
  uploadFloor: v.optional(number),
  consistencyDeadline: v.optional(number),
  unmaskDeadline: v.optional(number),
  grace: v.optional(number),
  auditors: v.optional(v.array(keyText)),
  /** The members of a closed run. */
  allow: v.optional(v.array(keyText)),
  selection: v.optional(v.picklist(['draw', 'batches'])),
  access: v.optional(v.array(v.picklist(MODEL_AUDIENCES))),
  /** The name of the strategy, and those of its parameters that are not its defaults. */
  strategy: v.optional(strategyInput),
  /**
   * What participants measure, where it is not loss and accuracy: their trainers must measure it.
   */
  metrics: v.optional(metricsSchema),
  seed: v.optional(v.string()),
  /** File of the model that the run starts from. */
  from: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(4096))),
});
export type RunSettings = v.InferOutput<typeof runFileSchema>;

/** The flags that shape a run. */
export type CoordinatorFlags = Omit<RunSettings, 'auditors' | 'allow' | 'strategy'> &
  StrategyFlags & {
    readonly auditor?: readonly string[];
    /** File of keys. */
    readonly allow?: string;
  };

/** Keys of a file, one in hex a line, `#` for comments. @throws FloeError `file_not_found`, `usage` */
export const readKeys = async (flag: string, path: string): Promise<readonly Uint8Array[]> =>
  new TextDecoder()
    .decode(await readInput(flag, path, MAX_ALLOW_BYTES))
    .split('\n')
    .map((line) => line.replace(/#.*$/u, '').trim())
    .filter((line) => line !== '')
    .map(hexKey(flag));

/** @throws FloeError `file_not_found`, `spec_invalid` naming the field */
const readRunFile = async (path: string): Promise<RunSettings> => {
  const bytes = await readInput('run-file', path, MAX_RUN_FILE_BYTES);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FloeError('spec_invalid', `${path}: ${(cause as Error).message}`, {}, { cause });
  }
  const result = v.safeParse(runFileSchema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new FloeError('spec_invalid', `${path}: ${v.getDotPath(issue) ?? ''}: ${issue.message}`);
};

const NAMES = Object.keys(runFileSchema.entries) as (keyof RunSettings)[];

/** Another name in the flags leaves the parameters of the file's strategy out. */
const mergedStrategy = (
  file: RunSettings['strategy'],
  flags: StrategyFlags,
): RunSettings['strategy'] => {
  const given = strategyFrom(flags);
  if (given === undefined) return undefined;
  const name = given.name ?? file?.name ?? DEFAULT_STRATEGY;
  const before = file?.name === name ? file.parameters : {};
  return { name, parameters: { ...before, ...given.parameters } };
};

/** Flags over file. Options of the command that do not shape the run are left out. */
export const gatherSettings = async (
  path: string | undefined,
  flags: CoordinatorFlags,
): Promise<RunSettings> => {
  const file = path === undefined ? {} : await readRunFile(path);
  const allow = flags.allow && (await readKeys('--allow', flags.allow)).map(toHex);
  const valueOf = (name: keyof RunSettings): unknown => {
    if (name === 'auditors') return flags.auditor;
    if (name === 'allow') return allow;
    if (name === 'strategy') return mergedStrategy(file.strategy, flags);
    return flags[name];
  };
  const given: Partial<RunSettings> = Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = valueOf(name);
      // commander sets `mask` to true where --no-mask is not given.
      return value === undefined || (name === 'mask' && value === true) ? [] : [[name, value]];
    }),
  );
  const settings = { ...file, ...given };
  // In one order, so that the same members are the same settings.
  return settings.allow === undefined
    ? settings
    : { ...settings, allow: settings.allow.toSorted() };
};

/** Leaves out what was not given, so that the specification's defaults hold. */
const given = <Value extends Record<string, unknown>>(values: Value) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Value]?: NonNullable<Value[Key]>;
  };

/** @throws FloeError `spec_invalid` naming the field */
export const settingsToSpec = (
  settings: RunSettings,
  fixed: {
    readonly id: Uint8Array;
    readonly coordinator: Uint8Array;
    readonly model: RunSpec['model'];
    /** What the run starts from, where that is a model that was there before. */
    readonly parent?: RunSpec['parent'];
  },
): RunSpec => {
  const { name, rounds, cohort, minimum, ring, bits, clipNorm } = settings;
  const { epochs, batchSize, learningRate, allow, selection } = settings;
  return makeRunSpec({
    ...fixed,
    ...given({ name, rounds, selection, metrics: settings.metrics }),
    ...(allow === undefined ? {} : { members: { type: 'closed', keys: allow.map(fromHex) } }),
    auditors: (settings.auditors ?? []).map(fromHex),
    access: { models: settings.access ?? [] },
    cohort: given({ size: cohort, minimum }),
    training: given({ epochs, batchSize, learningRate }),
    encoding: given({ ring, bits, clipNorm }),
    ...(settings.strategy === undefined ? {} : { strategy: settings.strategy }),
    secagg: settings.mask === false ? 'none' : 'masked',
    deadlines: deadlinesOf(settings),
  });
};
