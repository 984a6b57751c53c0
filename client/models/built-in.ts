/**
 * @module Built-in models for examples of any shape: a residual network for images (ResNet-8 of
 * MLPerf Tiny, Banbury et al. 2021), gated recurrent units (Cho et al. 2014) and a small
 * transformer encoder (Vaswani et al. 2017) for sequences of vectors.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import type { ModelEnd, ModelFunction } from '../tfjs/models.ts';
import { block, blockName } from './encoder.ts';
import { encoderLayers } from './layers.ts';

type Tf = typeof Tfjs;
type Symbolic = Tfjs.SymbolicTensor;

const kernelInitializer = 'glorotUniform';

/** Where the answers are: one an example, or one for each step. */
export interface SequenceEnd extends ModelEnd {
  readonly eachStep: boolean;
}

const applied = (layer: Tfjs.layers.Layer, x: Symbolic | Symbolic[]): Symbolic =>
  layer.apply(x) as Symbolic;

/** Convolution and batch normalisation, without the activation. */
const normed = (
  tf: Tf,
  name: string,
  x: Symbolic,
  filters: number,
  kernelSize: number,
  strides: number,
): Symbolic => {
  const how = { filters, kernelSize, strides, padding: 'same' as const, useBias: false };
  const convolved = applied(tf.layers.conv2d({ name, ...how, kernelInitializer }), x);
  return applied(tf.layers.batchNormalization({ name: `${name}_norm` }), convolved);
};

const relu = (tf: Tf, name: string, x: Symbolic): Symbolic =>
  applied(tf.layers.activation({ name: `${name}_relu`, activation: 'relu' }), x);

/** Two convolutions, added to their input; where the size changes, a 1 x 1 one leads past them. */
const residual = (tf: Tf, name: string, x: Symbolic, filters: number, strides: number) => {
  const first = relu(tf, `${name}a`, normed(tf, `${name}a`, x, filters, 3, strides));
  const second = normed(tf, `${name}b`, first, filters, 3, 1);
  const past =
    strides === 1 && x.shape.at(-1) === filters
      ? x
      : normed(tf, `${name}_past`, x, filters, 1, strides);
  return relu(tf, name, applied(tf.layers.add({ name: `${name}_sum` }), [second, past]));
};

/** Eight layers with weights: one convolution, three blocks of two, one dense layer. */
export const resnet8 =
  (inputShape: readonly number[], end: ModelEnd, width: number): ModelFunction =>
  (tf) => {
    const input = tf.input({ name: 'images', shape: [...inputShape] });
    let x = relu(tf, 'stem', normed(tf, 'stem', input, width, 3, 1));
    x = residual(tf, 'block1', x, width, 1);
    x = residual(tf, 'block2', x, 2 * width, 2);
    x = residual(tf, 'block3', x, 4 * width, 2);
    const pooled = applied(tf.layers.globalAveragePooling2d({ name: 'pool' }), x);
    const output = tf.layers.dense({
      name: 'output',
      units: end.units,
      activation: end.activation,
      kernelInitializer,
    });
    return tf.model({ name: 'resnet-8', inputs: input, outputs: applied(output, pooled) });
  };

/**
 * Steps and numbers a step: of [n] n steps of one number; of images their rows from top to bottom.
 */
const asSteps = (tf: Tf, input: Symbolic, shape: readonly number[]): Symbolic => {
  if (shape.length === 2) return input;
  const [steps = 1, ...rest] = shape;
  const targetShape = [steps, rest.reduce((a, b) => a * b, 1)];
  return applied(tf.layers.reshape({ name: 'steps', targetShape }), input);
};

const headOf = (tf: Tf, { units, activation }: ModelEnd, x: Symbolic): Symbolic =>
  applied(tf.layers.dense({ name: 'output', units, activation, kernelInitializer }), x);

/** One layer of recurrent units for each number in `units`. */
export const gru =
  (inputShape: readonly number[], end: SequenceEnd, units: readonly number[]): ModelFunction =>
  (tf) => {
    const input = tf.input({ name: 'sequence', shape: [...inputShape] });
    let x = asSteps(tf, input, inputShape);
    for (const [i, size] of units.entries()) {
      const returnSequences = end.eachStep || i < units.length - 1;
      x = applied(
        tf.layers.gru({
          name: `gru${i + 1}`,
          units: size,
          returnSequences,
          recurrentActivation: 'sigmoid',
          kernelInitializer,
        }),
        x,
      );
    }
    return tf.model({ name: 'gru', inputs: input, outputs: headOf(tf, end, x) });
  };

export interface TransformerSize {
  readonly width: number;
  readonly heads: number;
  readonly blocks: number;
}

/** The width is a multiple of the heads. */
export const transformer =
  (
    inputShape: readonly number[],
    end: SequenceEnd,
    { width, heads, blocks }: TransformerSize,
  ): ModelFunction =>
  (tf) => {
    const layers = encoderLayers(tf);
    const input = tf.input({ name: 'sequence', shape: [...inputShape] });
    const steps = asSteps(tf, input, inputShape);
    const embedded = applied(
      tf.layers.dense({ name: 'embedding', units: width, kernelInitializer }),
      steps,
    );
    let x = applied(layers.positions({ name: 'positions' }), embedded);
    const size = { hidden: width, heads, intermediate: 4 * width, epsilon: 1e-6, padding: 0 };
    for (let i = 0; i < blocks; i += 1) x = block(tf, size, blockName(i), x);
    if (!end.eachStep) x = applied(tf.layers.globalAveragePooling1d({ name: 'pool' }), x);
    return tf.model({ name: 'transformer', inputs: input, outputs: headOf(tf, end, x) });
  };
