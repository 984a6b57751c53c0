/**
 * @module The strategies that this process knows: those of Floe (strategies.ts), and those that
 * were registered from modules of others. A specification names a strategy, its parameters and, of
 * one that is not Floe's, the SHA-256 of its module: a run and its verification use the same code
 * or none.
 */
import * as v from 'valibot';
import { equalBytes, sha256, toHex, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { encodeCbor, fixedBytes } from '../wire/cbor.ts';
import { fedAvg } from './fedavg/index.ts';
import { bufferShare } from './buffered-rate.ts';
import { checkStep } from './check-step.ts';
import { metricName, metricsSchema } from './metrics.ts';
import { hasCentre } from '../robust/rule.ts';
import type { Robust } from '../spec/settings/robust.ts';
import { keepingCentre } from './centre.ts';
import * as strategies from './strategies.ts';
import { STRATEGY_LIMITS, type Correction, type ParameterSpec, type Strategy } from './strategy.ts';

const BUILT_IN: readonly Strategy[] = Object.values(strategies);

export const DEFAULT_STRATEGY = fedAvg.name;

const strategyName = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9-]{0,39}$/u, 'expected a letter, then up to 39 of a-z 0-9 -'),
);

/** The strategy of a run as its specification holds it. */
export const strategySchema = v.strictObject({
  name: strategyName,
  /** SHA-256 of the module that the strategy is from; absent for those of Floe. */
  code: v.optional(fixedBytes(32)),
  parameters: v.pipe(
    v.array(v.strictObject({ name: metricName, value: v.pipe(v.number(), v.finite()) })),
    v.maxLength(STRATEGY_LIMITS.parameters),
  ),
});
export type StrategySpec = v.InferOutput<typeof strategySchema>;

/** As run files and scenarios hold it. */
export const strategyInput = v.strictObject({
  name: v.optional(strategyName, DEFAULT_STRATEGY),
  parameters: v.optional(v.record(v.string(), v.pipe(v.number(), v.finite())), {}),
});

/** What a caller says of it; the rest are the strategy's defaults. */
export interface StrategyInput {
  readonly name?: string | undefined;
  /** By name, or as a specification lists them. */
  readonly parameters?:
    Readonly<Record<string, number | undefined>> | StrategySpec['parameters'] | undefined;
  /** Where it is given, it must be that of the strategy with this name. */
  readonly code?: Uint8Array | undefined;
}

interface Known {
  readonly strategy: Strategy;
  readonly code: Uint8Array | undefined;
}

const registered = new Map<string, Known>(
  BUILT_IN.map((strategy) => [strategy.name, { strategy, code: undefined }]),
);

/** Every strategy that this process knows, those of Floe first. */
export const knownStrategies = (): readonly Strategy[] =>
  [...registered.values()].map(({ strategy }) => strategy);

/**
 * SHA-256 of the module that a strategy is from; undefined for those of Floe and for unknown ones.
 */
export const codeOf = (name: string): Uint8Array | undefined => registered.get(name)?.code;

