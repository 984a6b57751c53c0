/**
 * @module Loads the operands of a matrix product: matrices, plain or transposed, and the patches of
 * images. A convolution and both its gradients are therefore products (Chellapilla, Puri and Simard
 * 2006, without writing the patches).
 */
import type { Window } from '../ir.ts';
import type { Loader } from './gemm.ts';
import type { Bindings } from './shader.ts';

const ZERO = 'vec4f(0.0)';

/**
 * Four neighbours at `index`; from floats when they may not begin at a multiple of four or end
 * early.
 */
const fromMatrix = (
  bindings: Bindings,
  buffer: number,
  index: string,
  room: { readonly aligned: boolean; readonly inside: (offset: number) => string },
): string => {
  if (room.aligned) return `  return ${bindings.name(buffer, 4)}[(${index}) / 4u];\n`;
  const name = bindings.name(buffer, 1);
  const lanes = ['x', 'y', 'z', 'w'].map(
    (lane, q) => `  if (${room.inside(q)}) { v.${lane} = ${name}[${index} + ${q}u]; }\n`,
  );
  return `  var v = ${ZERO};\n${lanes.join('')}  return v;\n`;
};

/**
 * op(X) of `rows` x `depth` (for B: columns x depth) as a loader. `byRows`: consecutive numbers lie
 * along k.
 */
export const matrixLoader = (
  bindings: Bindings,
  buffer: number,
  size: {
    readonly rows: number;
    readonly depth: number;
    readonly byRows: boolean;
    readonly stride: number;
  },
): Loader => {
  const { rows, depth, byRows, stride } = size;
  const width = byRows ? depth : rows;
  const aligned = width % 4 === 0 && stride % 4 === 0;
  const base = stride === 0 ? '' : `z * ${stride}u + `;
  const index = byRows ? `${base}row * ${depth}u + k` : `${base}k * ${rows}u + row`;
  const along = byRows ? 'k' : 'row';
  const outside = `  if (row >= ${rows}u || k >= ${depth}u) { return ${ZERO}; }\n`;
  const inside = (q: number): string =>
    byRows ? `k + ${q}u < ${depth}u` : `row + ${q}u < ${rows}u`;
  return { along, body: outside + fromMatrix(bindings, buffer, index, { aligned, inside }) };
};

/** WGSL that names the image and the place in it of output pixel `p`. */
const pixel = (w: Window, p: string): string => `  let image = ${p} / ${w.outHeight * w.outWidth}u;
  let rest = ${p} % ${w.outHeight * w.outWidth}u;
  let oy = rest / ${w.outWidth}u;
  let ox = rest % ${w.outWidth}u;
`;

/** WGSL that names the filter's row and column and the channel of a patch element. */
const tap = (w: Window, k: string, channels: number): string => `  let tap = ${k} / ${channels}u;
  let channel = ${k} % ${channels}u;
  let fy = tap / ${w.filterWidth}u;
  let fx = tap % ${w.filterWidth}u;
`;

const source = (
  w: Window,
): string => `  let y = i32(oy * ${w.strideY}u + fy * ${w.dilationY}u) - ${w.top};
  let x = i32(ox * ${w.strideX}u + fx * ${w.dilationX}u) - ${w.left};
  let inside = y >= 0 && y < ${w.height} && x >= 0 && x < ${w.width};
  let at = ((image * ${w.height}u + u32(y)) * ${w.width}u + u32(x)) * ${w.channels}u + channel;
`;

/** One element of the patches matrix [pixels, taps x channels], as a WGSL function `patch`. */
const patchFunction = (bindings: Bindings, buffer: number, w: Window, name: string): string => {
  const pixels = w.batch * w.outHeight * w.outWidth;
  const depth = w.filterHeight * w.filterWidth * w.channels;
  return `fn ${name}(p: u32, k: u32) -> f32 {
  if (p >= ${pixels}u || k >= ${depth}u) { return 0.0; }
${pixel(w, 'p')}${tap(w, 'k', w.channels)}${source(w)}  if (!inside) { return 0.0; }
  return ${bindings.name(buffer, 1)}[at];
}
`;
};

export interface WithHelper {
  readonly loader: Loader;
  readonly helper: string;
}

/** The patches of x, rows = output pixels, k = taps x channels. */
export const patchRows = (bindings: Bindings, buffer: number, w: Window): WithHelper => {
  const pixels = w.batch * w.outHeight * w.outWidth;
  const depth = w.filterHeight * w.filterWidth * w.channels;
  if (w.channels % 4 === 0) {
    const body = `  if (row >= ${pixels}u || k >= ${depth}u) { return ${ZERO}; }
${pixel(w, 'row')}${tap(w, 'k', w.channels)}${source(w)}  if (!inside) { return ${ZERO}; }
  return ${bindings.name(buffer, 4)}[at / 4u];
`;
    return { loader: { along: 'k', body }, helper: '' };
  }
  const helper = patchFunction(bindings, buffer, w, 'patch_of');
  const lanes = [0, 1, 2, 3].map((q) => `patch_of(row, k + ${q}u)`).join(', ');
  return { loader: { along: 'k', body: `  return vec4f(${lanes});\n` }, helper };
};

