/**
 * @module Convolutions and poolings as ONNX operators, channels first. The filter's gradient is a
 * convolution of the transposed image by the transposed gradient, its stride and dilation
 * exchanged; the image's gradient a transposed convolution; that of max pooling goes to the indices
 * that pooling gives.
 */
import type { ConvolutionNode, Node, PoolNode, Window } from '../ir.ts';
import { Unrecordable } from '../lower/tape.ts';
import type { Builder, ImageShape, Operand } from './builder.ts';

export const inputShape = (w: Window): ImageShape => [w.batch, w.height, w.width, w.channels];
export const outputShape = (w: Window): ImageShape => [
  w.batch,
  w.outHeight,
  w.outWidth,
  w.outChannels,
];

interface Span {
  /** The padding after the last window; negative if elements are left over. */
  readonly after: number;
}

const spanOf = (
  size: number,
  out: number,
  filter: number,
  stride: number,
  dilation: number,
  before: number,
): Span => ({ after: (out - 1) * stride + (filter - 1) * dilation + 1 - size - before });

const spans = (w: Window): readonly [Span, Span] => [
  spanOf(w.height, w.outHeight, w.filterHeight, w.strideY, w.dilationY, w.top),
  spanOf(w.width, w.outWidth, w.filterWidth, w.strideX, w.dilationX, w.left),
];

/** [top, left, bottom, right] of a forward pass; elements left over need no window. */
const padsOf = (w: Window): number[] => {
  const [y, x] = spans(w);
  return [w.top, w.left, Math.max(0, y.after), Math.max(0, x.after)];
};

const requirePads = (w: Window): void => {
  if (w.top < 0 || w.left < 0) throw new Unrecordable('a window that begins inside the image');
};

/** Converts the filter, stored as [fy, fx, channels, m], to [out, in, fy, fx]. */
const filterFirst = (builder: Builder, node: ConvolutionNode, value: number): Operand => {
  const w = node.window;
  const { filterHeight: fy, filterWidth: fx, channels } = w;
  if (node.type === 'convolution')
    return builder.transpose(builder.rows(value, [fy, fx, channels, w.outChannels]), [3, 2, 0, 1]);
  const rows = builder.rows(value, [fy, fx, w.outChannels]);
  return builder.reshape(builder.transpose(rows, [2, 0, 1]), [w.outChannels, 1, fy, fx]);
};

const groupOf = (node: ConvolutionNode): number =>
  node.type === 'depthwise' ? node.window.channels : 1;

const firstShape = ([batch, height, width, channels]: ImageShape): number[] => [
  batch,
  channels,
  height,
  width,
];

const forward = (
  builder: Builder,
  node: ConvolutionNode,
  filter: Operand,
  bias?: Operand,
): Operand => {
  const w = node.window;
  const x = builder.image(node.inputs[0], inputShape(w));
  return builder.op(
    'Conv',
    [x.name, filter.name, ...(bias === undefined ? [] : [bias.name])],
    firstShape(outputShape(w)),
    {
      strides: [w.strideY, w.strideX],
      dilations: [w.dilationY, w.dilationX],
      pads: padsOf(w),
      kernel_shape: [w.filterHeight, w.filterWidth],
      group: groupOf(node),
    },
  );
};

/** A transposed convolution from the output's size to the input's. */
const spreadBack = (
  builder: Builder,
  w: Window,
  dy: Operand,
  filter: Operand,
  group: number,
): Operand => {
  const [y, x] = spans(w);
  return builder.op('ConvTranspose', [dy.name, filter.name], firstShape(inputShape(w)), {
    strides: [w.strideY, w.strideX],
    dilations: [w.dilationY, w.dilationX],
    pads: [w.top, w.left, Math.max(0, y.after), Math.max(0, x.after)],
    output_padding: [Math.max(0, -y.after), Math.max(0, -x.after)],
    kernel_shape: [w.filterHeight, w.filterWidth],
    group,
  });
};

/** [fy, fx, channels, m], row-major: the image's channels take the position of the batch. */
const filterGradient = (builder: Builder, node: ConvolutionNode): Operand => {
  const w = node.window;
  const { filterHeight: fy, filterWidth: fx, channels, outChannels } = w;
  const depthwise = node.type === 'depthwise';
  const x = builder.transpose(builder.image(node.inputs[0], inputShape(w)), [1, 0, 2, 3]);
  const dy = builder.transpose(builder.image(node.inputs[1], outputShape(w)), [1, 0, 2, 3]);
  const image = depthwise ? builder.reshape(x, [1, channels * w.batch, w.height, w.width]) : x;
  const [y, across] = spans(w);
  // Elements left over after the last window would add extra rows.
  const surplus = [Math.max(0, -y.after), Math.max(0, -across.after)] as const;
  const outY = fy + Math.floor(surplus[0] / w.dilationY);
  const outX = fx + Math.floor(surplus[1] / w.dilationX);
  const shape = depthwise ? [1, outChannels, outY, outX] : [channels, outChannels, outY, outX];
  const whole = builder.op('Conv', [image.name, dy.name], shape, {
    strides: [w.dilationY, w.dilationX],
    dilations: [w.strideY, w.strideX],
    pads: padsOf(w),
    kernel_shape: [w.outHeight, w.outWidth],
    group: groupOf(node),
  });
  const kept = [shape[0] ?? 1, outChannels, fy, fx];
  const part =
    outY === fy && outX === fx
      ? whole
      : builder.op(
          'Slice',
          [
            whole.name,
            builder.integers([0, 0]),
            builder.integers([fy, fx]),
            builder.integers([2, 3]),
          ],
          kept,
        );
  return builder.transpose(part, [2, 3, 0, 1]);
};

