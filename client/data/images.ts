/** @module A dataset of images from a pair of IDX arrays: the format of MNIST and its relatives. */
import { FloeError } from '../../protocol/errors.ts';
import { type Dataset, createDataset } from './dataset.ts';
import type { IdxArray } from './idx.ts';

export interface IdxOptions {
  /** Default: the largest label + 1. */
  readonly classes?: number;
  /** Features and labels on a SharedArrayBuffer, for worker threads. Default false. */
  readonly shared?: boolean;
  /** Images of bytes stay bytes, as {@link Dataset.features} has them. Default false. */
  readonly bytes?: boolean;
}

/** Room for `length` 4-byte numbers. */
export const allocate = (
  length: number,
  shared: boolean | undefined,
): ArrayBuffer | SharedArrayBuffer =>
  shared === true ? new SharedArrayBuffer(length * 4) : new ArrayBuffer(length * 4);

const bytesOf = (values: Uint8Array, shared: boolean | undefined): Uint8Array => {
  if (shared !== true) return values;
  const bytes = new Uint8Array(new SharedArrayBuffer(values.length));
  bytes.set(values);
  return bytes;
};

const numbersOf = (values: IdxArray['values'], shared: boolean | undefined): Float32Array => {
  const features = new Float32Array(allocate(values.length, shared));
  const scale = values instanceof Uint8Array ? 255 : 1;
  for (let i = 0; i < features.length; i++) features[i] = (values[i] ?? 0) / scale;
  return features;
};

/**
 * Bytes become value / 255 (0 to 1), other types stay as they are; images of shape [rows, columns]
 * get one channel.
 * @throws FloeError `data_malformed` when counts differ or labels are not classes
 */
export const idxDataset = (
  images: IdxArray,
  labels: IdxArray,
  options: IdxOptions = {},
): Dataset => {
  const [count = 0, ...shape] = images.shape;
  if (labels.shape.length !== 1 || labels.shape[0] !== count || shape.length === 0)
    throw new FloeError(
      'data_malformed',
      `expected as many labels as images, got [${labels.shape.join()}] for [${images.shape.join()}]`,
    );
  const features =
    options.bytes === true && images.values instanceof Uint8Array
      ? bytesOf(images.values, options.shared)
      : numbersOf(images.values, options.shared);
  const classes = new Int32Array(allocate(count, options.shared));
  let largest = 0;
  for (let i = 0; i < count; i++) {
    const label = labels.values[i] ?? -1;
    if (!Number.isInteger(label) || label < 0 || label >= (options.classes ?? 2 ** 31))
      throw new FloeError('data_malformed', `row ${i}: ${label} is no class`, { row: i });
    classes[i] = label;
    largest = Math.max(largest, label);
  }
  return createDataset({
    features,
    labels: classes,
    featureShape: shape.length === 2 ? [...shape, 1] : shape,
    classes: options.classes ?? largest + 1,
  });
};
