/**
 * @module The refusal of values that have no place in the contract. {@link readAll} reads the other
 * columns before it refuses one, so that a site writes one mapping file and not one a column.
 */
import { FloeError } from '../../../protocol/errors.ts';
import { mappingOf } from './snippet.ts';

/** Columns that one message describes; the lines to write have all of them. */
const MOST_DESCRIBED = 8;

/** The values of one column that have no place. */
export interface UnmappedColumn {
  readonly column: string;
  /** The first of the values, and its row from 1. */
  readonly value: string;
  readonly row: number;
  /** What is wrong with them, without a full stop. */
  readonly fault: string;
  /** For whom the lines are, where a mapping is not the only remedy. */
  readonly when?: string;
  /** Each value with what a mapping file makes of it; null: it is missing. */
  readonly entries: Readonly<Record<string, string | null>>;
}

const messageOf = (columns: readonly UnmappedColumn[]): string => {
  const [first] = columns;
  const faults = columns.slice(0, MOST_DESCRIBED).map(({ fault }) => fault);
  const left = columns.length - faults.length;
  const when = columns.length === 1 && first?.when !== undefined ? `${first.when}, ` : '';
  const lines = mappingOf(columns.map(({ column, entries }) => [column, entries]));
  return `${faults.join('; ')}${left > 0 ? `; and ${left} more columns` : ''}; ${when}write in the mapping file: ${lines}`;
};

/** `data_unmapped`. Its details are of the first column. */
export class UnmappedValues extends FloeError {
  readonly columns: readonly UnmappedColumn[];

  constructor(columns: readonly [UnmappedColumn, ...UnmappedColumn[]]) {
    const [{ column, value, row }] = columns;
    super('data_unmapped', messageOf(columns), { column, value, row });
    this.columns = columns;
  }
}

/**
 * The results of all `reads` in order.
 *
 * @throws UnmappedValues of all reads that refuse values; any other error at once
 */
export const readAll = <T extends readonly unknown[]>(reads: {
  readonly [K in keyof T]: () => T[K];
}): T => {
  const refused: UnmappedColumn[] = [];
  const results = reads.map((read) => {
    try {
      return read();
    } catch (thrown) {
      if (!(thrown instanceof UnmappedValues)) throw thrown;
      refused.push(...thrown.columns);
      return undefined;
    }
  });
  const [first, ...others] = refused;
  if (first !== undefined) throw new UnmappedValues([first, ...others]);
  return results as unknown as T;
};
