/**
 * @module A run whose clip norm follows the updates: it rises where all are far above it, a killed
 * coordinator resumes with it, and a verifier recomputes it.
 */
import { expect, it } from 'vitest';
import {
  journalLedger,
  memoryJournal,
  wholeTranscript,
  type Journal,
  type Progress,
} from '../../coordinator/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { Body, RecordType } from '../../protocol/records/records.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { connect, createStage, testSpec, type Stage } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];
const ROUNDS = 3;
/** The updates have norms of 0.2 to 0.35. */
const CLIP = 0.02;

const specOf = (secagg: 'masked' | 'none') =>
  testSpec({
    rounds: ROUNDS,
    secagg,
    encoding: {
      ring: 'ring32',
      bits: 20,
      weightCap: 10,
      clipNorm: CLIP,
      clipping: { type: 'adaptive', quantile: 0.5, rate: 1, floor: 1e-3, ceiling: 64 },
    },
  });

const bodiesOf = async <Type extends RecordType>(
  stage: Stage,
  type: Type,
): Promise<readonly Body<Type>[]> => {
  const run = hashRunSpec(stage.spec);
  const { entries } = decodeTranscript(run, await wholeTranscript(stage.journal));
  return entries.flatMap(({ record }) => (record.type === type ? [record.body as Body<Type>] : []));
};

const verified = async (stage: Stage) =>
  verifyRun({
    spec: stage.spec,
    transcript: await wholeTranscript(stage.journal),
    store: stage.store,
    gate: sealedBoxGate(stage.coordinatorIdentity),
    ledger: journalLedger(stage.journal),
  });

/** @param dies the coordinator, before its first write after so many commits */
const play = async (secagg: 'masked' | 'none', dies?: number) => {
  const journal = memoryJournal();
  const stage = await createStage(await specOf(secagg), { journal });
  const participants = await Promise.all(NAMES.map((name) => stage.participant(name)));
  if (dies !== undefined) {
    let committed = 0;
    const mortal: Journal = {
      ...journal,
      write: async (batch) => {
        if (committed === dies) throw new Error('killed');
        await journal.write(batch);
      },
    };
    const onEvent = ({ type }: Progress): void => {
      if (type === 'committed') committed += 1;
    };
    const doomed = stage.create({ journal: mortal, onEvent });
    await doomed.start();
    for (const one of participants) connect(doomed, one);
    await expect(doomed.finished).rejects.toThrow();
    await doomed.stop();
  }
  const coordinator = stage.create();
  await coordinator.start();
  for (const one of participants) connect(coordinator, one);
  const { model } = await coordinator.finished;
  await coordinator.stop();
  return { stage, hash: toHex(model.hash) };
};

it.each(['masked', 'none'] as const)(
  'rises towards updates that are far above it, and verifies (%s)',
  async (secagg) => {
    const { stage } = await play(secagg);
    const opens = await bodiesOf(stage, 'open');
    // C exp(-eta (0 - 1/2)), three times: Andrew et al. 2021, algorithm 1.
    const expected = [0, 1, 2, 3].map((t) => CLIP * Math.exp(t / 2));
    for (const [t, { clipNorm }] of opens.entries()) expect(clipNorm).toBeCloseTo(expected[t]!, 12);
    const commits = await bodiesOf(stage, 'commit');
    expect(commits.map(({ clip }) => clip?.within)).toEqual([0, 0, 0]);
    expect(commits.at(-1)?.clip?.next).toBeCloseTo(expected[3]!, 12);
    expect(await verified(stage)).toMatchObject({ ok: true, level: 'L1' });
    const told = stage.progress.filter((event) => event.type === 'committed');
    expect(told.map(({ clipNorm }) => clipNorm)).toEqual(commits.map(({ clip }) => clip?.next));
  },
);

it('is the same after the coordinator was killed after any commit', async () => {
  const { hash } = await play('masked');
  for (const dies of [1, 2]) {
    const { stage, hash: again } = await play('masked', dies);
    expect(again).toBe(hash);
    expect(await verified(stage)).toMatchObject({ ok: true });
  }
});
