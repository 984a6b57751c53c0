/**
 * @module A data contract in words: what the coordinator prints at its start, a simulation and a
 * participant before the first round.
 */
import { type Contract, type ContractTarget, shapeOfInput } from './contract.ts';

/** Names that a line holds. */
const SHOWN = 12;

/** `a, b, c and 7 more`. */
export const someOf = (items: readonly string[], most = SHOWN): string =>
  items.length <= most
    ? items.join(', ')
    : `${items.slice(0, most).join(', ')} and ${items.length - most} more`;

const rounded = (value: number): string => String(Number(value.toPrecision(6)));

const targetLine = (of: ContractTarget): string => {
  switch (of.type) {
    case 'classes': {
      const classes = of.classes.map((name, i) => {
        const weight = of.weights?.[i];
        return `${name} is ${i}${weight === undefined ? '' : ` (weight ${weight})`}`;
      });
      return `classes    ${of.name}: ${someOf(classes)}`;
    }
    case 'labels':
      return `labels     ${someOf(of.names)}`;
    case 'values': {
      const columns = of.columns.map(({ name, normalise }) =>
        normalise === undefined
          ? name
          : `${name} as (y - ${rounded(normalise.mean)}) / ${rounded(normalise.scale)}`,
      );
      return `values     ${someOf(columns)}`;
    }
  }
};

const inputLine = ({ input }: Contract): string => {
  const shape = shapeOfInput(input).join('x');
  if (input.type === 'image') return `contract   images of ${shape}, pixels from 0 to 1`;
  const numbers = input.type === 'array' ? [input] : input.features.filter((of) => 'range' in of);
  const isNormalised =
    input.type === 'array'
      ? input.normalise !== undefined
      : input.features.some((of) => of.type === 'number' && of.normalise !== undefined);
  const how = isNormalised ? 'numbers normalised' : 'numbers as they are';
  if (input.type === 'array') return `contract   arrays of ${shape}, ${how}`;
  const ranges = numbers.length === 0 ? ', without ranges' : '';
  return `contract   ${input.features.length} columns for ${shape} inputs, ${how}${ranges}`;
};

/** Two lines: inputs, and the target with its classes in their order. */
export const describeContract = (of: Contract): readonly string[] => [
  inputLine(of),
  targetLine(of.target),
];
