/**
 * @module Encoding: update <-> elements of Z_{2^b}. Clip, rotate, quantise, pack, as stages with a
 * side for the participant and one for the server (stages/stage.ts).
 */
export { addCentralNoise } from './central-noise.ts';
export {
  compressedUpdate,
  compressedVector,
  residualNorm,
  travelling,
  compressionError,
  type Compression,
  type Shapes,
} from './compression.ts';
export {
  blockDecoder,
  decodeBlocks,
  decodeSteps,
  decodeSum,
  spreadIn,
  unreachedIn,
  type DecodedSum,
  type SumInput,
} from './decode.ts';
export {
  encodeBlocks,
  encodeSteps,
  encodeUpdate,
  LANES_PER_STEP,
  type EncodedUpdate,
  type UpdateInput,
} from './encode.ts';
export { quantisationError, type QuantisationError } from './error.ts';
export { readExtras, type ExtraTotals } from './extras.ts';
export { walshHadamard } from './hadamard.ts';
export { addInto, createLanes, laneMask, subtractInto, type Lanes } from './lanes.ts';
export {
  ENCODING_LIMITS,
  quantisationStep,
  scaleOf,
  segmentAt,
  ringLayout,
  RINGS,
  type EncodingSpec,
  type ExtraSpec,
  type NoiseSpec,
  type Ring,
  type RingLayout,
  type SegmentLayout,
  type SegmentSpec,
} from './layout.ts';
export { blockNormLimit, meanNormLimit } from './norm.ts';
export { checkBlockNorm, checkMeanNorm } from './norm-check.ts';
export { pipelineOf, type Pipeline, type SegmentPipeline } from './pipeline.ts';
export type { ScaledVector, Stage, SumTotals } from './stages/stage.ts';
export {
  describeError,
  encodingOf,
  expectedError,
  FIRST_MEAN_EXAMPLES,
  weightScale,
} from './weight-scale.ts';
export { pack, packedLength, packSteps, unpack } from './pack.ts';
export { SEED_BYTES } from './expand.ts';
