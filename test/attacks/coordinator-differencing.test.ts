/**
 * @module A coordinator that opens one update several times, each time in another sum, and
 * subtracts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { sortKeys } from '../../protocol/records/records.ts';
import { cosine, examplesOf, linearLearner, minus, norm } from './learning.ts';
import {
  copiedKeystore,
  enter,
  everyoneLeaves,
  liar,
  openedSum,
  openFor,
  refusals,
  sentOf,
  stageOf,
  sumOver,
  violations,
  without,
  type Person,
  type Stage,
} from './support.ts';

afterEach(everyoneLeaves);

/** Opens the model for these, of whom each sits out before it has sent anything but that. */
const expectSpent = async ({ coordinator }: Stage, people: readonly Person[]): Promise<void> => {
  const keys = sortKeys(people.map(({ key }) => key));
  await openFor(coordinator, keys);

  expect(await refusals(people)).toEqual(keys.map(() => 'update_already_spent'));
  expect(sentOf(coordinator, keys, 'register')).toBe(0);
  expect(violations(people)).toEqual([]);
};

/** Opens the model for these up to the cohort, with which the last commit is shown. */
const expectFabricated = async (
  { coordinator }: Stage,
  people: readonly Person[],
): Promise<void> => {
  const keys = sortKeys(people.map(({ key }) => key));
  await openFor(coordinator, keys);
  await coordinator.cohort(keys);

  expect(await refusals(people)).toEqual(keys.map(() => 'commit_fabricated'));
  expect(sentOf(coordinator, keys, 'share')).toBe(0);
};

describe('one update in two sums over the same model', () => {
  it('takes the answers, aborts, opens the same model without the victim', async () => {
    const stage = await stageOf(await liar(), 5);
    const { coordinator, members, victim, people } = stage;
    const all = await sumOver(coordinator, members);
    coordinator.abort();
    await expectSpent(stage, people.slice(1));
    // The very same set is answered again, and says nothing new.
    const again = await sumOver(coordinator, members);

    expect(norm(minus(all, again))).toBeLessThan(norm(victim.updates[0]!) / 100);
  });

  it('commits a model that did not change, opens it again without the victim', async () => {
    const stage = await stageOf(await liar(), 5);
    const { coordinator, members, people } = stage;
    await sumOver(coordinator, members);
    await coordinator.commitTo(coordinator.weights);
    await expectSpent(stage, people.slice(1));
    await expectFabricated(stage, people);
  });

  it('commits a model it made up, a hair from the last one, and opens that without the victim', async () => {
    const stage = await stageOf(await liar(), 5);
    const { coordinator, members, people } = stage;
    await sumOver(coordinator, members);
    await coordinator.commitTo(coordinator.weights.map((value) => value + 1e-6));
    await expectFabricated(stage, people.slice(1));
  });

  it('opens A + B + v, then A, then B: no two of the sets differ by one', async () => {
    const stage = await stageOf(await liar(), 7);
    const { coordinator, members, people } = stage;
    await sumOver(coordinator, members);
    coordinator.abort();
    await expectSpent(stage, people.slice(1, 4));
    coordinator.abort();
    await expectSpent(stage, people.slice(4));
  });

  it('opens a smaller set first, then the same set and the victim', async () => {
    const { coordinator, members, victim, people } = await stageOf(await liar(), 5);
    await sumOver(coordinator, without(members, victim));
    coordinator.abort();
    await openFor(coordinator, members);
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.survivors(members);
    await coordinator.consistency(members);

    expect(new Set(await refusals(people))).toEqual(new Set(['update_already_spent']));
    expect(sentOf(coordinator, members, 'unmask')).toBe(0);
  });

  it('shows the victim a cohort whose other members have said what they answered, but for that', async () => {
    // What they state is signed: a Register record without it is not theirs.
    const { coordinator, members, victim, people } = await stageOf(await liar(), 5);
    await sumOver(coordinator, without(members, victim));
    const before = people.slice(1).flatMap(({ key }) => coordinator.recordsOf(key, 'register'));
    coordinator.abort();
    await openFor(coordinator, members);
    const own = await coordinator.collect([victim.key], 'register');
    const registers = [...own, ...before].toSorted((a, b) => Buffer.compare(a.author, b.author));
    const record = coordinator.sign(
      'cohort',
      coordinator.attempt!.number,
      coordinator.cohortBody(registers),
    );
    coordinator.send([victim.key], {
      type: 'cohort',
      record: record.bytes,
      registers: registers.map(({ bytes }) => bytes),
    });

    expect(await refusals([victim])).toEqual(['record_replayed']);
    expect(sentOf(coordinator, [victim.key], 'share')).toBe(0);
  });

  it('opens the same model in a second run, to which the victim is not invited', async () => {
    const seed = new Uint8Array(32).fill(8);
    const first = await stageOf(await liar({}, { seed }), 5);
    await sumOver(first.coordinator, first.members);
    const twin = await liar({}, { id: 6, seed });
    const others = await Promise.all(
      first.people
        .slice(1)
        .map(({ index, keystore }) =>
          enter(twin, index, linearLearner(examplesOf(`${index}`, 10)), { keystore }),
        ),
    );
    await twin.loggedIn(others.length);
    await expectSpent({ ...first, coordinator: twin }, others);
  });

  it('opens the same model in two runs at once: the update is in the one that was there first', async () => {
    const seed = new Uint8Array(32).fill(8);
    const first = await stageOf(await liar({}, { seed }), 5);
    const twin = await liar({}, { id: 6, seed });
    const others = await Promise.all(
      first.people.map(({ index, keystore }) =>
        enter(twin, index, linearLearner(examplesOf(`${index}`, 10)), { keystore }),
      ),
    );
    await twin.loggedIn(others.length);
    for (const coordinator of [first.coordinator, twin]) {
      await openFor(coordinator, first.members);
      await coordinator.cohort(first.members);
    }
    await first.coordinator.sharers(first.members);
    await first.coordinator.collect(first.members, 'upload');
    await twin.sharers(first.members);

    expect(await refusals(others)).toEqual(others.map(() => 'update_already_spent'));
    expect(sentOf(twin, first.members, 'upload')).toBe(0);
  });
});

