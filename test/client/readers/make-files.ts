/** @module Files of the tests, made from values: NumPy arrays, zip archives, PNG images. */
import { crc32, deflateRawSync, deflateSync } from 'node:zlib';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A .npy file. @param body its elements */
export const npy = (
  descr: string,
  shape: readonly number[],
  body: Uint8Array,
  isFortran = false,
): Uint8Array => {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': ${isFortran ? 'True' : 'False'}, 'shape': ${tuple}, }\n`;
  const header = Uint8Array.of(0x93, ...utf8('NUMPY'), 1, 0, text.length & 255, text.length >> 8);
  return Buffer.concat([header, utf8(text), body]);
};

export const numbers = (
  values: readonly number[],
  size: number,
  set: (view: DataView, at: number, value: number) => void,
): Uint8Array => {
  const view = new DataView(new ArrayBuffer(values.length * size));
  for (const [i, value] of values.entries()) set(view, i * size, value);
  return new Uint8Array(view.buffer);
};

export const doubles = (values: readonly number[]): Uint8Array =>
  numbers(values, 8, (view, at, value) => view.setFloat64(at, value, true));

/** A zip archive. @param declared a size to declare in place of the true one */
export const zip = (
  files: Readonly<Record<string, Uint8Array>>,
  { deflate = false, declared }: { deflate?: boolean; declared?: number } = {},
): Uint8Array => {
  const parts: Uint8Array[] = [];
  const entries: Uint8Array[] = [];
  let at = 0;
  for (const [name, bytes] of Object.entries(files)) {
    const packed = deflate ? deflateRawSync(bytes) : bytes;
    const fields = (extra: number, start: number): Buffer => {
      const head = Buffer.alloc(extra === 0 ? 30 : 46);
      head.writeUInt32LE(extra === 0 ? 0x04034b50 : 0x02014b50, 0);
      const from = extra === 0 ? 8 : 10;
      head.writeUInt16LE(deflate ? 8 : 0, from);
      head.writeUInt32LE(crc32(bytes), from + 6);
      head.writeUInt32LE(packed.length, from + 10);
      head.writeUInt32LE(declared ?? bytes.length, from + 14);
      head.writeUInt16LE(name.length, from + 18);
      if (extra > 0) head.writeUInt32LE(start, 42);
      return head;
    };
    parts.push(fields(0, 0), utf8(name), packed);
    entries.push(fields(1, at), utf8(name));
    at += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...entries, end]);
};

export interface PngParts {
  readonly width: number;
  readonly height: number;
  /** 0 grey, 2 colours, 3 palette, 4 grey and alpha, 6 colours and alpha. */
  readonly colour: number;
  readonly depth?: number;
  /** Lines without filters, each with its padding; of an interlaced image those of all passes. */
  readonly lines: readonly (readonly number[])[];
  readonly filter?: number;
  readonly palette?: readonly number[];
  readonly interlaced?: boolean;
}

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([utf8(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  out.set(body, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
};

export const png = ({
  width,
  height,
  colour,
  depth = 8,
  lines,
  filter = 0,
  palette,
  interlaced = false,
}: PngParts): Uint8Array => {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8);
  const raw = Uint8Array.from(lines.flatMap((line) => [filter, ...line]));
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    ...(palette === undefined ? [] : [chunk('PLTE', Uint8Array.from(palette))]),
    chunk('IDAT', deflateSync(raw)),
    chunk('IEND', new Uint8Array(0)),
  ]);
};

/** A grey image of one value. */
export const grey = (width: number, height: number, value: number): Uint8Array =>
  png({
    width,
    height,
    colour: 0,
    lines: Array.from({ length: height }, () => Array.from({ length: width }, () => value)),
  });