export type Windowed =
  | { readonly type: 'image'; readonly operand: Operand; readonly shape: ImageShape }
  | { readonly type: 'rows'; readonly operand: Operand };

const imageOf = (operand: Operand, shape: ImageShape): Windowed => ({
  type: 'image',
  operand,
  shape,
});

/** `bias`, one number for each output channel, is added where the node is a forward pass. */
export const convolutionTensor = (
  builder: Builder,
  node: ConvolutionNode,
  bias?: Operand,
): Windowed => {
  const w = node.window;
  requirePads(w);
  if (node.variant === 'filter') return { type: 'rows', operand: filterGradient(builder, node) };
  const filter = filterFirst(builder, node, node.inputs[1]);
  if (node.variant === 'forward')
    return imageOf(forward(builder, node, filter, bias), outputShape(w));
  const dy = builder.image(node.inputs[0], outputShape(w));
  return imageOf(spreadBack(builder, w, dy, filter, groupOf(node)), inputShape(w));
};

const poolAttributes = (w: Window) => ({
  kernel_shape: [w.filterHeight, w.filterWidth],
  strides: [w.strideY, w.strideX],
  pads: padsOf(w),
});

/** Along one dimension: how many elements each window holds. */
const countsAlong = (
  size: number,
  out: number,
  filter: number,
  stride: number,
  before: number,
): number[] =>
  Array.from({ length: out }, (_, o) => {
    const start = o * stride - before;
    return Math.min(size, start + filter) - Math.max(0, start);
  });

/** How many elements of the image each window holds, inverted, as [1, 1, height, width]. */
const inverseCounts = (builder: Builder, w: Window): Operand => {
  const rows = countsAlong(w.height, w.outHeight, w.filterHeight, w.strideY, w.top);
  const columns = countsAlong(w.width, w.outWidth, w.filterWidth, w.strideX, w.left);
  const inverse = rows.flatMap((row) => columns.map((column) => 1 / (row * column)));
  return builder.floats(inverse, [1, 1, w.outHeight, w.outWidth]);
};

/** Largest elements and where they lie, of a value; made once for both passes. */
export interface MaxPools {
  readonly made: Map<string, readonly [Operand, string]>;
  /** Whether the plan holds gradients, which ask where: pooling alone is faster. */
  readonly gradients: boolean;
}

const maxPool = (
  builder: Builder,
  pools: MaxPools,
  x: number,
  w: Window,
): readonly [Operand, string] => {
  const key = `${x} ${JSON.stringify(w)}`;
  const known = pools.made.get(key);
  if (known !== undefined) return known;
  const image = builder.image(x, inputShape(w));
  const attributes = poolAttributes(w);
  const shape = firstShape(outputShape(w));
  const made = pools.gradients
    ? builder.pair('MaxPool', [image.name], shape, attributes)
    : ([builder.op('MaxPool', [image.name], shape, attributes), ''] as const);
  pools.made.set(key, made);
  return made;
};

const maxGradient = (builder: Builder, pools: MaxPools, node: PoolNode): Operand => {
  const w = node.window;
  const [dy = -1, x = -1] = node.inputs;
  const [, indices] = maxPool(builder, pools, x, w);
  const count = w.batch * w.outHeight * w.outWidth * w.channels;
  const size = w.batch * w.height * w.width * w.channels;
  const flat = [builder.integers([-1])] as const;
  const at = builder.op('Reshape', [indices, ...flat], [count]);
  const slope = builder.reshape(builder.image(dy, outputShape(w)), [count]);
  const zeros = builder.floats(new Float32Array(size), [size]);
  // Windows may overlap: what several give to one element is added.
  const sum = builder.op('ScatterElements', [zeros.name, at.name, slope.name], [size], {
    axis: 0,
    reduction: 'add',
  });
  return builder.reshape(sum, firstShape(inputShape(w)));
};

export const poolTensor = (
  builder: Builder,
  node: Extract<Node, { type: 'pool' }>,
  pools: MaxPools,
): Windowed => {
  const w = node.window;
  requirePads(w);
  if (w.dilationY !== 1 || w.dilationX !== 1) throw new Unrecordable('a dilated pooling on ONNX');
  const [first = -1] = node.inputs;
  switch (node.variant) {
    case 'max':
      return imageOf(maxPool(builder, pools, first, w)[0], outputShape(w));
    case 'maxGradient':
      return imageOf(maxGradient(builder, pools, node), inputShape(w));
    case 'average': {
      const image = builder.image(first, inputShape(w));
      const attributes = { ...poolAttributes(w), count_include_pad: 0 };
      const shape = firstShape(outputShape(w));
      return imageOf(builder.op('AveragePool', [image.name], shape, attributes), outputShape(w));
    }
    case 'averageGradient': {
      const dy = builder.image(first, outputShape(w));
      const inverse = inverseCounts(builder, w);
      const each = builder.op('Mul', [dy.name, inverse.name], dy.shape);
      const shape = [w.channels, 1, w.filterHeight, w.filterWidth];
      const taps = w.channels * w.filterHeight * w.filterWidth;
      const ones = builder.floats(new Float32Array(taps).fill(1), shape);
      return imageOf(spreadBack(builder, w, each, ones, w.channels), inputShape(w));
    }
  }
};
