/**
 * @module The known strategies as a list for people: parameters, sources, bytes.
 */
import { toHex } from '../bytes.ts';
import { flagOf } from '../spec/setting.ts';
import { ringLayout, type SegmentSpec } from '../encoding/index.ts';
import { DEFAULT_METRICS, extrasOf } from './metrics.ts';
import { codeOf, knownStrategies } from './registry.ts';
import type { MemberPart, ParameterSpec } from './strategy.ts';

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
  /** Vectors that travel beside each update. */
  readonly segments: readonly string[];
  /** Vectors that each participant carries from round to round; they never leave it. */
  readonly kept: readonly string[];
  /** Of a float32 model version, and of an upload with the default encoding in a cohort of ten. */
  readonly bytes: {
    readonly model: number;
    readonly upload: number;
    /** On the disk of each participant. */
    readonly kept: number;
  };
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

/** The segments of an upload with the defaults of the parameters. */
const segmentsOf = (
  member: MemberPart | undefined,
  parameters: readonly ParameterSpec[],
  dimension: number,
): readonly SegmentSpec[] => {
  const values = Object.fromEntries(
    parameters.map(({ name, default: usual }) => [name, usual] as const),
  );
  const { clipNorm } = ENCODING;
  return [
    { name: 'update', dimension, clipNorm, weighted: true },
    ...(member?.segments ?? []).map(({ name, weighted, clipNorm: of }) => ({
      name,
      dimension,
      clipNorm: of(values),
      weighted,
    })),
  ];
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
      segments: (member?.segments ?? []).map((segment) => segment.name),
      kept: (member?.kept ?? []).map((vector) => vector.name),
      bytes: {
        model: FLOAT_BYTES * dimension * (1 + state.length),
        upload: ringLayout(ENCODING, COHORT, segmentsOf(member, parameters, dimension), extras)
          .byteLength,
        // The values of the last commit, and those of the attempt after it.
        kept: 2 * FLOAT_BYTES * dimension * (member?.kept?.length ?? 0),
      },
    };
  });

const linesOfStrategy = (of: StrategyDescription, dimension: number): readonly string[] => {
  const { name, summary, source, code, parameters, state, segments, kept, bytes } = of;
  const carried = state.length === 0 ? 'no state' : state.join(', ');
  const beside = segments.length === 0 ? '' : ` with ${segments.join(', ')} beside the update`;
  return [
    `${name}  ${summary}`,
    `  source: ${source}${code === undefined ? '' : `; module SHA-256 ${code}`}`,
    ...parameters.map(
      ({ name: parameter, default: usual, range, help }) =>
        `  --${flagOf(parameter, {})} ${usual} (${range}): ${help}`,
    ),
    `  the server carries ${carried}; a model version of ${dimension} parameters has ` +
      `${bytes.model} bytes, an upload of 10 participants ${bytes.upload}${beside}`,
    ...(kept.length === 0
      ? []
      : [
          `  each participant carries ${kept.join(', ')}, which never leaves it: ${bytes.kept} bytes ` +
            'on its disk',
        ]),
  ];
};

/** Strategies as the lines that `floe strategies` prints. */
export const linesOfStrategies = (
  strategies: readonly StrategyDescription[],
  dimension: number,
): readonly string[] => strategies.flatMap((each) => linesOfStrategy(each, dimension));
