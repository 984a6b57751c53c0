/**
 * @module Floe's kernels in the place of those of tfjs's wasm backend that are missing, wrong or
 * slow in 4.22.0: BatchMatMul and _FusedMatMul (transposed or batched: scalar; with bias and K > 48
 * wrong), Conv2DBackpropFilter (missing), Conv2DBackpropInput (slow), Conv2D (its cached operator
 * does not see weights written in place) and MaxPoolGrad (wrong where a whole window is <= 0). They
 * read and write the backend's own memory.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../../protocol/errors.ts';
import { elementCount } from '../../../protocol/model/manifest.ts';
import { borrowKernels } from './borrow.ts';
import { type Kernels, loadKernels } from './load.ts';

type Tf = typeof Tfjs;
type TensorInfo = Tfjs.TensorInfo;
type Conv2dInfo = ReturnType<Tf['backend_util']['computeConv2DInfo']>;

/** The used part of tfjs's `BackendWasm`, whose type is partly private. */
interface WasmBackend {
  readonly wasm: {
    readonly asm: Readonly<Record<string, unknown>>;
    readonly _malloc: (bytes: number) => number;
    readonly _free: (address: number) => void;
  };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: readonly number[], dtype: 'float32'): TensorInfo;
  disposeData(dataId: object): boolean;
  incRef(dataId: object): void;
}

const bound = new WeakMap<object, Kernels>();

/** The kernels on the backend's memory, which emscripten exports next to its functions. */
const kernelsOf = (backend: WasmBackend): Kernels => {
  const known = bound.get(backend.wasm);
  if (known !== undefined) return known;
  const memory = Object.values(backend.wasm.asm).find(
    (value): value is WebAssembly.Memory => value instanceof WebAssembly.Memory,
  );
  if (memory === undefined)
    throw new FloeError('backend_unavailable', 'the wasm backend of tfjs exports no memory');
  const kernels = loadKernels(memory);
  bound.set(backend.wasm, kernels);
  return kernels;
};

/** A buffer for the length of one kernel. */
const withScratch = (backend: WasmBackend, floats: number, use: (at: number) => void): void => {
  const { _malloc: allocate, _free: free } = backend.wasm;
  const at = allocate(floats * 4) >>> 0;
  if (at === 0)
    throw new FloeError('trainer_failed', `the wasm backend has no room for ${floats * 4} bytes`);
  try {
    use(at);
  } finally {
    free(at);
  }
};

const requireFloat = (kernel: string, ...tensors: TensorInfo[]): void => {
  for (const { dtype } of tensors)
    if (dtype !== 'float32')
      throw new FloeError('trainer_failed', `${kernel} takes float32 on wasm, got ${dtype}`);
};

interface KernelArguments {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: WasmBackend;
}

interface Input {
  readonly info: TensorInfo;
  readonly at: number;
}

const input = ({ inputs, backend }: KernelArguments, name: string): Input => {
  const info = inputs[name];
  if (info === undefined) throw new FloeError('internal', `the kernel's input ${name} is missing`);
  requireFloat('a kernel', info);
  return { info, at: backend.dataIdMap.get(info.dataId).memoryOffset };
};

const output = (backend: WasmBackend, shape: readonly number[]): Input => {
  const info = backend.makeOutput([...shape], 'float32');
  return { info, at: backend.dataIdMap.get(info.dataId).memoryOffset };
};

/** op(A) op(B) over broadcast batch dimensions. */
const matMul = (tf: Tf, args: KernelArguments): Input => {
  const { backend, attrs } = args;
  const a = input(args, 'a');
  const b = input(args, 'b');
  const transposeA = attrs['transposeA'] === true;
  const transposeB = attrs['transposeB'] === true;
  const [a0 = 1, a1 = 1] = a.info.shape.slice(-2);
  const [b0 = 1, b1 = 1] = b.info.shape.slice(-2);
  const [m, k] = transposeA ? [a1, a0] : [a0, a1];
  const [inner, n] = transposeB ? [b1, b0] : [b0, b1];
  if (k !== inner)
    throw new FloeError(
      'tensor_mismatch',
      `matMul: inner sizes ${k} and ${inner} of [${a.info.shape.join()}] and [${b.info.shape.join()}] differ`,
    );
  const aOuter = a.info.shape.slice(0, -2);
  const bOuter = b.info.shape.slice(0, -2);
  const outer = tf.broadcast_util.assertAndGetBroadcastShape(aOuter, bOuter);
  const out = output(backend, [...outer, m, n]);
  const kernels = kernelsOf(backend);
  for (let i = 0; i < elementCount(outer); i++)
    kernels.gemm(
      ...([m, n, k] as const),
      ...([a.at + batchIndex(i, outer, aOuter) * m * k * 4, Number(transposeA)] as const),
      ...([b.at + batchIndex(i, outer, bOuter) * k * n * 4, Number(transposeB)] as const),
      ...([out.at + i * m * n * 4, 1, 0] as const),
    );
  return out;
};

