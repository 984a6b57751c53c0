/**
 * @module The known name that is nearest to one that is not known, for errors: by the number of
 * letters that must be inserted, removed, replaced or swapped with their neighbour (optimal string
 * alignment distance).
 */

/** Longer names are compared by their beginning, so that a long unknown key costs nothing. */
const MAX_LENGTH = 64;

/** Edits that turn `a` into `b`. */
export const editDistance = (a: string, b: string): number => {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(
        (row[j] as number) + 1,
        (next[j - 1] as number) + 1,
        (row[j - 1] as number) + same,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] as number) + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
};

/** Letters from which on a name is taken for the beginning of a longer one. */
const BEGINNING = 4;
/** Such a beginning is farther than one edit and nearer than two. */
const BEGINNING_DISTANCE = 1.5;

/** Edits, or less where one name is the beginning of the other: `Alter` of `Alter [Jahre]`. */
const distanceOf = (a: string, b: string): number => {
  const edits = editDistance(a, b);
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= BEGINNING && long.startsWith(short)
    ? Math.min(edits, BEGINNING_DISTANCE)
    : edits;
};

/**
 * The nearest of `known`, the first of several that are equally near; undefined where there is
 * none. Case is ignored.
 */
export const nearest = (name: string, known: readonly string[]): string | undefined => {
  const given = name.slice(0, MAX_LENGTH).toLowerCase();
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const distance = distanceOf(given, candidate.slice(0, MAX_LENGTH).toLowerCase());
    if (distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return best;
};
