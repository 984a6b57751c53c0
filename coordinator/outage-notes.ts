/**
 * @module Notes to the operator about work that waits for an external service: one for each cause
 * in an attempt, regardless of how many uploads meet it.
 */
import type { FloeError } from '../protocol/errors.ts';
import type { Work } from './machine/index.ts';
import { outageText } from './attempt-work.ts';

export const createOutageNotes = (
  say: (reason: string) => void,
): ((work: Work, error: FloeError) => void) => {
  let attempt = 0;
  let told = new Set<string>();
  return (work, error) => {
    if (work.attempt !== attempt) told = new Set();
    attempt = work.attempt;
    const cause = `${work.type} ${error.code}`;
    if (told.has(cause)) return;
    told.add(cause);
    say(outageText(work, error));
  };
};
