/**
 * @module Whole runs against the host: the model is checked against plain federated averaging
 * computed beside it, and the transcript against the independent verifier. A crash is injected at
 * every write of the journal.
 */
import { describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { toHex } from '../../protocol/bytes.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { openModel } from '../../protocol/verify/recompute.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import {
  journalLedger,
  memoryJournal,
  wholeTranscript,
  type Outcome,
} from '../../coordinator/index.ts';
import { ROUND_MACHINE, type Machine } from '../../coordinator/machine/index.ts';
import { mortalJournal } from '../support/mortal-journal.ts';
import {
  connect,
  createStage,
  DIMENSION,
  testIdentity,
  testSpec,
  type Stage,
} from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];

const everyone = (stage: Stage, over: Parameters<Stage['participant']>[1] = {}) =>
  Promise.all(NAMES.map((name) => stage.participant(name, over)));

const flatOf = async (stage: Stage, outcome: Outcome): Promise<Float32Array> => {
  const cipher = await stage.store.get(outcome.model.blob);
  return openModel(
    { run: hashRunSpec(stage.spec), model: outcome.model, cipher },
    stage.spec.model,
    sealedBoxGate(stage.coordinatorIdentity),
  );
};

/**
 * Federated averaging of the same updates in float64, equal weights, from the model that the seed
 * gives.
 */
const expectedModel = ({ model: first }: RunSpec, rounds: number): number[] => {
  let model = [...initialModel(first)];
  for (let attempt = 1; attempt <= rounds; attempt += 1)
    model = model.map((value, i) => {
      const deltas = NAMES.map(
        (name) => 0.01 * (name.length + attempt) * Math.sin(i) - 0.001 * value,
      );
      return value + deltas.reduce((sum, delta) => sum + delta, 0) / NAMES.length;
    });
  return model;
};

const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.hypot(...Array.from(a, (value, i) => value - (b[i] ?? Number.NaN)));

const playRun = async (stage: Stage): Promise<Outcome> => {
  const coordinator = stage.create();
  await coordinator.start();
  for (const participant of await everyone(stage)) connect(coordinator, participant);
  const outcome = await coordinator.finished;
  await coordinator.stop();
  return outcome;
};

describe('the machine', () => {
  it('is the one that the host was given, for events, restarts and snapshots', async () => {
    const stage = await createStage(await testSpec({ rounds: 1 }));
    const calls = new Set<keyof Machine>();
    const counted = <Args extends readonly unknown[], Result>(
      name: keyof Machine,
      work: (...args: Args) => Result,
    ) => {
      return (...args: Args): Result => {
        calls.add(name);
        return work(...args);
      };
    };
    const machine: Machine = {
      initial: ROUND_MACHINE.initial,
      step: counted('step', ROUND_MACHINE.step),
      nextWake: counted('nextWake', ROUND_MACHINE.nextWake),
      pendingWork: counted('pendingWork', ROUND_MACHINE.pendingWork),
      encodeSnapshot: counted('encodeSnapshot', ROUND_MACHINE.encodeSnapshot),
      decodeSnapshot: counted('decodeSnapshot', ROUND_MACHINE.decodeSnapshot),
    };
    const first = stage.create({ machine });
    await first.start();
    for (const participant of await everyone(stage)) connect(first, participant);
    await first.finished;
    await first.stop();
    expect([...calls].toSorted()).toEqual(['encodeSnapshot', 'nextWake', 'step']);
    const second = stage.create({ machine });
    await second.start();
    expect((await second.finished).rounds).toBe(1);
    await second.stop();
    expect([...calls].toSorted()).toEqual(
      Object.keys(machine)
        .filter((name) => name !== 'initial')
        .toSorted(),
    );
  });
});

