/** @module Convolutions and poolings over windows of an image, with their gradients. */
import type { ConvolutionNode, PoolNode, Window } from '../ir.ts';
import { addNode, finish } from './matrix.ts';
import {
  type Attributes,
  type Inputs,
  type Lower,
  type Ref,
  type Tape,
  Unrecordable,
  input,
  numbersOf,
} from './tape.ts';

const pairOf = (attrs: Attributes, name: string): [number, number] => {
  const value = attrs[name] ?? 1;
  if (typeof value === 'number') return [value, value];
  const [y = 1, x = y] = numbersOf(attrs, name);
  return [y, x];
};

interface Span {
  readonly out: number;
  readonly before: number;
}

/** One dimension: what comes out and how much padding comes before, as TensorFlow defines it. */
const spanOf = (size: number, filter: number, stride: number, pad: unknown, dim: number): Span => {
  if (pad === 'same') {
    const out = Math.ceil(size / stride);
    const total = Math.max(0, (out - 1) * stride + filter - size);
    return { out, before: Math.floor(total / 2) };
  }
  if (pad === 'valid') return { out: Math.ceil((size - filter + 1) / stride), before: 0 };
  const [before, after] = Array.isArray(pad)
    ? ((pad as [number, number][])[dim] ?? [0, 0])
    : [pad as number, pad as number];
  return { out: Math.floor((size - filter + before + after) / stride) + 1, before };
};

const windowOf = (
  attrs: Attributes,
  x: readonly number[],
  filter: readonly [number, number],
  outChannels: number,
): Window => {
  const { dataFormat, pad, dimRoundingMode } = attrs;
  if (dataFormat !== undefined && dataFormat !== 'NHWC' && dataFormat !== 'channelsLast')
    throw new Unrecordable(`a window over another layout than NHWC`);
  if (dimRoundingMode !== undefined && dimRoundingMode !== null && dimRoundingMode !== 'floor')
    throw new Unrecordable('a window with another rounding than down');
  const [batch = 1, height = 1, width = 1, channels = 1] = x;
  const [strideY, strideX] = pairOf(attrs, 'strides');
  const [dilationY, dilationX] = pairOf(attrs, 'dilations');
  const [filterHeight, filterWidth] = filter;
  const y = spanOf(height, (filterHeight - 1) * dilationY + 1, strideY, pad, 1);
  const w = spanOf(width, (filterWidth - 1) * dilationX + 1, strideX, pad, 2);
  return {
    batch,
    height,
    width,
    channels,
    outHeight: y.out,
    outWidth: w.out,
    outChannels,
    filterHeight,
    filterWidth,
    strideY,
    strideX,
    dilationY,
    dilationX,
    top: y.before,
    left: w.before,
  };
};

const outShape = (w: Window): number[] => [w.batch, w.outHeight, w.outWidth, w.outChannels];

type Kind = ConvolutionNode['type'];
type Variant = ConvolutionNode['variant'];

const convolution = (
  tape: Tape,
  kind: Kind,
  variant: Variant,
  refs: readonly [Ref, Ref],
  shapes: {
    readonly x: readonly number[];
    readonly filter: readonly number[];
    readonly out?: readonly number[];
  },
  attrs: Attributes,
): Ref => {
  const [fy = 1, fx = 1, , last = 1] = shapes.filter;
  const outChannels = kind === 'depthwise' ? (shapes.x[3] ?? 1) * last : last;
  const window = windowOf(attrs, shapes.x, [fy, fx], outChannels);
  return addNode(tape, shapes.out ?? outShape(window), 'float32', (out) => ({
    type: kind,
    variant,
    out,
    window,
    inputs: [refs[0].value, refs[1].value],
  }));
};

const forward =
  (kind: Kind): Lower =>
  (tape, inputs, attrs) => {
    const x = input(inputs, 'x');
    const filter = input(inputs, 'filter');
    const shapes = { x: x.shape, filter: filter.shape };
    const y = convolution(tape, kind, 'forward', [x, filter], shapes, attrs);
    return finish(tape, y, inputs, attrs);
  };

const inputGradient =
  (kind: Kind): Lower =>
  (tape, inputs, attrs) => {
    const dy = input(inputs, 'dy');
    const filter = input(inputs, 'filter');
    const x = numbersOf(attrs, 'inputShape');
    const shapes = { x, filter: filter.shape, out: x };
    return convolution(tape, kind, 'input', [dy, filter], shapes, attrs);
  };

const filterGradient =
  (kind: Kind): Lower =>
  (tape, inputs, attrs) => {
    const x = input(inputs, 'x');
    const dy = input(inputs, 'dy');
    const filter = numbersOf(attrs, 'filterShape');
    const shapes = { x: x.shape, filter, out: filter };
    return convolution(tape, kind, 'filter', [x, dy], shapes, attrs);
  };

const pooled = (
  tape: Tape,
  variant: PoolNode['variant'],
  refs: readonly Ref[],
  x: readonly number[],
  attrs: Attributes,
): Ref => {
  const window = windowOf(attrs, x, pairOf(attrs, 'filterSize'), x[3] ?? 1);
  const shape = variant === 'max' || variant === 'average' ? outShape(window) : x;
  const inputs = refs.map(({ value }) => value);
  return addNode(tape, shape, 'float32', (out) => ({ type: 'pool', variant, out, inputs, window }));
};

const pool =
  (variant: 'max' | 'average'): Lower =>
  (tape, inputs, attrs) => {
    const x = input(inputs, 'x');
    return pooled(tape, variant, [x], x.shape, attrs);
  };

const maxGradient = (tape: Tape, inputs: Inputs, attrs: Attributes): Ref => {
  const x = input(inputs, 'input');
  return pooled(tape, 'maxGradient', [input(inputs, 'dy'), x], x.shape, attrs);
};

const averageGradient = (tape: Tape, inputs: Inputs, attrs: Attributes): Ref =>
  pooled(tape, 'averageGradient', [input(inputs, 'dy')], input(inputs, 'input').shape, attrs);

export const WINDOW: Readonly<Record<string, Lower>> = {
  Conv2D: forward('convolution'),
  FusedConv2D: forward('convolution'),
  Conv2DBackpropInput: inputGradient('convolution'),
  Conv2DBackpropFilter: filterGradient('convolution'),
  DepthwiseConv2dNative: forward('depthwise'),
  FusedDepthwiseConv2D: forward('depthwise'),
  DepthwiseConv2dNativeBackpropInput: inputGradient('depthwise'),
  DepthwiseConv2dNativeBackpropFilter: filterGradient('depthwise'),
  MaxPool: pool('max'),
  MaxPoolGrad: maxGradient,
  AvgPool: pool('average'),
  AvgPoolGrad: averageGradient,
};
