/**
 * @module Drop-outs at chosen phases: which members of a cohort lose their connection, and after
 * which phase. The choice depends on the seed, the attempt and the members only, because a run with
 * drop-outs must be reproducible too.
 */
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import { neededGroups } from '../protocol/robust/groups.ts';
import { groupSizes, groupThreshold } from '../protocol/secagg/group-sizes.ts';
import type { Robust } from '../protocol/spec/settings/robust.ts';
import { readFlag } from '../protocol/spec/read-settings.ts';
import { SETTINGS, type RunSettings } from '../protocol/spec/settings.ts';
import { DROP_PHASES, type DropPhase } from '../protocol/spec/settings/simulation.ts';
import { shuffle } from '../client/data/sampling.ts';

export { DROP_PHASES, type DropPhase } from '../protocol/spec/settings/simulation.ts';

/** Share of the cohort lost right after it has answered the phase, in [0, 1). */
export type Drops = Readonly<Partial<Record<DropPhase, number>>>;

export const phasesOf = (masked: boolean): readonly DropPhase[] =>
  masked ? DROP_PHASES : ['register', 'upload'];

/**
 * The fraction for each phase that loses somebody; a single number is spread evenly over the phases
 * of the mode.
 *
 * @throws FloeError `usage` for a phase that a run without masks does not have
 */
export const dropsIn = (
  given: NonNullable<RunSettings['drops']>,
  masked: boolean,
  label = '--drop',
): Drops => {
  const phases = phasesOf(masked);
  const each: Drops =
    typeof given === 'number'
      ? Object.fromEntries(phases.map((phase) => [phase, given / phases.length]))
      : given;
  const losing = DROP_PHASES.filter((phase) => (each[phase] ?? 0) > 0);
  const unknown = losing.find((phase) => !phases.includes(phase));
  if (unknown !== undefined)
    throw new FloeError('usage', `${label}: there is no phase ${unknown} without masks`);
  return Object.fromEntries(losing.map((phase) => [phase, each[phase]]));
};

/**
 * Reads `0.3` (spread evenly over all phases) or `share:0.1,upload:0.2`.
 *
 * @throws FloeError `usage` on an unknown or repeated phase, a fraction outside [0, 1)
 */
export const parseDrops = (text: string, masked: boolean): Drops =>
  dropsIn(readFlag(SETTINGS.drops, '--drop', text) as NonNullable<RunSettings['drops']>, masked);

export const formatDrops = (drops: Drops): string =>
  DROP_PHASES.filter((phase) => (drops[phase] ?? 0) > 0)
    .map((phase) => `${phase}:${Number((drops[phase] as number).toFixed(4))}`)
    .join(',') || 'none';

/**
 * How many of `size` members are lost after each phase. Shares are summed before they are rounded,
 * so that 0.3 spread over five phases of a cohort of ten loses three and not none.
 */
export const dropCounts = (drops: Drops, size: number): Readonly<Record<DropPhase, number>> => {
  const counts = { register: 0, share: 0, upload: 0, consistent: 0, unmask: 0 };
  let sum = 0;
  let given = 0;
  for (const phase of DROP_PHASES) {
    sum += drops[phase] ?? 0;
    const due = Math.round(sum * size + 1e-9);
    counts[phase] = due - given;
    given = due;
  }
  return counts;
};

/** The cohort of a simulation, with its rule where that runs over groups. */
interface DropsCohort {
  readonly size: number;
  readonly minimum: number;
  readonly robust?: Robust | undefined;
}

/** What a group can lose and still be summed. */
const lossesOf = (size: number): number => size - groupThreshold(size);

/**
 * The most members that a cohort in groups can lose by the unmasking, in the draw that is kindest:
 * as many groups as the rule can spare are lost whole, and each of the others loses what its
 * threshold bears. A group is lost whole by losses before the upload alone.
 *
 * @param early how many are lost before the upload
 */
const bearable = (sizes: readonly number[], needed: number, early: number): number => {
  let most = 0;
  let left = early;
  for (let whole = 0; whole <= sizes.length - needed; whole += 1) {
    if (whole > 0) left -= lossesOf(sizes.at(-whole)!) + 1;
    if (left < 0) break;
    const gone = sizes.slice(0, whole).reduce((a, b) => a + b, 0);
    const borne = sizes.slice(whole).reduce((sum, size) => sum + lossesOf(size), 0);
    most = Math.max(most, gone + borne);
  }
  return most;
};

const checkGroups = (drops: Drops, cohort: DropsCohort, robust: Robust, label: string): void => {
  const { size, minimum } = cohort;
  const counts = dropCounts(drops, size);
  const early = counts.register + counts.share;
  const lost = early + counts.upload + counts.consistent;
  const sizes = groupSizes(size, robust.groupSize ?? size);
  const needed = neededGroups(robust);
  const most = Math.min(bearable(sizes, needed, early), size - minimum);
  if (sizes.length < needed || lost > most || lost + counts.unmask > size)
    throw new FloeError(
      'usage',
      `${label}: ${needed} of ${sizes.length} groups of ${sizes.at(-1) ?? 0} must answer to the end, which can lose ${most} members at most, but ${lost} are lost before it (${formatDrops(drops)}); every round would be aborted`,
    );
};

/**
 * Refuses a plan that would abort every attempt: enough members must be left at the unmasking
 * (without masks: at the upload), in groups of enough groups.
 *
 * @throws FloeError `usage`
 */
export const checkDrops = (
  drops: Drops,
  cohort: DropsCohort,
  masked: boolean,
  label = '--drop',
): void => {
  const { robust } = cohort;
  if (masked && robust?.groupSize !== undefined) return checkGroups(drops, cohort, robust, label);
  const counts = dropCounts(drops, cohort.size);
  const lost = masked
    ? counts.register + counts.share + counts.upload + counts.consistent
    : counts.register;
  const needed = Math.max(cohort.minimum, masked ? Math.floor((2 * cohort.size) / 3) + 1 : 0);
  const all = DROP_PHASES.reduce((sum, phase) => sum + counts[phase], 0);
  if (cohort.size - lost < needed || all > cohort.size)
    throw new FloeError(
      'usage',
      `${label}: ${needed} of a cohort of ${cohort.size} must answer to the end, but ${lost} are lost before it (${formatDrops(drops)}); every round would be aborted`,
    );
};

/**
 * The members lost in an attempt, by key in hex, with the phase after which each is lost. `members`
 * in any order.
 */
export const planDrops = (
  drops: Drops,
  members: readonly Uint8Array[],
  attempt: number,
  seed: Uint8Array,
): ReadonlyMap<string, DropPhase> => {
  const names = members.map(toHex).toSorted();
  const order = shuffle(
    Uint32Array.from(names, (_, i) => i),
    seededRandom(deriveSeed(seed, 'drops', attempt)),
  );
  const counts = dropCounts(drops, names.length);
  const plan = new Map<string, DropPhase>();
  let at = 0;
  for (const phase of DROP_PHASES)
    for (let i = 0; i < counts[phase] && at < order.length; i += 1, at += 1)
      plan.set(names[order[at] as number] as string, phase);
  return plan;
};
