/**
 * @module An ONNX graph under construction: tensors with their shapes, and the values of a plan as
 * tensors, row-major or channels first as the reader requires. Each conversion is made once.
 */
import { elements } from '../ir.ts';
import { Unrecordable } from '../lower/tape.ts';
import type { AttributeValue, Graph, GraphNode, Port, TensorData } from './proto.ts';

/** A tensor of the graph; `flag` is a boolean one. */
export interface Operand {
  readonly name: string;
  readonly shape: readonly number[];
  readonly flag?: boolean;
}

/**
 * [batch, height, width, channels], for values whose tensor is [batch, channels, height, width].
 */
export type ImageShape = readonly [number, number, number, number];

/** What comes from outside: an input of the graph, or a constant. */
export type Source =
  | { readonly type: 'input'; readonly size: number }
  | { readonly type: 'constant'; readonly data: Float32Array };

interface Known {
  /** The row-major tensor by its shape. */
  readonly rows: Map<string, Operand>;
  /** With channels first. */
  readonly images: Map<string, Operand>;
  imageShape?: ImageShape;
}

export interface Builder {
  op(
    op: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes?: Readonly<Record<string, AttributeValue>>,
  ): Operand;
  /** Like `op`, with a second output. */
  pair(
    op: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>>,
  ): readonly [Operand, string];
  floats(data: readonly number[] | Float32Array, shape: readonly number[]): Operand;
  integers(data: readonly number[], shape?: readonly number[]): string;
  reshape(operand: Operand, shape: readonly number[]): Operand;
  transpose(operand: Operand, order: readonly number[]): Operand;
  /** The value's elements in their order, as a tensor of this shape. */
  rows(value: number, shape: readonly number[]): Operand;
  /** The value, of this shape, with channels first. */
  image(value: number, shape: ImageShape): Operand;
  /** The shape under which the value exists with channels first, if it does. */
  imageShape(value: number): ImageShape | undefined;
  /** The value's elements in their order, in whichever shape they have. */
  anyRows(value: number): Operand;
  /** The shape in which a computed value exists row-major, if it does. */
  rowsShape(value: number): readonly number[] | undefined;
  /** Elements of a value that is there. */
  sizeOf(value: number): number | undefined;
  define(value: number, operand: Operand): void;
  defineImage(value: number, operand: Operand, shape: ImageShape): void;
  /** Inputs that something reads, by value. */
  readonly inputs: ReadonlyMap<number, Port & { readonly dims: readonly number[] }>;
  finish(inputs: readonly Port[], outputs: readonly Port[]): Graph;
}

const key = (shape: readonly number[]): string => shape.join();
const CHANNELS_FIRST = [0, 3, 1, 2];
const CHANNELS_LAST = [0, 2, 3, 1];

/** Whether dimensions of more than one element keep their order. */
const keepsOrder = (shape: readonly number[], order: readonly number[]): boolean => {
  const moved = order.filter((dim) => (shape[dim] ?? 1) > 1);
  return moved.every((dim, i) => i === 0 || dim > (moved[i - 1] ?? 0));
};

/** Where tensors and nodes are kept, and the conversions between shapes. */
const createTensors = () => {
  const nodes: GraphNode[] = [];
  const constants = new Map<string, TensorData>();
  let count = 0;
  const fresh = (): string => `t${count++}`;
  const op: Builder['op'] = (kind, inputs, shape, attributes = {}) => {
    if (elements(shape) === 0) throw new Unrecordable('an empty tensor');
    const name = fresh();
    nodes.push({ op: kind, inputs, outputs: [name], attributes });
    return { name, shape };
  };
  const pair: Builder['pair'] = (kind, inputs, shape, attributes) => {
    const [name, second] = [fresh(), fresh()];
    nodes.push({ op: kind, inputs, outputs: [name, second], attributes });
    return [{ name, shape }, second];
  };
  const constant = (known: string, dims: readonly number[], data: TensorData['data']): string => {
    const kept = constants.get(known) ?? { name: fresh(), dims, data };
    constants.set(known, kept);
    return kept.name;
  };
  const floats: Builder['floats'] = (data, shape) => {
    const own = Float32Array.from(data);
    // Small constants often repeat; large ones are not worth comparing.
    const known =
      own.length > 64 ? fresh() : `f ${key(shape)} ${new Uint32Array(own.buffer).join()}`;
    return { name: constant(known, shape, own), shape };
  };
  const integers: Builder['integers'] = (data, shape = [data.length]) =>
    constant(
      data.length > 64 ? fresh() : `i ${key(shape)} ${data.join()}`,
      shape,
      BigInt64Array.from(data, (each) => BigInt(each)),
    );
  const reshape: Builder['reshape'] = (operand, shape) =>
    key(operand.shape) === key(shape)
      ? operand
      : { ...operand, ...op('Reshape', [operand.name, integers(shape)], shape) };
  const transpose: Builder['transpose'] = (operand, order) => {
    const shape = order.map((dim) => operand.shape[dim] ?? 1);
    if (order.every((dim, i) => dim === i)) return operand;
    if (keepsOrder(operand.shape, order)) return reshape(operand, shape);
    return op('Transpose', [operand.name], shape, { perm: order });
  };
  return { nodes, constants, fresh, op, pair, floats, integers, reshape, transpose };
};

