/**
 * @module Encodes the trained weights as ring elements: the travelling parts of the model, in
 * segments, and the numbers that accompany them. A pure function of its inputs, randomness
 * included. It runs in steps, so a large model does not hold the event loop.
 */
import { weighMetrics } from '../../../protocol/algorithm/metrics.ts';
import { strategyOf } from '../../../protocol/algorithm/registry.ts';
import {
  encodingFor,
  extrasFor,
  partsFor,
  segmentsFor,
} from '../../../protocol/algorithm/round.ts';
import { statisticChanges } from '../../../protocol/algorithm/statistics.ts';
import { encodeSteps, scaleOf, type EncodedUpdate } from '../../../protocol/encoding/index.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { take } from '../../../protocol/model/index.ts';
import type { RandomSource } from '../../../protocol/ports/random.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import type { Steps } from '../../../protocol/steps.ts';
import type { TrainResult } from '../../trainer.ts';

/** What the attempt gives. */
export interface AttemptEncoding {
  /** Size of the cohort. */
  readonly n: number;
  /** Of the Open record. */
  readonly meanExamples: number;
  readonly rotationSeed: Uint8Array;
  readonly random: RandomSource;
}

/**
 * a - b, each rounded to float32. A plain loop: a callback for each weight takes four times as
 * long.
 */
const difference = (a: Float32Array, b: Float32Array): Float32Array => {
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i += 1) out[i] = (a[i] as number) - (b[i] as number);
  return out;
};

/** Steps of the local optimiser in an attempt. */
const localSteps = ({ training }: RunSpec, examples: number): number =>
  training.epochs * Math.ceil(examples / training.batchSize);

/** What a trainer measured, by the names that a specification declares. */
const measured = ({
  lossSum,
  correct,
  metrics,
}: TrainResult): Readonly<Record<string, number>> => ({
  loss: lossSum,
  accuracy: correct,
  ...metrics,
});

/**
 * The update of one participant. Frozen tensors are left out, whatever training did to them. Yields
 * lanes done.
 *
 * @param before flat weights before training
 * @throws FloeError `update_not_finite`, `tensor_mismatch`, `weight_out_of_range`,
 * `metric_out_of_range`
 */
export const encodeTrained = function* (
  spec: RunSpec,
  trained: TrainResult,
  before: Float32Array,
  { n, meanExamples, rotationSeed, random }: AttemptEncoding,
): Steps<EncodedUpdate> {
  const { weights, examples } = trained;
  if (weights.length !== before.length)
    throw new FloeError(
      'tensor_mismatch',
      `expected ${before.length} trained weights, got ${weights.length}`,
    );
  const { trainable, statistics } = partsFor(spec);
  const delta = difference(take(weights, trainable), take(before, trainable));
  yield 0;
  const { strategy, parameters } = strategyOf(spec);
  const steps = localSteps(spec, examples);
  const update = { parameters, delta, examples, steps };
  const scalars = strategy.member?.prepare(update) ?? {};
  const encoding = encodingFor(spec, n, meanExamples);
  const scale = scaleOf(encoding);
  return yield* encodeSteps({
    delta,
    segments: segmentsFor(spec),
    others: [
      ...(statistics.length === 0 ? [] : [statisticChanges(statistics, before, weights)]),
      ...(strategy.member?.vectors?.(update) ?? []),
    ],
    examples,
    metrics: [
      ...weighMetrics(spec.metrics, measured(trained), examples, scale),
      ...weighMetrics(strategy.member?.scalars ?? [], scalars, examples, scale),
    ],
    extras: extrasFor(spec),
    spec: encoding,
    n,
    rotationSeed,
    random,
  });
};
