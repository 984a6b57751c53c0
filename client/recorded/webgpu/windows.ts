/**
 * @module Poolings and depthwise convolutions: one invocation for each element, reading its window.
 */
import type { ConvolutionNode, PoolNode, Window } from '../ir.ts';
import type { Room } from './products.ts';
import type { Bindings, Kernel } from './shader.ts';
import { perElement } from './simple.ts';

/** Names the place of output element `i`: image, row, column, channel. */
const outPlace = (w: Window): string => `  let c = i % ${w.outChannels}u;
  let ox = (i / ${w.outChannels}u) % ${w.outWidth}u;
  let oy = (i / ${w.outChannels * w.outWidth}u) % ${w.outHeight}u;
  let image = i / ${w.outChannels * w.outWidth * w.outHeight}u;
`;

const inPlace = (w: Window): string => `  let c = i % ${w.channels}u;
  let px = i32((i / ${w.channels}u) % ${w.width}u);
  let py = i32((i / ${w.channels * w.width}u) % ${w.height}u);
  let image = i / ${w.channels * w.width * w.height}u;
`;

/** Runs `inner` for each tap inside the image, with y, x (i32), fy and fx in scope. */
const overTaps = (
  w: Window,
  inner: string,
): string => `  for (var fy = 0; fy < ${w.filterHeight}; fy++) {
    let y = i32(oy) * ${w.strideY} - ${w.top} + fy * ${w.dilationY};
    if (y < 0 || y >= ${w.height}) { continue; }
    for (var fx = 0; fx < ${w.filterWidth}; fx++) {
      let x = i32(ox) * ${w.strideX} - ${w.left} + fx * ${w.dilationX};
      if (x < 0 || x >= ${w.width}) { continue; }
${inner}    }
  }
`;

/**
 * Runs `inner` for each window that holds the element, with oy and ox (i32), fy and fx in scope.
 */
const overWindows = (
  w: Window,
  inner: string,
): string => `  for (var fy = 0; fy < ${w.filterHeight}; fy++) {
    let sy = py + ${w.top} - fy * ${w.dilationY};
    let oy = sy / ${w.strideY};
    if (sy < 0 || sy % ${w.strideY} != 0 || oy >= ${w.outHeight}) { continue; }
    for (var fx = 0; fx < ${w.filterWidth}; fx++) {
      let sx = px + ${w.left} - fx * ${w.dilationX};
      let ox = sx / ${w.strideX};
      if (sx < 0 || sx % ${w.strideX} != 0 || ox >= ${w.outWidth}) { continue; }
${inner}    }
  }
`;

const inIndex = (w: Window, y: string, x: string, c: string): string =>
  `((image * ${w.height}u + u32(${y})) * ${w.width}u + u32(${x})) * ${w.channels}u + ${c}`;

const outIndex = (w: Window, y: string, x: string, c: string): string =>
  `((image * ${w.outHeight}u + u32(${y})) * ${w.outWidth}u + u32(${x})) * ${w.outChannels}u + ${c}`;

const poolForward = (node: PoolNode, x: string): string => {
  const w = node.window;
  const at = `${x}[${inIndex(w, 'y', 'x', 'c')}]`;
  if (node.variant === 'max')
    return `${outPlace(w)}  var value = -3.4028234e38f;\n${overTaps(w, `      value = max(value, ${at});\n`)}`;
  return `${outPlace(w)}  var sum = 0.0;\n  var count = 0.0;
${overTaps(w, `      sum += ${at};\n      count += 1.0;\n`)}  let value = sum / max(count, 1.0);\n`;
};

/** dy of each window goes to its first largest element. */
const maxGradient = (node: PoolNode, dy: string, x: string): string => {
  const w = node.window;
  const inner = `      var largest = true;
      for (var gy = 0; gy < ${w.filterHeight}; gy++) {
        let y = oy * ${w.strideY} - ${w.top} + gy * ${w.dilationY};
        if (y < 0 || y >= ${w.height}) { continue; }
        for (var gx = 0; gx < ${w.filterWidth}; gx++) {
          let x = ox * ${w.strideX} - ${w.left} + gx * ${w.dilationX};
          if (x < 0 || x >= ${w.width}) { continue; }
          let other = ${x}[${inIndex(w, 'y', 'x', 'c')}];
          let before = gy < fy || (gy == fy && gx < fx);
          if (other > own || (before && other == own)) { largest = false; }
        }
      }
      if (largest) { value += ${dy}[${outIndex(w, 'oy', 'ox', 'c')}]; }
`;
  return `${inPlace(w)}  let own = ${x}[i];\n  var value = 0.0;\n${overWindows(w, inner)}`;
};

