/**
 * A run whose specification names the model it starts from: a coordinator that has another one does
 * not begin; one that begins all the same is caught by participants and by verifiers.
 */
import { expect, it } from 'vitest';
import { checkOpen } from '../../client/participant/machine/record-checks.ts';
import { EMPTY_HISTORY } from '../../protocol/rules/history.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { hashModel } from '../../protocol/model/index.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { splitAttempts } from '../../protocol/verify/attempt-log.ts';
import { checkAttempt } from '../../protocol/verify/check-attempt.ts';
import { connect, createStage, DIMENSION, testSpec } from '../support/run.ts';

const initialModel = Float32Array.from({ length: DIMENSION }, (_, i) => 1 - i);
const beginningWith = async (weights: Float32Array): Promise<RunSpec> => {
  const spec = await testSpec();
  return { ...spec, parent: { modelHash: hashModel(spec.model, weights) } };
};

it('a coordinator with another model than the run names does not begin', async () => {
  const stage = await createStage(await beginningWith(new Float32Array(DIMENSION)));
  const coordinator = stage.create({ initialModel });
  await expect(coordinator.start()).rejects.toMatchObject({ code: 'spec_mismatch' });
  expect(stage.store.blobs.size).toBe(0);
  await coordinator.stop();
});

it('a run that begins as it says verifies; to one that says otherwise nobody agrees', async () => {
  const spec = await beginningWith(initialModel);
  const stage = await createStage(spec);
  const coordinator = stage.create({ initialModel });
  await coordinator.start();
  for (const name of ['anna', 'berta', 'caesar', 'dorothea'])
    connect(coordinator, await stage.participant(name));
  await coordinator.finished;
  const transcript = await coordinator.transcript.whole();
  await coordinator.stop();
  const { store } = stage;
  expect(await verifyRun({ spec, transcript, store })).toMatchObject({ ok: true });

  const run = hashRunSpec(spec);
  const [first] = splitAttempts(decodeTranscript(run, transcript).entries);
  if (first === undefined) throw new Error('expected a round');
  const open = first.one('open');
  // The signed records of this run, under a specification that names another model.
  const other = await beginningWith(new Float32Array(DIMENSION));
  const view = { spec: other, run, self: spec.coordinator, beacon: 'members' } as const;
  expect(() => checkOpen({ ...view, spec }, open, undefined)).not.toThrow();
  expect(() => checkOpen(view, open, undefined)).toThrow(
    expect.objectContaining({ code: 'spec_mismatch' }),
  );
  const rules = () => ({
    run,
    store,
    ledger: undefined,
    signal: undefined,
    registered: new Map(),
    history: EMPTY_HISTORY,
  });
  await expect(checkAttempt({ ...rules(), spec }, first, undefined)).resolves.toMatchObject({
    open,
  });
  await expect(checkAttempt({ ...rules(), spec: other }, first, undefined)).rejects.toThrow(
    'starts from another model',
  );
});
