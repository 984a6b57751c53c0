/**
 * @module The compliance suite of the Trainer port.
 */
import type { Trainer, TrainRequest } from '../client/trainer.ts';
import { initialModel } from '../protocol/model/first-model.ts';
import { parameterCount } from '../protocol/model/manifest.ts';
import type { TestApi } from './api.ts';

export interface TrainerFixture {
  readonly trainer: Trainer;
  /** A learning rate at which a step changes the weights. Default 0.1. */
  readonly learningRate?: number;
}

export const trainerSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  open: () => Promise<TrainerFixture>,
): void => {
  describe(`Trainer: ${name}`, () => {
    const seed = new Uint8Array(32).map((_, i) => i);
    const withFixture =
      (run: (trainer: Trainer, request: TrainRequest) => Promise<void>) => async () => {
        const { trainer, learningRate = 0.1 } = await open();
        const weights = initialModel({ ...trainer.manifest, seed });
        try {
          await run(trainer, {
            weights,
            round: 1,
            epochs: 1,
            batchSize: 2,
            learningRate,
            seed,
          });
        } finally {
          trainer.dispose();
        }
      };

    it(
      'gives fresh weights of the same shape, which training has changed, and leaves its input alone',
      withFixture(async (trainer, request) => {
        const before = request.weights.slice();
        const { weights, examples, lossSum, correct } = await trainer.train(request);
        expect(request.weights).toEqual(before);
        expect(weights).toHaveLength(parameterCount(trainer.manifest));
        expect(weights.buffer === request.weights.buffer).toBe(false);
        expect(weights.some((value, i) => value !== before[i])).toBe(true);
        expect(weights.every((value) => Number.isFinite(value))).toBe(true);
        expect(examples).toBeGreaterThan(0);
        expect(Number.isFinite(lossSum)).toBe(true);
        expect(correct).toBeGreaterThanOrEqual(0);
        expect(correct).toBeLessThanOrEqual(examples);
        if (trainer.examples !== undefined) expect(examples).toBe(trainer.examples);
      }),
    );

    it(
      'gives the same bytes for the same request, whatever ran in between',
      withFixture(async (trainer, request) => {
        const first = await trainer.train(request);
        await trainer.train({ ...request, seed: new Uint8Array(32).fill(7), epochs: 2, round: 2 });
        const again = await trainer.train(request);
        expect(again).toEqual(first);
      }),
    );

    it(
      'refuses weights of another length, and numbers that make no sense',
      withFixture(async (trainer, request) => {
        const short = { ...request, weights: request.weights.slice(1) };
        await expect(trainer.train(short)).rejects.toMatchObject({ code: 'tensor_mismatch' });
        await expect(trainer.evaluate(short.weights)).rejects.toMatchObject({
          code: 'tensor_mismatch',
        });
        const wrong: Partial<TrainRequest>[] = [
          { epochs: 0 },
          { epochs: 1.5 },
          { batchSize: 0 },
          { learningRate: Number.NaN },
          { learningRate: -1 },
        ];
        for (const change of wrong)
          await expect(trainer.train({ ...request, ...change })).rejects.toMatchObject({
            code: 'trainer_failed',
          });
      }),
    );

    it(
      'names an update that is not finite',
      withFixture(async (trainer, request) => {
        const broken = { ...request, weights: request.weights.map(() => Number.NaN) };
        await expect(trainer.train(broken)).rejects.toMatchObject({ code: 'update_not_finite' });
      }),
    );

    it(
      'stops when it is told to, and trains again afterwards',
      withFixture(async (trainer, request) => {
        const signal = AbortSignal.abort();
        await expect(trainer.train({ ...request, signal })).rejects.toMatchObject({
          code: 'aborted',
        });
        expect((await trainer.train(request)).examples).toBeGreaterThan(0);
      }),
    );

    it(
      'follows a correction that it declares, and refuses by name one that it does not',
      withFixture(async (trainer, request) => {
        const corrected = { ...request, epochs: 4, correction: { proximal: 1 } };
        if (trainer.corrections !== true) {
          await expect(trainer.train(corrected)).rejects.toMatchObject({
            code: 'correction_unsupported',
          });
          return;
        }
        const { weights: free } = await trainer.train({
          ...corrected,
          correction: { proximal: 0 },
        });
        const { correction: _, ...plain } = corrected;
        expect(free).toEqual((await trainer.train(plain)).weights);
        expect((await trainer.train(corrected)).weights).not.toEqual(free);
        const linear = request.weights.map(() => 1);
        const pulled = await trainer.train({ ...plain, correction: { proximal: 0, linear } });
        expect(pulled.weights).not.toEqual(free);
        for (const correction of [
          { proximal: -1 },
          { proximal: Number.NaN },
          { proximal: Infinity },
          { proximal: 0, linear: linear.subarray(1) },
          { proximal: 0, linear: linear.map(() => Number.NaN) },
        ])
          await expect(trainer.train({ ...corrected, correction })).rejects.toMatchObject({
            code: 'trainer_failed',
          });
      }),
    );

    it(
      'makes as many local steps as it is told where it declares them, and refuses them by name',
      withFixture(async (trainer, request) => {
        if (trainer.localSteps !== true) {
          await expect(trainer.train({ ...request, steps: 2 })).rejects.toMatchObject({
            code: 'steps_unsupported',
          });
          return;
        }
        const { weights: one } = await trainer.train({ ...request, steps: 1 });
        expect((await trainer.train({ ...request, steps: 1, epochs: 3 })).weights).toEqual(one);
        expect((await trainer.train({ ...request, steps: 3 })).weights).not.toEqual(one);
        for (const steps of [0, 1.5, Number.NaN])
          await expect(trainer.train({ ...request, steps })).rejects.toMatchObject({
            code: 'trainer_failed',
          });
      }),
    );

    it(
      'reports progress that only grows, and never beyond the end',
      withFixture(async (trainer, request) => {
        const seen: (readonly [done: number, total: number])[] = [];
        await trainer.train({ ...request, onProgress: (done, total) => seen.push([done, total]) });
        const done = seen.map(([each]) => each);
        expect(done.toSorted((a, b) => a - b)).toEqual(done);
        expect(seen.every(([each, total]) => each >= 0 && each <= total)).toBe(true);
      }),
    );
  });
};