const isFunction = (value: unknown): boolean => typeof value === 'function';
const parameterSchema = v.object({
  name: metricName,
  default: v.pipe(v.number(), v.finite()),
  above: v.optional(v.number()),
  least: v.optional(v.number()),
  most: v.pipe(v.number(), v.finite()),
  help: v.string(),
});
const shape = v.object({
  name: strategyName,
  summary: v.string(),
  source: v.string(),
  parameters: v.pipe(v.array(parameterSchema), v.maxLength(STRATEGY_LIMITS.parameters)),
  state: v.pipe(v.array(v.object({ name: metricName })), v.maxLength(STRATEGY_LIMITS.state)),
  member: v.optional(
    v.object({
      scalars: v.pipe(metricsSchema, v.maxLength(STRATEGY_LIMITS.scalars)),
      prepare: v.custom(isFunction, 'expected a function'),
      segments: v.optional(
        v.pipe(
          v.array(
            v.object({
              name: metricName,
              clipNorm: v.custom(isFunction, 'expected a function'),
              weighted: v.boolean(),
            }),
          ),
          v.maxLength(STRATEGY_LIMITS.segments),
        ),
      ),
      vectors: v.optional(v.custom(isFunction, 'expected a function')),
      correction: v.optional(v.custom(isFunction, 'expected a function')),
      kept: v.optional(
        v.pipe(v.array(v.object({ name: metricName })), v.maxLength(STRATEGY_LIMITS.kept)),
      ),
      advance: v.optional(v.custom(isFunction, 'expected a function')),
      linear: v.optional(v.custom(isFunction, 'expected a function')),
      optimizers: v.optional(v.pipe(v.array(v.string()), v.minLength(1))),
    }),
  ),
  step: v.custom(isFunction, 'expected a function'),
});

const isEachOnce = (items: readonly { readonly name: string }[]): boolean =>
  new Set(items.map(({ name }) => name)).size === items.length;

const requireStrategy = (strategy: Strategy): void => {
  const result = v.safeParse(shape, strategy, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    // `undefined` is no word of the author's: the field is not there.
    const message = issue.received === 'undefined' ? 'missing' : issue.message;
    throw new FloeError('strategy_invalid', `${v.getDotPath(issue) ?? 'strategy'}: ${message}`);
  }
  const segments = strategy.member?.segments ?? [];
  const gives = strategy.member?.vectors !== undefined;
  if (segments.length > 0 !== gives || !isEachOnce(segments))
    throw new FloeError(
      'strategy_invalid',
      'member: expected segments of different names and the function that gives their vectors',
    );
  const kept = strategy.member?.kept ?? [];
  if (kept.length > 0 !== (strategy.member?.advance !== undefined) || !isEachOnce(kept))
    throw new FloeError(
      'strategy_invalid',
      'member: expected kept vectors of different names and the function that advances them',
    );
  if (!isEachOnce(strategy.parameters) || !isEachOnce(strategy.state))
    throw new FloeError('strategy_invalid', 'expected each parameter and each vector once');
  for (const parameter of strategy.parameters) {
    const problem = rangeProblem(parameter, parameter.default);
    if (problem !== undefined)
      throw new FloeError('strategy_invalid', `the default of ${parameter.name}: ${problem}`);
  }
};

/**
 * Makes a strategy of one's own known to this process. Again with the same code it changes nothing.
 *
 * @param code SHA-256 of the module that it is from: specifications name it
 * @throws FloeError `strategy_invalid` where it is malformed, its step is not coordinate-wise, or
 *   its name is taken by Floe or other code
 */
export const registerStrategy = (strategy: Strategy, code: Uint8Array): void => {
  requireStrategy(strategy);
  checkStep(strategy);
  if (code.length !== 32)
    throw new FloeError('strategy_invalid', `expected a hash of 32 bytes, got ${code.length}`);
  const known = registered.get(strategy.name);
  if (known !== undefined && !(known.code !== undefined && equalBytes(known.code, code)))
    throw new FloeError('strategy_invalid', `the name ${strategy.name} is taken`);
  registered.set(strategy.name, known ?? { strategy, code });
};

const rangeProblem = (
  { above, least = -Infinity, most }: ParameterSpec,
  value: number,
): string | undefined => {
  const isIn = above === undefined ? value >= least : value > above;
  if (isIn && value <= most) return undefined;
  const low = above === undefined ? `${least} to` : `above ${above}, at most`;
  return `expected ${low} ${most}, got ${value}`;
};

