/**
 * Every strategy of Floe in runs of real participants: masked it gives the very model and state
 * that it gives without masks, `verify` recomputes it, and refuses a commit of another learning
 * rate, another state and another strategy.
 */
import { describe, expect, it } from 'vitest';
import { functionTrainer } from '../../client/trainer.ts';
import { wholeTranscript } from '../../coordinator/index.ts';
import {
  codeOf,
  hashStrategy,
  knownStrategies,
  makeStrategySpec,
} from '../../protocol/algorithm/registry.ts';
import { toHex } from '../../protocol/bytes.ts';
import { signRecord, type Body } from '../../protocol/records/records.ts';
import {
  decodeTranscript,
  encodeEntry,
  genesis,
  nextEntry,
} from '../../protocol/records/transcript.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { guest } from '../support/meeting.ts';
import { commitOfOtherStep } from '../support/other-step.ts';
import { createStage, testSpec, type Stage } from '../support/run.ts';
import { verifyStage } from '../support/verify-stage.ts';

const RATE = 0.1;
const STEPS = 3;
const NAMES = ['anna', 'berta', 'caesar'];

/** Gradient descent towards a point of this site, with the corrections that a strategy asks for. */
const trainerFor = (stage: Stage, name: string) =>
  functionTrainer({
    manifest: stage.spec.model,
    corrections: true,
    train: ({ weights: before, correction }) => {
      const w = before.slice();
      for (let step = 0; step < STEPS; step += 1)
        for (let i = 0; i < w.length; i += 1) {
          const centre = Math.sin(i * name.length);
          const pull = (correction?.proximal ?? 0) * (w[i]! - before[i]!);
          w[i] = w[i]! - RATE * (w[i]! - centre + pull + (correction?.linear?.[i] ?? 0));
        }
      return { weights: w, examples: name.length, lossSum: 1, correct: 1 };
    },
  });

const play = async (strategy: string, secagg: 'masked' | 'none') => {
  const stage = await createStage(
    await testSpec({
      rounds: 2,
      secagg,
      strategy: { name: strategy },
      cohort: { size: 3, minimum: 3 },
      training: { epochs: 1, batchSize: 2, learningRate: RATE },
      encoding: { ring: 'ring32', bits: 20, clipNorm: 1.5, weightCap: 10 },
    }),
  );
  const coordinator = stage.create();
  await coordinator.start();
  const guests = await Promise.all(
    NAMES.map((name) => guest(stage, coordinator, name, { trainer: trainerFor(stage, name) })),
  );
  const { model } = await coordinator.finished;
  await Promise.all(guests.map(({ participant }) => participant.stop()));
  await coordinator.stop();
  return { stage, model: toHex(model.hash), state: model.state && toHex(model.state) };
};

/** What `verify` says of a run without masks whose last step was taken with other parameters. */
const verdictOnOtherStep = async (stage: Stage, change: Readonly<Record<string, number>>) => {
  const { name, parameters } = stage.spec.strategy;
  const own = Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter.value]));
  const strategy = makeStrategySpec({ name, parameters: { ...own, ...change } });
  const run = hashRunSpec(stage.spec);
  const { entries } = decodeTranscript(run, await wholeTranscript(stage.journal));
  const records = entries.map(({ record }) => record);
  const { attempt } = records.findLast(({ type }) => type === 'commit')!;
  const body = await commitOfOtherStep(stage, records, attempt, strategy);
  return verifyStage(stage, { transcript: await withLastCommit(stage, () => body) });
};

/** The transcript with another last commit, signed and chained anew by the coordinator. */
const withLastCommit = async (
  { spec, journal, coordinatorIdentity }: Stage,
  change: (body: Body<'commit'>) => Body<'commit'>,
): Promise<Uint8Array> => {
  const run = hashRunSpec(spec);
  const { entries } = decodeTranscript(run, await wholeTranscript(journal));
  const last = entries.findLast(({ record }) => record.type === 'commit')?.record;
  let head = genesis(run);
  const encoded = entries.map(({ record }, index) => {
    const own =
      record === last && record.type === 'commit'
        ? signRecord(coordinatorIdentity, 'commit', run, record.attempt, change(record.body))
        : record;
    const entry = nextEntry(head, index, own);
    head = entry.hash;
    return encodeEntry(entry);
  });
  return Buffer.concat(encoded);
};

const ownNames = knownStrategies()
  .map(({ name }) => name)
  .filter((name) => codeOf(name) === undefined);

describe.each(ownNames)('%s', (name) => {
  it('gives the same model and state masked and unmasked; verify accepts it and no other', async () => {
    const plain = await play(name, 'none');
    const { stage, model, state } = await play(name, 'masked');
    expect({ model, state }).toEqual({ model: plain.model, state: plain.state });
    expect(await verifyStage(stage)).toMatchObject({ ok: true, level: 'L1' });

    const { strategy } = stage.spec;
    const [parameter] = strategy.parameters;
    const otherRate = makeStrategySpec({
      name,
      parameters: { [parameter!.name]: parameter!.value * 2 },
    });
    const step = (over: Partial<Body<'commit'>['step']>) => (body: Body<'commit'>) => ({
      ...body,
      step: { ...body.step, ...over },
    });
    const forgeries: readonly ((body: Body<'commit'>) => Body<'commit'>)[] = [
      step({ parameters: hashStrategy(otherRate) }),
      step({ strategy: name === 'fedavg' ? 'fedadam' : 'fedavg' }),
      // Another model.
      (body) => ({ ...body, model: { ...body.model, hash: new Uint8Array(32).fill(1) } }),
      // Another state; or one where there is none.
      (body) => ({ ...body, model: { ...body.model, state: new Uint8Array(32).fill(1) } }),
    ];
    for (const forgery of forgeries) {
      const { ok, culprit } = await verifyStage(stage, {
        transcript: await withLastCommit(stage, forgery),
      });
      expect(ok).toBe(false);
      expect(culprit).toMatchObject({ record: 'commit' });
    }

    // The step was really taken, at twice the rate: only who repeats it can tell.
    expect(await verdictOnOtherStep(plain.stage, {})).toMatchObject({ ok: true });
    const otherStep = { [parameter!.name]: parameter!.value * 2 };
    expect(await verdictOnOtherStep(plain.stage, otherStep)).toMatchObject({
      ok: false,
      culprit: { record: 'commit', reason: 'the recomputed model differs from the published one' },
    });
  });
});

it('verify repeats the control variate of SCAFFOLD, where the model is right', async () => {
  const { stage } = await play('scaffold', 'none');
  const verdict = await verdictOnOtherStep(stage, { population: 100 });
  expect(verdict).toMatchObject({
    ok: false,
    culprit: {
      record: 'commit',
      reason: 'the recomputed state of the strategy differs from the published one',
    },
  });
});
