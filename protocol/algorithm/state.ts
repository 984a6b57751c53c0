/**
 * @module What a strategy carries from round to round: some vectors of one float32 a trainable
 * parameter, one
 * after the other. The state lies behind the model in one safetensors file, as tensors named
 * `strategy/...`: one blob, one key, one certificate, so whatever stores, gates, archives or forks
 * a model does the same to its state. Records name it by a separate hash, since models of equal
 * weights may differ in state.
 */
import { sha256, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { float32ToBytes } from '../model/floats.ts';
import { canonicalManifest, parameterCount, type TensorSpec } from '../model/manifest.ts';
import type { ChosenStrategy } from './registry.ts';

/** Tensors of a model are not named like this. */
export const STATE_PREFIX = 'strategy/';
const STATE_TAG = utf8('floe/strategy-state/v1\0');

export const NO_STATE = new Float32Array(0);

/** The vectors of the state as tensors of a file. @param dimension trainable parameters */
export const stateTensors = (
  { strategy }: Pick<ChosenStrategy, 'strategy'>,
  dimension: number,
): readonly TensorSpec[] =>
  strategy.state.map(({ name }) => ({
    name: `${STATE_PREFIX}${name}`,
    shape: [dimension],
    dtype: 'float32',
  }));

/** The state before the first round. */
export const initialState = (
  { strategy, parameters }: ChosenStrategy,
  dimension: number,
): Float32Array => {
  const state = new Float32Array(strategy.state.length * dimension);
  for (const [i, { initial }] of strategy.state.entries())
    if (initial !== undefined) state.fill(initial(parameters), i * dimension, (i + 1) * dimension);
  return state;
};

/** The vectors of a state: views. */
export const stateVectors = (state: Float32Array, dimension: number): readonly Float32Array[] =>
  Array.from({ length: state.length / dimension }, (_, i) =>
    state.subarray(i * dimension, (i + 1) * dimension),
  );

/** SHA-256 over the tag, the names and the values; 32 bytes. As `hashModel`. */
export const hashState = (tensors: readonly TensorSpec[], state: Float32Array): Uint8Array => {
  if (state.length !== parameterCount({ tensors }))
    throw new FloeError(
      'tensor_mismatch',
      `expected a state of ${parameterCount({ tensors })} values, got ${state.length}`,
    );
  const text = utf8(canonicalManifest({ tensors }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length, true);
  return sha256(STATE_TAG, length, text, float32ToBytes(state));
};

/**
 * The hash of a strategy's state, or undefined where it has none. @param dimension trainable
 * parameters of the model
 */
export const stateHashOf = (
  chosen: Pick<ChosenStrategy, 'strategy'>,
  dimension: number,
  state: Float32Array,
): Uint8Array | undefined =>
  chosen.strategy.state.length === 0
    ? undefined
    : hashState(stateTensors(chosen, dimension), state);
