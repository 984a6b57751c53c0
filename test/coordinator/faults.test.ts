/**
 * @module Participants that vanish, lie or repeat themselves, against the real host: the sum over
 * the survivors is exact, the culprit is named, the run continues. And nothing that is kept or said
 * holds a model in clear.
 */
import { describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { toHex } from '../../protocol/bytes.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { FloeError } from '../../protocol/errors.ts';
import { encodeFrame } from '../../protocol/wire/messages.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { hashModel } from '../../protocol/model/index.ts';
import { openModel } from '../../protocol/verify/recompute.ts';
import {
  journalLedger,
  memoryJournal,
  wholeTranscript,
  type Outcome,
} from '../../coordinator/index.ts';
import type { Step, TestParticipant, TestParticipantInit } from '../support/participant.ts';
import { connect, createStage, testSpec, turns, until, type Stage } from '../support/run.ts';
import { verifyStage } from '../support/verify-stage.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea', 'emilia'];

/**
 * Everybody moves every weight by a step of its own, so that the mean shows exactly who is in the
 * sum.
 */
const stepOf = (index: number): number => 0.01 * 2 ** index;
const train =
  (index: number): TestParticipantInit['train'] =>
  (model) =>
    new Float32Array(model.length).fill(stepOf(index));

const gather = async (
  stage: Stage,
  over: (index: number) => Partial<TestParticipantInit> = () => ({}),
): Promise<TestParticipant[]> =>
  Promise.all(NAMES.map((name, i) => stage.participant(name, { train: train(i), ...over(i) })));

const meanStep = async (stage: Stage, outcome: Outcome): Promise<number> => {
  const cipher = await stage.store.get(outcome.model.blob);
  const flat = await openModel(
    { run: hashRunSpec(stage.spec), model: outcome.model, cipher },
    stage.spec.model,
    sealedBoxGate(stage.coordinatorIdentity),
  );
  return flat[0]!;
};

const meanOf = (who: readonly number[]): number =>
  who.reduce((sum, i) => sum + stepOf(i), 0) / who.length;

const five = () => testSpec({ cohort: { size: 5, minimum: 3 } });

describe('a participant that vanishes', () => {
  // Who is gone after uploading is still in the sum; t = 4 of 5.
  it.each([
    ['register', [0, 1, 2, 3]],
    ['share', [0, 1, 2, 3]],
    ['upload', [0, 1, 2, 3]],
    ['consistent', [0, 1, 2, 3, 4]],
    ['unmask', [0, 1, 2, 3, 4]],
  ] as const)('before its %s: the sum over the survivors is exact', async (step, survivors) => {
    const stage = await createStage(await five());
    const coordinator = stage.create();
    await coordinator.start();
    const dropAt = (at: Step): boolean => at === step;
    for (const one of await gather(stage, (i) => (i === 4 ? { dropAt } : {})))
      connect(coordinator, one);
    const outcome = await coordinator.finished;
    await coordinator.stop();
    expect(outcome.attempts).toBe(1);
    expect(await meanStep(stage, outcome)).toBeCloseTo(meanOf(survivors), 5);
    expect(await verifyStage(stage)).toMatchObject({ ok: true, level: 'L1' });
  });

  it('and comes back within the grace time is in the sum', async () => {
    const spec = await testSpec({
      cohort: { size: 5, minimum: 3 },
      deadlines: { register: 60, share: 60, upload: 60, consistency: 60, unmask: 60, grace: 60 },
    });
    const stage = await createStage(spec);
    const coordinator = stage.create();
    await coordinator.start();
    let gone = 0;
    const dropAt = (at: Step): boolean => at === 'upload' && gone++ === 0;
    const people = await gather(stage, (i) => (i === 4 ? { dropAt } : {}));
    for (const one of people) connect(coordinator, one);
    await until(() => people[4]!.closed !== undefined, 'one is gone');
    await until(() => coordinator.status().loggedIn === 4, 'which the coordinator knows');
    connect(coordinator, people[4]!);
    const outcome = await coordinator.finished;
    await coordinator.stop();
    expect(await meanStep(stage, outcome)).toBeCloseTo(meanOf([0, 1, 2, 3, 4]), 5);
  });

  it('two of five before unmasking are too many: nothing is revealed, the next attempt succeeds', async () => {
    const stage = await createStage(await five(), {});
    const coordinator = stage.create();
    await coordinator.start();
    const dropAt = (step: Step, attempt: number): boolean => step === 'unmask' && attempt === 1;
    const people = await gather(stage, (i) => (i >= 3 ? { dropAt } : {}));
    for (const one of people) connect(coordinator, one);
    await until(() => people[0]!.closings.length === 1, 'the attempt is aborted');
    expect(people[0]!.closings[0]?.body).toMatchObject({ code: 'not_enough_shares' });
    for (const one of people.slice(3)) connect(coordinator, one);
    const outcome = await coordinator.finished;
    await coordinator.stop();
    expect(outcome).toMatchObject({ rounds: 1, attempts: 2 });
    expect(await verifyStage(stage)).toMatchObject({ ok: true });
  });
});

