/**
 * @module Reads the attacks of a scenario, `kind:fraction` or `kind:fraction,name=value,...`, and
 * chooses the attackers by the seed.
 */
import { shuffle } from '../../client/data/sampling.ts';
import { FloeError } from '../../protocol/errors.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import { nearest } from '../../protocol/spec/nearest-name.ts';
import { ATTACKS, isAttackName, kindOf, type AttackName } from './kinds.ts';

/** Plain data: it goes to worker threads. */
export interface Attacking {
  readonly kind: AttackName;
  /** Of all participants, in (0, 1). */
  readonly fraction: number;
  readonly parameters: Readonly<Record<string, number>>;
}

const wrong = (label: string, text: string, why: string): FloeError =>
  new FloeError(
    'usage',
    `${label}: expected kind:fraction such as label-flip:0.2, got ${JSON.stringify(text)}: ${why}`,
  );

const numberOf = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));

/** @throws FloeError `usage` naming what is wrong */
export const parseAttack = (text: string, label = '--attack'): Attacking => {
  const at = text.indexOf(':');
  const kind = at < 0 ? text : text.slice(0, at);
  if (!isAttackName(kind))
    throw wrong(
      label,
      text,
      `there is no attack ${kind}; the nearest is ${nearest(kind, Object.keys(ATTACKS))}`,
    );
  const [share = '', ...rest] = at < 0 ? [] : text.slice(at + 1).split(',');
  const fraction = numberOf(share);
  if (!(fraction > 0 && fraction < 1))
    throw wrong(label, text, 'the fraction is above 0 and below 1');
  const { parameters: usual, whole = {} } = kindOf(kind);
  const known = Object.keys(usual);
  const parameters = Object.fromEntries(
    rest.map((pair) => {
      const [name = '', value = ''] = pair.split('=');
      if (!known.includes(name))
        throw wrong(
          label,
          text,
          known.length === 0 ? `${kind} has no parameters` : `${kind} has ${known.join(', ')}`,
        );
      const number = numberOf(value);
      if (!Number.isFinite(number)) throw wrong(label, text, `${name} is no number`);
      const most = whole[name];
      if (most !== undefined && !(Number.isInteger(number) && number >= 0 && number <= most))
        throw wrong(label, text, `${name} is a whole number from 0 to ${most}`);
      return [name, number] as const;
    }),
  );
  return { kind, fraction, parameters };
};

/** The inverse of {@link parseAttack}. */
export const formatAttack = ({ kind, fraction, parameters }: Attacking): string =>
  [
    `${kind}:${fraction}`,
    ...Object.entries(parameters).map(([name, value]) => `${name}=${value}`),
  ].join(',');

/** How many of `participants` one attack takes: at least one. */
export const attackersOf = ({ fraction }: Attacking, participants: number): number =>
  Math.max(1, Math.round(fraction * participants));

/**
 * @throws FloeError `usage` where an attack comes twice, nobody would be honest, or an attack needs
 * masks
 */
export const checkAttacks = (
  attacks: readonly Attacking[],
  participants: number,
  masked: boolean,
  label = '--attack',
): void => {
  const kinds = attacks.map(({ kind }) => kind);
  const twice = kinds.find((kind, i) => kinds.indexOf(kind) !== i);
  if (twice !== undefined) throw new FloeError('usage', `${label}: ${twice} is given twice`);
  const unmasked = attacks.find(({ kind }) => !masked && kindOf(kind).masked === true);
  if (unmasked !== undefined)
    throw new FloeError(
      'usage',
      `${label}: ${unmasked.kind} attacks a step that a run without masks does not have`,
    );
  const all = attacks.reduce((sum, attack) => sum + attackersOf(attack, participants), 0);
  if (all >= participants)
    throw new FloeError(
      'usage',
      `${label}: ${all} of ${participants} participants attack; expected at least one honest`,
    );
};

/** The attackers of each attack, ascending, by the seed; no participant has two. */
export const chooseAttackers = (
  attacks: readonly Attacking[],
  participants: number,
  seed: Uint8Array,
): readonly (Attacking & { readonly members: readonly number[] })[] => {
  const order = shuffle(
    Uint32Array.from({ length: participants }, (_, i) => i),
    seededRandom(deriveSeed(seed, 'attackers')),
  );
  let at = 0;
  return attacks.map((attack) => {
    const members = order.slice(at, (at += attackersOf(attack, participants)));
    return { ...attack, members: [...members].toSorted((a, b) => a - b) };
  });
};
