/**
 * @module The cells of a table that takes hours. A finished cell is kept in a JSON file and never
 * repeated, so a bench can be interrupted at any time, and a later call does the rest. A budget of
 * processor seconds ends a call between two cells.
 */
import { readFile } from 'node:fs/promises';
import { writeWhole } from '../../protocol/ports/files.ts';

/** Plain data. */
type Result = object;

interface Finished<Kept extends Result> {
  readonly result: Kept;
  /** User and system time of all threads. */
  readonly processorSeconds: number;
}

export interface Cells<Kept extends Result> {
  /**
   * The result of a cell, made where the file has none. Undefined where the budget is spent: the
   * cell remains to be done.
   *
   * @param key everything that determines the result
   */
  readonly take: (key: string, make: () => Promise<Kept>) => Promise<Kept | undefined>;
  /** Keys of the cells that remain. */
  readonly left: readonly string[];
  /** One line on what this call did and what remains. */
  readonly tally: () => string;
}

/** Nothing where the file is not there yet. */
const readFinished = async <Kept extends Result>(
  file: string,
): Promise<Record<string, Finished<Kept>>> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, Finished<Kept>>;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw thrown;
  }
};

/** User and system time of this process so far, all threads, in seconds. */
export const processorSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** @param budget processor seconds after which no further cell is begun */
export const openCells = async <Kept extends Result>(
  file: string,
  budget = Infinity,
): Promise<Cells<Kept>> => {
  const finished = await readFinished<Kept>(file);
  const left: string[] = [];
  let made = 0;
  return {
    left,
    take: async (key, make) => {
      const known = finished[key];
      if (known !== undefined) return known.result;
      const start = processorSeconds();
      if (start >= budget) {
        left.push(key);
        return undefined;
      }
      const result = await make();
      finished[key] = { result, processorSeconds: Math.round(processorSeconds() - start) };
      await writeWhole(file, `${JSON.stringify(finished, null, 2)}\n`);
      made += 1;
      return result;
    },
    tally: () => {
      const seconds = Object.values(finished).map((cell) => cell.processorSeconds);
      const spent = seconds.reduce((a, b) => a + b, 0);
      const known = seconds.length === 0 ? '' : `, ${Math.round(spent / seconds.length)} s each`;
      return (
        `${made} cells made now, ${seconds.length} in ${file} (${spent} processor seconds${known}), ` +
        `${left.length} remain`
      );
    },
  };
};