/**
 * The index of the i-th matrix of the broadcast batch in an operand whose batch dimensions may be 1
 * or absent.
 */
const batchIndex = (i: number, outer: readonly number[], own: readonly number[]): number => {
  let index = 0;
  let step = 1;
  for (let axis = outer.length - 1; axis >= 0; axis--) {
    const size = outer[axis] ?? 1;
    const ownSize = own[axis - outer.length + own.length] ?? 1;
    if (ownSize > 1) index += (i % size) * step;
    step *= ownSize;
    i = Math.floor(i / size);
  }
  return index;
};

/**
 * Activations that fused kernels apply through another kernel of the backend, with its inputs' and
 * attributes' names.
 */
const FUSED: Readonly<Record<string, string>> = {
  relu6: 'Relu6',
  sigmoid: 'Sigmoid',
  elu: 'Elu',
  leakyrelu: 'LeakyRelu',
  prelu: 'Prelu',
};

const finishFused = (tf: Tf, args: KernelArguments, out: Input): TensorInfo => {
  const { inputs, attrs, backend } = args;
  const activation = (attrs['activation'] ?? 'linear') as string;
  const columns = out.info.shape.at(-1) ?? 1;
  const rows = elementCount(out.info.shape) / columns;
  const bias = inputs['bias'] === undefined ? undefined : input(args, 'bias');
  if (bias !== undefined && elementCount(bias.info.shape) !== columns)
    throw new FloeError(
      'tensor_mismatch',
      `bias [${bias.info.shape.join()}] for ${columns} columns`,
    );
  kernelsOf(backend).biasActivation(
    ...([out.at, bias?.at ?? 0, rows, columns, activation === 'relu' ? 1 : 0] as const),
  );
  if (activation === 'linear' || activation === 'relu') return out.info;
  const name = FUSED[activation];
  const kernel = name === undefined ? undefined : tf.getKernel(name, 'wasm');
  if (kernel === undefined)
    throw new FloeError('trainer_failed', `no fused activation ${activation} on wasm`);
  const slope = inputs['preluActivationWeights'];
  const result = kernel.kernelFunc({
    inputs: slope === undefined ? { x: out.info } : { x: out.info, alpha: slope },
    attrs: { alpha: attrs['leakyreluAlpha'] as number },
    backend,
  }) as TensorInfo;
  backend.disposeData(out.info.dataId);
  return result;
};

/** Numbers of a convolution in the order in which the kernels take them. */
const geometry = (info: Conv2dInfo, outChannels: readonly number[]): number[] => [
  info.batchSize,
  info.inHeight,
  info.inWidth,
  info.inChannels,
  info.filterHeight,
  info.filterWidth,
  info.outHeight,
  info.outWidth,
  ...outChannels,
  info.strideHeight,
  info.strideWidth,
  info.dilationHeight,
  info.dilationWidth,
  info.padInfo.top,
  info.padInfo.left,
];

type Pair = [number, number];

const convolutionInfo = (
  tf: Tf,
  { attrs }: KernelArguments,
  x: readonly number[],
  filter: readonly number[],
): Conv2dInfo => {
  const dataFormat = attrs['dataFormat'] as 'NHWC' | 'NCHW' | undefined;
  if (dataFormat === 'NCHW')
    throw new FloeError('trainer_failed', 'convolutions on wasm take channels last (NHWC)');
  return tf.backend_util.computeConv2DInfo(
    [...x] as [number, number, number, number],
    [...filter] as [number, number, number, number],
    attrs['strides'] as Pair,
    (attrs['dilations'] ?? 1) as Pair,
    attrs['pad'] as 'same' | 'valid' | number,
    attrs['dimRoundingMode'] as 'floor' | undefined,
  );
};

