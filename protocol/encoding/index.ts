/**
 * @module Encoding: update <-> elements of Z_{2^b}. Clip, rotate, quantise, pack; the inverse for the sum of a cohort.
 */
export {
  blockDecoder,
  checkBlockNorm,
  checkMeanNorm,
  decodeSum,
  type DecodedSum,
  type SumInput,
} from './decode.ts';
export { encodeUpdate, type EncodedUpdate, type UpdateInput } from './encode.ts';
export { quantisationError, type QuantisationError } from './error.ts';
export { readExtras, type ExtraTotals } from './extras.ts';
export { walshHadamard } from './hadamard.ts';
export { addInto, createLanes, laneMask, subtractInto, type Lanes } from './lanes.ts';
export {
  ENCODING_LIMITS,
  quantisationStep,
  ringLayout,
  RINGS,
  type EncodingSpec,
  type ExtraSpec,
  type Ring,
  type RingLayout,
} from './layout.ts';
export { blockNormLimit, meanNormLimit } from './norm.ts';
export { pack, packedLength, unpack } from './pack.ts';
export { ROTATION_SEED_BYTES } from './rotation.ts';
