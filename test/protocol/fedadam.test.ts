/**
 * FedAdam: its step beside the paper's formulas, and runs of it: masked as unmasked, verified,
 * checked by the members, resumed after a crash at any write, forked with its state.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { memoryJournal, wholeTranscript } from '../../coordinator/index.ts';
import { fedAdam } from '../../protocol/algorithm/fedadam/index.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import type { ModelContent } from '../../protocol/model/open-model.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { signRecord, type SignedRecord } from '../../protocol/records/records.ts';
import {
  decodeTranscript,
  encodeEntry,
  genesis,
  nextEntry,
} from '../../protocol/records/transcript.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { openVersion } from '../../protocol/verify/index.ts';
import { mortalJournal } from '../support/mortal-journal.ts';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { connect, createStage, DIMENSION, testSpec, type Stage } from '../support/run.ts';
import { ScriptedCoordinator, type Fabrication } from '../support/scripted-coordinator.ts';
import { verifyStage } from '../support/verify-stage.ts';

const PAPER = { serverLearningRate: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-3 };
const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];

const take = (
  parameters: typeof PAPER,
  before: ModelContent,
  mean: readonly number[],
): ModelContent => {
  const size = mean.length;
  const weights = new Float32Array(size);
  const state = new Float32Array(2 * size);
  const cut = (of: Float32Array) => [of.subarray(0, size), of.subarray(size)];
  fedAdam.step({
    parameters,
    totals: { weight: 1, survivors: 1, scalars: {} },
    mean: Float32Array.from(mean),
    extra: [],
    before: before.weights,
    stateBefore: cut(before.state),
    after: weights,
    stateAfter: cut(state),
  });
  return { weights, state };
};

describe('the step of FedAdam', () => {
  it('is that of the paper: a first step by hand, without bias correction', () => {
    // m = .1 * .5 = .05, v = .01 * .25 = .0025, and .1 + .1 * .05 / (.05 + .5).
    const parameters = { ...PAPER, tau: 0.5 };
    const before = { weights: Float32Array.of(0.1), state: new Float32Array(2) };
    const { weights, state } = take(parameters, before, [0.5]);
    expect(state[0]).toBeCloseTo(0.05, 7);
    expect(state[1]).toBeCloseTo(0.0025, 9);
    expect(weights[0]).toBeCloseTo(0.1 + 0.005 / 0.55, 7);
  });

  it('follows the formulas of the paper in float64 over twenty rounds', () => {
    const size = 5;
    let content: ModelContent = {
      weights: Float32Array.of(0.5, -0.25, 0, 1, -2),
      state: new Float32Array(2 * size),
    };
    const w = [...content.weights];
    const m = w.map(() => 0);
    const v = w.map(() => 0);
    for (let t = 1; t <= 20; t += 1) {
      const mean = w.map((_, i) => Math.fround(0.3 * Math.sin(t * (i + 1)) * 10 ** -i));
      content = take(PAPER, content, mean);
      for (const [i, delta] of mean.entries()) {
        m[i] = 0.9 * m[i]! + 0.1 * delta;
        v[i] = 0.99 * v[i]! + 0.01 * delta ** 2;
        w[i] = w[i]! + (0.1 * m[i]) / (v[i] ** 0.5 + 0.001);
      }
      for (let i = 0; i < size; i += 1) {
        expect(content.state[i]).toBeCloseTo(m[i]!, 6);
        expect(content.state[size + i]).toBeCloseTo(v[i]!, 7);
        expect(content.weights[i]).toBeCloseTo(w[i]!, 4);
      }
    }
  });
});

const adam = (over: Parameters<typeof testSpec>[0] = {}): Promise<RunSpec> =>
  testSpec({ rounds: 3, strategy: { name: 'fedadam' }, ...over });

const openLast = async (
  stage: Stage,
  model: SignedRecord<'commit'>['body']['model'],
): Promise<ModelContent> => {
  const cipher = await stage.store.get(model.blob);
  const gate = sealedBoxGate(stage.coordinatorIdentity);
  const run = hashRunSpec(stage.spec);
  return openVersion({ run, model, cipher }, stage.spec.model, gate);
};

const everyone = (stage: Stage) => Promise.all(NAMES.map((name) => stage.participant(name)));

/** A whole run. @returns its last model, opened */
const play = async (stage: Stage, over: Parameters<Stage['create']>[0] = {}) => {
  const coordinator = stage.create(over);
  await coordinator.start();
  for (const one of await everyone(stage)) connect(coordinator, one);
  const { model } = await coordinator.finished;
  await coordinator.stop();
  return { model, content: await openLast(stage, model) };
};

