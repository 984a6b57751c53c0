/**
 * @module A participant's examples in memory: one flat vector of features and one of labels. A
 * subset is a view by an index list and copies nothing. Features and labels may be in a
 * SharedArrayBuffer, which many workers can read without copies.
 */
import { FloeError } from '../../protocol/errors.ts';

export interface Dataset {
  /**
   * Row-major, `featureShape` per row; with `indices`, it also holds rows outside the view. Bytes
   * represent value / 255, as pixels do: a quarter of the memory.
   */
  readonly features: Float32Array | Uint8Array;
  /**
   * Int32Array: classes, 0 .. classes - 1, one for each row or, of sequences, for each token of it.
   * Float32Array: targets. The same number of labels for each row.
   */
  readonly labels: Int32Array | Float32Array;
  /** Number of examples. */
  readonly size: number;
  /** Shape of one example, such as [28, 28, 1]. */
  readonly featureShape: readonly number[];
  /** Number of classes; absent for regression. */
  readonly classes?: number;
  /** Names of features or classes where the file gave them. */
  readonly featureNames?: readonly string[];
  readonly classNames?: readonly string[];
  /** Names of the rows, such as the files of images without labels. */
  readonly rowNames?: readonly string[];
  /** The rows of a view, in its order; absent: all rows. */
  readonly indices?: Uint32Array;
}

/** Numbers in one example. */
export const featureLength = (data: Pick<Dataset, 'featureShape'>): number =>
  data.featureShape.reduce((a, b) => a * b, 1);

/** Numbers in one label: 1 for classes, one for each token of a sequence. */
export const labelLength = (data: Dataset): number => {
  const rows = data.features.length / featureLength(data);
  return rows === 0 ? 1 : data.labels.length / rows;
};

/** The row of example `i` (0 .. size - 1) in `features` and `labels`. */
export const rowOf = (data: Dataset, i: number): number =>
  data.indices === undefined ? i : (data.indices[i] ?? 0);

/**
 * Makes a dataset of all rows of `features`.
 * @throws FloeError `data_malformed` when the lengths do not fit together
 */
export const createDataset = (parts: Omit<Dataset, 'size' | 'indices'>): Dataset => {
  const length = featureLength(parts);
  const size = parts.features.length / length;
  if (!Number.isInteger(size))
    throw new FloeError(
      'data_malformed',
      `expected a multiple of ${length} features, got ${parts.features.length}`,
    );
  const perRow = size === 0 ? 1 : parts.labels.length / size;
  if (!Number.isInteger(perRow) || perRow === 0)
    throw new FloeError(
      'data_malformed',
      `expected labels for ${size} examples, got ${parts.labels.length}`,
    );
  return { ...parts, size };
};

/**
 * The examples at `indices` (0 .. size - 1, repetition allowed), sharing the memory of `data`.
 * @throws FloeError `data_unfit` for an index outside
 */
export const subset = (data: Dataset, indices: ArrayLike<number>): Dataset => {
  const rows = Uint32Array.from(indices, (index) => {
    if (!Number.isInteger(index) || index < 0 || index >= data.size)
      throw new FloeError('data_unfit', `expected an index below ${data.size}, got ${index}`);
    return rowOf(data, index);
  });
  return { ...data, indices: rows, size: rows.length };
};
