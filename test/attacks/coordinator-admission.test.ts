/**
 * @module A coordinator whose run offers less than a participant wants, fills the cohort with its
 * own keys, asks for more than was agreed, leaves out or blames whom it likes. What a specification
 * alone gives away is in admission.test.ts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import { localBeacon } from '../../protocol/rules/beacon.ts';
import { signRecord, sortKeys } from '../../protocol/records/records.ts';
import { cohortRoot, deriveKeys } from '../../protocol/secagg/index.ts';
import type { AdmissionInput } from '../../client/admission.ts';
import { keystoreOf } from '../support/participants.ts';
import { examplesOf, linearLearner } from './learning.ts';
import {
  enter,
  everyoneLeaves,
  liar,
  openFor,
  refusals,
  sentOf,
  stageOf,
  sumOver,
  violations,
  without,
  type Stage,
} from './support.ts';

afterEach(everyoneLeaves);

/** Of eight, the first is the victim and the others are the coordinator's. */
const surrounded = async (require: AdmissionInput): Promise<Stage> =>
  stageOf(
    await liar({ cohort: { size: 8, minimum: 5 }, training: { batchSize: 5 } }),
    8,
    undefined,
    (index) => (index === 0 ? { require } : {}),
  );

describe('a run that asks for too much', () => {
  it('fills a cohort with its own keys, all but one place: the victim knows none of them', async () => {
    const keystores = await Promise.all([20, 21, 22, 23].map((index) => keystoreOf(index)));
    const known = keystores.map(({ identity }) => identity.publicKey);
    const { coordinator, members, victim } = await surrounded({ members: known, known: 0.5 });
    await openFor(coordinator, members);
    await coordinator.cohort(members);

    expect(await refusals([victim])).toEqual(['admission_refused']);
    expect(sentOf(coordinator, [victim.key], 'share')).toBe(0);
    expect(victim.seen).toEqual([]);
    // No rule was broken: a coordinator need not know whom a participant knows.
    expect(violations([victim])).toEqual([]);
  });

  it.each<[string, AdmissionInput, number]>([
    ['fills the cohorts of an open run, which by default nobody takes', { minimum: 3 }, 10],
    [
      'has one step made on one example each, whose features the sum would be, line by line',
      { minimum: 3, known: 0 },
      1,
    ],
  ])('%s', async (_, require, examples) => {
    const coordinator = await liar({ training: { epochs: 1, batchSize: 1 } });
    const own = linearLearner(examplesOf('0', examples));
    const victim = await enter(coordinator, 0, own, { require });

    expect(await refusals([victim])).toEqual(['admission_refused']);
    expect(coordinator.frames.size).toBe(0);
    expect(victim.seen).toEqual([]);
  });

  it('asks for more rounds than the run was agreed to have', async () => {
    const { coordinator, people } = await stageOf(await liar({ rounds: 1 }), 4);
    await coordinator.playRound();
    await Promise.all(people.map((person) => person.event('committed')));
    await coordinator.open();

    expect(await refusals(people)).toEqual(people.map(() => 'spec_mismatch'));
    expect(sentOf(coordinator, coordinator.keys, 'register')).toBe(0);
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

/** A key of the coordinator's own with which the cohort has the beacon that is wished for. */
const groundKey = async (
  { coordinator, members }: Stage,
  wished: (beacon: Uint8Array) => boolean,
): Promise<Identity> => {
  for (let i = 0; ; i += 1) {
    const seed = new Uint8Array(32).fill(201);
    new DataView(seed.buffer).setUint32(0, i);
    const own = await identityFromSeed(seed);
    const root = cohortRoot(sortKeys([...members, own.publicKey]));
    if (wished(localBeacon(root, coordinator.beacon))) return own;
  }
};

/** A round with a key of the coordinator's own in the cohort. Returns its beacon. */
const cohortWith = async (
  { coordinator, members }: Stage,
  own: Identity,
  invite = true,
): Promise<Uint8Array> => {
  const invited = invite ? sortKeys([...members, own.publicKey]) : members;
  const model = await coordinator.modelRef(invited);
  await coordinator.open((body) => ({ ...body, model, invited: [...invited] }));
  const { number, open } = coordinator.attempt!;
  const honest = await coordinator.collect(members, 'register');
  const forged = signRecord(own, 'register', coordinator.run, number, {
    open: open.hash,
    counter: 1,
    mask: deriveKeys(new Uint8Array(32).fill(9), 'mask').public,
    seal: deriveKeys(new Uint8Array(32).fill(10), 'seal').public,
  });
  const registers = [...honest, forged].toSorted((a, b) => Buffer.compare(a.author, b.author));
  const cohort = coordinator.sign('cohort', number, coordinator.cohortBody(registers));
  coordinator.send([...members], {
    type: 'cohort',
    record: cohort.bytes,
    registers: registers.map(({ bytes }) => bytes),
  });
  return cohort.body.beacon;
};

describe('a cohort with a key of the coordinator in it', () => {
  const wished = (beacon: Uint8Array): boolean => beacon[0] === 0;

  it('is not that of a closed run', async () => {
    const members = await Promise.all([0, 1, 2, 3, 4].map((index) => keystoreOf(index)));
    const keys = members.map(({ identity }) => identity.publicKey);
    const stage = await stageOf(await liar({ members: { type: 'closed', keys } }), 4);
    const own = await groundKey(stage, wished);
    const invited = sortKeys([...stage.members, own.publicKey]);
    await stage.coordinator.open((body) => ({ ...body, invited }));

    expect(await refusals(stage.people)).toEqual(stage.people.map(() => 'not_a_member'));
    expect(sentOf(stage.coordinator, stage.members, 'register')).toBe(0);
  });

  it('is none that was never invited', async () => {
    const stage = await stageOf(await liar(), 4);
    const own = await groundKey(stage, wished);
    await cohortWith(stage, own, false);

    expect(await refusals(stage.people)).toEqual(stage.people.map(() => 'not_in_cohort'));
    expect(sentOf(stage.coordinator, stage.members, 'share')).toBe(0);
  });

  it('remains: in an open run keys are tried until the beacon is as wished, 256 of them for eight bits', async () => {
    const stage = await stageOf(await liar(), 4);
    const beacon = await cohortWith(stage, await groundKey(stage, wished));
    await stage.coordinator.collect(stage.members, 'share');

    expect(wished(beacon)).toBe(true);
    expect(violations(stage.people)).toEqual([]);
  });
});

describe('a survivor set that leaves somebody out', () => {
  /** Up to the survivors, of whom the victim is none, for this reason. */
  const leftOut = async (code: string) => {
    const stage = await stageOf(await liar(), 5);
    const { coordinator, members, victim } = stage;
    await openFor(coordinator, members);
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.collect(members, 'upload');
    const others = without(members, victim);
    const rejected = [{ member: victim.key, code }];
    await coordinator.survivors(others, (body) => ({ ...body, rejected }), members);
    return { ...stage, others };
  };

  it('remains: rejects an honest upload with a false reason, which only its author knows', async () => {
    const { coordinator, others, victim, people } = await leftOut('upload_mismatch');
    await coordinator.consistency(others);
    await coordinator.collect(others, 'unmask');
    const { error } = await victim.event('withdrawn');

    expect(error.message).toBe('upload_mismatch');
    expect(violations(people)).toEqual([]);
    expect(await refusals([victim])).toEqual(['phase_closed']);
    // What it gains: one sum of no fewer than the minimum and the threshold, and none with the
    // victim on this model.
    coordinator.abort();
    await openFor(coordinator, coordinator.keys);
    await coordinator.cohort(coordinator.keys);
    await coordinator.sharers(coordinator.keys);
    await coordinator.survivors(coordinator.keys);
    await coordinator.consistency(coordinator.keys);

    expect(new Set(await refusals(people))).toEqual(new Set(['update_already_spent']));
    expect(sentOf(coordinator, coordinator.keys, 'unmask')).toBe(0);
  });

  it.each([
    ['commitment_mismatch', 'evidence_invalid'],
    ['not_enough_shares', 'evidence_invalid'],
    ['complaint_upheld', 'complaint_invalid'],
  ] as const)(
    'names an honest participant as culprit of an abort (%s), without any evidence',
    async (code, refusal) => {
      const { coordinator, members, victim, people } = await stageOf(await liar(), 4);
      await sumOver(coordinator, members);
      coordinator.abort(code, [victim.key]);
      await Promise.all(people.map((person) => person.event('violation')));

      expect(new Set(violations(people))).toEqual(new Set([refusal]));
      // What a participant has not proven itself changes nothing in what it answers.
      for (const { keystore } of people) {
        const memory = await keystore.load(coordinator.run);
        expect(memory?.culprits ?? []).toEqual([]);
      }
      await openFor(coordinator, without(members, victim));

      for (const { key } of people.slice(1))
        expect(await coordinator.withdrawal(key)).toBe('update_already_spent');
    },
  );

  it('blames an honest participant before there are answers', async () => {
    const { coordinator, members, victim, people } = await stageOf(await liar(), 4);
    await openFor(coordinator, members);
    await coordinator.cohort(members);
    coordinator.abort('commitment_mismatch', [victim.key]);

    expect(await refusals(people)).toEqual(people.map(() => 'evidence_invalid'));
  });

  it('rejects an honest upload for a reason that is none', async () => {
    const { coordinator, people } = await leftOut('because');
    const honest = people.slice(1);

    expect(await refusals(honest)).toEqual(honest.map(() => 'record_malformed'));
    expect(sentOf(coordinator, coordinator.keys, 'unmask')).toBe(0);
  });

  it('denies the answers it has: the abort says that nothing was revealed', async () => {
    const { coordinator, members, people } = await stageOf(await liar(), 4);
    await sumOver(coordinator, members);
    coordinator.abort('cohort_too_small', [], undefined, false);
    await Promise.all(people.map((person) => person.event('violation')));

    expect(new Set(violations(people))).toEqual(new Set(['answers_denied']));
  });

  it('shows two survivor sets to two halves', async () => {
    const { coordinator, members, people } = await stageOf(await liar(), 5);
    await openFor(coordinator, members);
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    const half = members.slice(0, 4);
    await coordinator.survivors(half, undefined, members.slice(0, 2));
    await coordinator.survivors(members, undefined, members.slice(2));
    await coordinator.consistency(members);

    expect(new Set(await refusals(people))).toEqual(new Set(['survivors_inconsistent']));
    expect(sentOf(coordinator, members, 'unmask')).toBe(0);
  });
});
