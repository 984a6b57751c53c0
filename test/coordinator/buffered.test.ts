/**
 * @module Buffered rounds at the coordinator's machine: whom it invites, when the buffer is full,
 * what it refuses, and that neither time nor a restart ends a round that waits for updates. Time is
 * a number; the records carry real signatures.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { utf8 } from '../../protocol/bytes.ts';
import type { Body } from '../../protocol/records/records.ts';
import { attemptOf, nextWake, type Effect } from '../../coordinator/machine/index.ts';
import { codesOf, createPlayer, framesOf, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

const COUNT = 8;
const K = 4;

const buffered = async (over: Parameters<typeof testSpec>[0] = {}): Promise<Player> => {
  const people = await Promise.all(
    Array.from({ length: COUNT }, (_, i) => identityFromSeed(deriveSeed(utf8('person'), i))),
  );
  const keys = people.map(({ publicKey }) => publicKey);
  return createPlayer(
    await testSpec({
      rounds: 9,
      members: { type: 'closed', keys },
      buffer: { size: K, maxStaleness: 2 },
      cohort: { size: K, minimum: 3 },
      ...over,
    }),
    COUNT,
  );
};

/** Everybody who is named logs in, and the first attempt is open. */
const open = (player: Player, ...who: number[]): void => {
  player.join(...who);
  player.work(...player.effects.slice(-1));
};

const register = (player: Player, who: number, base: Body<'register'>['base']) =>
  player.say(who, 'register', base === undefined ? {} : { base });

/** An update of the newest version. */
const fresh = (player: Player): Body<'register'>['base'] => ({
  version: player.state.model?.version ?? 0,
  staleness: 0,
});

/** Does all work that is asked for. */
const workAll = (player: Player, from: number): void => {
  for (let i = from; i < player.effects.length; i += 1) player.work(player.effects[i]!);
};

/** From the frozen cohort to the commit. */
const complete = (player: Player, who: readonly number[]): void => {
  for (const type of ['share', 'upload', 'consistent', 'unmask'] as const)
    for (const i of who) {
      const from = player.effects.length;
      player.say(i, type);
      workAll(player, from);
    }
};

const fill = (player: Player, who: readonly number[]): void => {
  for (const i of who) {
    const from = player.effects.length;
    register(player, i, fresh(player));
    workAll(player, from);
  }
};

const fillings = (effects: readonly Effect[]) =>
  effects.flatMap((effect) =>
    effect.type === 'publish' && effect.progress.type === 'buffered'
      ? [[effect.progress.updates, effect.progress.of, effect.progress.here]]
      : [],
  );

