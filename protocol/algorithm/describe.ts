/**
 * @module The known strategies as a list for people: parameters, sources, bytes.
 */
import { toHex } from '../bytes.ts';
import { flagOf } from '../spec/setting.ts';
import { ringLayout } from '../encoding/index.ts';
import { DEFAULT_METRICS, extrasOf } from './metrics.ts';
import { codeOf, knownStrategies } from './registry.ts';
import type { ParameterSpec } from './strategy.ts';

export interface StrategyDescription {
  readonly name: string;
  readonly summary: string;
  readonly source: string;
  /** SHA-256 of its module in hex, of one that is not Floe's. */
  readonly code?: string;
  readonly parameters: readonly (Pick<ParameterSpec, 'name' | 'default' | 'help'> & {
    readonly range: string;
  })[];
  /** Vectors that are carried from round to round. */
  readonly state: readonly string[];
  /** Scalars that travel with each update. */
  readonly scalars: readonly string[];
  /** Of a float32 model version, and of an upload with the default encoding in a cohort of ten. */
  readonly bytes: { readonly model: number; readonly upload: number };
}

const FLOAT_BYTES = 4;
const ENCODING = {
  ring: 'ring16',
  clipNorm: 4,
  rotation: true,
  weightCap: 1000,
} as const;
const COHORT = 10;

export const rangeOf = ({ above, least, most }: ParameterSpec): string => {
  if (above !== undefined) return `above ${above}, at most ${most}`;
  return least === undefined ? `at most ${most}` : `${least} to ${most}`;
};

/** @param dimension parameters of a model, 1 to 2^31 */
export const describeStrategies = (dimension: number): readonly StrategyDescription[] =>
  knownStrategies().map(({ name, summary, source, parameters, state, member }) => {
    const scalars = member?.scalars ?? [];
    const extras = extrasOf([...DEFAULT_METRICS, ...scalars]);
    const code = codeOf(name);
    return {
      name,
      summary,
      source,
      ...(code === undefined ? {} : { code: toHex(code) }),
      parameters: parameters.map((parameter) => ({
        name: parameter.name,
        default: parameter.default,
        help: parameter.help,
        range: rangeOf(parameter),
      })),
      state: state.map((vector) => vector.name),
      scalars: scalars.map((scalar) => scalar.name),
      bytes: {
        model: FLOAT_BYTES * dimension * (1 + state.length),
        upload: ringLayout(ENCODING, COHORT, dimension, extras).byteLength,
      },
    };
  });

const linesOfStrategy = (
  { name, summary, source, code, parameters, state, bytes }: StrategyDescription,
  dimension: number,
): readonly string[] => [
  `${name}  ${summary}`,
  `  source: ${source}${code === undefined ? '' : `; module SHA-256 ${code}`}`,
  ...parameters.map(
    ({ name: parameter, default: usual, range, help }) =>
      `  --${flagOf(parameter, {})} ${usual} (${range}): ${help}`,
  ),
  `  ${state.length === 0 ? 'carries no state' : `carries ${state.join(', ')}`}; a model version of ${dimension} parameters has ` +
    `${bytes.model} bytes, an upload of 10 participants ${bytes.upload}`,
];

/** Strategies as the lines that `floe strategies` prints. */
export const linesOfStrategies = (
  strategies: readonly StrategyDescription[],
  dimension: number,
): readonly string[] => strategies.flatMap((each) => linesOfStrategy(each, dimension));
