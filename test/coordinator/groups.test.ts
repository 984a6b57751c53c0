/**
 * @module Group testing: one of ten spoils every sum that it is in, and no sum names it. After two
 * such sums the cohorts are chosen so that they tell who it is; who was in every spoiled one is
 * suspended, in the Abort record and in the log.
 */
import { beforeAll, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { ANSWERS, createPlayer, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

beforeAll(() => cryptoReady);

const deadlines = { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6, grace: 2 };

/**
 * Everybody here answers; a sum with the liar in it fails. Ends when `until` holds, or nothing
 * happens any more.
 */
const play = (player: Player, liar: number, until: () => boolean): void => {
  const key = toHex(player.people[liar]!.publicKey);
  let done = 0;
  for (let i = 0; i < 400 && !until(); i += 1) {
    for (; done < player.effects.length; done += 1) {
      const effect = player.effects[done]!;
      const survivors = attemptOf(player.state)?.survivors?.body.members.map(toHex) ?? [];
      if (effect.type === 'work' && effect.work.type === 'finish' && survivors.includes(key))
        player.apply({
          type: 'work-failed',
          attempt: effect.work.attempt,
          code: 'mean_out_of_range',
          reason: 'too long',
          culprits: [],
        });
      else player.work(effect);
    }
    const { phase } = player.state;
    const type = ANSWERS[phase.type as keyof typeof ANSWERS];
    if (type !== undefined) for (const one of player.people.keys()) player.say(one, type);
    if (player.state.phase === phase) player.wait(5000);
  }
};

const suspensions = (player: Player) =>
  player.effects.flatMap((effect) =>
    effect.type === 'publish' && effect.progress.type === 'suspended' ? [effect.progress] : [],
  );

const stage = async (count: number, size: number, regroups: boolean): Promise<Player> => {
  const spec = await testSpec({ deadlines, cohort: { size, minimum: 3 }, rounds: 20 });
  const player = await createPlayer(spec, count, { regroups });
  player.join(...player.people.keys());
  return player;
};

it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
  'liar %i of ten is out within six attempts where members answer for groups, and the run commits',
  async (liar) => {
    const player = await stage(10, 10, true);
    play(player, liar, () => suspensions(player).length > 0);
    const key = toHex(player.people[liar]!.publicKey);
    const [suspended] = suspensions(player);
    expect(suspended).toMatchObject({ code: 'member_suspended' });
    expect(suspended?.members).toContain(key);
    expect(suspended?.members.length, 'few honest ones with it').toBeLessThanOrEqual(4);
    expect(player.state.attempt).toBeLessThanOrEqual(6);
    const { committed, attempt } = player.state;
    play(player, liar, () => player.state.committed >= committed + 3);
    // It spoils none of the next ones.
    expect(player.state.committed).toBe(committed + 3);
    expect(player.state.attempt).toBeLessThanOrEqual(attempt + 4);
    for (const member of attemptOf(player.state)?.invited ?? []) expect(member).not.toBe(key);
    const aborts = player.effects.flatMap((effect) =>
      effect.type === 'append' && effect.record.type === 'abort' ? [effect.record.body] : [],
    );
    const signed = aborts.flatMap((body) => (body.suspended ?? []).map(toHex));
    const outs = player.effects.flatMap((effect) =>
      effect.type === 'append' && effect.record.type === 'open'
        ? [(effect.record.body.draw?.out ?? []).map(toHex)]
        : [],
    );
    expect([...signed, ...(outs.at(-1) ?? [])], 'a signed record says so').toContain(key);
  },
);

it('with a strict local run in which all have answered it waits, and says what would resume it', async () => {
  const player = await stage(5, 5, false);
  play(player, 2, () => player.state.attempt === 2 && player.state.phase.type === 'waiting');
  player.wait(3_600_000);
  const { phase } = player.state;
  expect(player.state.attempt).toBe(2);
  expect(phase.type === 'waiting' && phase.reason).toMatch(
    /one of them spoils every one.*resumes when 3 that have not uploaded/u,
  );
});

it('with a strict local run those who have not answered carry on, and the groups find the liar later', async () => {
  const player = await stage(30, 6, false);
  play(player, 4, () => suspensions(player).length > 0);
  expect(suspensions(player)[0]?.members).toContain(toHex(player.people[4]!.publicKey));
  expect(player.state.committed).toBeGreaterThan(0);
});