/** @throws FloeError `strategy_unknown` */
const find = ({ name, code }: Pick<StrategySpec, 'name' | 'code'>): Strategy => {
  const known = registered.get(name);
  const isSame =
    known !== undefined &&
    (known.code === undefined
      ? code === undefined
      : code !== undefined && equalBytes(known.code, code));
  if (isSame) return known.strategy;
  const wanted = code === undefined ? "of Floe's own" : `of the module with SHA-256 ${toHex(code)}`;
  const has = known === undefined ? 'it is not registered' : 'other code has this name here';
  throw new FloeError('strategy_unknown', `the strategy ${name} ${wanted}: ${has}`, { name });
};

/** A strategy with the values of a specification. */
export interface ChosenStrategy {
  readonly strategy: Strategy;
  readonly parameters: Readonly<Record<string, number>>;
}

const chosen = new WeakMap<StrategySpec, ChosenStrategy>();

const centred = new WeakMap<ChosenStrategy, ChosenStrategy>();

/** The same strategy, whose state also carries the aggregate that the next round begins with. */
const withCentre = (named: ChosenStrategy): ChosenStrategy => {
  const known = centred.get(named) ?? { ...named, strategy: keepingCentre(named.strategy) };
  centred.set(named, known);
  return known;
};

/**
 * The strategy of a specification, as the rule of its aggregation needs it.
 *
 * @throws FloeError as {@link namedStrategy}
 */
export const strategyOf = (spec: {
  readonly strategy: StrategySpec;
  readonly robust?: Robust | undefined;
}): ChosenStrategy => {
  const named = namedStrategy(spec);
  return spec.robust !== undefined && hasCentre(spec.robust) ? withCentre(named) : named;
};

/**
 * The strategy that a specification names.
 *
 * @throws FloeError `strategy_unknown` where this process does not know it; `spec_invalid` where
 *   its parameters are others than the strategy's, or out of range
 */
const namedStrategy = ({ strategy: spec }: { readonly strategy: StrategySpec }): ChosenStrategy => {
  const known = chosen.get(spec);
  if (known !== undefined) return known;
  const strategy = find(spec);
  const names = spec.parameters.map(({ name }) => name).join(', ');
  const expected = strategy.parameters.map(({ name }) => name).join(', ');
  if (names !== expected)
    throw new FloeError('spec_invalid', `strategy.parameters: expected ${expected}, got ${names}`);
  for (const [i, parameter] of strategy.parameters.entries()) {
    const problem = rangeProblem(parameter, spec.parameters[i]!.value);
    if (problem !== undefined)
      throw new FloeError('spec_invalid', `strategy.${parameter.name}: ${problem}`);
  }
  const parameters = Object.fromEntries(spec.parameters.map(({ name, value }) => [name, value]));
  const choice: ChosenStrategy = { strategy, parameters };
  chosen.set(spec, choice);
  return choice;
};

/**
 * What the run's strategy adds to the gradient of local steps, apart from the vector of a round;
 * undefined for most.
 */
export const correctionOf = (spec: { readonly strategy: StrategySpec }): Correction | undefined => {
  const { strategy, parameters } = strategyOf(spec);
  const { member } = strategy;
  return member?.correction?.(parameters) ?? (member?.linear && { proximal: 0 });
};

/**
 * Whether participants carry vectors of this strategy from round to round. Those of another run are
 * at its participants only, so a fork does not go on with the server's.
 */
export const isCarriedBySites = (name: string): boolean =>
  (registered.get(name)?.strategy.member?.kept ?? []).length > 0;

const hasState = (name: string): boolean => (registered.get(name)?.strategy.state ?? []).length > 0;

/**
 * Why a run may not have its strategy with its other settings; undefined where it may. A state of
 * the server that belongs to vectors of the participants follows the mean of the updates, which a
 * robust rule does not give. Numbers beside the update are summed, whatever the rule: one false one
 * would lead the step.
 */