const scratchFloats = (info: Conv2dInfo): number =>
  info.outHeight * info.outWidth * info.filterHeight * info.filterWidth * info.inChannels;

const convolution = (tf: Tf, args: KernelArguments): Input => {
  const x = input(args, 'x');
  const filter = input(args, 'filter');
  const info = convolutionInfo(tf, args, x.info.shape, filter.info.shape);
  const out = output(args.backend, info.outShape);
  withScratch(args.backend, scratchFloats(info), (scratch) => {
    kernelsOf(args.backend).conv2d(
      x.at,
      filter.at,
      out.at,
      ...geometry(info, [info.outChannels]),
      scratch,
    );
  });
  return out;
};

const filterGradient = (tf: Tf, args: KernelArguments): TensorInfo => {
  const x = input(args, 'x');
  const dy = input(args, 'dy');
  const shape = args.attrs['filterShape'] as readonly number[];
  const info = convolutionInfo(tf, args, x.info.shape, shape);
  const out = output(args.backend, shape);
  withScratch(args.backend, scratchFloats(info), (scratch) => {
    kernelsOf(args.backend).conv2dFilterGradient(
      x.at,
      dy.at,
      out.at,
      ...geometry(info, [info.outChannels]),
      scratch,
    );
  });
  return out.info;
};

const inputGradient = (tf: Tf, args: KernelArguments): TensorInfo => {
  const dy = input(args, 'dy');
  const filter = input(args, 'filter');
  const shape = args.attrs['inputShape'] as readonly number[];
  const info = convolutionInfo(tf, args, shape, filter.info.shape);
  const out = output(args.backend, shape);
  withScratch(args.backend, scratchFloats(info), (scratch) => {
    kernelsOf(args.backend).conv2dInputGradient(
      out.at,
      dy.at,
      filter.at,
      ...geometry(info, [info.outChannels]),
      scratch,
    );
  });
  return out.info;
};

const maxPoolGradient = (tf: Tf, args: KernelArguments): TensorInfo => {
  const dy = input(args, 'dy');
  const x = input(args, 'input');
  const { filterSize, strides, pad, dimRoundingMode } = args.attrs;
  const info = tf.backend_util.computePool2DInfo(
    x.info.shape as [number, number, number, number],
    filterSize as Pair,
    strides as Pair,
    1,
    pad as 'same' | 'valid' | number,
    dimRoundingMode as 'floor' | undefined,
  );
  const out = output(args.backend, x.info.shape);
  kernelsOf(args.backend).maxPoolGradient(x.at, dy.at, out.at, ...geometry(info, []));
  return out.info;
};

type Implementation = (tf: Tf, args: KernelArguments) => TensorInfo;

const IMPLEMENTATIONS: Readonly<Record<string, Implementation>> = {
  BatchMatMul: (tf, args) => matMul(tf, args).info,
  _FusedMatMul: (tf, args) => finishFused(tf, args, matMul(tf, args)),
  Conv2D: (tf, args) => convolution(tf, args).info,
  FusedConv2D: (tf, args) => finishFused(tf, args, convolution(tf, args)),
  Conv2DBackpropFilter: filterGradient,
  Conv2DBackpropInput: inputGradient,
  MaxPoolGrad: maxPoolGradient,
};

/**
 * Registers Floe's kernels for tfjs's backend `wasm`. Returns a function that restores the
 * published ones (for measurements). The backend must run its non-threaded binary, whose memory is
 * not shared.
 */
export const registerKernels = (tf: Tf): (() => void) => {
  const published = Object.keys(IMPLEMENTATIONS).map((name) => tf.getKernel(name, 'wasm'));
  for (const [kernelName, run] of Object.entries(IMPLEMENTATIONS)) {
    if (tf.getKernel(kernelName, 'wasm') !== undefined) tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: (args) => run(tf, args as unknown as KernelArguments),
    });
  }
  const giveBack = borrowKernels(tf);
  return () => {
    giveBack();
    for (const name of Object.keys(IMPLEMENTATIONS)) tf.unregisterKernel(name, 'wasm');
    for (const kernel of published) if (kernel !== undefined) tf.registerKernel(kernel);
  };
};