describe('a run', () => {
  it('for pass holders does not start where no policy could let them in', async () => {
    const stage = await createStage(await testSpec({ access: { models: ['pass'] } }));
    await expect(stage.create().start()).rejects.toMatchObject({
      code: 'spec_invalid',
      message: expect.stringContaining('access.models') as string,
    });
  });

  it.each(['masked', 'none'] as const)(
    'averages like plain FedAvg and is accepted by the verifier to level 1 (%s)',
    async (secagg) => {
      const auditor = await testIdentity('auditor');
      const spec = await testSpec({ rounds: 2, secagg, auditors: [auditor.publicKey] });
      const stage = await createStage(spec);
      const outcome = await playRun(stage);
      expect(outcome).toMatchObject({ rounds: 2, attempts: 2 });
      // Quantisation with q = 20: a step is 4.5 C / (sqrt(d) L) = 2e-6.
      expect(distance(await flatOf(stage, outcome), expectedModel(spec, 2))).toBeLessThan(1e-5);
      const verification = await verifyRun({
        spec,
        transcript: await wholeTranscript(stage.journal),
        store: stage.store,
        gate: sealedBoxGate(auditor),
        ledger: journalLedger(stage.journal),
      });
      expect(verification.culprit).toBeUndefined();
      expect(verification).toMatchObject({ ok: true, modelHash: toHex(outcome.model.hash) });
    },
  );

  it('ends with the same model masked and unmasked', async () => {
    const hashes = await Promise.all(
      (['masked', 'none'] as const).map(async (secagg) => {
        const stage = await createStage(await testSpec({ rounds: 2, secagg }));
        return toHex((await playRun(stage)).model.hash);
      }),
    );
    expect(hashes[0]).toBe(hashes[1]);
  });
});

describe('a model with bfloat16 tensors', () => {
  it('is rounded before it is hashed: participants and the verifier open it', async () => {
    const tensors = [
      { name: 'half', shape: [(DIMENSION - 5) / 5, 5], dtype: 'bfloat16' as const },
      { name: 'whole', shape: [5], dtype: 'float32' as const },
    ];
    const spec = await testSpec({ rounds: 3, model: { architecture: 'custom', tensors } });
    const stage = await createStage(spec);
    const outcome = await playRun(stage);
    expect(outcome).toMatchObject({ rounds: 3, attempts: 3 });
    const flat = await flatOf(stage, outcome);
    const bits = new Uint32Array(flat.buffer, flat.byteOffset, flat.length);
    // The lower half of the word is what bfloat16 drops.
    expect([...bits.subarray(0, DIMENSION - 5)].every((word) => (word & 0xffff) === 0)).toBe(true);
    expect([...bits.subarray(DIMENSION - 5)].every((word) => (word & 0xffff) === 0)).toBe(false);
    // Eight bits of mantissa, three times rounded.
    expect(distance(flat, expectedModel(spec, 3))).toBeLessThan(3 * 2 ** -9 * Math.sqrt(DIMENSION));
    const verification = await verifyRun({
      spec,
      transcript: await wholeTranscript(stage.journal),
      store: stage.store,
      gate: sealedBoxGate(stage.coordinatorIdentity),
      ledger: journalLedger(stage.journal),
    });
    expect(verification).toMatchObject({ ok: true, level: 'L1' });
  });
});

describe('a crash', () => {
  it('at any write of the journal, before or after it, loses nothing: same model hash', async () => {
    const spec = await testSpec();
    const reference = toHex((await playRun(await createStage(spec))).model.hash);
    let crashes = 0;
    for (const when of ['before', 'after'] as const)
      for (let k = 1; ; k += 1) {
        const journal = memoryJournal();
        const stage = await createStage(spec, { journal });
        const doomed = stage.create({ journal: mortalJournal(journal, k, when) });
        const participants = await everyone(stage);
        const started = doomed.start().then(
          () => true,
          () => false,
        );
        if (await started) for (const one of participants) connect(doomed, one);
        const end = await doomed.finished.then(
          (outcome) => toHex(outcome.model.hash),
          () => undefined,
        );
        await doomed.stop();
        if (end !== undefined) {
          expect(end).toBe(reference);
          break;
        }
        crashes += 1;
        const heir = stage.create();
        await heir.start();
        for (const one of participants) connect(heir, one);
        const outcome = await heir.finished;
        expect({ k, when, hash: toHex(outcome.model.hash), attempts: outcome.attempts }).toEqual({
          k,
          when,
          hash: reference,
          attempts: 1,
        });
        const verification = await verifyRun({
          spec,
          transcript: await wholeTranscript(journal),
          store: stage.store,
          gate: sealedBoxGate(stage.coordinatorIdentity),
          ledger: journalLedger(journal),
        });
        expect(verification).toMatchObject({ ok: true, level: 'L1' });
        await heir.stop();
      }
    // Every phase of the round was hit.
    expect(crashes).toBeGreaterThan(20);
  });
});