export const strategyViolation = (spec: {
  readonly strategy: StrategySpec;
  readonly training: { readonly optimizer?: { readonly type: string } | undefined };
  readonly robust?: unknown;
}): string | undefined => {
  const { name } = spec.strategy;
  const member = registered.get(name)?.strategy.member;
  const allowed = member?.optimizers;
  const { type } = spec.training.optimizer ?? { type: 'sgd' };
  if (allowed !== undefined && !allowed.includes(type))
    return `training.optimizer: ${name} takes ${allowed.join(' or ')}, got ${type}`;
  if (spec.robust !== undefined && isCarriedBySites(name) && hasState(name))
    return `robust.rule: ${name} needs the mean of the updates, and takes no robust rule`;
  if (spec.robust !== undefined && (member?.scalars ?? []).length > 0)
    return `robust.rule: ${name} follows a sum of numbers of the participants, and takes no robust rule`;
  return undefined;
};

/** What defaults of a strategy's parameters follow from. */
export interface RunSize {
  /** Members of the run, where it has a list of them. */
  readonly members?: number | undefined;
  /** K, where rounds are buffered. */
  readonly buffer?: number | undefined;
}

/** Significant digits of a default that is computed: it is printed, and may be typed. */
const RATE_DIGITS = 3;

const defaultOf = (parameter: ParameterSpec, { members, buffer }: RunSize): number => {
  if (parameter.isMembers === true && members !== undefined) return members;
  if (parameter.buffered === undefined || members === undefined || buffer === undefined)
    return parameter.default;
  const factor = parameter.buffered(bufferShare(buffer, members));
  return Number((parameter.default * factor).toPrecision(RATE_DIGITS));
};

/** The server's rate of a buffered run beside its defaults; undefined without such a rate. */
export const bufferedRateOf = (
  spec: StrategySpec,
  of: RunSize,
):
  | {
      readonly name: string;
      readonly value: number;
      readonly usual: number;
      readonly buffered: number;
    }
  | undefined => {
  const { strategy, parameters } = strategyOf({ strategy: spec });
  const rate = strategy.parameters.find(({ buffered }) => buffered !== undefined);
  if (rate === undefined) return undefined;
  const { name, default: usual } = rate;
  return { name, value: parameters[name]!, usual, buffered: defaultOf(rate, of) };
};

/**
 * Fills in the defaults of the strategy's parameters.
 *
 * @param of the run: some defaults follow from it
 * @throws FloeError `spec_invalid` naming the parameter; for a name that this process does not know
 */
export const makeStrategySpec = (input: StrategyInput, of: RunSize = {}): StrategySpec => {
  const { name = DEFAULT_STRATEGY, parameters: listed = {} } = input;
  const parameters: Readonly<Record<string, number | undefined>> = Array.isArray(listed)
    ? Object.fromEntries(listed.map((item) => [item.name, item.value]))
    : listed;
  const known = registered.get(name);
  if (known === undefined)
    throw new FloeError(
      'spec_invalid',
      `strategy.name: expected one of ${[...registered.keys()].join(', ')}, got ${name}; one of your own needs its module (--strategy-module)`,
    );
  const { strategy } = known;
  const code = input.code ?? known.code;
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const stranger = given.find(([key]) => !strategy.parameters.some((spec) => spec.name === key));
  if (stranger !== undefined)
    throw new FloeError(
      'spec_invalid',
      `strategy.${stranger[0]}: ${name} has no such parameter; expected ${strategy.parameters.map((spec) => spec.name).join(', ') || 'none'}`,
    );
  const spec: StrategySpec = {
    name,
    ...(code === undefined ? {} : { code }),
    parameters: strategy.parameters.map((parameter) => ({
      name: parameter.name,
      value: parameters[parameter.name] ?? defaultOf(parameter, of),
    })),
  };
  strategyOf({ strategy: spec });
  return spec;
};

/** What a commit record names: strategy, code and the values of its parameters. 32 bytes. */
export const hashStrategy = (spec: StrategySpec): Uint8Array =>
  sha256(utf8('floe/strategy/v1\0'), encodeCbor(spec));