/** The patches of x transposed: rows = taps x channels, k = output pixels. */
export const patchColumns = (bindings: Bindings, buffer: number, w: Window): WithHelper => {
  const pixels = w.batch * w.outHeight * w.outWidth;
  const depth = w.filterHeight * w.filterWidth * w.channels;
  if (w.channels % 4 === 0) {
    const body = `  if (row >= ${depth}u || k >= ${pixels}u) { return ${ZERO}; }
${pixel(w, 'k')}${tap(w, 'row', w.channels)}${source(w)}  if (!inside) { return ${ZERO}; }
  return ${bindings.name(buffer, 4)}[at / 4u];
`;
    return { loader: { along: 'row', body }, helper: '' };
  }
  const helper = patchFunction(bindings, buffer, w, 'patch_of');
  const lanes = [0, 1, 2, 3].map((q) => `patch_of(k, row + ${q}u)`).join(', ');
  return { loader: { along: 'row', body: `  return vec4f(${lanes});\n` }, helper };
};

/** One coordinate of dy that a tap of the filter leads to, or none. */
const back = (
  name: string,
  from: string,
  f: string,
  stride: number,
  dilation: number,
  before: number,
  size: number,
): string =>
  `  let ${name}s = i32(${from}) + ${before} - i32(${f}) * ${dilation};
  let ${name} = ${name}s / ${stride};
  let ${name}in = ${name}s >= 0 && ${stride === 1 ? '' : `${name}s % ${stride} == 0 && `}${name} < ${size};
`;

/** For each pixel of x (rows), the elements of dy that it went into; k = taps x output channels. */
export const gradientRows = (bindings: Bindings, buffer: number, w: Window): WithHelper => {
  const pixels = w.batch * w.height * w.width;
  const depth = w.filterHeight * w.filterWidth * w.outChannels;
  const locate = (p: string, k: string): string => `  let image = ${p} / ${w.height * w.width}u;
  let rest = ${p} % ${w.height * w.width}u;
${tap(w, k, w.outChannels)}${back('oy', `rest / ${w.width}u`, 'fy', w.strideY, w.dilationY, w.top, w.outHeight)}${back('ox', `rest % ${w.width}u`, 'fx', w.strideX, w.dilationX, w.left, w.outWidth)}  let inside = oyin && oxin;
  let at = ((image * ${w.outHeight}u + u32(oy)) * ${w.outWidth}u + u32(ox)) * ${w.outChannels}u + channel;
`;
  if (w.outChannels % 4 === 0) {
    const body = `  if (row >= ${pixels}u || k >= ${depth}u) { return ${ZERO}; }
${locate('row', 'k')}  if (!inside) { return ${ZERO}; }
  return ${bindings.name(buffer, 4)}[at / 4u];
`;
    return { loader: { along: 'k', body }, helper: '' };
  }
  const helper = `fn slope_of(p: u32, k: u32) -> f32 {
  if (p >= ${pixels}u || k >= ${depth}u) { return 0.0; }
${locate('p', 'k')}  if (!inside) { return 0.0; }
  return ${bindings.name(buffer, 1)}[at];
}
`;
  const lanes = [0, 1, 2, 3].map((q) => `slope_of(row, k + ${q}u)`).join(', ');
  return { loader: { along: 'k', body: `  return vec4f(${lanes});\n` }, helper };
};

/** The filter as B of the input's gradient: columns = channels, k = taps x output channels. */
export const filterBack = (bindings: Bindings, buffer: number, w: Window): Loader => {
  const { outChannels, channels } = w;
  const depth = w.filterHeight * w.filterWidth * outChannels;
  const outside = `  if (row >= ${channels}u || k >= ${depth}u) { return ${ZERO}; }\n`;
  const index = (k: string): string =>
    `((${k}) / ${outChannels}u * ${channels}u + row) * ${outChannels}u + (${k}) % ${outChannels}u`;
  if (outChannels % 4 === 0)
    return {
      along: 'k',
      body: `${outside}  return ${bindings.name(buffer, 4)}[(${index('k')}) / 4u];\n`,
    };
  const name = bindings.name(buffer, 1);
  const lanes = ['x', 'y', 'z', 'w'].map(
    (lane, q) => `  if (k + ${q}u < ${depth}u) { v.${lane} = ${name}[${index(`k + ${q}u`)}]; }\n`,
  );
  return { along: 'k', body: `${outside}  var v = ${ZERO};\n${lanes.join('')}  return v;\n` };
};
