/**
 * @module The models that members have answered on and that are no longer the newest. A small model
 * that has converged can return to one of them. Members then answer for the very same set only
 * (secure aggregation, section 2.0), so the coordinator remembers these sets and plans for them.
 */
import type { Hex } from './hex.ts';
import type { Tried } from './tried.ts';

/** Models that are remembered, at most; the oldest is forgotten first. */
const MAX_MODELS = 256;
/** Members of all different sets together, at most: they are in every snapshot. */
const MAX_MEMBERS = 1024;

export interface EarlierModels {
  /** The different sets; in a run where all take part there is one. */
  readonly sets: readonly (readonly Hex[])[];
  /** Hash of a model -> place in `sets`, oldest first. */
  readonly models: ReadonlyMap<Hex, number>;
}

export const NO_EARLIER_MODELS: EarlierModels = { sets: [], models: new Map() };

/** @param survivors of the attempt that was committed on the model, in ascending order */
export const withModel = (
  { sets, models }: EarlierModels,
  model: Hex,
  survivors: readonly Hex[],
): EarlierModels => {
  const name = survivors.join();
  const known = sets.findIndex((set) => set.join() === name);
  const at = known < 0 ? sets.length : known;
  const all = known < 0 ? [...sets, survivors] : sets;
  const next = new Map(models);
  next.delete(model);
  next.set(model, at);
  return bounded(all, next);
};

/** Forgets the oldest models until the limits hold, and the sets that no model refers to. */
const bounded = (sets: readonly (readonly Hex[])[], models: Map<Hex, number>): EarlierModels => {
  const uses = sets.map(() => 0);
  for (const at of models.values()) uses[at] = (uses[at] ?? 0) + 1;
  let members = sets.reduce((sum, set, at) => sum + ((uses[at] ?? 0) > 0 ? set.length : 0), 0);
  for (const [model, at] of models) {
    if (models.size <= MAX_MODELS && (members <= MAX_MEMBERS || models.size === 1)) break;
    models.delete(model);
    uses[at] = (uses[at] ?? 0) - 1;
    if (uses[at] === 0) members -= sets[at]?.length ?? 0;
  }
  const places = new Map<number, number>();
  for (const [at, used] of uses.entries()) if (used > 0) places.set(at, places.size);
  return {
    sets: sets.filter((_, at) => places.has(at)),
    models: new Map([...models].map(([model, at]) => [model, places.get(at) ?? 0])),
  };
};

/** What was tried on a model that is the newest again. @param attempt that has led back to it */
export const triedBefore = (
  { sets, models }: EarlierModels,
  model: Hex,
  attempt: number,
): readonly Tried[] => {
  const set = sets[models.get(model) ?? -1];
  if (set === undefined) return [];
  return [
    { attempt, members: set, threshold: set.length, uploaded: set, survivors: set, answered: set },
  ];
};
