/**
 * @module The IDX format of the MNIST files: two zero bytes, a type, the number of dimensions, the
 * dimensions as big-endian 32-bit integers, then the elements, row-major (Y. LeCun, C. Cortes, C.
 * Burges, "The MNIST database").
 */
import { FloeError } from '../../protocol/errors.ts';

export interface IdxArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
}

/**
 * More elements than any data set Floe is meant for; a header that claims more is refused before
 * memory is taken.
 */
const LARGEST = 2 ** 31;

const malformed = (name: string, message: string): FloeError =>
  new FloeError('data_malformed', `${name}: ${message}`);

type Reader = (view: DataView, at: number, count: number) => IdxArray['values'];

const fill = <T extends IdxArray['values']>(array: T, read: (index: number) => number): T => {
  for (let i = 0; i < array.length; i++) array[i] = read(i);
  return array;
};

const TYPES: Readonly<Record<number, { readonly bytes: number; readonly read: Reader }>> = {
  0x08: { bytes: 1, read: (v, at, n) => new Uint8Array(v.buffer, v.byteOffset + at, n) },
  0x09: { bytes: 1, read: (v, at, n) => new Int8Array(v.buffer, v.byteOffset + at, n) },
  0x0b: { bytes: 2, read: (v, at, n) => fill(new Int16Array(n), (i) => v.getInt16(at + 2 * i)) },
  0x0c: { bytes: 4, read: (v, at, n) => fill(new Int32Array(n), (i) => v.getInt32(at + 4 * i)) },
  0x0d: {
    bytes: 4,
    read: (v, at, n) => fill(new Float32Array(n), (i) => v.getFloat32(at + 4 * i)),
  },
  0x0e: {
    bytes: 8,
    read: (v, at, n) => fill(new Float64Array(n), (i) => v.getFloat64(at + 8 * i)),
  },
};

/**
 * Reads an IDX file that is not compressed. Bytes and signed bytes stay views of `bytes`.
 * @param name what to call the file in errors
 * @throws FloeError `data_malformed` for a wrong magic number, type or size, or bytes too few or
 * too many
 */
export const parseIdx = (bytes: Uint8Array, name = 'IDX file'): IdxArray => {
  if (bytes.length < 4) throw malformed(name, `expected a header, got ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = TYPES[view.getUint8(2)];
  if (view.getUint16(0) !== 0 || type === undefined)
    throw malformed(
      name,
      `0x${view.getUint32(0).toString(16).padStart(8, '0')} is no IDX magic number`,
    );
  const dimensions = view.getUint8(3);
  const header = 4 + 4 * dimensions;
  if (dimensions === 0 || bytes.length < header)
    throw malformed(name, `expected ${dimensions} dimensions, got ${bytes.length} bytes`);
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const count = shape.reduce((a, b) => a * b, 1);
  if (count > LARGEST) throw malformed(name, `[${shape.join(', ')}] are too many elements`);
  const expected = header + count * type.bytes;
  if (bytes.length !== expected)
    throw malformed(
      name,
      `[${shape.join(', ')}] needs ${expected} bytes, got ${bytes.length}` +
        (bytes.length < expected ? ' (truncated)' : ''),
    );
  return { shape, values: type.read(view, header, count) };
};
