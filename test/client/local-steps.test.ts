/**
 * @module A given number of local steps: as many passes over the examples as it needs, the last of
 * which may end early, the same on every engine.
 */
import { describe, expect, it } from 'vitest';
import { admitTraining, makeAdmission } from '../../client/admission.ts';
import { localSteps } from '../../client/optimizer.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { testSpec } from '../support/run.ts';
import { ALL_ENGINES, ROWS, data, linear } from './linear-task.ts';
import { cpu, worst } from './engines.ts';

const request = {
  weights: Float32Array.of(0.5, -1, 2, 0.1),
  round: 1,
  learningRate: 0.05,
  batchSize: 2,
  epochs: 1,
  seed: new Uint8Array(32),
};
const BATCHES = Math.ceil(ROWS / request.batchSize);

describe.each(ALL_ENGINES)('on %s', (_, engine) => {
  it('whole passes are epochs to the bit; a part of one is between them, with sums over all', async () => {
    const trainer = await tfjsTrainer({ model: linear, data, ...engine });
    const plain = await tfjsTrainer({ model: linear, data, backend: cpu });
    const two = await trainer.train({ ...request, epochs: 2 });
    expect(await trainer.train({ ...request, epochs: 9, steps: 2 * BATCHES })).toEqual(two);
    const seen: number[] = [];
    const part = await trainer.train({
      ...request,
      steps: BATCHES + 1,
      onProgress: (done, total) => seen.push(total - done),
    });
    expect(part.weights).not.toEqual(two.weights);
    expect(part.weights).not.toEqual((await trainer.train(request)).weights);
    const same = await plain.train({ ...request, steps: BATCHES + 1 });
    expect(worst(part.weights, same.weights)).toBeLessThan(1e-5);
    expect(part.lossSum).toBeCloseTo(same.lossSum, 3);
    expect(part.examples).toBe(ROWS);
    // The last word on progress is the end.
    expect(seen.at(-1)).toBe(0);
    trainer.dispose();
    plain.dispose();
  });
});

it('counts them for the admission of a run, whatever number of examples there is', async () => {
  expect(localSteps({ epochs: 2, batchSize: 10 }, 25)).toBe(6);
  expect(localSteps({ epochs: 2, batchSize: 10, localSteps: 500 }, 25)).toBe(500);
  const policy = { ...makeAdmission({}), steps: 8 };
  const training = { epochs: 1, batchSize: 10 };
  const spec = await testSpec({ training });
  expect(() => admitTraining(policy, spec, 25)).toThrow(/3 local steps/u);
  const more = await testSpec({ training: { ...training, localSteps: 8 } });
  expect(() => admitTraining(policy, more, 25)).not.toThrow();
});