describe('the buffer', () => {
  it('invites all members, and is full with K updates, however long they take', async () => {
    const player = await buffered();
    open(player, 0, 1, 2, 3);
    expect(attemptOf(player.state)?.invited).toHaveLength(COUNT);
    register(player, 0, fresh(player));
    player.wait(30 * 24 * 3600 * 1000);
    expect(player.state.phase.type).toBe('register');
    expect(nextWake(player.config, player.state, player.time)).toBeUndefined();
    // One that was not there when the attempt was opened.
    expect(framesOf(player.apply({ type: 'joined', key: player.people[6]!.publicKey }))).toEqual([
      'record',
    ]);
    for (const i of [6, 2, 3]) register(player, i, fresh(player));
    expect(player.state.phase.type).toBe('freezing-cohort');
    expect(new Set(player.members())).toEqual(new Set([0, 2, 3, 6]));
    expect(fillings(player.effects)).toEqual([
      [0, 4, 4],
      [1, 4, 4],
      [2, 4, 5],
      [3, 4, 5],
      [4, 4, 5],
    ]);
  });

  it('takes no fifth update, and says nothing to who waits for the next round', async () => {
    const player = await buffered();
    open(player, 0, 1, 2, 3, 4);
    for (const i of [0, 1, 2, 3]) register(player, i, fresh(player));
    expect(register(player, 4, fresh(player))).toEqual([]);
    expect(player.members()).not.toContain(4);
  });

  it('is aborted where too many have withdrawn to fill it, and counts as missed for nobody', async () => {
    const player = await buffered();
    open(player, 0, 1, 2, 3);
    register(player, 0, fresh(player));
    const withdraw = (i: number) =>
      player.apply({
        type: 'withdrawn',
        key: player.people[i]!.publicKey,
        attempt: 1,
        code: 'trainer_failed',
      });
    for (const i of [1, 2, 3, 4]) withdraw(i);
    expect(player.state.phase.type).toBe('register');
    withdraw(5);
    expect(player.state.phase.type).toBe('waiting');
    expect(player.state.closing?.body).toMatchObject({ code: 'cohort_too_small' });
    expect(player.state.history.missed.size).toBe(0);
  });

  it('stays open over a restart of the coordinator, and keeps its updates', async () => {
    const player = await buffered();
    open(player, 0, 1, 2, 3);
    register(player, 0, fresh(player));
    player.time += 1000;
    player.apply({ type: 'resumed', startWith: K });
    player.wait(3600 * 1000);
    expect(player.state.phase.type).toBe('register');
    expect(framesOf(player.apply({ type: 'joined', key: player.people[1]!.publicKey }))).toEqual([
      'record',
    ]);
    for (const i of [1, 2, 3]) register(player, i, fresh(player));
    expect(player.state.phase.type).toBe('freezing-cohort');
  });

  it('shows the commit to check with the Open record, and again after a login', async () => {
    const player = await buffered();
    open(player, 0, 1, 2, 3, 4);
    fill(player, [0, 1, 2, 3]);
    complete(player, [0, 1, 2, 3]);
    expect(player.state.committed).toBe(1);
    workAll(player, player.effects.length - 1);
    expect(player.state.phase.type).toBe('register');
    expect(framesOf(player.effects).slice(-2)).toEqual(['record', 'evidence']);
    expect(framesOf(player.apply({ type: 'joined', key: player.people[7]!.publicKey }))).toEqual([
      'record',
      'evidence',
    ]);
  });
});

describe('the age of an update', () => {
  /** After `count` commits. */
  const after = async (count: number): Promise<Player> => {
    const player = await buffered();
    open(player, 0, 1, 2, 3, 4);
    for (let i = 0; i < count; i += 1) {
      fill(player, [0, 1, 2, 3]);
      complete(player, [0, 1, 2, 3]);
      workAll(player, player.effects.length - 1);
    }
    expect(player.state.phase.type).toBe('register');
    return player;
  };

  it('is that of a version of the run', async () => {
    const player = await after(2);
    expect(player.state.history.versions).toEqual([0, 1, 2]);
    for (const [version, staleness] of [
      [1, 1],
      [0, 2],
    ] as const) {
      expect(codesOf(register(player, version === 1 ? 0 : 4, { version, staleness }))).toEqual([]);
    }
    expect(attemptOf(player.state)?.registers.size).toBe(2);
  });

  it.each([
    ['missing', undefined, 'record_malformed'],
    ['of a version to come', { version: 9, staleness: 0 }, 'record_malformed'],
    ['too old', { version: 0, staleness: 3 }, 'update_stale'],
    ['younger than it is', { version: 0, staleness: 1 }, 'record_malformed'],
    ['older than it is', { version: 2, staleness: 2 }, 'record_malformed'],
    ['beyond the versions that are kept', { version: 0, staleness: 2 }, 'record_malformed'],
  ] as const)('is refused where it is %s', async (_, base, code) => {
    const player = await after(3);
    expect(codesOf(register(player, 4, base))).toEqual([code]);
    expect(attemptOf(player.state)?.registers.size).toBe(0);
  });

  it('is refused in a run whose rounds are not buffered', async () => {
    const player = await createPlayer(await testSpec(), K);
    open(player, 0, 1, 2, 3);
    expect(codesOf(register(player, 0, { version: 0, staleness: 0 }))).toEqual([
      'record_malformed',
    ]);
    const { body } = attemptOf(player.state)!.open!;
    expect(body.invited.map(toHex)).toHaveLength(K);
  });
});
