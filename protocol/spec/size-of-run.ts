/**
 * @module What a specification makes a run store: the sizes that `cost.ts` puts prices on. Sizes
 * are those of the code that writes the blobs, or bounds where they depend on what happens.
 */
import { strategyOf } from '../algorithm/registry.ts';
import { layoutOf } from '../algorithm/round.ts';
import { FIRST_MEAN_EXAMPLES } from '../encoding/index.ts';
import type { GasRates, RunCostInput, WalrusPrices } from '../net/cost.ts';
import { ENVELOPE_OVERHEAD } from '../model/envelope.ts';
import { publicationSizes } from '../records/publication.ts';
import { encodeRunSpec, type RunSpec } from './run-spec.ts';
import { elementCount } from '../model/index.ts';
import { elementBytes } from '../model/safetensors-header.ts';
import { trainableOf } from '../algorithm/segments.ts';

/**
 * Above what Floe's and Walrus's transactions take on the devnet, so that estimates err to the safe
 * side. Most of a blob's is the check of the nodes' signature when it is certified.
 */
export const GAS_RATES: GasRates = {
  blob: 50_000_000n,
  transaction: 10_000_000n,
  member: 1_600_000n,
};

/**
 * Walrus's mainnet as its documentation has it, for estimates without a network: 1000 shards, FROST
 * a MiB.
 */
export const DOCUMENTED_PRICES: WalrusPrices = {
  shards: 1000,
  storagePerUnit: 100_000n,
  writePerUnit: 20_000n,
};

/** Milliseconds of an epoch of Walrus's mainnet, as documented. */
export const DOCUMENTED_EPOCH_MS = 14 * 86_400_000;

/** Most bytes of a secret in the unmasking bundle, and of a model's header. */
const SECRET_BYTES = 120;
const MODEL_HEADER_BYTES = 4_096;
const FLOAT_BYTES = 4;
/**
 * Most bytes of the transcript that come with each member of a round, with each pair, and with the
 * round.
 */
const MEMBER_BYTES = 4_500;
const PAIR_BYTES = 130;
const ROUND_BYTES = 8_000;

/** Of a version's blob, at most: the model in the types of its tensors, and the state. */
const modelBytes = (spec: RunSpec): number => {
  const { tensors } = spec.model;
  const weights = tensors.reduce(
    (sum, { shape, dtype }) => sum + elementBytes(dtype) * elementCount(shape),
    0,
  );
  const state = FLOAT_BYTES * strategyOf(spec).strategy.state.length * trainableOf(spec);
  return weights + state + MODEL_HEADER_BYTES;
};

/**
 * Bytes of an upload once commits announce the examples of a participant on average. In the first
 * round nobody has: uploads are the largest then, because lanes are the widest.
 */
export const uploadBytesAt = (spec: RunSpec, examples: number): number => {
  const overhead = spec.secagg === 'masked' ? 0 : ENVELOPE_OVERHEAD;
  const mean = Math.ceil(Math.min(examples, spec.encoding.weightCap));
  return layoutOf(spec, spec.cohort.size, mean).byteLength + overhead;
};

/**
 * What `rounds` rounds of a run store, if everybody takes part and nothing goes wrong.
 *
 * @param epochs that blobs are kept for
 * @param examples of a participant, on average, 1 or more. Default: unknown, so that every round is
 * counted with the largest uploads
 */
export const storedBy = (
  spec: RunSpec,
  rounds: number,
  epochs: number,
  examples: number = FIRST_MEAN_EXAMPLES,
): RunCostInput => {
  const { size } = spec.cohort;
  const transcript = rounds * (ROUND_BYTES + size * (MEMBER_BYTES + PAIR_BYTES * size));
  return {
    rounds,
    epochs,
    uploads: size,
    firstUploadBytes: uploadBytesAt(spec, FIRST_MEAN_EXAMPLES),
    uploadBytes: uploadBytesAt(spec, examples),
    modelBytes: modelBytes(spec),
    bundleBytes: SECRET_BYTES * size + ENVELOPE_OVERHEAD,
    publication: publicationSizes(encodeRunSpec(spec).length + transcript),
  };
};
