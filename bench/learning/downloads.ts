/**
 * @module Bytes of models that participants download where a step can take the place of a model: a
 * participant needs the steps since the version that it has, or the whole model where that is
 * smaller.
 */

/**
 * The mean over all downloads of a run.
 *
 * @param cohorts members of each round, by name, in order; each downloads in its rounds alone
 * @param model bytes of a whole model @param step bytes of one step; undefined where there is none
 */
export const meanDownload = (
  cohorts: readonly (readonly string[])[],
  model: number,
  step: number | undefined,
): number => {
  const last = new Map<string, number>();
  let [bytes, downloads] = [0, 0];
  for (const [round, members] of cohorts.entries())
    for (const member of members) {
      const before = last.get(member);
      const missed = before === undefined ? Infinity : round - before;
      bytes += Math.min(model, step === undefined ? Infinity : missed * step);
      downloads += 1;
      last.set(member, round);
    }
  return bytes / downloads;
};

/**
 * The same in expectation after many rounds, where each participant is drawn with probability p in
 * each round: the rounds since its last one are geometric.
 */
export const expectedDownload = (p: number, model: number, step: number): number => {
  let expected = 0;
  let left = 1;
  // Beyond this many steps the model is smaller.
  const most = Math.ceil(model / step);
  for (let missed = 1; missed < most; missed += 1) {
    const chance = p * (1 - p) ** (missed - 1);
    expected += chance * missed * step;
    left -= chance;
  }
  return expected + Math.max(0, left) * model;
};
