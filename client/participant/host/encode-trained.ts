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
import type { MemberStart, MemberUpdate } from '../../../protocol/algorithm/strategy.ts';
import {
  decodeSteps,
  encodeSteps,
  pipelineOf,
  scaleOf,
  type EncodedUpdate,
  type EncodingSpec,
} from '../../../protocol/encoding/index.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { take } from '../../../protocol/model/index.ts';
import type { RandomSource } from '../../../protocol/ports/random.ts';
import { mostSummed } from '../../../protocol/robust/groups.ts';
import { stalenessFactor } from '../../../protocol/rules/buffered.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import type { Steps } from '../../../protocol/steps.ts';
import { effectiveSteps, localSteps, PLAIN_SGD } from '../../optimizer.ts';
import type { TrainResult } from '../../trainer.ts';
import { clipLayers } from './clip-layers.ts';
import { residualAfter, withResidual } from './error-feedback.ts';

/** What the attempt gives. */
export interface AttemptEncoding {
  /** Size of the cohort. */
  readonly n: number;
  /** Of the Open record. */
  readonly meanExamples: number;
  /** Commits since the model that was trained on, of a buffered run. */
  readonly staleness?: number;
  readonly rotationSeed: Uint8Array;
  readonly random: RandomSource;
  /** In a run with differential privacy. */
  readonly noise?: RandomSource | undefined;
  /** With correlated noise: see `UpdateInput`. */
  readonly streams?: readonly RandomSource[] | undefined;
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

/** In place, each rounded to float32. */
const scale = (values: Float32Array, factor: number): void => {
  for (let i = 0; i < values.length; i += 1) values[i] = (values[i] as number) * factor;
};

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

/** What the strategy's part of a participant starts from, beside the weights. */
export type MemberRound = Pick<MemberStart, 'state' | 'kept'> & {
  /** Of the local steps in this round. */
  readonly learningRate: number;
  /** What earlier updates left out, of a run with error feedback. */
  readonly residual: Float32Array | undefined;
};

export interface EncodedTraining extends EncodedUpdate {
  /** The vectors that the participant carries on, where the strategy has some. */
  readonly advanced: readonly Float32Array[] | undefined;
  /** What this update leaves for the next one, of a run with error feedback. */
  readonly left: Float32Array | undefined;
}

/** What of the own vectors is in a sum, by segment: decoded from lanes that have no masks. */
const sentSteps = function* (
  encoded: EncodedUpdate,
  encoding: EncodingSpec,
  seed: Uint8Array,
): Steps<readonly Float32Array[]> {
  const { lanes, layout, weight } = encoded;
  const sent: Float32Array[] = [];
  for (const pipeline of pipelineOf(encoding, layout, seed).segments)
    sent.push(yield* decodeSteps(pipeline, lanes, { survivors: 1, weight }));
  return sent;
};

/**
 * The update of one participant. Frozen tensors are left out, whatever training did to them. Yields
 * lanes done.
 *
 * @param spec of the attempt: see `specAt`
 * @param before flat weights before training
 * @throws FloeError `update_not_finite`, `tensor_mismatch`, `weight_out_of_range`,
 * `metric_out_of_range`
 */
export const encodeTrained = function* (
  spec: RunSpec,
  trained: TrainResult,
  before: Float32Array,
  { state, kept, learningRate, residual }: MemberRound,
  { n, meanExamples, staleness = 0, rotationSeed, random, noise, streams }: AttemptEncoding,
): Steps<EncodedTraining> {
  const { weights, examples } = trained;
  if (weights.length !== before.length)
    throw new FloeError(
      'tensor_mismatch',
      `expected ${before.length} trained weights, got ${weights.length}`,
    );
  const { trainable, statistics } = partsFor(spec);
  const delta = difference(take(weights, trainable), take(before, trainable));
  // The whole update, so that its norm is what is clipped; its weight stays, see rules/buffered.ts.
  if (staleness > 0) scale(delta, stalenessFactor(staleness));
  yield 0;
  const { strategy, parameters } = strategyOf(spec);
  const { member } = strategy;
  const steps = localSteps(spec.training, examples);
  const update: MemberUpdate = {
    parameters,
    state,
    kept,
    delta,
    examples,
    steps,
    effectiveSteps: effectiveSteps(spec.training.optimizer ?? PLAIN_SGD.rule, steps),
    learningRate,
  };
  const scalars = member?.prepare(update) ?? {};
  const encoding = encodingFor(spec, n, meanExamples);
  const weightScale = scaleOf(encoding);
  const segments = segmentsFor(spec);
  const layers = clipLayers(spec, delta);
  const corrected = residual && withResidual(spec, layers.values, residual);
  const encoded = yield* encodeSteps({
    delta: corrected?.values ?? layers.values,
    clipped: layers.clipped || (corrected?.clipped ?? false),
    segments,
    others: [
      ...(statistics.length === 0 ? [] : [statisticChanges(statistics, before, weights)]),
      ...(member?.vectors?.(update) ?? []),
    ],
    examples,
    metrics: [
      ...weighMetrics(spec.metrics, measured(trained), examples, weightScale),
      ...weighMetrics(member?.scalars ?? [], scalars, examples, weightScale),
    ],
    extras: extrasFor(spec),
    spec: encoding,
    n: mostSummed(spec, n),
    rotationSeed,
    random,
    noise,
    streams,
  });
  if (member?.advance === undefined && corrected === undefined)
    return { ...encoded, advanced: undefined, left: undefined };
  const [sentDelta, ...rest] = yield* sentSteps(encoded, encoding, rotationSeed);
  const vectors = rest.slice(segments.length - 1 - (member?.segments?.length ?? 0));
  const advanced = member?.advance?.(update, { delta: sentDelta!, vectors });
  const left = corrected && residualAfter(spec, corrected.values, sentDelta!);
  return { ...encoded, advanced, left };
};
