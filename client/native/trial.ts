/**
 * @module The trial of a built addon: the gradient of a dense layer on it is that of plain
 * JavaScript. `floe setup native` runs it in a process of its own, with the folder and the version
 * of tfjs.
 */
import * as tf from '@tensorflow/tfjs';
import { loadAddon } from './built.ts';

const TOLERANCE = 1e-5;

const gradient = async (backend: string): Promise<Float32Array> => {
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs could not start ${backend}`);
  return tf.tidy(() => {
    const weights = tf.tensor2d([0.5, -0.25, 0.125, 1, -1, 0.75], [3, 2]);
    const inputs = tf.tensor2d([1, 2, 3, -1, 0.5, 0.25], [2, 3]);
    const slope = tf.grad((w: tf.Tensor) =>
      inputs
        .matMul(w as tf.Tensor2D)
        .relu()
        .square()
        .sum(),
    );
    return slope(weights).dataSync() as Float32Array;
  });
};

const [, , folder = '', version = ''] = process.argv;
const reference = await gradient('cpu');
loadAddon(tf, folder, version);
const found = await gradient('tensorflow');
const worst = Math.max(...reference.map((value, i) => Math.abs(value - (found[i] ?? NaN))));
if (!(worst <= TOLERANCE))
  throw new Error(`the gradient differs from that of plain JavaScript by ${worst}`);
