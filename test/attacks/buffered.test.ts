/**
 * @module Attacks on buffered runs. A coordinator that gets one update into two sums over different
 * models: the update of a buffered run outlives an attempt, so it can meet another model. And the
 * attacks on drawn rounds that apply here, with those on the age of an update.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { EMPTY_RUN } from '../../client/keystore/keystore.ts';
import type { CheckedCohort, RunView } from '../../client/participant/machine/record-checks.ts';
import * as spending from '../../client/participant/machine/spending.ts';
import { equalBytes, sha256, utf8 } from '../../protocol/bytes.ts';
import {
  decodeRecordOf,
  sortKeys,
  type Body,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { keystoreOf } from '../support/participants.ts';
import type { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { cosine, examplesOf, linearLearner, minus, times } from './learning.ts';
import {
  enter,
  everyoneLeaves,
  liar,
  openedSum,
  openFor,
  refusals,
  stageOf,
  type Person,
  type Stage,
} from './support.ts';

afterEach(everyoneLeaves);

const K = 4;

const bufferedStage = async (count = 2 * K, over: Parameters<typeof liar>[0] = {}) => {
  const stores = await Promise.all(Array.from({ length: count }, (_, i) => keystoreOf(i)));
  const coordinator = await liar({
    members: { type: 'closed', keys: stores.map(({ identity }) => identity.publicKey) },
    buffer: { size: K, maxStaleness: 3 },
    cohort: { size: K, minimum: 3 },
    ...over,
  });
  return stageOf(coordinator, count);
};

const keysOf = (people: readonly Person[]): Uint8Array[] => sortKeys(people.map(({ key }) => key));

/** An attempt of all of which these fill the buffer. Returns the sum that it opens. */
const sumOf = async ({ coordinator, members }: Stage, people: readonly Person[]) => {
  const cohort = keysOf(people);
  await openFor(coordinator, members);
  await coordinator.cohort(cohort);
  await coordinator.sharers(cohort);
  await coordinator.survivors(cohort);
  await coordinator.consistency(cohort);
  return openedSum(coordinator, cohort);
};

const basesOf = (coordinator: ScriptedCoordinator, people: readonly Person[]) =>
  people.map(({ key }) => coordinator.recordsOf(key, 'register').at(-1)?.body.base);

const drops = ({ events }: Person): string[] =>
  events.flatMap((event) => (event.type === 'update-dropped' ? [event.code] : []));

