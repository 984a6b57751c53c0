/**
 * @module The machine of a masked run of eight with short deadlines, and the way to each phase.
 */
import type { Effect } from '../../coordinator/machine/index.ts';
import { createPlayer, reach, type Player } from './machine.ts';
import { testSpec } from './run.ts';

type Overrides = Parameters<typeof testSpec>[0];

/** Those who take part. */
export const ALL = [0, 1, 2, 3];

export const maskedPlayer = async (over: Overrides = {}): Promise<Player> => {
  const deadlines = {
    register: 10,
    share: 20,
    upload: 30,
    uploadFloor: 30,
    consistency: 5,
    unmask: 6,
    grace: 2,
  };
  return createPlayer(await testSpec({ deadlines, ...over }), 8);
};

/** A player whose machine has just come to the phase. */
export const playerAt = async (phase: string, over: Overrides = {}): Promise<Player> => {
  const player = await maskedPlayer(over);
  reach(player, phase, ALL);
  return player;
};

/** The code of the first attempt that these effects abort. */
export const abortedBy = (effects: readonly Effect[]): string | undefined =>
  effects
    .flatMap((effect) =>
      effect.type === 'publish' && effect.progress.type === 'aborted' ? [effect.progress.code] : [],
    )
    .at(0);
