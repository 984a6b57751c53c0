/**
 * @module Linear regression on seven fixed examples, for tests that follow each local step.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { createDataset } from '../../client/data/dataset.ts';
import {
  type Backend,
  type BackendOptions,
  type Tf,
  selectBackend,
} from '../../client/tfjs/backends.ts';
import type { TfjsTrainerOptions } from '../../client/tfjs/trainer.ts';
import { ENGINES } from './engines.ts';

export const FEATURES = 3;
export const ROWS = 7;
export const data = createDataset({
  features: Float32Array.from({ length: ROWS * FEATURES }, (_, i) => Math.sin(i * 1.3)),
  labels: Float32Array.from({ length: ROWS }, (_, i) => Math.cos(i) * 2),
  featureShape: [FEATURES],
});

export const linear = (tf: Tf): Tfjs.LayersModel =>
  tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [FEATURES] })] });

/** Optional packages: a machine may have neither. */
const optional = (choice: BackendOptions): Promise<Backend | undefined> =>
  selectBackend(choice).catch(() => undefined);
const onnx = await optional({ prefer: 'onnx' });
const webgpu = await optional({ prefer: 'webgpu', softwareGpu: true });

/** Every engine of this machine: its name, and the options of a trainer that choose it. */
export const ALL_ENGINES: readonly (readonly [string, Partial<TfjsTrainerOptions>])[] = [
  ...Object.entries(ENGINES),
  ...(onnx === undefined ? [] : ([['ONNX Runtime', { backend: onnx }]] as const)),
  ...(webgpu === undefined ? [] : ([['WebGPU', { backend: webgpu }]] as const)),
];
