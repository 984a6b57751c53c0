/**
 * @module Tensors: manifest, flat vector, safetensors, bfloat16, the hash of a model.
 */
export { flatten, roundToTypes, roundValues, unflatten, type NamedTensors } from './flat.ts';
export { float32FromBytes, float32ToBytes, fromBfloat16, toBfloat16 } from './floats.ts';
export { hashModel } from './hash.ts';
export {
  canonicalManifest,
  elementCount,
  MANIFEST_LIMITS,
  matchManifest,
  parameterCount,
  TENSOR_DTYPES,
  TENSOR_ROLES,
  validateManifest,
  type Manifest,
  type TensorDtype,
  type TensorRole,
  type TensorSpec,
} from './manifest.ts';
export {
  areAt,
  MODEL_PRECISIONS,
  roundStep,
  roundStepAt,
  storedAs,
  tensorsAt,
  type ModelPrecision,
  type StepRounding,
} from './precision.ts';
export { partsOf, placeOf, put, take, type ModelParts, type Range } from './parts.ts';
export {
  decodeSafetensors,
  MODEL_FILE_LIMITS,
  encodeSafetensors,
  SAFETENSORS_LIMITS,
  type Safetensors,
  type SafetensorsLimits,
} from './safetensors.ts';
