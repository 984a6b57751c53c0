/**
 * @module Synthetic(a, b) of Li et al. 2020 (FedProx, section 5.1 and appendix C.1), for 30
 * devices: labels y = argmax(softmax(W x + b)) of ten classes, x in 60 dimensions.
 *
 *   W_k, b_k ~ N(u_k, 1), u_k ~ N(0, a)   how far the models of the devices differ
 *   x_k ~ N(v_k, S), v_k ~ N(B_k, 1), B_k ~ N(0, b), S = diag(j^-1.2)   how far their data do
 *
 * The independent variant has one W, b ~ N(0, 1) and v = 0 for all. The number of examples of a
 * device is log-normal(4, 2) + 50, nine tenths of them for training. As in the authors' generator a
 * and b are standard deviations; the paper leaves open whether they are variances.
 */
import { createDataset, type Dataset } from '../../client/data/dataset.ts';
import { normal, uniform } from '../../client/data/sampling.ts';
import {
  deriveSeed,
  randomBelow,
  cipherStream,
  type RandomSource,
} from '../../protocol/ports/random.ts';

export const DEVICES = 30;
export const FEATURES = 60;
export const CLASSES = 10;
const TRAINING_FRACTION = 0.9;

export type Heterogeneity = { readonly a: number; readonly b: number } | 'independent';

export interface Synthetic {
  /** One for each device. */
  readonly train: readonly Dataset[];
  /** Of all devices together. */
  readonly test: Dataset;
}

/** Numbers of examples of the devices: floor(exp(4 + 2 z)) + 50. */
export const deviceSizes = (random: RandomSource): readonly number[] =>
  Array.from({ length: DEVICES }, () => Math.floor(Math.exp(4 + 2 * normal(random))) + 50);

interface Device {
  /** [features, classes], row-major. */
  readonly weights: Float64Array;
  readonly bias: Float64Array;
  /** v_k. */
  readonly centre: Float64Array;
}

const normals = (count: number, centre: number, random: RandomSource): Float64Array =>
  Float64Array.from({ length: count }, () => centre + normal(random));

const deviceOf = ({ a, b }: { readonly a: number; readonly b: number }, random: RandomSource) => {
  const ofModel = a * normal(random);
  const ofData = b * normal(random);
  return {
    weights: normals(FEATURES * CLASSES, ofModel, random),
    bias: normals(CLASSES, ofModel, random),
    centre: normals(FEATURES, ofData, random),
  };
};

/** The class of the highest score; of the first one where several are equal. */
export const labelOf = ({ weights, bias }: Device, x: ArrayLike<number>): number => {
  const scores = bias.slice();
  for (let j = 0; j < FEATURES; j += 1)
    for (let c = 0; c < CLASSES; c += 1) scores[c]! += weights[j * CLASSES + c]! * x[j]!;
  return scores.indexOf(Math.max(...scores));
};

const examplesOf = (device: Device, size: number, random: RandomSource): Dataset => {
  const features = new Float32Array(size * FEATURES);
  const labels = new Int32Array(size);
  for (let i = 0; i < size; i += 1) {
    const x = features.subarray(i * FEATURES, (i + 1) * FEATURES);
    for (let j = 0; j < FEATURES; j += 1)
      // The standard deviation is the root of the variance j^-1.2.
      x[j] = device.centre[j]! + (j + 1) ** -0.6 * normal(random);
    labels[i] = labelOf(device, x);
  }
  return createDataset({ features, labels, featureShape: [FEATURES], classes: CLASSES });
};

const joined = (parts: readonly Dataset[]): Dataset => {
  const features = new Float32Array(parts.reduce((sum, part) => sum + part.features.length, 0));
  const labels = new Int32Array(parts.reduce((sum, part) => sum + part.labels.length, 0));
  let at = 0;
  for (const part of parts) {
    features.set(part.features, at * FEATURES);
    labels.set(part.labels, at);
    at += part.size;
  }
  return createDataset({ features, labels, featureShape: [FEATURES], classes: CLASSES });
};

const rows = (data: Dataset, from: number, to: number): Dataset =>
  createDataset({
    features: data.features.slice(from * FEATURES, to * FEATURES),
    labels: data.labels.slice(from, to),
    featureShape: [FEATURES],
    classes: CLASSES,
  });

/** @param seed 32 bytes */
export const makeSynthetic = (kind: Heterogeneity, seed: Uint8Array): Synthetic => {
  const sizes = deviceSizes(cipherStream(deriveSeed(seed, 'sizes')));
  const ofAll = cipherStream(deriveSeed(seed, 'all'));
  const shared: Device = {
    weights: normals(FEATURES * CLASSES, 0, ofAll),
    bias: normals(CLASSES, 0, ofAll),
    centre: new Float64Array(FEATURES),
  };
  const devices = sizes.map((size, k) => {
    const random = cipherStream(deriveSeed(seed, 'device', k));
    const device = kind === 'independent' ? shared : deviceOf(kind, random);
    return { data: examplesOf(device, size, random), cut: Math.floor(TRAINING_FRACTION * size) };
  });
  return {
    train: devices.map(({ data, cut }) => rows(data, 0, cut)),
    test: joined(devices.map(({ data, cut }) => rows(data, cut, data.size))),
  };
};

/**
 * Epochs of a device in a round: each is a straggler with the same probability, and a straggler
 * manages a number of epochs that is uniform in 1 .. epochs (section 5.2).
 */
export const managedEpochs = (
  fraction: number,
  epochs: number,
  seed: Uint8Array,
  round: number,
  device: number,
): number => {
  const random = cipherStream(deriveSeed(seed, 'stragglers', round, device));
  return uniform(random) < fraction ? 1 + randomBelow(random, epochs) : epochs;
};