/** `sourceOf` tells of a value that no node has computed where it comes from. */
export const createBuilder = (sourceOf: (value: number) => Source): Builder => {
  const tensors = createTensors();
  const { reshape, transpose } = tensors;
  const values = new Map<number, Known>();
  const inputs = new Map<number, Port & { readonly dims: readonly number[] }>();

  const define = (value: number, operand: Operand): void => {
    values.set(value, { rows: new Map([[key(operand.shape), operand]]), images: new Map() });
  };
  const defineImage = (value: number, operand: Operand, imageShape: ImageShape): void => {
    const images = new Map([[key(imageShape), operand]]);
    values.set(value, { rows: new Map(), images, imageShape });
  };
  /** The value, which takes the shape of its first reader where it comes from outside. */
  const knownOf = (value: number, shape: readonly number[]): Known => {
    const known = values.get(value);
    if (known !== undefined) return known;
    const source = sourceOf(value);
    if (source.type === 'constant') {
      define(value, tensors.floats(source.data, shape));
    } else {
      const port = { name: `v${value}`, dims: shape };
      inputs.set(value, port);
      define(value, { name: port.name, shape });
    }
    return values.get(value) as Known;
  };
  const firstRows = (known: Known): Operand => {
    const [first] = known.rows.values();
    if (first !== undefined) return first;
    const own =
      known.imageShape === undefined ? undefined : known.images.get(key(known.imageShape));
    if (own === undefined) throw new Unrecordable('a value that nothing computes');
    const made = transpose(own, CHANNELS_LAST);
    known.rows.set(key(made.shape), made);
    return made;
  };
  const rows: Builder['rows'] = (value, shape) => {
    const known = knownOf(value, shape);
    const there = known.rows.get(key(shape));
    if (there !== undefined) return there;
    const made = reshape(firstRows(known), shape);
    known.rows.set(key(shape), made);
    return made;
  };
  const image: Builder['image'] = (value, shape) => {
    const [batch, height, width, channels] = shape;
    const first = [batch, channels, height, width];
    // A value from outside may be declared as it is wanted, where the order is the same.
    if (!values.has(value) && keepsOrder(shape, CHANNELS_FIRST)) return rows(value, first);
    const known = knownOf(value, shape);
    const there = known.images.get(key(shape));
    if (there !== undefined) return there;
    const made = transpose(rows(value, shape), CHANNELS_FIRST);
    known.images.set(key(shape), made);
    return made;
  };
  return {
    ...tensors,
    rows,
    image,
    anyRows: (value) => firstRows(values.get(value) ?? { rows: new Map(), images: new Map() }),
    rowsShape: (value) => {
      const [first] = values.get(value)?.rows.values() ?? [];
      return first?.shape;
    },
    sizeOf: (value) => {
      const known = values.get(value);
      const [any] = [...(known?.rows.values() ?? []), ...(known?.images.values() ?? [])];
      return any === undefined ? undefined : elements(any.shape);
    },
    imageShape: (value) => values.get(value)?.imageShape,
    define,
    defineImage,
    inputs,
    finish: (given, outputs) => ({
      nodes: tensors.nodes,
      constants: [...tensors.constants.values()],
      inputs: given,
      outputs,
    }),
  };
};

/** The shape of an elementwise result. */
export const broadcast = (a: readonly number[], b: readonly number[]): readonly number[] => {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) =>
    Math.max(a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1),
  );
};
