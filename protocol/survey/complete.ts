/**
 * @module The contract that a survey makes of its draft: normalisation, values for what is missing,
 * weights of the classes; and the cap of a site's weight. And the survey in words.
 */
import { FloeError } from '../errors.ts';
import type { Contract, ContractFeature, ContractTarget } from '../spec/contract.ts';
import type { ColumnFacts, Count, NumberFacts, SurveyFacts, ValueFacts } from './facts.ts';

export interface CompleteOptions {
  /**
   * Balance the classes: the loss of an example counts rows / (classes * examples of its class).
   */
  readonly classWeights?: boolean | undefined;
}

/** A site may count for this many times the mean, before the cap. */
const CAP_FACTOR = 2;
const MOST_CAP = 10_000;

const digits = (value: number, count = 9): number => Number(value.toPrecision(count));

const normaliseOf = ({ told, name }: NumberFacts, least: number) => {
  if (told === undefined)
    throw new FloeError(
      'survey_too_few',
      `column ${name}: fewer than ${least} values over all sites; leave the column out of the contract`,
      { column: name },
    );
  const { mean, deviation } = told;
  return { mean: digits(mean), scale: deviation > 0 ? digits(deviation) : 1 };
};

const feature = (
  of: ContractFeature,
  facts: ColumnFacts | undefined,
  least: number,
): ContractFeature => {
  if (of.type === 'number' && facts?.type === 'number') {
    const normalise = normaliseOf(facts, least);
    const missing = of.missing ?? (facts.hasMissing ? digits(facts.told!.quantiles[2]) : undefined);
    return { ...of, normalise, ...(missing === undefined ? {} : { missing }) };
  }
  if (of.type === 'category' && facts?.hasMissing === true) return { ...of, missing: 'zeros' };
  return of;
};

/** A count that is not told stands for the smallest that would be: weights must not tell it. */
const weightsOf = ({ values }: ValueFacts, { rows, least }: SurveyFacts): number[] =>
  values.map(({ count }) => digits(rows / (values.length * Math.max(count ?? least, least)), 6));

const targetOf = (
  of: ContractTarget,
  byName: ReadonlyMap<string, ColumnFacts>,
  facts: SurveyFacts,
  { classWeights = false }: CompleteOptions,
): ContractTarget => {
  if (of.type === 'classes') {
    const counts = byName.get(of.name);
    return classWeights && counts?.type === 'values'
      ? { ...of, weights: weightsOf(counts, facts) }
      : of;
  }
  if (of.type === 'labels') return of;
  return {
    ...of,
    columns: of.columns.map((column) => {
      const own = byName.get(column.name);
      return own?.type === 'number'
        ? { ...column, normalise: normaliseOf(own, facts.least) }
        : column;
    }),
  };
};

/**
 * The contract with what the survey found: every column of numbers is normalised by its mean and
 * deviation over all sites; where values are missing, the median stands for them, or zeros for a
 * category, unless the draft has another rule.
 *
 * @throws FloeError `survey_too_few` for a column of which fewer than `least` values are there
 */
export const completeContract = (
  draft: Contract,
  facts: SurveyFacts,
  options: CompleteOptions = {},
): Contract => {
  const byName = new Map(facts.columns.map((column) => [column.name, column]));
  const { input } = draft;
  return {
    ...draft,
    input:
      input.type === 'table'
        ? {
            ...input,
            features: input.features.map((of) => feature(of, byName.get(of.name), facts.least)),
          }
        : input,
    target: targetOf(draft.target, byName, facts, options),
  };
};

/** Setting `weightCap` for a run of these sites: no site counts for more than twice the mean. */
export const weightCapOf = ({ rows, sites }: SurveyFacts): number =>
  Math.min(MOST_CAP, Math.ceil((CAP_FACTOR * rows) / sites));

const short = (value: number): string => String(digits(value, 5));

const countText = (count: Count): string => (count === undefined ? 'few' : String(count));

const columnText = (facts: ColumnFacts): string => {
  const missing = facts.hasMissing ? `, missing ${countText(facts.missing)}` : '';
  if (facts.type === 'values')
    return `${facts.values.map(({ value, count }) => `${value} ${countText(count)}`).join(', ')}${missing}`;
  if (facts.told === undefined) return `too few values${missing}`;
  const { mean, deviation, quantiles, outside } = facts.told;
  const beyond = outside === 0 ? '' : `, outside of the range ${countText(outside)}`;
  return (
    `mean ${short(mean)}, deviation ${short(deviation)}, ` +
    `5 25 50 75 95 %: ${quantiles.map(short).join(' ')}${missing}${beyond}`
  );
};

/** The lines of a survey. `few` is a count that is not told. */
export const describeSurvey = (facts: SurveyFacts): readonly string[] => [
  `survey     ${facts.rows} rows of ${facts.sites} sites; cells of fewer than ${facts.least} rows are not told (few)`,
  ...facts.columns.map((column) => `${column.name.padEnd(10)} ${columnText(column)}`),
  `weight cap --weight-cap ${weightCapOf(facts)}: no site counts for more than twice the mean`,
];
