/**
 * @module One participant whose store stays down, or whose process does not stay up: it registers
 * whenever it is invited, and drops. It is left out for longer and longer, so that the run
 * continues at full speed; once it finishes an attempt, it is invited like everybody.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { LONGEST_REST } from '../../protocol/rules/history.ts';
import { attemptOf } from '../../coordinator/machine/state.ts';
import { createPlayer, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

const ALL = [0, 1, 2, 3, 4];
const VICTIM = 4;
type Drop = 'withdraw' | 'leave' | 'none';

/** Does the work that was asked for, until no more is. */
const settle = (player: Player, from: number): void => {
  for (let seen = from; seen < player.effects.length; seen += 1) player.work(player.effects[seen]!);
};

/** One attempt. @returns whether the victim was invited */
const play = (player: Player, how: Drop): boolean => {
  let seen = player.effects.length;
  player.wait(player.state.phase.type === 'waiting' ? 60_000 : 0);
  settle(player, seen);
  const attempt = player.state.attempt;
  const key = toHex(player.people[VICTIM]!.publicKey);
  const invited = attemptOf(player.state)?.invited.includes(key) === true;
  const drop = (): void => {
    if (how === 'withdraw')
      player.apply({ type: 'withdrawn', key: fromHex(key), attempt, code: 'store_unavailable' });
    if (how === 'leave') player.leave(VICTIM);
  };
  for (const type of ['register', 'share', 'upload', 'consistent', 'unmask'] as const) {
    if (type === 'upload' && invited) drop();
    for (const who of ALL) {
      if (who === VICTIM && (!invited || (how !== 'none' && !['register', 'share'].includes(type))))
        continue;
      seen = player.effects.length;
      player.say(who, type);
      settle(player, seen);
    }
    // The grace time of who is gone.
    if (player.state.phase.type === 'upload' && type === 'upload') {
      seen = player.effects.length;
      player.wait(2_000);
      settle(player, seen);
    }
  }
  // The next attempt may have been opened already.
  expect(['waiting', 'opening', 'register']).toContain(player.state.phase.type);
  seen = player.effects.length;
  if (how === 'leave') player.join(VICTIM);
  settle(player, seen);
  return invited;
};

const playerOf = async (): Promise<Player> => {
  const deadlines = { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6, grace: 2 };
  const spec = await testSpec({ deadlines, rounds: 1_000, cohort: { size: 5, minimum: 3 } });
  const player = await createPlayer(spec, 5);
  player.join(...ALL);
  settle(player, 0);
  return player;
};

describe('a participant that registers and drops', () => {
  it.each(['withdraw', 'leave'] as const)(
    '(%s) is invited ever less, and not for ever',
    async (how) => {
      const player = await playerOf();
      const invitations: number[] = [];
      for (let i = 1; i <= 60; i += 1) if (play(player, how)) invitations.push(i);
      // Without a memory it would be in all of them.
      expect(invitations.length).toBeLessThanOrEqual(8);
      expect(player.state.committed).toBe(60);
      // Its store is back: it waits for its next invitation and no longer.
      let waited = 0;
      while (!play(player, 'none')) waited += 1;
      expect(waited).toBeLessThanOrEqual(LONGEST_REST);
      for (let i = 0; i < 5; i += 1) expect(play(player, 'none')).toBe(true);
    },
  );
});
