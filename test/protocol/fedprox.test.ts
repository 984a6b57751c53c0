/**
 * FedProx: rounds of quadratic sites beside the closed form, masked as unmasked, verified with its
 * mu and no other; a trainer that does not correct its steps is refused when it joins.
 */
import { describe, expect, it } from 'vitest';
import { memoryKeystore } from '../../client/keystore/index.ts';
import { joinRun } from '../../client/participant/index.ts';
import { functionTrainer, type TrainRequest } from '../../client/trainer.ts';
import { toHex } from '../../protocol/bytes.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { openVersion } from '../../protocol/verify/index.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { connectionPair } from '../support/connection.ts';
import { createStage, testSpec, type Stage } from '../support/run.ts';
import { verifyStage } from '../support/verify-stage.ts';

const ROUNDS = 2;
const EPOCHS = 5;
const RATE = 0.1;
const MU = 0.5;

/** The sites: curvature / 2 ||w - optimum||^2 over so many examples; unlike each other. */
const SITES = [
  { curvature: 1, optimum: 0.5, examples: 2 },
  { curvature: 0.2, optimum: -0.25, examples: 5 },
  { curvature: 2, optimum: 0.1, examples: 9 },
  { curvature: 0.5, optimum: -0.4, examples: 4 },
] as const;
type Site = (typeof SITES)[number];

/** Gradient descent on the site's quadratic: a pass is one step. */
const descend =
  ({ curvature, optimum, examples }: Site) =>
  ({ weights: start, epochs, learningRate, correction }: TrainRequest) => {
    const weights = start.slice();
    for (let epoch = 0; epoch < epochs; epoch++)
      for (const [i, w] of weights.entries()) {
        const proximal = (correction?.proximal ?? 0) * (w - start[i]!);
        weights[i] = w - learningRate * (curvature * (w - optimum) + proximal);
      }
    return { weights, examples, lossSum: 0, correct: 0 };
  };

const prox = (over: Parameters<typeof testSpec>[0] = {}): Promise<RunSpec> =>
  testSpec({
    rounds: ROUNDS,
    strategy: { name: 'fedprox', parameters: { mu: MU } },
    training: { epochs: EPOCHS, batchSize: 10, learningRate: RATE },
    encoding: { ring: 'ring32', bits: 20, clipNorm: 4, weightCap: 10 },
    ...over,
  });

const join = async (
  stage: Stage,
  coordinator: ReturnType<Stage['create']>,
  index: number,
  corrections = true,
) => {
  const keystore = await memoryKeystore(deriveSeed(new Uint8Array(32), 'site', index));
  const site = SITES[index]!;
  const participant = joinRun({
    connect: async () => {
      const [server, client] = connectionPair();
      coordinator.accept(server);
      return client;
    },
    keystore,
    trainer: functionTrainer({
      manifest: { tensors: stage.spec.model.tensors },
      train: descend(site),
      ...(corrections && { corrections }),
    }),
    store: stage.store,
    gate: sealedBoxGate(keystore.identity),
    ledger: undefined,
    clock: systemClock,
    random: seededRandom(deriveSeed(new Uint8Array(32), 'random', index)),
    require: TEST_ADMISSION,
    log: () => undefined,
  });
  participant.finished.catch(() => undefined);
  return participant;
};

/** A whole run with participants as a site has them. */
const play = async (spec: RunSpec) => {
  const stage = await createStage(spec);
  const coordinator = stage.create();
  await coordinator.start();
  const participants = await Promise.all(SITES.map((_, i) => join(stage, coordinator, i)));
  const { model } = await coordinator.finished;
  await Promise.all(participants.map((each) => each.stop()));
  await coordinator.stop();
  const cipher = await stage.store.get(model.blob);
  const gate = sealedBoxGate(stage.coordinatorIdentity);
  const opened = await openVersion({ run: hashRunSpec(spec), model, cipher }, spec.model, gate);
  return { stage, hash: toHex(model.hash), weights: opened.weights };
};

/**
 * Local steps of w' = -(a (w - b) + mu (w - w0)) end at w0 + a (b - w0) / (a + mu) x
 * (1 - (1 - rate (a + mu))^steps); the server takes their mean by examples.
 */
const closedForm = (start: Float32Array, mu: number): readonly number[] => {
  const total = SITES.reduce((sum, { examples }) => sum + examples, 0);
  let w = [...start];
  for (let attempt = 0; attempt < ROUNDS; attempt++)
    w = w.map((from) =>
      SITES.reduce((sum, { curvature: a, optimum: b, examples }) => {
        const gone = ((a * (b - from)) / (a + mu)) * (1 - (1 - RATE * (a + mu)) ** EPOCHS);
        return sum + (examples / total) * gone;
      }, from),
    );
  return w;
};

describe('a run of FedProx', () => {
  it('follows the closed form, masked as unmasked to the bit, and verifies with its mu alone', async () => {
    const masked = await play(await prox());
    const plain = await play(await prox({ secagg: 'none' }));
    expect(plain.hash).toBe(masked.hash);
    const first = initialModel(masked.stage.spec.model);
    const free = closedForm(first, 0);
    for (const [i, expected] of closedForm(first, MU).entries()) {
      expect(Math.abs(masked.weights[i]! - expected)).toBeLessThan(1e-4);
      // The term is no small matter here: without it the model is elsewhere.
      expect(Math.abs(free[i]! - expected)).toBeGreaterThan(1e-3);
    }
    expect(await verifyStage(masked.stage)).toMatchObject({ ok: true, level: 'L1' });
    const other = await prox({ strategy: { name: 'fedprox', parameters: { mu: 0.25 } } });
    // Another mu is another specification, so another run: its first record does not link.
    expect(await verifyStage(masked.stage, { spec: other })).toMatchObject({
      ok: false,
      culprit: { entry: 0, reason: expect.stringContaining('link') as string },
    });
  });

  it('with mu 0 is FedAvg to the bit', async () => {
    const zero = await play(await prox({ strategy: { name: 'fedprox', parameters: { mu: 0 } } }));
    const average = await play(await prox({ strategy: { name: 'fedavg' } }));
    expect(zero.weights).toEqual(average.weights);
  });

  it('refuses at the join a trainer that does not declare corrections', async () => {
    const stage = await createStage(await prox());
    const coordinator = stage.create();
    await coordinator.start();
    const participant = await join(stage, coordinator, 0, false);
    await expect(participant.finished).rejects.toMatchObject({ code: 'correction_unsupported' });
    await coordinator.stop();
  });
});