describe('one update in two sums over different models', () => {
  it('opens a sum, aborts, lets others move the model, opens a sum without the victim', async () => {
    const stage = await bufferedStage(2 * K + 1);
    const { coordinator, people, victim } = stage;
    const first = people.slice(0, K);
    const others = people.slice(K, 2 * K);
    const known = await sumOf(stage, first);
    coordinator.abort();
    // Another cohort commits on the same model.
    const cohort = keysOf(others);
    await openFor(coordinator, cohort);
    await coordinator.cohort(cohort);
    await coordinator.sharers(cohort);
    await coordinator.survivors(cohort);
    await coordinator.consistency(cohort);
    await coordinator.commit(cohort);
    // A colluder takes the place of the victim, and its own part is subtracted: with the updates of
    // before, 1/sqrt(2) as long, the difference is the victim's, at a cosine of 1.000.
    const colluder = people[2 * K]!;
    const opened = await sumOf(stage, [...first.slice(1), colluder]);
    const rest = minus(times(opened, Math.SQRT2), times(colluder.updates[0]!, 10));
    expect(cosine(minus(known, rest), victim.updates[0]!)).toBeLessThan(0.9);
    const version = coordinator.attempt!.open.body.model.version;
    expect(basesOf(coordinator, first.slice(1))).toEqual(
      first.slice(1).map(() => ({ version, staleness: 0 })),
    );
    for (const person of first) expect(drops(person)).toEqual(['update_already_spent']);
    expect(first.map(({ updates }) => updates.length)).toEqual(first.map(() => 2));
  });

  it('aborts after the uploads, and says that nothing was revealed', async () => {
    const stage = await bufferedStage();
    const { coordinator, members, people } = stage;
    const first = people.slice(0, K);
    await openFor(coordinator, members);
    await coordinator.cohort(keysOf(first));
    await coordinator.sharers(keysOf(first));
    await coordinator.collect(keysOf(first), 'upload');
    coordinator.abort();
    const cohort = keysOf(people.slice(K));
    await openFor(coordinator, cohort);
    await coordinator.cohort(cohort);
    await coordinator.sharers(cohort);
    await coordinator.survivors(cohort);
    await coordinator.consistency(cohort);
    await coordinator.commit(cohort);
    await openFor(coordinator, members);
    await coordinator.collect(keysOf(first), 'register');
    for (const person of first) expect(drops(person)).toEqual(['update_already_spent']);
  });

  it('commits a sum, and opens the next model for the same members', async () => {
    const stage = await bufferedStage();
    const { coordinator, people } = stage;
    const first = people.slice(0, K);
    await sumOf(stage, first);
    await coordinator.commit(keysOf(first));
    await sumOf(stage, first);
    expect(first.map(({ updates }) => updates.length)).toEqual(first.map(() => 2));
    expect(basesOf(coordinator, first).map((base) => base?.staleness)).toEqual(first.map(() => 0));
  });

  it('on the same model only the very same set is answered again', async () => {
    const stage = await bufferedStage();
    const { coordinator, members, people } = stage;
    const first = people.slice(0, K);
    await sumOf(stage, first);
    coordinator.abort();
    const again = keysOf([...people.slice(1, K), people[K]!]);
    await openFor(coordinator, again);
    expect(await refusals(people.slice(1, K))).toEqual(
      people.slice(1, K).map(() => 'update_already_spent'),
    );
    coordinator.abort();
    const opened = await sumOf({ ...stage, members: keysOf(first) }, first);
    expect(opened).toHaveLength(coordinator.weights.length);
    // The same updates again, and no other ones.
    expect(first.map(({ updates }) => updates.length)).toEqual(first.map(() => 1));
    expect(members).toHaveLength(2 * K);
  });

  /** The victim has uploaded an update of the first model for the second one. */
  const withStale = async () => {
    const stage = await bufferedStage(K + 1);
    const { coordinator, members, people, victim } = stage;
    await openFor(coordinator, members);
    const others = keysOf(people.slice(1));
    await coordinator.cohort(others);
    await coordinator.sharers(others);
    await coordinator.survivors(others);
    await coordinator.consistency(others);
    await coordinator.commit(others);
    const cohort = people.slice(0, K);
    await sumOf({ ...stage, members: keysOf(cohort) }, cohort);
    expect(basesOf(coordinator, [victim])).toEqual([{ version: 0, staleness: 1 }]);
    coordinator.abort();
    return { stage, cohort };
  };

  // Both sums have the same members, and only the victim's update changed: their difference was
  // that of its two updates, at a cosine of 1.000.
  it('has the victim train anew for the very same set: another number of commits', async () => {
    const { stage, cohort } = await withStale();
    const { coordinator, victim } = stage;
    await coordinator.open(
      (body) => ({ ...body, committed: body.committed + 1 }),
      coordinator.attempt!.number + 1,
      keysOf(cohort),
    );
    expect(await refusals([victim])).toEqual(['record_conflict']);
    expect(victim.updates).toHaveLength(1);
  });

  it('has the victim train anew for the very same set: a restart', async () => {
    const { stage, cohort } = await withStale();
    const { coordinator, victim } = stage;
    await victim.participant.stop();
    await coordinator.until(() => coordinator.keys.length === K, 'it has left');
    coordinator.forget();
    const again = await enter(coordinator, 0, linearLearner(examplesOf('0', 10)), {
      keystore: victim.keystore,
      life: 1,
    });
    await coordinator.loggedIn(K + 1);
    await openFor(coordinator, keysOf(cohort));
    expect(await refusals([again])).toEqual(['update_already_spent']);
    expect(again.updates).toEqual([]);
  });

  /** The victim, after its update was used in an attempt that failed: in a second process. */
  const restartedAfterUse = async () => {
    const stage = await bufferedStage(2 * K + 1);
    const { coordinator, people, victim } = stage;
    const known = await sumOf(stage, people.slice(0, K));
    expect(await victim.keystore.loadLocal(coordinator.run, 'update')).toBeUndefined();
    coordinator.abort();
    await victim.participant.stop();
    await coordinator.until(() => coordinator.keys.length === 2 * K, 'it has left');
    coordinator.forget();
    const again = await enter(coordinator, 0, linearLearner(examplesOf('0', 10)), {
      keystore: victim.keystore,
      life: 1,
    });
    await coordinator.loggedIn(2 * K + 1);
    const others = people.slice(K, 2 * K);
    const cohort = keysOf(others);
    await openFor(coordinator, cohort);
    await coordinator.cohort(cohort);
    await coordinator.sharers(cohort);
    await coordinator.survivors(cohort);
    await coordinator.consistency(cohort);
    await coordinator.commit(cohort);
    return { stage, again, known };
  };

  it('restarts the victim between the two sums', async () => {
    const { stage, again, known } = await restartedAfterUse();
    const { coordinator, people, victim } = stage;
    const first = [again, ...people.slice(1, K)];
    const opened = await sumOf(stage, first);
    // An update of the first model would count for 1/sqrt(2) here.
    const others = people.slice(1, K);
    const own = minus(opened, ...others.map(({ updates }) => times(updates[1]!, 10)));
    const before = minus(known, ...others.map(({ updates }) => times(updates[0]!, 10)));
    expect(cosine(before, victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(cosine(own, again.updates[0]!)).toBeGreaterThan(0.99);
    expect(again.updates).toHaveLength(1);
    const { version } = coordinator.attempt!.open.body.model;
    expect(basesOf(coordinator, [again])).toEqual([{ version, staleness: 0 }]);
  });

  it('brings the model back on which it was trained, after a restart', () => {
    const key = (name: string): Uint8Array => sha256(utf8(name));
    const members = ['a', 'b', 'c', 'victim'].map(key);
    const record = { attempt: 7, body: { members } } as unknown as SignedRecord<'cohort'>;
    const cohort = { record, group: { members, threshold: 3 } } as unknown as CheckedCohort;
    const base = key('base');
    const memory = {
      ...EMPTY_RUN,
      ...spending.uploadedIn(EMPTY_RUN, key('newer'), cohort, [base]),
    };
    const view = {
      spec: { cohort: { minimum: 3 } },
      run: key('run'),
      self: key('victim'),
    } as unknown as RunView;
    const body = { model: { hash: base }, invited: members } as unknown as Body<'open'>;
    // The same update would be trained again, from the same seed.
    expect(() => spending.checkRegister(view, { policy: 'strict' }, memory, body)).toThrow(
      'was trained on before another model',
    );
  });
});

/** A colluding member states another age of its update, and the coordinator vouches for it. */
const ages: readonly (readonly [string, Body<'register'>['base'], string])[] = [
  ['that is too old', { version: 0, staleness: 4 }, 'update_stale'],
  ['of a version to come', { version: 9, staleness: 0 }, 'record_malformed'],
  [
    'of an older version as if it were the newest',
    { version: 0, staleness: 0 },
    'record_malformed',
  ],
  ['of the newest version as if it were old', { version: 1, staleness: 1 }, 'record_malformed'],
  ['of more commits than there were', { version: 0, staleness: 2 }, 'record_malformed'],
  ['of no version', undefined, 'record_malformed'],
];

describe('the age of an update', () => {
  it.each(ages)('%s', async (_, base, code) => {
    const stage = await bufferedStage(K + 1);
    const { coordinator, members, people } = stage;
    const cohort = people.slice(0, K);
    await sumOf(stage, cohort);
    await coordinator.commit(keysOf(cohort));
    await coordinator.open();
    const colluder = cohort[1]!;
    await coordinator.collect(members, 'register');
    const [own] = await coordinator.collect([colluder.key], 'register');
    const { base: _true, ...rest } = own!.body;
    coordinator.forge(colluder.keystore.identity, 'register', {
      ...rest,
      ...(base === undefined ? {} : { base }),
    });
    await coordinator.cohort(keysOf(cohort));
    const honest = cohort.filter((person) => person !== colluder);
    expect(new Set(await refusals(honest))).toEqual(new Set([code]));
  });
});

type Play = (stage: Stage, cohort: readonly Person[]) => Promise<void>;

/** Each begins after one commit, with the next attempt open and everybody registered. */
const plays: readonly (readonly [name: string, code: string, play: Play])[] = [
  [
    'fewer than the buffer',
    'cohort_too_small',
    async ({ coordinator }, cohort) => void (await coordinator.cohort(keysOf(cohort.slice(1)))),
  ],
  [
    'a registration of the attempt before',
    'record_replayed',
    async ({ coordinator }, cohort) => {
      const before = coordinator.last!.records.slice(1, 1 + K);
      const own = cohort[1]!.key;
      const now = await coordinator.collect(keysOf(cohort), 'register');
      const registers = now.map((register, i) =>
        equalBytes(register.author, own) ? register : decodeRecordOf('register', before[i]!),
      );
      const { number } = coordinator.attempt!;
      const record = coordinator.sign('cohort', number, coordinator.cohortBody(registers));
      coordinator.send([own], {
        type: 'cohort',
        record: record.bytes,
        registers: registers.map(({ bytes }) => bytes),
      });
    },
  ],
  [
    'another model than was committed',
    'record_conflict',
    async ({ coordinator, members }) => {
      coordinator.abort();
      const { weights } = coordinator;
      coordinator.weights = weights.map((value) => value + 1);
      await coordinator.open(undefined, coordinator.attempt!.number + 1, members);
    },
  ],
  [
    'a second cohort',
    'record_conflict',
    async ({ coordinator, people }, cohort) => {
      await coordinator.cohort(keysOf(cohort));
      await coordinator.collect(keysOf(cohort), 'share');
      await coordinator.cohort(keysOf([...cohort.slice(1), people[K]!]));
    },
  ],
  [
    'a second survivor set',
    'survivors_inconsistent',
    async ({ coordinator }, cohort) => {
      const keys = keysOf(cohort);
      await coordinator.cohort(keys);
      await coordinator.sharers(keys);
      await coordinator.survivors(keys);
      await coordinator.collect(keys, 'consistent');
      await coordinator.survivors(keysOf(cohort.slice(0, 3)), undefined, keys);
    },
  ],
  [
    'a survivor set without a recorded upload',
    'survivors_inconsistent',
    async ({ coordinator }, cohort) => {
      const keys = keysOf(cohort);
      await coordinator.cohort(keys);
      await coordinator.sharers(keys);
      await coordinator.collect(keys, 'upload');
      const rest = keysOf(cohort.slice(1));
      await coordinator.survivors(rest, (body) => ({ ...body, rejected: [] }), keys);
    },
  ],
];

describe('attacks on drawn rounds', () => {
  it.each(plays)('%s: %s', async (_, code, play) => {
    const stage = await bufferedStage(K + 1);
    const { coordinator, members, people } = stage;
    const cohort = people.slice(0, K);
    await sumOf(stage, cohort);
    await coordinator.commit(keysOf(cohort));
    await coordinator.open();
    await coordinator.collect(members, 'register');
    await play(stage, cohort);
    expect(await refusals([people[1]!])).toEqual([code]);
  });
});
