/**
 * @module A memoised function of bytes, which keeps its newest results. For pure functions only.
 */

/** @param size results that are kept; the oldest goes first */
export const memoized = <Arguments extends readonly unknown[], Result>(
  compute: (...given: Arguments) => Result,
  nameOf: (...given: Arguments) => string,
  size: number,
): ((...given: Arguments) => Result) => {
  const kept = new Map<string, Result>();
  return (...given) => {
    const name = nameOf(...given);
    const known = kept.get(name);
    if (known !== undefined) return known;
    const result = compute(...given);
    kept.set(name, result);
    const [oldest] = kept.keys();
    if (kept.size > size && oldest !== undefined) kept.delete(oldest);
    return result;
  };
};
