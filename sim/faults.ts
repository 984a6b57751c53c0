/**
 * @module Drop-outs at chosen phases: which members of a cohort lose their connection, and after which phase. The choice
 * depends on the seed, the round and the members only, so that a run with drop-outs repeats as well.
 */
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import { shuffle } from '../client/data/sampling.ts';

/** The phases in which a participant sends a record, in order. */
export const DROP_PHASES = ['register', 'share', 'upload', 'consistent', 'unmask'] as const;
export type DropPhase = (typeof DROP_PHASES)[number];

/** Share of the cohort lost right after it has answered the phase, in [0, 1). */
export type Drops = Readonly<Partial<Record<DropPhase, number>>>;

export const phasesOf = (masked: boolean): readonly DropPhase[] =>
  masked ? DROP_PHASES : ['register', 'upload'];

const fraction = (text: string): number => {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value < 1))
    throw new FloeError('usage', `--drop: expected a share in [0, 1), got ${JSON.stringify(text)}`);
  return value;
};

/**
 * Reads `0.3` (spread evenly over all phases) or `share:0.1,upload:0.2`.
 *
 * @throws FloeError `usage` on a phase that the mode does not have, a repeated phase, a share outside [0, 1)
 */
export const parseDrops = (text: string, masked: boolean): Drops => {
  const phases = phasesOf(masked);
  if (!text.includes(':')) {
    const share = fraction(text);
    return share === 0
      ? {}
      : Object.fromEntries(phases.map((phase) => [phase, share / phases.length]));
  }
  const drops: Partial<Record<DropPhase, number>> = {};
  for (const part of text.split(',')) {
    const [name = '', value = '', ...rest] = part.split(':');
    const phase = phases.find((known) => known === name.trim());
    if (phase === undefined || rest.length > 0 || drops[phase] !== undefined)
      throw new FloeError(
        'usage',
        `--drop: expected each of ${phases.join(', ')} at most once${masked ? '' : ' (there are no others without masks)'}, got ${JSON.stringify(part)}`,
      );
    drops[phase] = fraction(value);
  }
  return drops;
};

export const formatDrops = (drops: Drops): string =>
  DROP_PHASES.filter((phase) => (drops[phase] ?? 0) > 0)
    .map((phase) => `${phase}:${Number((drops[phase] as number).toFixed(4))}`)
    .join(',') || 'none';

/**
 * How many of `size` members are lost after each phase. Shares are summed before they are rounded, so that 0.3 spread over
 * five phases of a cohort of ten loses three and not none.
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

/**
 * Refuses a plan that would abort every round: enough members must be left at the unmasking (without masks: at the upload).
 *
 * @throws FloeError `usage`
 */
export const checkDrops = (
  drops: Drops,
  cohort: { readonly size: number; readonly minimum: number },
  masked: boolean,
): void => {
  const counts = dropCounts(drops, cohort.size);
  const lost = masked
    ? counts.register + counts.share + counts.upload + counts.consistent
    : counts.register;
  const needed = Math.max(cohort.minimum, masked ? Math.floor((2 * cohort.size) / 3) + 1 : 0);
  const all = DROP_PHASES.reduce((sum, phase) => sum + counts[phase], 0);
  if (cohort.size - lost < needed || all > cohort.size)
    throw new FloeError(
      'usage',
      `--drop: ${needed} of a cohort of ${cohort.size} must answer to the end, but ${lost} are lost before it (${formatDrops(drops)}); every round would be given up`,
    );
};

/** Who is lost in a round, by key in hex, and after which phase. `members` in any order. */
export const planDrops = (
  drops: Drops,
  members: readonly Uint8Array[],
  round: number,
  seed: Uint8Array,
): ReadonlyMap<string, DropPhase> => {
  const names = members.map(toHex).toSorted();
  const order = shuffle(
    Uint32Array.from(names, (_, i) => i),
    seededRandom(deriveSeed(seed, 'drops', round)),
  );
  const counts = dropCounts(drops, names.length);
  const plan = new Map<string, DropPhase>();
  let at = 0;
  for (const phase of DROP_PHASES)
    for (let i = 0; i < counts[phase] && at < order.length; i += 1, at += 1)
      plan.set(names[order[at] as number] as string, phase);
  return plan;
};
