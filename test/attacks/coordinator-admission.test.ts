/**
 * @module A coordinator whose run offers less than a participant would want, had it a say: no masks, a cohort of the coordinator's
 * own keys, no clipping, one gradient step that can be inverted.
 */
import { afterEach, describe, expect, it } from 'vitest';
import {
  columnOf,
  cosine,
  everyoneLeaves,
  examplesOf,
  groundCohort,
  liar,
  linearGradient,
  linearLearner,
  minus,
  openFor,
  readUpload,
  stageOf,
  sumOver,
  times,
  violations,
  without,
  zeros,
} from './support.ts';

afterEach(everyoneLeaves);

describe('a run that asks for too much', () => {
  it('says secagg none, and reads every single update', async () => {
    const { coordinator, members, people } = await stageOf(await liar({ secagg: 'none' }), 5);
    await openFor(coordinator, members);
    await coordinator.cohort(members);
    const read = await Promise.all(people.map(({ key }) => readUpload(coordinator, key)));

    for (const [i, { updates }] of people.entries())
      expect(cosine(read[i]!, updates[0]!)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('makes a cohort of the victim and two keys of its own', async () => {
    const { coordinator, members, people, victim } = await stageOf(
      await liar({ cohort: { size: 3, minimum: 3 } }),
      3,
    );
    const all = await sumOver(coordinator, members);
    const own = people.slice(1).map(({ updates }) => times(updates[0]!, 10));

    expect(cosine(minus(all, ...own), victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations([victim])).toEqual([]);
  });

  it('fills a larger cohort with its own keys, all but one place', async () => {
    const { coordinator, members, people, victim } = await stageOf(
      await liar({ cohort: { size: 8, minimum: 5 } }),
      8,
    );
    const all = await sumOver(coordinator, members);
    const own = people.slice(1).map(({ updates }) => times(updates[0]!, 10));

    expect(cosine(minus(all, ...own), victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations([victim])).toEqual([]);
  });

  it('sets a clip norm of a million, so that unusual data drown the others in the sum', async () => {
    const { coordinator, members, people, victim } = await stageOf(
      await liar({ encoding: { clipNorm: 1e6 } }),
      5,
      (index) => linearLearner(examplesOf(`${index}`, 10, index === 0 ? 30 : 1)),
    );
    const all = await sumOver(coordinator, members);

    expect(cosine(all, victim.updates[0]!)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('sets a batch of 65536: the sum is one plain gradient of all data, which can be inverted', async () => {
    const { coordinator, members, people } = await stageOf(
      await liar({ training: { batchSize: 65_536 } }),
      5,
    );
    const start = coordinator.weights.slice();
    const all = await sumOver(coordinator, members);
    const data = people.flatMap(({ index }) => examplesOf(`${index}`, 10));

    expect(cosine(all, times(linearGradient(start, data), -1))).toBeGreaterThan(0.999);
    expect(violations(people)).toEqual([]);
  });

  it('has one step made on one example each: the sum is their private features, line by line', async () => {
    const mine = (index: number) => examplesOf(`${index}`, 5)[index]!;
    const coordinator = await liar({ training: { epochs: 1, batchSize: 1 } });
    coordinator.weights = zeros();
    const { members, people } = await stageOf(coordinator, 5, (index) =>
      linearLearner([mine(index)]),
    );
    const all = await sumOver(coordinator, members);

    for (const { index } of people)
      expect(cosine(columnOf(all, index), mine(index).features)).toBeGreaterThan(0.99);
    expect(violations(people)).toEqual([]);
  });

  it('asks for more rounds than the run was agreed to have', async () => {
    const { coordinator, people } = await stageOf(await liar({ rounds: 1 }), 4);
    await coordinator.playRound();
    await coordinator.playRound();
    const commits = await Promise.all(people.map((person) => person.event('committed', 2)));

    expect(commits.map(({ round }) => round)).toEqual([2, 2, 2, 2]);
    expect(violations(people)).toEqual([]);
  });

  it('invites more than the run says it may, to pick the cohort it likes', async () => {
    const { coordinator, members, people, victim } = await stageOf(
      await liar({ cohort: { size: 3, minimum: 3, overSelect: 1 } }),
      6,
    );
    await openFor(coordinator, members);
    await Promise.all(people.map((person) => person.event('violation')));

    expect(new Set(violations(people))).toEqual(new Set(['record_malformed']));
    expect(coordinator.recordsOf(victim.key, 'register')).toEqual([]);
  });
});

describe('a beacon that nobody should be able to choose', () => {
  it('is ground with a key of its own: four thousand nonces give twelve bits of it', async () => {
    const stage = await stageOf(await liar(), 4);
    const wished = (beacon: Uint8Array): boolean => beacon[0] === 0 && beacon[1]! < 16;
    const beacon = await groundCohort(stage, wished);

    expect(wished(beacon)).toBe(true);
    expect(violations(stage.people)).toEqual([]);
  });
});

describe('a survivor set that leaves somebody out', () => {
  it('rejects an honest upload with a reason it made up; nobody sees a broken rule', async () => {
    const { coordinator, members, victim, people } = await stageOf(await liar(), 5);
    await openFor(coordinator, members);
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.collect(members, 'upload');
    const others = without(members, victim);
    const rejected = [{ member: victim.key, code: 'upload_mismatch' }];
    await coordinator.survivors(others, (body) => ({ ...body, rejected }), members);
    await coordinator.consistency(others);
    await coordinator.collect(others, 'unmask');
    const { error } = await victim.event('withdrawn');

    expect(error.message).toBe('upload_mismatch');
    expect(violations(people)).toEqual([]);
  });

  it('names an honest participant as culprit of an abort, without any evidence', async () => {
    const { coordinator, members, victim, people } = await stageOf(await liar(), 4);
    await sumOver(coordinator, members);
    const abort = coordinator.sign('abort', coordinator.round!.number, {
      code: 'commitment_mismatch',
      reason: 'nothing was revealed',
      culprits: [victim.key],
    });
    coordinator.send(members, { type: 'record', record: abort.bytes });
    const { code } = await victim.event('aborted');

    expect(code).toBe('commitment_mismatch');
    expect(violations(people)).toEqual([]);
  });
});
