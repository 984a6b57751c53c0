/**
 * @module NumPy's .npy format: a magic number, a version, the length of a header, the header as a
 * Python literal, then the elements (NumPy Enhancement Proposal 1). Pickled objects are refused.
 */
import { MAX_VALUES, malformed, quoted } from './limits.ts';

export interface NumberArray {
  readonly type: 'numbers';
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Uint8Array | Float32Array | Float64Array;
  /** Whether the elements were whole numbers or booleans. */
  readonly whole: boolean;
}

export interface TextArray {
  readonly type: 'texts';
  readonly shape: readonly number[];
  readonly values: readonly string[];
}

export type NpyArray = NumberArray | TextArray;

const MAGIC = '\u0093NUMPY';
const MAX_DIMENSIONS = 32;

interface Header {
  readonly kind: string;
  /** Bytes of an element. */
  readonly size: number;
  readonly isLittle: boolean;
  readonly isFortran: boolean;
  readonly shape: readonly number[];
}

const halfOf = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
};

const wholeOf = (value: bigint): number => {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw malformed(`${value} is larger than 2^53: save the array with a smaller type`);
  return number;
};

type Read = (view: DataView, at: number, isLittle: boolean) => number;

const READS: Readonly<Record<string, Read>> = {
  b1: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
  u1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u2: (view, at, little) => view.getUint16(at, little),
  i2: (view, at, little) => view.getInt16(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  u8: (view, at, little) => wholeOf(view.getBigUint64(at, little)),
  i8: (view, at, little) => wholeOf(view.getBigInt64(at, little)),
  f2: (view, at, little) => halfOf(view.getUint16(at, little)),
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
};

const headerOf = (text: string): Header => {
  if (/['"]descr['"]\s*:\s*\[/u.test(text))
    throw malformed('an array of records: save its columns as CSV or Parquet');
  const descr = /['"]descr['"]\s*:\s*['"]([<>|=])([a-zA-Z])(\d*)['"]/u.exec(text);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/u.exec(text);
  const tuple = /['"]shape['"]\s*:\s*\(([\d,\sL]*)\)/u.exec(text);
  if (descr === null || order === null || tuple === null)
    throw malformed(`expected the header of a NumPy array, got ${quoted(text)}`);
  const [, endian, kind = '', size = ''] = descr;
  if (kind === 'O')
    throw malformed(
      'an array of Python objects: save it with numbers or texts, allow_pickle=False',
    );
  const sizes = (tuple[1] ?? '').split(',').map((each) => each.replace('L', '').trim());
  return {
    kind,
    size: Number(size),
    isLittle: endian !== '>',
    isFortran: order[1] === 'True',
    shape: sizes.filter((each) => each !== '').map(Number),
  };
};

/** For each element in row-major order, its place in column-major order. */
const placesOf = (shape: readonly number[]): ((index: number) => number) => {
  const strides: number[] = [];
  let stride = 1;
  for (const size of shape) {
    strides.push(stride);
    stride *= size;
  }
  return (index) => {
    let rest = index;
    let at = 0;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const size = shape[axis] as number;
      at += (rest % size) * (strides[axis] as number);
      rest = Math.floor(rest / size);
    }
    return at;
  };
};

const textAt = (view: DataView, at: number, { kind, size, isLittle }: Header): string => {
  let text = '';
  for (let i = 0; i < size; i += 1) {
    const code = kind === 'S' ? view.getUint8(at + i) : view.getUint32(at + 4 * i, isLittle);
    if (code > 0x10ffff) throw malformed('a character beyond Unicode');
    text += String.fromCodePoint(code);
  }
  return text.replace(/\0+$/u, '').normalize('NFC');
};

const isText = ({ kind }: Header): boolean => kind === 'U' || kind === 'S';

const numbersOf = (body: DataView, header: Header, count: number): NumberArray => {
  const { kind, size, isLittle, isFortran, shape } = header;
  const type = `${kind}${size}`;
  const read = READS[type];
  if (read === undefined)
    throw malformed(
      `elements of type ${type}: save the array as float64, float32, an integer type, bool or text`,
    );
  const values =
    type === 'u1'
      ? new Uint8Array(count)
      : type === 'f4' || type === 'f2'
        ? new Float32Array(count)
        : new Float64Array(count);
  const place = isFortran && shape.length > 1 ? placesOf(shape) : (index: number) => index;
  for (let i = 0; i < count; i += 1) values[i] = read(body, place(i) * size, isLittle);
  return { type: 'numbers', shape, values, whole: kind !== 'f' };
};

/**
 * Reads an array of numbers, booleans or texts.
 * @throws FloeError `data_malformed` for a type, a size or a header that cannot be
 */
export const parseNpy = (bytes: Uint8Array): NpyArray => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isNpy = bytes.length >= 12 && String.fromCharCode(...bytes.subarray(0, 6)) === MAGIC;
  if (!isNpy) throw malformed('expected a NumPy array (.npy), got other bytes');
  const wide = view.getUint8(6) > 1;
  const start = wide ? 12 : 10;
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (end > bytes.length || end > 2 ** 20) throw malformed('the header is cut off');
  const header = headerOf(new TextDecoder().decode(bytes.subarray(start, end)));
  const { shape, kind } = header;
  const count = shape.reduce((a, b) => a * b, 1);
  if (shape.length > MAX_DIMENSIONS || !(count <= MAX_VALUES))
    throw malformed(`[${shape.join(', ')}] are more than ${MAX_VALUES} elements: split the array`);
  const size = header.size * (kind === 'U' ? 4 : 1);
  if (bytes.length !== end + count * size)
    throw malformed(
      `[${shape.join(', ')}] of ${size} bytes need ${end + count * size} bytes, got ${bytes.length}`,
    );
  const body = new DataView(bytes.buffer, bytes.byteOffset + end, count * size);
  if (!isText(header)) return numbersOf(body, header, count);
  const place = header.isFortran && shape.length > 1 ? placesOf(shape) : (i: number) => i;
  const values = Array.from({ length: count }, (_, i) => textAt(body, place(i) * size, header));
  return { type: 'texts', shape, values };
};
