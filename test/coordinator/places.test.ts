/**
 * @module Who holds a place in a run and who reads its models, by cohorts and not by logins; and
 * runs whose members take part in batches, whole or not at all.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { cohortReaders, withCohort, withRegistered } from '../../coordinator/machine/places.ts';
import { MAX_PLACES, MAX_READERS, MAX_REGISTERED } from '../../coordinator/machine/config.ts';
import { initialState, type State } from '../../coordinator/machine/index.ts';
import { compareBytes, toHex, utf8 } from '../../protocol/bytes.ts';
import { cryptoReady, identityFromSeed } from '../../protocol/ports/identity.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { batchesOf } from '../../protocol/rules/selection.ts';
import { createPlayer, reach, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

beforeAll(() => cryptoReady);

const keyOf = (i: number): Uint8Array => {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, i);
  return key;
};
const nameOf = (i: number): string => toHex(keyOf(i));
const range = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => nameOf(from + i));
const keysIn = (player: Player): string[] => player.people.map(({ publicKey }) => toHex(publicKey));

describe('registrations', () => {
  it('are remembered of so many identities and no more; throw-away ones do not push members out', async () => {
    const player = await createPlayer(await testSpec(), 4);
    reach(player, 'share', [0, 1, 2, 3]);
    const { registered, places } = player.state;
    const [record] = registered.values();
    let now = registered;
    for (let i = 0; i < MAX_REGISTERED + 500; i += 1)
      now = withRegistered({ registered: now, places }, nameOf(i), record!);
    expect(now.size).toBe(MAX_REGISTERED);
    for (const key of keysIn(player)) expect(now.has(key)).toBe(true);
    expect(now.has(nameOf(MAX_REGISTERED + 499))).toBe(true);
    expect(now.has(nameOf(0))).toBe(false);
  });
});

describe('places', () => {
  it('ten thousand logins that came and went hold none, also after a restart', async () => {
    const player = await createPlayer(await testSpec(), 6);
    player.join(0);
    for (let i = 0; i < 10_000; i += 1) {
      player.apply({ type: 'joined', key: keyOf(i) });
      player.apply({ type: 'left', key: keyOf(i) });
    }
    expect([...player.state.participants.keys()]).toEqual(keysIn(player).slice(0, 1));
    player.apply({ type: 'resumed', startWith: 4 });
    expect(player.state.participants.size).toBe(0);
  });

  it('are held by the members of a cohort, who are remembered when they leave', async () => {
    const player = await createPlayer(await testSpec({ rounds: 2 }), 6);
    reach(player, 'share', [0, 1, 2, 3]);
    player.join(4);
    player.leave(3, 4);
    const names = keysIn(player);
    const [three = '', four = ''] = [names[3], names[4]];
    expect(player.state.participants.has(three)).toBe(true);
    expect(player.state.participants.has(four)).toBe(false);
    expect([...player.state.places].toSorted()).toEqual(names.slice(0, 4).toSorted());
    player.apply({ type: 'resumed', startWith: 4 });
    expect([...player.state.participants.keys()].toSorted()).toEqual(names.slice(0, 4).toSorted());
  });

  it('the invited who leave before the cohort is frozen are still waited for', async () => {
    const player = await createPlayer(await testSpec(), 6);
    reach(player, 'register', [0, 1, 2, 3]);
    player.leave(2);
    expect(player.state.participants.has(keysIn(player)[2] as string)).toBe(true);
  });

  it('end with the oldest cohorts, which make room for the latest', () => {
    const full = withCohort(new Set(range(0, MAX_PLACES)), range(MAX_PLACES, 10));
    expect(full.size).toBe(MAX_PLACES);
    expect(full.has(nameOf(9))).toBe(false);
    expect(full.has(nameOf(10))).toBe(true);
    expect([...withCohort(new Set(range(0, 5)), range(0, 2))]).toEqual([
      ...range(2, 3),
      ...range(0, 2),
    ]);
  });
});

describe('readers', () => {
  const withPlaces = (places: ReadonlySet<string>): State => ({ ...initialState, places });

  it('are the members of cohorts, the latest first, and nobody who only logged in', async () => {
    const player = await createPlayer(await testSpec({ rounds: 2 }), 6);
    reach(player, 'finishing', [0, 1, 2, 3]);
    player.join(4, 5);
    expect(cohortReaders(player.state).toSorted()).toEqual(keysIn(player).slice(0, 4).toSorted());
  });

  it('of the latest cohorts stay where an envelope cannot hold all', () => {
    const places = withCohort(new Set(range(0, MAX_READERS)), range(MAX_READERS, 4));
    const readers = cohortReaders(withPlaces(places));
    expect(readers).toHaveLength(MAX_READERS);
    for (const key of range(MAX_READERS, 4)) expect(readers).toContain(key);
    expect(readers).not.toContain(nameOf(0));
  });

  it('of the model of an open round are the invited', async () => {
    const player = await createPlayer(await testSpec(), 6);
    reach(player, 'opening', [0, 1, 2, 3]);
    const work = player.effects.findLast((effect) => effect.type === 'work');
    expect(work).toMatchObject({
      work: { type: 'wrap-model', readers: attemptOf(player.state)?.invited },
    });
    expect(attemptOf(player.state)?.invited).toHaveLength(4);
  });
});

describe('a run in batches', () => {
  const batched = async () => {
    // Those of the player.
    const people = await Promise.all(
      Array.from({ length: 6 }, (_, i) => identityFromSeed(deriveSeed(utf8('person'), i))),
    );
    const keys = people.map(({ publicKey }) => publicKey).toSorted(compareBytes);
    const spec = await testSpec({
      members: { type: 'closed', keys },
      selection: 'batches',
      cohort: { size: 3, minimum: 3 },
      rounds: 3,
    });
    const player = await createPlayer(spec, 6);
    const batches = batchesOf(spec).map((batch) =>
      batch.map((key) => people.findIndex(({ publicKey }) => toHex(publicKey) === toHex(key))),
    );
    return { player, batches };
  };
  const codes = (player: Player): string[] =>
    player.effects.flatMap((effect) =>
      effect.type === 'publish' && effect.progress.type === 'aborted' ? [effect.progress.code] : [],
    );

  it('opens when a whole batch is there, and not for as many members of several', async () => {
    const { player, batches } = await batched();
    const [first = [], second = []] = batches;
    player.join(first[0] as number, first[1] as number, second[0] as number, second[1] as number);
    expect(player.state.phase.type).toBe('waiting');
    player.wait(100_000);
    expect(player.state.phase.type).toBe('waiting');
    player.join(second[2] as number);
    expect(player.state.phase.type).toBe('opening');
    expect(attemptOf(player.state)?.invited.map((key) => keysIn(player).indexOf(key))).toEqual(
      second,
    );
  });

  it.each(['register', 'share', 'upload'] as const)(
    'ends an attempt in which one of the batch does not answer %s',
    async (phase) => {
      const { player, batches } = await batched();
      const [batch = []] = batches;
      reach(player, phase, batch);
      for (const i of batch.slice(1)) player.say(i, phase);
      player.wait(20_000);
      // Folds that were asked for come back.
      player.work(...player.effects);
      expect(codes(player)).toEqual(['batch_incomplete']);
    },
  );

  it('commits with the whole batch', async () => {
    const { player, batches } = await batched();
    const [batch = []] = batches;
    reach(player, 'registering', batch);
    expect(attemptOf(player.state)?.survivors?.body.members).toHaveLength(batch.length);
  });
});
