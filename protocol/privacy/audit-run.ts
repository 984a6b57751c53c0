/**
 * @module The empirical audit of the noise: canary updates go through the encoding that a
 * participant uses, their sum is decoded as a coordinator decodes it, and an adversary who knows
 * every canary looks for them. It audits the code, not the accountant: a sampler, a clip or a
 * multiplier that does less than it says shows as a bound above the claim.
 */
import {
  addInto,
  createLanes,
  decodeSum,
  encodeUpdate,
  ringLayout,
  type EncodingSpec,
} from '../encoding/index.ts';
import { guaranteeAfter, latticesOf, noiseOfSegments } from '../encoding/stages/noise.ts';
import { FloeError } from '../errors.ts';
import { deriveSeed, randomBelow, seededRandom, cipherStream } from '../ports/random.ts';
import { auditScores, type AuditResult } from './audit.ts';
import type { CorrelatedMechanism } from './correlated.ts';
import { calibrate } from './noise.ts';

export interface AuditInput {
  /** The claim. */
  readonly epsilon: number;
  readonly delta: number;
  /** Sums that a canary is in, all of them or none; 1 to 100. */
  readonly rounds: number;
  /** 8 to 4096; each is a participant of one cohort. */
  readonly canaries: number;
  /** Coordinates, a power of two above the canaries. */
  readonly dimension: number;
  /** p of correlated noise, at most the rounds; independent noise in every round unless given. */
  readonly bands?: number | undefined;
  /** What the calibrated noise is multiplied by: below 1 the claim is false. 1 unless given. */
  readonly noiseFactor?: number | undefined;
  /** 32 bytes. */
  readonly seed: Uint8Array;
}

export interface AuditReport extends AuditResult {
  readonly claimed: number;
  readonly delta: number;
  readonly noiseMultiplier: number;
  /** Whether the claim stands: the bound is not above it. */
  readonly ok: boolean;
}

const BITS = 8;

const correlatedIn = ({ bands = 1, rounds }: AuditInput): CorrelatedMechanism | undefined =>
  bands === 1 ? undefined : { bands, rounds };

const encodingOf = (
  multiplier: number,
  input: AuditInput,
  correlated = correlatedIn(input),
): EncodingSpec => ({
  ring: 'ring32',
  bits: BITS,
  clipNorm: 1,
  rotation: true,
  weightCap: 1,
  noise: {
    multiplier,
    honestSurvivors: input.canaries,
    ...(correlated === undefined ? {} : { correlated }),
  },
});

/** Rows of a Walsh matrix, of norm 1: orthogonal, and as dense as updates are. */
const canary = (row: number, dimension: number): Float32Array => {
  const size = 1 / Math.sqrt(dimension);
  return Float32Array.from({ length: dimension }, (_, j) => {
    let bits = row & j;
    for (let shift = 16; shift > 0; shift >>= 1) bits ^= bits >>> shift;
    return (bits & 1) === 0 ? size : -size;
  });
};

const check = ({ rounds, canaries, dimension, bands = 1 }: AuditInput): void => {
  const isPower = Number.isInteger(Math.log2(dimension));
  if (rounds >= 1 && rounds <= 100 && canaries >= 8 && canaries <= 4096)
    if (isPower && dimension > canaries && dimension <= 2 ** 20 && bands <= rounds) return;
  throw new FloeError(
    'privacy_invalid',
    `expected 1 to 100 rounds, 8 to 4096 canaries and a power of two above them as dimension, and no more bands than rounds, got ${rounds}, ${canaries}, ${dimension}, ${bands}`,
  );
};

/** Adds what the sum of one round says of each canary. */
const scoreRound = (
  input: AuditInput,
  spec: EncodingSpec,
  round: number,
  included: readonly boolean[],
  scores: Float64Array,
): void => {
  const { canaries, dimension, seed } = input;
  const layout = ringLayout(spec, canaries, dimension);
  const sum = createLanes(layout.lanes, layout.modulusBits);
  const correlated = correlatedIn(input);
  // Noise cancels in the coordinates that it is drawn in.
  const rotationSeed = deriveSeed(seed, 'rotation', correlated === undefined ? round : 0);
  const streamsOf = (i: number) =>
    correlated &&
    Array.from({ length: Math.min(correlated.bands, round + 1) }, (_, k) =>
      cipherStream(deriveSeed(seed, 'stream', round - k, i)),
    );
  const zero = new Float32Array(dimension);
  for (let i = 0; i < canaries; i += 1) {
    const { lanes } = encodeUpdate({
      // Who is out takes part with an empty update, and adds its noise.
      delta: included[i] === true ? canary(i + 1, dimension) : zero,
      examples: 1,
      spec,
      n: canaries,
      rotationSeed,
      random: cipherStream(deriveSeed(seed, 'rounding', round, i)),
      noise: cipherStream(deriveSeed(seed, 'noise', round, i)),
      streams: streamsOf(i),
    });
    addInto(sum, lanes, layout.modulusBits);
  }
  const { meanDelta } = decodeSum({
    lanes: sum,
    spec,
    n: canaries,
    survivors: canaries,
    rotationSeed,
    dimension,
  });
  for (let i = 0; i < canaries; i += 1) {
    const own = canary(i + 1, dimension);
    let product = 0;
    for (let j = 0; j < dimension; j += 1) product += own[j]! * meanDelta[j]!;
    scores[i] = scores[i]! + product * canaries;
  }
};

/** @throws FloeError `privacy_invalid` */
export const auditNoise = (input: AuditInput): AuditReport => {
  check(input);
  const { epsilon, delta, rounds, canaries, dimension, noiseFactor = 1, seed } = input;
  const plain = encodingOf(1, input);
  const { segments } = ringLayout(plain, canaries, dimension);
  const epsilonOf = (multiplier: number): number =>
    guaranteeAfter(
      noiseOfSegments(encodingOf(multiplier, input), segments),
      correlatedIn(input),
      rounds,
      delta,
    ).epsilon;
  const target = { epsilon, delta, participations: rounds };
  const noiseMultiplier = calibrate(latticesOf(plain, segments), target, epsilonOf);
  const spec = encodingOf(noiseMultiplier * noiseFactor, input);
  const random = seededRandom(deriveSeed(seed, 'coins'));
  const included = Array.from({ length: canaries }, () => randomBelow(random, 2) === 1);
  const scores = new Float64Array(canaries);
  for (let round = 0; round < rounds; round += 1) scoreRound(input, spec, round, included, scores);
  const result = auditScores([...scores], included, rounds / 2, delta);
  const claimed = epsilonOf(noiseMultiplier);
  return { ...result, claimed, delta, noiseMultiplier, ok: result.epsilon <= claimed };
};
