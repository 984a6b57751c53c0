/**
 * @module "One update is spent once" at the coordinator: whom it invites on a model that was opened
 * before, when it waits and what it says, what its aborts say. Source: specification of secure
 * aggregation, section 2.0.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { addressOf, cryptoReady } from '../../protocol/ports/identity.ts';
import { setName } from '../../protocol/rules/one-set.ts';
import type { Effect } from '../../coordinator/machine/index.ts';
import { createPlayer, reach, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

beforeAll(() => cryptoReady);

const deadlines = { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6, grace: 2 };
const ALL = [0, 1, 2, 3, 4];

const stage = async (count = 8, over: Parameters<typeof testSpec>[0] = {}): Promise<Player> =>
  createPlayer(
    await testSpec({
      deadlines,
      cohort: { size: 5, minimum: 3, overSelect: 1.6 },
      rounds: 3,
      ...over,
    }),
    count,
  );

const ascending = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);

/** Who is invited, as indexes of the people. */
const invited = (player: Player): number[] =>
  ascending(
    (attemptOf(player.state)?.invited ?? []).map((key) =>
      player.people.findIndex(({ publicKey }) => toHex(publicKey) === key),
    ),
  );

const waiting = (effects: readonly Effect[]): string[] =>
  effects.flatMap((effect) =>
    effect.type === 'publish' && effect.progress.type === 'waiting' ? [effect.progress.reason] : [],
  );

const addresses = (player: Player, who: readonly number[]): string[] =>
  who.map((i) => addressOf((player.people[i] as Player['people'][number]).publicKey));

/** The attempt runs into the end of the unmask phase with the answers of some. */
const failWith = (player: Player, answers: readonly number[]): void => {
  reach(player, 'unmask', ALL);
  for (const i of answers) player.say(i, 'unmask');
  player.wait(deadlines.unmask * 1000);
  expect(player.state.phase.type).toBe('waiting');
};

describe('an abort', () => {
  it('says that the sum may be known from the question for answers on', async () => {
    for (const [phase, answered] of [
      ['register', false],
      ['share', false],
      ['upload', false],
      ['consistency', false],
      ['unmask', true],
      ['finishing', true],
    ] as const) {
      const player = await stage();
      reach(player, phase, ALL);
      player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: '', culprits: [] });
      expect(player.state.closing?.body, phase).toMatchObject({ answered });
    }
  });

  it('says so without masks as soon as there is an upload', async () => {
    for (const [phase, answered] of [
      ['register', false],
      ['finishing', true],
    ] as const) {
      const player = await stage(8, { secagg: 'none' });
      reach(player, phase, ALL);
      player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: '', culprits: [] });
      expect(player.state.closing?.body, phase).toMatchObject({ answered });
    }
  });
});

