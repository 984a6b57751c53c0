/**
 * @module The results of finished runs of a long benchmark, in a JSON file, so that a run that was
 * finished is not repeated.
 */
import { readFile } from 'node:fs/promises';

/** Nothing where the file is not there yet. */
export const readFinished = async <Results extends object>(
  file: string,
): Promise<Results | Record<string, never>> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Results;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw thrown;
  }
};