describe('a run of FedAdam', () => {
  it('gives the same model and state masked and unmasked, and verifies to level 1', async () => {
    const runs = await Promise.all(
      (['masked', 'none'] as const).map(async (secagg) => {
        const stage = await createStage(await adam({ secagg }));
        const { model, content } = await play(stage);
        expect(await verifyStage(stage)).toMatchObject({ ok: true, level: 'L1' });
        return { hash: toHex(model.hash), state: toHex(model.state!), content };
      }),
    );
    const [masked, plain] = runs;
    expect(masked).toEqual(plain);
    expect(masked!.content.state).toHaveLength(2 * DIMENSION);
    // Three steps of Adam with the default rate move no parameter further than 3 * .01 / sqrt(.01).
    const spec = await adam();
    const first = initialModel(spec.model);
    for (const [i, value] of masked!.content.weights.entries())
      expect(Math.abs(value - first[i]!)).toBeLessThan(0.3);
  });

  it('is not verified with another state, nor with the state of the round before', async () => {
    const stage = await createStage(await adam());
    await play(stage);
    const run = hashRunSpec(stage.spec);
    const { entries } = decodeTranscript(run, await wholeTranscript(stage.journal));
    const commits = entries.flatMap(({ record }) => (record.type === 'commit' ? [record] : []));
    const [, before, last] = commits;
    for (const state of [new Uint8Array(32), before!.body.model.state!]) {
      let head = genesis(run);
      const forged = entries.map(({ record }, index) => {
        const own =
          record === last
            ? signRecord(stage.coordinatorIdentity, 'commit', run, record.attempt, {
                ...last.body,
                model: { ...last.body.model, state },
              })
            : record;
        const entry = nextEntry(head, index, own);
        head = entry.hash;
        return encodeEntry(entry);
      });
      const { ok, culprit } = await verifyStage(stage, { transcript: Buffer.concat(forged) });
      expect(ok).toBe(false);
      expect(culprit).toMatchObject({
        attempt: last!.attempt,
        record: 'commit',
        reason: 'the recomputed state of the strategy differs from the published one',
      });
    }
  });

  it('resumes with its state after a crash at writes of the journal all through the run', async () => {
    const spec = await adam({ rounds: 2 });
    const reference = await play(await createStage(spec));
    let crashes = 0;
    for (const when of ['before', 'after'] as const)
      // Every fifth write of both rounds, those before it and those after it at other writes.
      for (let k = when === 'before' ? 1 : 3, over = false; !over; k += 5) {
        const stage = await createStage(spec, { journal: memoryJournal() });
        const doomed = stage.create({ journal: mortalJournal(stage.journal, k, when) });
        const participants = await everyone(stage);
        const started = await doomed.start().then(
          () => true,
          () => false,
        );
        if (started) for (const one of participants) connect(doomed, one);
        over = await doomed.finished.then(
          () => true,
          () => false,
        );
        await doomed.stop();
        if (over) break;
        crashes += 1;
        const heir = stage.create();
        await heir.start();
        for (const one of participants) connect(heir, one);
        const { model } = await heir.finished;
        await heir.stop();
        expect({ k, when, state: toHex(model.state!), hash: toHex(model.hash) }).toEqual({
          k,
          when,
          state: toHex(reference.model.state!),
          hash: toHex(reference.model.hash),
        });
        expect(await verifyStage(stage)).toMatchObject({ ok: true, level: 'L1' });
      }
    // How many writes there are varies a little: events that come together are written together.
    expect(crashes).toBeGreaterThan(6);
  });

  it('is forked with its state, and with no other', async () => {
    const parent = await play(await createStage(await adam()));
    const { hash: modelHash, state: stateHash } = parent.model;
    const { weights, state } = parent.content;
    const spec = await adam({
      id: new Uint8Array(16).fill(1),
      parent: { modelHash, stateHash },
    } as Parameters<typeof adam>[0]);
    const stage = await createStage(spec);
    await expect(stage.create({ initialModel: weights }).start()).rejects.toMatchObject({
      code: 'spec_invalid',
    });
    const zeros = { initialModel: weights, initialState: new Float32Array(state.length) };
    await expect(stage.create(zeros).start()).rejects.toMatchObject({ code: 'spec_mismatch' });
    await play(stage, { initialModel: weights, initialState: state });
    const run = hashRunSpec(spec);
    const { entries } = decodeTranscript(run, await wholeTranscript(stage.journal));
    const [open] = entries.flatMap(({ record }) => (record.type === 'open' ? [record] : []));
    expect(equalBytes(open!.body.model.state!, stateHash!)).toBe(true);
    expect(await verifyStage(stage)).toMatchObject({ ok: true, level: 'L1' });
  });
});

describe('the members of a run of FedAdam', () => {
  let running: Started[] = [];
  afterEach(async () => {
    await stopAll(running);
    running = [];
  });
  const tensors = [{ name: 'w', shape: [300], dtype: 'float32' as const }];

  it.each<[string, Fabrication]>([
    [
      'a step of FedAvg',
      { after: (after, before) => after.map((value, i) => before[i]! + (value - before[i]!) * 7) },
    ],
    ['moments that were forgotten', { state: (state) => state.map(() => 0) }],
    [
      'the second moment alone reset',
      { state: (state) => state.map((value, i) => (i < 300 ? value : 0)) },
    ],
  ])('check honest commits at a block, and find %s', async (_, lie) => {
    const coordinator = await ScriptedCoordinator.create(
      { strategy: { name: 'fedadam' } },
      tensors,
    );
    running = await startAll(coordinator, 4, { tensors });
    await coordinator.playRound();
    await coordinator.playRound([], lie);
    expect(await running[0]!.event('checked')).toMatchObject({ commit: 1 });
    await coordinator.open(undefined, undefined, coordinator.keys);
    await coordinator.cohort(coordinator.keys);
    for (const { event } of running)
      expect((await event('fabricated')).proof).toMatchObject({ part: 'step', attempt: 2 });
  });
});
