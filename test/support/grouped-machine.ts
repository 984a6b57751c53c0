/**
 * The machine of a coordinator whose groups are drawn before anybody registers, after its first
 * commit.
 */
import { toHex } from '../../protocol/bytes.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';
import { ANSWERS, createPlayer, type Player } from './machine.ts';
import { testSpec } from './run.ts';

export const GROUPED = {
  deadlines: { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6, grace: 2 },
  cohort: { size: 10, minimum: 3 },
  robust: { rule: { type: 'median' }, byzantine: 1, groupSize: 3 },
  rounds: 20,
} as const;

/** Everybody here answers, until `until` holds or nothing happens any more. */
export const playUntil = (player: Player, until: () => boolean): void => {
  let done = 0;
  for (let i = 0; i < 600 && !until(); i += 1) {
    for (; done < player.effects.length; done += 1) player.work(player.effects[done]!);
    const { phase } = player.state;
    const type = ANSWERS[phase.type as keyof typeof ANSWERS];
    const invited = attemptOf(player.state)?.invited ?? [];
    if (type !== undefined)
      for (const [one, { publicKey }] of player.people.entries())
        if (
          player.state.participants.get(toHex(publicKey))?.present === true &&
          invited.includes(toHex(publicKey))
        )
          player.say(one, type);
    if (player.state.phase === phase) player.wait(5000);
  }
};

/** Why the run waits; undefined where it does not. */
export const whyWaiting = ({ state: { phase } }: Player): string | undefined =>
  phase.type === 'waiting' ? phase.reason : undefined;

/** So many are here, in groups of three, after the first commit. @param size of a cohort */
export const stageGroups = async (count = 10, size = count): Promise<Player> => {
  const cohort = { ...GROUPED.cohort, size };
  const player = await createPlayer(await testSpec({ ...GROUPED, cohort }), count);
  player.join(...player.people.keys());
  playUntil(player, () => player.state.committed >= 1);
  return player;
};
