/**
 * @module The manifest of a model: the names, shapes and types of its tensors, in the order in
 * which they lie in the flat vector. Everything that crosses a boundary is checked here once.
 */
import { FloeError } from '../errors.ts';

export const TENSOR_DTYPES = ['float32', 'bfloat16'] as const;

/** How a tensor is stored on disk. In memory, and in hashes, every tensor is float32. */
export type TensorDtype = (typeof TENSOR_DTYPES)[number];

/**
 * What a tensor is in training. `trainable`: gradients change it; its update travels. `statistic`:
 * a number over examples that training keeps with the weights, such as the moving mean of batch
 * normalisation; `variance`: one that is never below 0. `frozen`: nothing changes it, and nothing
 * of it travels.
 */
export const TENSOR_ROLES = ['trainable', 'statistic', 'variance', 'frozen'] as const;
export type TensorRole = (typeof TENSOR_ROLES)[number];

export interface TensorSpec {
  readonly name: string;
  /** Row-major; `[]` is a scalar. */
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  /** `trainable` unless given. Hashes and files of models do not hold it; specifications do. */
  readonly role?: TensorRole | undefined;
}

/** The order of `tensors` is the order in the flat vector. */
export interface Manifest {
  readonly tensors: readonly TensorSpec[];
}

export const MANIFEST_LIMITS = {
  tensors: 4096,
  nameLength: 200,
  rank: 32,
  parameters: 2 ** 31,
} as const;

/** Number of elements of one shape; 1 for a scalar. */
export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** Number of elements of all tensors: the length of the flat vector. */
export const parameterCount = (manifest: Manifest): number =>
  manifest.tensors.reduce((sum, tensor) => sum + elementCount(tensor.shape), 0);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const malformed = (message: string): FloeError => new FloeError('tensor_malformed', message);

const validateTensor = (value: unknown, index: number): TensorSpec => {
  if (!isRecord(value)) throw malformed(`tensor ${index}: expected an object, got ${typeof value}`);
  const { name, shape, dtype, role } = value;
  if (typeof name !== 'string' || name.length === 0 || name.length > MANIFEST_LIMITS.nameLength)
    throw malformed(
      `tensor ${index}: expected a name of 1 to ${MANIFEST_LIMITS.nameLength} characters`,
    );
  if (!name.isWellFormed()) throw malformed(`tensor ${index}: its name is not well-formed Unicode`);
  const label = JSON.stringify(name);
  const type = TENSOR_DTYPES.find((known) => known === dtype);
  if (type === undefined) throw malformed(`tensor ${label}: expected float32 or bfloat16`);
  if (!Array.isArray(shape) || shape.length > MANIFEST_LIMITS.rank)
    throw malformed(`tensor ${label}: expected a shape of at most ${MANIFEST_LIMITS.rank} sizes`);
  const sizes = shape.map((size: unknown) => {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 1)
      throw malformed(`tensor ${label}: expected sizes that are integers >= 1`);
    return size;
  });
  if (role === undefined) return { name, shape: sizes, dtype: type };
  const known = TENSOR_ROLES.find((one) => one === role);
  if (known === undefined)
    throw malformed(`tensor ${label}: expected a role of ${TENSOR_ROLES.join(', ')}`);
  return { name, shape: sizes, dtype: type, role: known };
};

/**
 * Checks anything that claims to be a manifest and returns a copy with the known fields only.
 *
 * @throws FloeError `tensor_malformed` unless it holds 1 to 4096 tensors with unique well-formed
 * names of 1 to 200 UTF-16 units, sizes that are integers >= 1, a known type, and at most 2^31
 * elements in all.
 */
export const validateManifest = (value: unknown): Manifest => {
  if (!isRecord(value) || !Array.isArray(value['tensors']))
    throw malformed('expected a manifest with a list of tensors');
  const list: readonly unknown[] = value['tensors'];
  if (list.length < 1 || list.length > MANIFEST_LIMITS.tensors)
    throw malformed(`expected 1 to ${MANIFEST_LIMITS.tensors} tensors, got ${list.length}`);
  const tensors = list.map(validateTensor);
  const names = new Set<string>();
  let total = 0;
  for (const { name, shape } of tensors) {
    if (names.has(name)) throw malformed(`tensor name ${JSON.stringify(name)} occurs twice`);
    names.add(name);
    // A product of safe integers may round, but never below the limit it already exceeds.
    total += elementCount(shape);
    if (!(total <= MANIFEST_LIMITS.parameters))
      throw malformed(`expected at most ${MANIFEST_LIMITS.parameters} elements in all`);
  }
  return { tensors };
};

/**
 * The one text of a manifest that hashes are taken over: JSON without spaces, keys in a fixed
 * order. Roles are left out: they say how a run trains the tensors, not what a file holds.
 *
 * @example canonicalManifest({ tensors: [{ name: 'w', shape: [2], dtype: 'float32' }] })
 */
export const canonicalManifest = (manifest: Manifest): string =>
  JSON.stringify({
    tensors: manifest.tensors.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
  });

/**
 * Checks that `got` has the tensors of `expected`: names, order, shapes and types.
 *
 * @throws FloeError `tensor_mismatch` naming the first difference.
 */
export const matchManifest = (expected: Manifest, got: Manifest): void => {
  if (expected.tensors.length !== got.tensors.length)
    throw new FloeError(
      'tensor_mismatch',
      `expected ${expected.tensors.length} tensors, got ${got.tensors.length}`,
    );
  for (const [index, want] of expected.tensors.entries()) {
    const have = JSON.stringify(got.tensors[index]);
    const wanted = canonicalManifest({ tensors: [want] });
    if (canonicalManifest({ tensors: got.tensors.slice(index, index + 1) }) !== wanted)
      throw new FloeError(
        'tensor_mismatch',
        `tensor ${index}: expected ${JSON.stringify(want)}, got ${have}`,
      );
  }
};