describe('the next attempt on a model', () => {
  it('leaves out who has answered, where enough others have renounced the attempt before', async () => {
    const player = await stage();
    failWith(player, [0]);
    // Four of five are left; three must have renounced.
    player.wait(2000);
    expect(player.state.phase.type).toBe('opening');
    expect(invited(player)).toEqual([1, 2, 3, 4]);
  });

  it('goes to members that have not uploaded, where too few are left of those who have', async () => {
    const player = await stage();
    failWith(player, [0, 1, 2]);
    player.join(5, 6, 7);
    player.wait(2000);
    expect(player.state.phase.type).toBe('opening');
    expect(invited(player)).toEqual([3, 4, 5, 6, 7].filter((i) => i > 4));
  });

  it('is for the very same set, where all of it are here and nobody else can carry it', async () => {
    const player = await stage();
    failWith(player, [0, 1, 2]);
    player.join(5);
    player.wait(2000);
    expect(invited(player)).toEqual(ALL);
  });

  it('waits where members are missing, says so once, and names what would resume the run', async () => {
    const player = await stage();
    failWith(player, [0, 1, 2]);
    player.leave(4);
    const [reason, ...more] = waiting(player.effects);
    expect(more).toEqual([]);
    expect(reason).toContain('3 of 4 members that are here have answered on this model');
    expect(reason).toContain('resumes when 3 that have not uploaded on it join');
    expect(reason).toContain(`or when these are back: ${addresses(player, [4]).join()}`);
    expect(player.state.phase).toMatchObject({ type: 'waiting', reason });
    player.wait(600_000);
    expect(player.state.phase.type).toBe('waiting');
    expect(waiting(player.effects)).toHaveLength(1);
    player.join(4);
    expect(player.state.phase.type).toBe('opening');
    expect(invited(player)).toEqual(ALL);
  });

  it('is for no set without a culprit of whom members have no proof: they would refuse it', async () => {
    const player = await stage(5);
    reach(player, 'unmask', ALL);
    for (const i of ALL) player.say(i, 'unmask');
    const attempt = attemptOf(player.state);
    const [liar] = player.people;
    const effects = player.apply({
      type: 'work-failed',
      attempt: attempt!.attempt,
      code: 'not_enough_shares',
      reason: 'the shares that one answered with are not those it was given',
      culprits: [liar!.publicKey],
    });
    expect(player.state.excluded).toEqual(new Set([toHex(liar!.publicKey)]));
    const later = [...effects, ...player.wait(60_000)];
    expect(player.state.phase.type).toBe('waiting');
    expect(waiting(later).join()).toContain('that have not uploaded on it join');
    expect(waiting(later).join()).not.toContain(liar!.address);
  });

  /** An attempt that all of these have answered ends because the first of them lied. */
  const provenLie = (player: Player, who: readonly number[]) => {
    reach(player, 'unmask', who);
    for (const i of who) player.say(i, 'unmask');
    const attempt = attemptOf(player.state);
    const [liar] = player.people;
    const { bytes } = attempt!.shares.get(toHex(liar!.publicKey))!.record;
    return player.apply({
      type: 'work-failed',
      attempt: attempt!.attempt,
      code: 'commitment_mismatch',
      reason: 'the secret of one is not the one it committed to',
      culprits: [liar!.publicKey],
      lies: [{ kind: 'self', record: bytes, leaves: new Uint8Array(), shares: [] }],
    });
  };

  it('is for the very set without a culprit against whom there is proof', async () => {
    const player = await stage(5);
    provenLie(player, ALL);
    player.wait(60_000);
    expect(player.state.phase.type).toBe('opening');
    expect(invited(player)).toEqual([1, 2, 3, 4]);
    // They state that they have answered for the set with it.
    reach(player, 'register', [1, 2, 3, 4]);
    for (const i of [1, 2, 3, 4])
      player.say(i, 'register', {
        answered: [fromHex(setName(addresses(player, ALL)))],
      });
    expect(ascending(player.members())).toEqual([1, 2, 3, 4]);
  });

  it('waits, and says so, where too few are left without a culprit', async () => {
    const player = await stage(6, { cohort: { size: 5, minimum: 5 } });
    provenLie(player, ALL);
    player.join(5);
    player.wait(60_000);
    expect(player.state.phase.type).toBe('waiting');
    expect(waiting(player.effects).join()).toContain('4 that have not uploaded on it join');
  });

  it('comes with the proof for everybody who logs in, until the model changes', async () => {
    const player = await stage(5);
    provenLie(player, ALL);
    const abort = player.state.closing!;
    const sent = () => {
      player.leave(1);
      const before = player.effects.length;
      player.join(1);
      return player.effects
        .slice(before)
        .flatMap((effect) =>
          effect.type === 'send' && effect.frame.type === 'record' ? [effect.frame.record] : [],
        );
    };
    expect(sent()).toEqual([abort.bytes]);
    player.wait(60_000);
    expect(player.state.phase.type).toBe('opening');
    expect(sent()).toEqual([abort.bytes]);
    reach(player, 'registering', [1, 2, 3, 4]);
    player.apply({ type: 'registered', attempt: 2, receipt: 'r' });
    expect(player.state.proofs).toEqual([]);
    expect(player.state.proven.size).toBe(1);
  });

  it('forgets all of it when a commit changes the model', async () => {
    const player = await stage();
    failWith(player, [0]);
    player.wait(2000);
    expect(player.state.tried).toHaveLength(1);
    reach(player, 'registering', [1, 2, 3, 4]);
    player.apply({ type: 'registered', attempt: 2, receipt: 'r' });
    expect(player.state.tried).toEqual([]);
    player.wait(2000);
    expect(invited(player)).toEqual(ALL);
  });

  it('does not count on one that says it has answered before', async () => {
    const player = await stage();
    reach(player, 'register', ALL);
    const [first] = player.people;
    player.apply({
      type: 'withdrawn',
      key: (first as Player['people'][number]).publicKey,
      attempt: 1,
      code: 'update_already_spent',
    });
    player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: '', culprits: [] });
    player.wait(3000);
    expect(invited(player)).toEqual([1, 2, 3, 4]);
  });
});

describe('a cohort', () => {
  const names = (player: Player, who: readonly number[]): Uint8Array[] => [
    fromHex(setName(addresses(player, who))),
  ];

  it('holds nobody that has answered for another set, so that nobody spoils it by what it states', async () => {
    const player = await stage();
    reach(player, 'register', ALL);
    player.say(0, 'register', { answered: names(player, [0, 1, 2]) });
    for (const i of [1, 2, 3, 4]) player.say(i, 'register');
    expect(ascending(player.members())).toEqual([1, 2, 3, 4]);
  });

  it('holds those that have answered for it', async () => {
    const player = await stage();
    reach(player, 'register', ALL);
    for (const i of [0, 1]) player.say(i, 'register', { answered: names(player, ALL) });
    for (const i of [2, 3, 4]) player.say(i, 'register');
    expect(ascending(player.members())).toEqual(ALL);
  });
});
