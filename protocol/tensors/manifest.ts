/** @module The names, shapes and types of a model's tensors, in the order in which they lie in one flat vector. */

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'bfloat16';
}

export interface Manifest {
  readonly tensors: readonly TensorSpec[];
}