describe('a participant that lies', () => {
  const lie = async (what: NonNullable<TestParticipantInit['lie']>) => {
    const stage = await createStage(await five());
    const coordinator = stage.create();
    await coordinator.start();
    const people = await gather(stage, (i) => (i === 4 ? { lie: what } : {}));
    for (const one of people) connect(coordinator, one);
    const outcome = await coordinator.finished;
    await coordinator.stop();
    return { stage, people, outcome };
  };

  it('about its shares is left out of the recovery; the sum is exact', async () => {
    const { stage, outcome } = await lie({ shares: true });
    expect(outcome.attempts).toBe(1);
    expect(await meanStep(stage, outcome)).toBeCloseTo(meanOf([0, 1, 2, 3, 4]), 5);
  });

  it('about its commitment is named with proof in the abort; the others carry the run', async () => {
    const stage = await createStage(await five());
    const coordinator = stage.create();
    await coordinator.start();
    const people = await gather(stage, (i) => (i === 4 ? { lie: { commitment: true } } : {}));
    for (const one of people) connect(coordinator, one);
    const outcome = await coordinator.finished;
    await coordinator.stop();
    expect(people[0]!.closings[0]?.body).toMatchObject({
      code: 'commitment_mismatch',
      culprits: [people[4]!.identity.publicKey],
      lies: [{ kind: 'self' }],
    });
    expect(outcome.attempts).toBe(2);
    expect(await meanStep(stage, outcome)).toBeCloseTo(meanOf([0, 1, 2, 3]), 5);
    expect(await verifyStage(stage)).toMatchObject({ ok: true, level: 'L1' });
  });

  it('about its upload is told so and left out', async () => {
    const { stage, people, outcome } = await lie({ upload: true });
    expect(people[4]!.errors).toMatchObject([{ code: 'upload_mismatch' }]);
    expect(await meanStep(stage, outcome)).toBeCloseTo(meanOf([0, 1, 2, 3]), 5);
    expect(await verifyStage(stage)).toMatchObject({ ok: true });
  });
});

