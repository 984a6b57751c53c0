/**
 * @module The engines that train on every machine, for tests that compare them, and what two
 * trainers of one model must agree on.
 */
import { expect } from 'vitest';
import type { SMALL_MODELS } from '../../bench/gpu-models.ts';
import { examplesFor } from '../../bench/gpu-models.ts';
import { type Backend, selectBackend } from '../../client/tfjs/backends.ts';
import { type TfjsTrainerOptions, tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { initialModel } from '../../protocol/model/first-model.ts';

export const wasm: Backend = await selectBackend({ prefer: 'wasm' });
// The last one that is selected is tfjs's current backend.
export const cpu: Backend = await selectBackend({ prefer: 'cpu' });

/** Options of a trainer, by the name of the engine that they choose. */
export const ENGINES = {
  'the dense engine, or recorded steps': { backend: wasm },
  'recorded steps': { backend: wasm, denseFastPath: false },
  'eager wasm': { backend: wasm, denseFastPath: false, recorded: false },
  'plain JavaScript': { backend: cpu },
} as const satisfies Record<string, Partial<TfjsTrainerOptions>>;

/** The largest difference of two vectors. */
export const worst = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? NaN))), 0);

/**
 * Trains and evaluates a small model on `options` and eagerly on plain JavaScript.
 * @param says part of the engine's description
 * @param tolerance of the weights, absolute @param digits of the summed losses
 */
export const expectEagerResults = async (
  small: (typeof SMALL_MODELS)[number],
  options: Partial<TfjsTrainerOptions>,
  { says, tolerance, digits }: Readonly<Record<'tolerance' | 'digits', number> & { says: string }>,
): Promise<void> => {
  const data = examplesFor(small, 11);
  const eager = await tfjsTrainer({ model: small.model, data, backend: cpu });
  const recorded = await tfjsTrainer({ model: small.model, data, ...options });
  expect(recorded.backend).toContain(says);
  const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
  const weights = initialModel({ ...eager.manifest, seed });
  const common = { weights, round: 1, epochs: 2, batchSize: 4, learningRate: 0.1, seed };
  const expected = await eager.train(common);
  const actual = await recorded.train(common);
  const again = await recorded.train(common);
  expect(worst(expected.weights, weights)).toBeGreaterThan(1e-3);
  expect(worst(actual.weights, expected.weights)).toBeLessThan(tolerance);
  // The number of steps in a call may follow the clock; the result does not.
  expect(worst(again.weights, actual.weights)).toBe(0);
  expect(actual.lossSum).toBeCloseTo(expected.lossSum, digits);
  expect(actual.correct).toBe(expected.correct);
  const score = await recorded.evaluate(expected.weights);
  const scored = await eager.evaluate(expected.weights);
  expect(score.lossSum).toBeCloseTo(scored.lossSum, digits);
  eager.dispose();
  recorded.dispose();
};
