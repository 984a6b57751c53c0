/**
 * @module A coordinator that opens one update several times, each time in another sum, and subtracts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import {
  copiedKeystore,
  cosine,
  enter,
  everyoneLeaves,
  examplesOf,
  liar,
  linearLearner,
  minus,
  openedSum,
  stageOf,
  sumOver,
  violations,
  without,
} from './support.ts';

afterEach(everyoneLeaves);

describe('one update in two sums over the same model', () => {
  it('takes the answers, aborts, opens the same model without the victim', async () => {
    const { coordinator, members, victim, people } = await stageOf(await liar(), 5);
    const all = await sumOver(coordinator, members);
    coordinator.abort();
    const others = await sumOver(coordinator, without(members, victim));

    expect(cosine(minus(all, others), victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('commits a model that did not change, opens it again without the victim', async () => {
    const { coordinator, members, victim, people } = await stageOf(await liar(), 5);
    const all = await sumOver(coordinator, members);
    await coordinator.commitTo(coordinator.weights);
    const others = await sumOver(coordinator, without(members, victim));

    expect(cosine(minus(all, others), victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('commits a model it made up, a hair from the last one, and opens that without the victim', async () => {
    const { coordinator, members, victim, people } = await stageOf(await liar(), 5);
    const all = await sumOver(coordinator, members);
    await coordinator.commitTo(coordinator.weights.map((value) => value + 1e-6));
    const others = await sumOver(coordinator, without(members, victim));

    expect(cosine(minus(all, others), victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('opens A + B + v, then A, then B: no two of the sets differ by one', async () => {
    const { coordinator, members, victim, people } = await stageOf(await liar(), 7);
    const rest = without(members, victim);
    const all = await sumOver(coordinator, members);
    coordinator.abort();
    const a = await sumOver(coordinator, rest.slice(0, 3));
    coordinator.abort();
    const b = await sumOver(coordinator, rest.slice(3));

    expect(cosine(minus(all, a, b), victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('takes the answers of one attempt and lets the victim alone come back into the next', async () => {
    // The other way round: a smaller set first, then the same set with one more.
    const { coordinator, members, victim, people } = await stageOf(await liar(), 5);
    const others = await sumOver(coordinator, without(members, victim));
    coordinator.abort();
    const all = await sumOver(coordinator, members);

    expect(cosine(minus(all, others), victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('opens the same model in a second run, to which the victim is not invited', async () => {
    const first = await stageOf(await liar(), 5);
    const all = await sumOver(first.coordinator, first.members);
    const twin = await liar({}, { id: 6 });
    const others = await Promise.all(
      first.people
        .slice(1)
        .map(({ index, keystore }) =>
          enter(twin, index, linearLearner(examplesOf(`${index}`, 10)), { keystore }),
        ),
    );
    await twin.loggedIn(others.length);
    const rest = await sumOver(twin, twin.keys);

    expect(cosine(minus(all, rest), first.victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations([...first.people, ...others])).toEqual([]);
  });
});

describe('one round answered twice', () => {
  it('asks participants whose keystores came back from a backup for another survivor set', async () => {
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
});
