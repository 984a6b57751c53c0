/**
 * @module The distribution of the privacy loss of one use of the sampled Gaussian mechanism, on a
 * grid. Mass between two grid points goes to both of them so that its weight under either neighbour
 * stays: this is the discretisation of Doroshenko et al. 2022 ("Connect the dots"), which joins the
 * points of the curve e^epsilon -> delta by lines, so it never understates delta.
 */
import { FloeError } from '../../errors.ts';
import { checkSampledGaussian, type SampledGaussian } from './rdp.ts';
import { normalTail } from './special.ts';

/** Distance of two grid points of the loss. */
export const LOSS_GRID = 1e-4;

/** Points of one distribution: a narrower noise has a loss too wide for the grid. */
const MAX_POINTS = 2 ** 23;

/** The loss is P over Q, drawn from P. */
export interface LossDistribution {
  /** The loss of the first mass, in steps of the grid. */
  readonly first: number;
  /** Probabilities at consecutive grid points. */
  readonly masses: Float64Array;
  /** Probability that the loss is infinite. */
  readonly infinite: number;
}

/** The two directions of neighbours. */
export interface LossPair {
  /** P has the participant, Q does not. */
  readonly remove: LossDistribution;
  /** Q has the participant, P does not. */
  readonly add: LossDistribution;
}

/** Standard deviations that are kept: the rest has a probability below e^-50. */
const KEPT_DEVIATIONS = 9.8;

/** P(a < N(mean, sigma) <= b), from the smaller tail, so that far masses keep their digits. */
const normalMass = (a: number, b: number, mean: number, sigma: number): number => {
  const [low, high] = [(a - mean) / sigma, (b - mean) / sigma];
  return low > 0 ? normalTail(low) - normalTail(high) : normalTail(-high) - normalTail(-low);
};

/** Bounds of one step of the grid, as x of the mechanism's output, and its masses. */
interface Mechanism {
  /** The x at which ln(dP/dQ) is `loss`; -Infinity where it is larger everywhere. */
  readonly at: (loss: number) => number;
  /** Of the mixture, and of the noise alone. */
  readonly mixed: (a: number, b: number) => number;
  readonly alone: (a: number, b: number) => number;
  readonly low: number;
  readonly high: number;
}

const mechanismOf = ({ noiseMultiplier: sigma, samplingRate: q }: SampledGaussian): Mechanism => {
  const lossAt = (x: number): number =>
    q === 1
      ? (2 * x - 1) / (2 * sigma * sigma)
      : Math.log1p(q * Math.expm1((2 * x - 1) / (2 * sigma * sigma)));
  const alone = (a: number, b: number): number => normalMass(a, b, 0, sigma);
  return {
    at: (loss) => {
      if (q === 1) return sigma * sigma * loss + 0.5;
      const ratio = Math.expm1(loss) / q;
      return ratio <= -1 ? -Infinity : sigma * sigma * Math.log1p(ratio) + 0.5;
    },
    alone,
    mixed: (a, b) => (1 - q) * alone(a, b) + q * normalMass(a, b, 1, sigma),
    low: lossAt(-KEPT_DEVIATIONS * sigma),
    high: lossAt(1 + KEPT_DEVIATIONS * sigma),
  };
};

type Masses = (step: number) => readonly [underP: number, underQ: number];

/**
 * @param between the masses of the losses between the grid points `step` and `step` + 1
 * @param below @param above the masses beyond the ends, under P
 */
const distribute = (
  first: number,
  last: number,
  between: Masses,
  below: number,
  above: number,
): LossDistribution => {
  const masses = new Float64Array(last - first + 1);
  masses[0] = below;
  const denominator = -Math.expm1(-LOSS_GRID);
  for (let step = first; step < last; step += 1) {
    const [p, q] = between(step);
    const upper = (p - Math.exp(step * LOSS_GRID) * q) / denominator;
    const kept = Math.min(p, Math.max(0, upper));
    masses[step - first] = masses[step - first]! + (p - kept);
    masses[step - first + 1] = kept;
  }
  return { first, masses, infinite: above };
};

/**
 * The loss of one use, `steps` aside.
 *
 * @throws FloeError `privacy_invalid`, also for noise so small that the grid does not hold its loss
 */
export const lossOfGaussian = (mechanism: SampledGaussian): LossPair => {
  checkSampledGaussian(mechanism);
  if (mechanism.samplingRate === 0) {
    const none = { first: 0, masses: new Float64Array([1]), infinite: 0 };
    return { add: none, remove: none };
  }
  const { at, mixed, alone, low, high } = mechanismOf(mechanism);
  const [first, last] = [Math.floor(low / LOSS_GRID), Math.ceil(high / LOSS_GRID)];
  if (last - first > MAX_POINTS)
    throw new FloeError(
      'privacy_invalid',
      `noiseMultiplier: ${mechanism.noiseMultiplier} is too small for the grid of losses`,
    );
  const size = last - first;
  const x = Float64Array.from({ length: size + 1 }, (_, i) => at((first + i) * LOSS_GRID));
  const [mixture, noise] = [new Float64Array(size), new Float64Array(size)];
  for (let i = 0; i < size; i += 1) {
    mixture[i] = mixed(x[i]!, x[i + 1]!);
    noise[i] = alone(x[i]!, x[i + 1]!);
  }
  const [least, most] = [x[0]!, x[size]!];
  const remove = distribute(
    first,
    last,
    (step) => [mixture[step - first]!, noise[step - first]!],
    mixed(-Infinity, least),
    mixed(most, Infinity),
  );
  // The same steps backwards, with the neighbours exchanged.
  const add = distribute(
    -last,
    -first,
    (step) => [noise[-step - 1 - first]!, mixture[-step - 1 - first]!],
    alone(most, Infinity),
    alone(-Infinity, least),
  );
  return { remove, add };
};
