/**
 * @module From a recorded program to what executors run: fused nodes in order, weights updated in
 * place, and a buffer for every value, shared by values that do not live at the same time.
 */
import { fuse } from './fuse.ts';
import { view } from './expr.ts';
import { type MapNode, type Node, type Program, inputsOf, ownInputsOf } from './ir.ts';
import { isPlain } from './views.ts';

export interface Plan {
  readonly nodes: readonly Node[];
  /** Elements of each buffer. */
  readonly buffers: readonly number[];
  /** The buffer of each value that exists; -1 for the others. */
  readonly bufferOf: readonly number[];
  readonly constants: readonly { readonly buffer: number; readonly data: Float32Array }[];
  readonly features: number;
  readonly targets?: number;
  readonly learningRate?: number;
  readonly draws: readonly {
    readonly buffer: number;
    readonly size: number;
    readonly layer: number;
  }[];
  readonly weights: readonly number[];
  readonly state: readonly number[];
  readonly prediction: number;
}

const copyNode = (out: number, from: number, size: number): MapNode => ({
  type: 'map',
  out,
  shape: [size],
  expr: view(0),
  views: [{ value: from, offset: 0, strides: [1] }],
});

/** Whether the node may write into `target`, which it may read at the very element it writes. */
const mayWriteInto = (node: Node, target: number, size: number): boolean => {
  if (ownInputsOf(node).includes(target)) return false;
  const part = node.type === 'map' ? node : node.epilogue;
  return (part?.views ?? []).every(
    (own) => own.value !== target || isPlain(own, part?.shape ?? [], size),
  );
};

interface InPlace {
  readonly nodes: readonly Node[];
  /** Values that live in another value's buffer. */
  readonly aliases: ReadonlyMap<number, number>;
}

/**
 * Makes the nodes that compute the next weights write over the old ones, after all who read the old
 * ones; where that cannot be, a copy at the end.
 */
const updateInPlace = (program: Program, fused: readonly Node[]): InPlace => {
  const nodes = [...fused];
  const aliases = new Map<number, number>();
  const persistent = new Set([...program.weights, ...program.state]);
  const copies: Node[] = [];
  for (const { target, source } of program.updates) {
    const size = program.values[target]?.size ?? 0;
    const at = nodes.findIndex((node) => node.out === source);
    const node = nodes[at];
    const readers = nodes.flatMap((other, i) => (inputsOf(other).includes(target) ? [i] : []));
    const last = Math.max(at, ...readers);
    // The last reader of the old ones too: the node would be moved behind it.
    const used = nodes.some((other, i) => i <= last && inputsOf(other).includes(source));
    const free = !aliases.has(source) && !persistent.has(source);
    if (node === undefined || !free || used || !mayWriteInto(node, target, size)) {
      copies.push(copyNode(target, source, size));
      continue;
    }
    aliases.set(source, target);
    nodes.splice(at, 1);
    nodes.splice(last, 0, node);
  }
  return { nodes: [...nodes, ...copies], aliases };
};

/**
 * Buffers for the values that nodes compute: the smallest free one that is large enough, else the
 * largest, enlarged.
 */
const assignBuffers = (
  program: Program,
  nodes: readonly Node[],
  aliases: ReadonlyMap<number, number>,
): { readonly buffers: number[]; readonly bufferOf: number[] } => {
  const buffers: number[] = [];
  const bufferOf = program.values.map(() => -1);
  const own = (value: number): void => {
    if (bufferOf[value] === -1)
      bufferOf[value] = buffers.push(program.values[value]?.size ?? 0) - 1;
  };
  const { features, targets, learningRate, draws, weights, state, prediction } = program;
  const given = [features, targets, learningRate, ...draws.map(({ value }) => value)];
  for (const value of [...given, ...weights, ...state, prediction])
    if (value !== undefined && !aliases.has(value)) own(value);
  const computed = new Set(nodes.map(({ out }) => out));
  for (const node of nodes)
    for (const value of inputsOf(node)) if (!computed.has(value) && !aliases.has(value)) own(value);
  for (const [value, target] of aliases) {
    own(target);
    bufferOf[value] = bufferOf[target] ?? -1;
  }
  const lastUse = new Map<number, number>();
  for (const [at, node] of nodes.entries())
    for (const value of inputsOf(node)) lastUse.set(value, at);
  const shared = new Set<number>();
  const free = new Set<number>();
  for (const [at, node] of nodes.entries()) {
    if (bufferOf[node.out] === -1) {
      const size = program.values[node.out]?.size ?? 0;
      const fits = [...free].toSorted((a, b) => (buffers[a] ?? 0) - (buffers[b] ?? 0));
      const chosen = fits.find((buffer) => (buffers[buffer] ?? 0) >= size) ?? fits.at(-1);
      const buffer = chosen ?? buffers.push(size) - 1;
      buffers[buffer] = Math.max(buffers[buffer] ?? 0, size);
      free.delete(buffer);
      shared.add(buffer);
      bufferOf[node.out] = buffer;
    }
    for (const value of inputsOf(node)) {
      const buffer = bufferOf[value] ?? -1;
      if (lastUse.get(value) === at && shared.has(buffer)) free.add(buffer);
    }
  }
  return { buffers, bufferOf };
};

/** Plans a program; the same program always gives the same plan. */
export const planOf = (program: Program): Plan => {
  const outputs = new Set([program.prediction, ...program.updates.map(({ source }) => source)]);
  const fused = fuse(program.nodes, outputs, program.values);
  const { nodes, aliases } = updateInPlace(program, fused);
  const { buffers, bufferOf } = assignBuffers(program, nodes, aliases);
  const at = (value: number): number => bufferOf[value] ?? -1;
  const { targets, learningRate } = program;
  return {
    nodes,
    buffers,
    bufferOf,
    constants: program.values.flatMap(({ data }, value) =>
      data !== undefined && at(value) >= 0 ? [{ buffer: at(value), data }] : [],
    ),
    features: at(program.features),
    ...(targets === undefined ? {} : { targets: at(targets) }),
    ...(learningRate === undefined ? {} : { learningRate: at(learningRate) }),
    draws: program.draws.map(({ value, layer }) => ({
      buffer: at(value),
      size: program.values[value]?.size ?? 0,
      layer,
    })),
    weights: program.weights.map(at),
    state: program.state.map(at),
    prediction: at(program.prediction),
  };
};
