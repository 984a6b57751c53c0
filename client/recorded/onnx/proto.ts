/**
 * @module Writes the few messages of ONNX's protocol buffers (onnx.proto3) that a graph of nodes,
 * constants, inputs and outputs needs. Fields are numbered as there.
 */

export const FLOAT = 1;
export const INT64 = 7;

export interface TensorData {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export type AttributeValue = number | string | readonly number[] | Graph;

export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers are written as INT, lists of them as INTS. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface Port {
  readonly name: string;
  /** A name denotes a size that each run decides. */
  readonly dims: readonly (number | string)[];
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly constants: readonly TensorData[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

const OPSET = 18;
const IR_VERSION = 9;

type Part = Uint8Array;
const text = new TextEncoder();

/** A base-128 number; two's complement of 64 bits where negative. */
const varint = (value: number): Part => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 128);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
};

const join = (parts: readonly Part[]): Part => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const whole = (field: number, value: number): Part[] => [varint(field * 8), varint(value)];
const bytes = (field: number, value: Part): Part[] => [
  varint(field * 8 + 2),
  varint(value.length),
  value,
];
const string = (field: number, value: string): Part[] => bytes(field, text.encode(value));
const message = (field: number, parts: readonly Part[]): Part[] => bytes(field, join(parts));

const KINDS = { int: 2, string: 3, graph: 5, ints: 7 } as const;

const attribute = (name: string, value: AttributeValue): Part[] => {
  if (typeof value === 'number')
    return [...string(1, name), ...whole(3, value), ...whole(20, KINDS.int)];
  if (typeof value === 'string')
    return [...string(1, name), ...string(4, value), ...whole(20, KINDS.string)];
  if ('nodes' in value)
    return [...string(1, name), ...message(6, graphMessage(value)), ...whole(20, KINDS.graph)];
  return [...string(1, name), ...value.flatMap((each) => whole(8, each)), ...whole(20, KINDS.ints)];
};

const nodeMessage = ({ op, inputs, outputs, attributes }: GraphNode, i: number): Part[] => [
  ...inputs.flatMap((name) => string(1, name)),
  ...outputs.flatMap((name) => string(2, name)),
  ...string(3, `${op}_${i}`),
  ...string(4, op),
  ...Object.entries(attributes).flatMap(([name, value]) => message(5, attribute(name, value))),
];

/** Raw data is little-endian, as typed arrays are on every machine that runs Node. */
const tensorMessage = ({ name, dims, data }: TensorData): Part[] => [
  ...dims.flatMap((dim) => whole(1, dim)),
  ...whole(2, data instanceof Float32Array ? FLOAT : INT64),
  ...string(8, name),
  ...bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
];

const portMessage = ({ name, dims }: Port): Part[] => {
  const shape = dims.flatMap((dim) =>
    message(1, typeof dim === 'number' ? whole(1, dim) : string(2, dim)),
  );
  const tensor = [...whole(1, FLOAT), ...message(2, shape)];
  return [...string(1, name), ...message(2, message(1, tensor))];
};

const graphMessage = ({ nodes, constants, inputs, outputs }: Graph): Part[] => [
  ...nodes.flatMap((node, i) => message(1, nodeMessage(node, i))),
  ...string(2, 'step'),
  ...constants.flatMap((constant) => message(5, tensorMessage(constant))),
  ...inputs.flatMap((port) => message(11, portMessage(port))),
  ...outputs.flatMap((port) => message(12, portMessage(port))),
];

/** The graph as an ONNX model. @param metadata texts by name, in `metadata_props` */
export const modelBytes = (
  graph: Graph,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array =>
  join([
    ...whole(1, IR_VERSION),
    ...string(2, 'floe'),
    ...message(7, graphMessage(graph)),
    ...message(8, [...string(1, ''), ...whole(2, OPSET)]),
    ...Object.entries(metadata).flatMap(([name, value]) =>
      message(14, [...string(1, name), ...string(2, value)]),
    ),
  ]);