/** WGSL that counts, as `f`, the taps of a window inside the image along one dimension. */
const counted = (
  at: string,
  f: string,
  stride: number,
  dilation: number,
  before: number,
  size: number,
  count: number,
): string => `      var ${f} = 0.0;
      for (var g = 0; g < ${count}; g++) {
        let at = ${at} * ${stride} - ${before} + g * ${dilation};
        if (at >= 0 && at < ${size}) { ${f} += 1.0; }
      }
`;

/** dy of each window, divided among the elements that it averaged. */
const averageGradient = (node: PoolNode, dy: string): string => {
  const w = node.window;
  const inner = `${counted('oy', 'ny', w.strideY, w.dilationY, w.top, w.height, w.filterHeight)}${counted('ox', 'nx', w.strideX, w.dilationX, w.left, w.width, w.filterWidth)}      value += ${dy}[${outIndex(w, 'oy', 'ox', 'c')}] / (nx * ny);
`;
  return `${inPlace(w)}  var value = 0.0;\n${overWindows(w, inner)}`;
};

export const poolKernel = (node: PoolNode, out: number, room: Room): Kernel => {
  const w = node.window;
  const gradient = node.variant === 'maxGradient' || node.variant === 'averageGradient';
  const count = gradient
    ? w.batch * w.height * w.width * w.channels
    : w.batch * w.outHeight * w.outWidth * w.outChannels;
  const compute = (bindings: Bindings): string => {
    const [first = '', second = ''] = node.inputs.map((value) =>
      bindings.name(room.bufferOf(value), 1),
    );
    if (node.variant === 'maxGradient') return maxGradient(node, first, second);
    return node.variant === 'averageGradient'
      ? averageGradient(node, first)
      : poolForward(node, first);
  };
  return perElement(`pool ${node.variant}`, count, out, node.epilogue, room, compute);
};

/**
 * Filters [height, width, channels, multiplier]; output channel c x multiplier + q is of input
 * channel c.
 */
export const depthwiseKernel = (node: ConvolutionNode, out: number, room: Room): Kernel => {
  const w = node.window;
  const multiplier = w.outChannels / w.channels;
  const filterAt = (c: string, q: string): string =>
    `((u32(fy) * ${w.filterWidth}u + u32(fx)) * ${w.channels}u + ${c}) * ${multiplier}u + ${q}`;
  const counts = {
    forward: w.batch * w.outHeight * w.outWidth * w.outChannels,
    input: w.batch * w.height * w.width * w.channels,
    filter: w.filterHeight * w.filterWidth * w.outChannels,
  };
  return perElement(
    `depthwise ${node.variant}`,
    counts[node.variant],
    out,
    node.epilogue,
    room,
    (bindings) => {
      const [first, second] = node.inputs.map((value) =>
        bindings.name(room.bufferOf(value), 1),
      ) as [string, string];
      if (node.variant === 'forward')
        return `${outPlace(w)}  let own = c / ${multiplier}u;\n  var value = 0.0;
${overTaps(w, `      value += ${first}[${inIndex(w, 'y', 'x', 'own')}] * ${second}[${filterAt('own', `c % ${multiplier}u`)}];\n`)}`;
      if (node.variant === 'input')
        return `${inPlace(w)}  var value = 0.0;
${overWindows(
  w,
  `      for (var q = 0u; q < ${multiplier}u; q++) {
        value += ${first}[${outIndex(w, 'oy', 'ox', `c * ${multiplier}u + q`)}] * ${second}[${filterAt('c', 'q')}];
      }
`,
)}`;
      return `  let q = i % ${multiplier}u;
  let c = (i / ${multiplier}u) % ${w.channels}u;
  let fx = i32((i / ${w.outChannels}u) % ${w.filterWidth}u);
  let fy = i32(i / ${w.outChannels * w.filterWidth}u);
  var value = 0.0;
  for (var image = 0u; image < ${w.batch}u; image++) {
    for (var oy = 0; oy < ${w.outHeight}; oy++) {
      let y = oy * ${w.strideY} - ${w.top} + fy * ${w.dilationY};
      if (y < 0 || y >= ${w.height}) { continue; }
      for (var ox = 0; ox < ${w.outWidth}; ox++) {
        let x = ox * ${w.strideX} - ${w.left} + fx * ${w.dilationX};
        if (x < 0 || x >= ${w.width}) { continue; }
        value += ${first}[${inIndex(w, 'y', 'x', 'c')}] * ${second}[${outIndex(w, 'oy', 'ox', `c * ${multiplier}u + q`)}];
      }
    }
  }
`;
    },
  );
};