describe('the host', () => {
  it('refuses a forged signature and garbage records by name; the run continues', async () => {
    const stage = await createStage(await five());
    const coordinator = stage.create();
    await coordinator.start();
    const people = await gather(stage);
    for (const one of people.slice(0, 4)) connect(coordinator, one);
    await until(() => coordinator.status().loggedIn === 4, 'four are here');
    const real = people[0]!.sign('consistent', 0, {
      context: new Uint8Array(32),
      survivors: new Uint8Array(32),
    });
    const forged = new Uint8Array(real.bytes);
    forged[forged.length - 1] = forged.at(-1) ^ 1;
    people[0]!.raw(encodeFrame({ type: 'record', record: forged }));
    people[0]!.raw(encodeFrame({ type: 'record', record: new Uint8Array([1]) }));
    people[0]!.raw(encodeFrame({ type: 'record', record: real.bytes }));
    await until(() => people[0]!.errors.length === 3, 'three refusals');
    expect(people[0]!.errors.map(({ code }) => code).slice(1)).toEqual([
      'record_malformed',
      'phase_closed',
    ]);
    expect(people[0]!.errors[0]?.code).toMatch(/^(signature_invalid|record_malformed)$/);
    connect(coordinator, people[4]!);
    await coordinator.finished;
    await coordinator.stop();
  });

  it('tries again when store and ledger fail for a while', async () => {
    const stage = await createStage(await five());
    const ledger = journalLedger(stage.journal);
    let failures = 0;
    const flaky = async <Result>(work: () => Promise<Result>): Promise<Result> => {
      failures += 1;
      if (failures % 2 === 1) throw new FloeError('ledger_unavailable', 'not now');
      return work();
    };
    const coordinator = stage.create({
      ledger: {
        ...ledger,
        freezeCohort: (freeze) => flaky(() => ledger.freezeCohort(freeze)),
        freezeSurvivors: (freeze) => flaky(() => ledger.freezeSurvivors(freeze)),
        registerModel: (version) =>
          version.attempt === 0
            ? ledger.registerModel(version)
            : flaky(() => ledger.registerModel(version)),
      },
    });
    await coordinator.start();
    for (const one of await gather(stage)) connect(coordinator, one);
    expect(await coordinator.finished).toMatchObject({ attempts: 1 });
    expect(failures).toBe(6);
    await coordinator.stop();
  });

  it('gives an attempt up at its deadline when a ledger stays away, and opens the next', async () => {
    const clock = manualClock(1e12);
    const stage = await createStage(await five(), { clock });
    const ledger = journalLedger(stage.journal);
    const coordinator = stage.create({
      ledger: { ...ledger, freezeCohort: () => new Promise(() => undefined) },
    });
    await coordinator.start();
    for (const one of await gather(stage)) connect(coordinator, one);
    await until(
      () => coordinator.status().phase === 'freezing-cohort',
      'the cohort is to be frozen',
    );
    clock.advance(600_000);
    await until(() => coordinator.status().failures === 1, 'the attempt is aborted');
    clock.advance(1000);
    await until(() => coordinator.status().attempt === 2, 'the next one opens');
    await coordinator.stop();
    await expect(coordinator.finished).rejects.toMatchObject({ code: 'aborted' });
  });

  it('does not start on another run, on nothing, or for another coordinator', async () => {
    const stage = await createStage(await five());
    await expect(
      stage.create({ identity: (await stage.participant('eve')).identity }).start(),
    ).rejects.toMatchObject({ code: 'spec_invalid' });
    await expect(
      stage.create({ initialModel: new Float32Array(20) }).start(),
    ).rejects.toMatchObject({ code: 'spec_mismatch' });
    const parent = { modelHash: new Uint8Array(32) };
    const forked = await createStage(await testSpec({ parent }));
    await expect(forked.create().start()).rejects.toMatchObject({ code: 'spec_invalid' });
    await expect(
      forked.create({ initialModel: new Float32Array(3) }).start(),
    ).rejects.toMatchObject({ code: 'tensor_mismatch' });
    const coordinator = stage.create();
    await coordinator.start();
    await coordinator.stop();
    await expect(
      stage.create({ spec: { ...stage.spec, rounds: 9 } }).start(),
    ).rejects.toMatchObject({ code: 'spec_mismatch' });
  });
});

it('nothing kept or logged holds a model or an update in clear', async () => {
  const logged: string[] = [];
  const note = (fields: object, message: string): void => {
    logged.push(message + JSON.stringify(fields));
  };
  const log = { debug: note, info: note, warn: note, error: note };
  const pattern = new Float32Array(20).fill(0.7310586);
  const { model } = await five();
  const parent = { modelHash: hashModel({ tensors: model.tensors }, pattern) };
  const cohort = { size: 5, minimum: 3 };
  const journal = memoryJournal();
  const written: Uint8Array[] = [];
  const stage = await createStage(await testSpec({ cohort, parent }), {
    journal: {
      ...journal,
      write: (batch) => {
        written.push(
          ...[...batch.events, batch.snapshot ?? []].flat().map(({ body }) => body),
          ...batch.sealed.map(({ bytes }) => bytes),
        );
        return journal.write(batch);
      },
    },
  });
  const coordinator = stage.create({ log, initialModel: pattern });
  await coordinator.start();
  for (const one of await gather(stage)) connect(coordinator, one);
  const outcome = await coordinator.finished;
  await turns();
  await coordinator.stop();
  const needle = Buffer.from(pattern.buffer, 0, 8);
  const after = Buffer.from(new Float32Array(2).fill(await meanStep(stage, outcome)).buffer);
  const kept = [
    ...written.map((bytes) => Buffer.from(bytes)),
    ...[...stage.store.blobs.values()].map((blob) => Buffer.from(blob)),
    Buffer.from(await wholeTranscript(stage.journal)),
  ];
  expect(kept.length).toBeGreaterThan(30);
  for (const bytes of kept) {
    expect(bytes.indexOf(needle)).toBe(-1);
    expect(bytes.indexOf(after)).toBe(-1);
  }
  expect(logged.length).toBeGreaterThan(10);
  expect(logged.join('\n')).not.toContain('0.73105');
  // Identities are cut short in logs.
  for (const line of logged) expect(line).not.toContain(toHex(stage.spec.coordinator));
});