describe('one round answered twice', () => {
  it('remains: 2 t - n keystores that come back from copies made within the attempt answer another set', async () => {
    const stores = await Promise.all([0, 1, 2, 3, 4].map((index) => copiedKeystore(index)));
    const { coordinator, members, victim, people } = await stageOf(
      await liar(),
      5,
      undefined,
      (index) => ({ keystore: stores[index]!.keystore }),
    );
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.collect(members, 'upload');
    const backups = stores.map((store) => store.copy());
    await coordinator.survivors(members);
    await coordinator.consistency(members);
    const all = await openedSum(coordinator, members);
    const others = without(members, victim);
    for (const { participant, key, index } of people.slice(1)) {
      await participant.stop();
      // The open, cohort and sharers frames: as it was when the copy was made.
      coordinator.rewind(key, 3);
      await enter(coordinator, index, linearLearner(examplesOf(`${index}`, 10)), {
        keystore: backups[index]!(),
        life: 1,
      });
    }
    await coordinator.loggedIn(5);
    const twice = (type: 'consistent' | 'unmask') => () =>
      others.every((key) => coordinator.recordsOf(key, type).length === 2);
    await coordinator.survivors(others);
    await coordinator.until(twice('consistent'), 'second signatures');
    await coordinator.consistency(others);
    await coordinator.until(twice('unmask'), 'second answers');
    const rest = await openedSum(coordinator, others);

    expect(cosine(minus(all, rest), victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('a copy that is older than the attempt is noticed by the peers, and nothing is shared with it', async () => {
    const stores = await Promise.all([0, 1, 2, 3, 4].map((index) => copiedKeystore(index)));
    const { coordinator, members, people } = await stageOf(await liar(), 5, undefined, (index) => ({
      keystore: stores[index]!.keystore,
    }));
    const backups = stores.map((store) => store.copy());
    await sumOver(coordinator, members);
    coordinator.abort();
    const [, restored] = people;
    await restored!.participant.stop();
    coordinator.forget();
    await enter(coordinator, 1, linearLearner(examplesOf('1', 10)), {
      keystore: backups[1]!(),
      life: 1,
    });
    await coordinator.loggedIn(5);
    await openFor(coordinator, members);
    await coordinator.cohort(members);
    const peers = people.filter(({ index }) => index !== 1);

    expect(new Set(await refusals(peers))).toEqual(new Set(['keystore_rolled_back']));
    expect(
      sentOf(
        coordinator,
        peers.map(({ key }) => key),
        'share',
      ),
    ).toBe(0);
  });
});
