/**
 * @module Which scenarios have virtual time.
 */
import type { RunSettings } from '../../protocol/spec/settings.ts';
import { isAttackName, kindOf } from '../attackers/kinds.ts';

type Deciding = Pick<
  RunSettings,
  'speed' | 'bandwidth' | 'participation' | 'overSelect' | 'attack' | 'buffer'
>;

const isOnProtocol = (text: string): boolean => {
  const name = text.split(':', 1)[0] as string;
  return isAttackName(name) && kindOf(name).on === 'protocol';
};

/**
 * Speeds and bandwidths take time, presence may follow it, the first to register come first in it,
 * as the updates of a buffer do, and an attack on the protocol costs a deadline.
 */
export const isVirtual = ({
  speed,
  bandwidth,
  participation,
  overSelect = 1,
  attack = [],
  buffer,
}: Deciding): boolean =>
  speed !== undefined ||
  buffer !== undefined ||
  bandwidth !== undefined ||
  (participation !== undefined && participation.type !== 'uniform') ||
  overSelect > 1 ||
  attack.some(isOnProtocol);
