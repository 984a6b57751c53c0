/**
 * @module One thing that a machine or a network is asked for, and whether it works.
 */
import { toFloeError } from './errors.ts';

export interface Check {
  readonly name: string;
  /** Whether Floe cannot work without it. */
  readonly needed: boolean;
  readonly ok: boolean;
  /** What was found, or why it does not work. */
  readonly detail: string;
}

/** Tries one thing; why it does not work is what its error says. */
export const check = async (
  name: string,
  needed: boolean,
  work: () => Promise<string>,
): Promise<Check> => {
  try {
    return { name, needed, ok: true, detail: await work() };
  } catch (thrown) {
    return { name, needed, ok: false, detail: toFloeError(thrown).message };
  }
};
