/**
 * @module Fine-tuning after a simulated run: each honest participant trains the finished model
 * further on its own examples, as `floe fine-tune` does at a site (client/evaluate/fine-tune.ts),
 * and both models are scored on the examples that it held out of the run (Wang et al. 2019,
 * "Federated Evaluation of On-device Personalization"). In a real run these numbers stay at the
 * site; only a simulation sees all of them.
 */
import type { Dataset } from '../../client/data/dataset.ts';
import { subset } from '../../client/data/dataset.ts';
import { holdOut } from '../../client/data/holdout.ts';
import type { Optimizer } from '../../client/optimizer.ts';
import type { EvaluateResult, Trainer, TrainRequest } from '../../client/trainer.ts';
import { FloeError } from '../../protocol/errors.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { skewed } from '../partition/feature-skew.ts';
import { attackOf, type CrowdWorld } from '../world.ts';

/** Plain data: it goes to the analyst's thread. */
export interface FineTunePlan {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly optimizer?: Optimizer | undefined;
  /** Of the run: the examples that no round has trained on. */
  readonly holdout: number;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly world: CrowdWorld;
  /** Rows of each participant. */
  readonly parts: readonly Uint32Array[];
}

/** One site. */
export interface TunedSite {
  readonly participant: number;
  /** Examples trained on, and held out. */
  readonly examples: number;
  readonly heldOut: number;
  /**
   * Fractions on the examples held out; undefined of regression, and after a training that left the
   * floats.
   */
  readonly accuracyBefore: number | undefined;
  readonly accuracyAfter: number | undefined;
  /** Undefined where it is not finite. */
  readonly lossBefore: number | undefined;
  readonly lossAfter: number | undefined;
}

const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);

const meansOf = ({ examples, correct, lossSum }: EvaluateResult, isRegression: boolean) => ({
  accuracy: isRegression ? undefined : finite(correct / examples),
  loss: finite(lossSum / examples),
});

/** Undefined where the training leaves the floats: that is this site's, and not the run's. */
const trainedBy = async (
  trainer: Trainer,
  request: TrainRequest,
): Promise<Float32Array | undefined> => {
  try {
    return (await trainer.train(request)).weights;
  } catch (thrown) {
    if (thrown instanceof FloeError && thrown.code === 'update_not_finite') return undefined;
    throw thrown;
  }
};

/**
 * @param weights of the finished model, flat; not changed
 * @param trainerOf makes a trainer of some examples
 * @returns the honest participants that can hold an example out, in their order
 */
export const measureFineTuning = async (
  plan: FineTunePlan,
  train: Dataset,
  weights: Float32Array,
  isRegression: boolean,
  trainerOf: (data: Dataset) => Trainer | Promise<Trainer>,
): Promise<readonly TunedSite[]> => {
  const { world, parts, holdout, epochs, batchSize, learningRate, optimizer } = plan;
  const { featureSkew: skew, participants, seed } = world;
  const sites: TunedSite[] = [];
  for (const [index, rows] of parts.entries()) {
    if (attackOf(world, index) !== undefined) continue;
    const own = skewed(subset(train, rows), { skew, index, participants, seed });
    const { train: data, test } = holdOut(own, holdout);
    if (test === undefined || data.size === 0) continue;
    const trainer = await trainerOf(data);
    const before = meansOf(await trainer.evaluate(weights, test), isRegression);
    const tuned = await trainedBy(trainer, {
      weights,
      round: 1,
      epochs,
      batchSize,
      learningRate,
      ...(optimizer === undefined ? {} : { optimizer }),
      seed: deriveSeed(plan.seed, index),
    });
    const after = tuned && meansOf(await trainer.evaluate(tuned, test), isRegression);
    trainer.dispose();
    sites.push({
      participant: index,
      examples: data.size,
      heldOut: test.size,
      accuracyBefore: before.accuracy,
      accuracyAfter: after?.accuracy,
      lossBefore: before.loss,
      lossAfter: after?.loss,
    });
  }
  return sites;
};
