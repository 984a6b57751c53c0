/**
 * @module PNG images (W3C Portable Network Graphics, third edition) as 8-bit samples: every colour
 * type, bit depth and interlacing, each chunk checked by its CRC. Nothing is unpacked beyond the
 * size that the header declares. Node only.
 */
import { crc32, inflateSync } from 'node:zlib';
import { MAX_PIXELS, type Raster, samplesOf } from './raster.ts';
import { malformed } from './limits.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const GRAY = 0;
const RGB = 2;
const PALETTE = 3;
const GRAY_ALPHA = 4;
const RGBA = 6;
/** Samples of a pixel, and bit depths, by colour type. */
const COLOURS: Readonly<
  Record<number, { readonly samples: number; readonly depths: readonly number[] }>
> = {
  [GRAY]: { samples: 1, depths: [1, 2, 4, 8, 16] },
  [RGB]: { samples: 3, depths: [8, 16] },
  [PALETTE]: { samples: 1, depths: [1, 2, 4, 8] },
  [GRAY_ALPHA]: { samples: 2, depths: [8, 16] },
  [RGBA]: { samples: 4, depths: [8, 16] },
};
/** Adam7: first column and row of each pass, and steps. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly samples: number;
  readonly interlaced: boolean;
}

interface Chunks {
  readonly header: Header;
  readonly palette: Uint8Array | undefined;
  readonly transparency: Uint8Array | undefined;
  readonly body: Uint8Array;
}

export const isPng = (bytes: Uint8Array): boolean =>
  SIGNATURE.every((byte, i) => bytes[i] === byte);

const headerOf = (view: DataView): Header => {
  if (view.byteLength !== 13) throw malformed('a PNG header of the wrong size');
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour] = [view.getUint8(8), view.getUint8(9)];
  const known = COLOURS[colour];
  if (known === undefined || !known.depths.includes(depth) || view.getUint8(12) > 1)
    throw malformed(`a PNG of colour type ${colour} with ${depth} bits`);
  if (width === 0 || height === 0 || width * height > MAX_PIXELS)
    throw malformed(
      `${width} x ${height} pixels, the limit is ${MAX_PIXELS} in all: make it smaller`,
    );
  return {
    width,
    height,
    depth,
    colour,
    samples: known.samples,
    interlaced: view.getUint8(12) === 1,
  };
};

const chunksOf = (bytes: Uint8Array): Chunks => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let [header, palette, transparency]: [Header?, Uint8Array?, Uint8Array?] = [];
  let at = SIGNATURE.length;
  for (;;) {
    if (at + 12 > bytes.length) throw malformed('the image is cut off');
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) throw malformed('the image is cut off');
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      throw malformed(`the image is damaged (CRC of ${JSON.stringify(type)})`);
    if (type === 'IHDR') header = headerOf(new DataView(data.buffer, data.byteOffset, length));
    else if (type === 'PLTE') palette = data;
    else if (type === 'tRNS') transparency = data;
    else if (type === 'IDAT') parts.push(data);
    else if (type === 'IEND') break;
    at += 12 + length;
  }
  if (header === undefined) throw malformed('a PNG without a header');
  return { header, palette, transparency, body: Buffer.concat(parts) };
};

const paeth = (a: number, b: number, c: number): number => {
  const p = a + b - c;
  const [x, y, z] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return x <= y && x <= z ? a : y <= z ? b : c;
};

/** Undoes the filters of `rows` lines in place; `step` bytes are one pixel, at least 1. */
const unfilter = (lines: Uint8Array, rows: number, line: number, step: number): void => {
  for (let row = 0; row < rows; row += 1) {
    const start = row * (line + 1) + 1;
    const filter = lines[start - 1] as number;
    if (filter > 4) throw malformed(`a PNG filter ${filter}`);
    for (let i = 0; i < line; i += 1) {
      const left = i >= step ? (lines[start + i - step] as number) : 0;
      const up = row > 0 ? (lines[start + i - line - 1] as number) : 0;
      const corner = row > 0 && i >= step ? (lines[start + i - step - line - 1] as number) : 0;
      const before =
        filter === 0
          ? 0
          : filter === 1
            ? left
            : filter === 2
              ? up
              : filter === 3
                ? (left + up) >> 1
                : paeth(left, up, corner);
      lines[start + i] = (lines[start + i] as number) + before;
    }
  }
};

/** Sample `index` of a line, not yet scaled. */
const sampleAt = (line: Uint8Array, index: number, depth: number): number => {
  if (depth === 8) return line[index] as number;
  if (depth === 16) return ((line[2 * index] as number) << 8) | (line[2 * index + 1] as number);
  const bit = index * depth;
  return ((line[bit >> 3] as number) >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
};

interface Part {
  readonly columns: number;
  readonly rows: number;
  readonly line: number;
  readonly pass: readonly [number, number, number, number];
}

const partsOf = ({ width, height, depth, samples, interlaced }: Header): Part[] =>
  (interlaced ? PASSES : [[0, 0, 1, 1] as const]).flatMap((pass) => {
    const columns = Math.ceil((width - pass[0]) / pass[2]);
    const rows = Math.ceil((height - pass[1]) / pass[3]);
    const line = Math.ceil((columns * samples * depth) / 8);
    return columns > 0 && rows > 0 ? [{ columns, rows, line, pass }] : [];
  });

/** All samples of the image, `samples` for each pixel, as the file has them. */
const rawOf = (header: Header, body: Uint8Array): Uint16Array => {
  const { width, height, depth, samples } = header;
  const parts = partsOf(header);
  const expected = parts.reduce((sum, { rows, line }) => sum + rows * (line + 1), 0);
  let lines: Uint8Array;
  try {
    lines = inflateSync(body, { maxOutputLength: expected });
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw malformed(`the image cannot be unpacked (${reason})`);
  }
  if (lines.length !== expected) throw malformed('the image is cut off');
  const raw = new Uint16Array(width * height * samples);
  const step = Math.max(1, (samples * depth) >> 3);
  let from = 0;
  for (const { columns, rows, line, pass } of parts) {
    const own = lines.subarray(from, from + rows * (line + 1));
    unfilter(own, rows, line, step);
    for (let row = 0; row < rows; row += 1) {
      const values = own.subarray(row * (line + 1) + 1, (row + 1) * (line + 1));
      for (let column = 0; column < columns; column += 1) {
        const to = ((pass[1] + row * pass[3]) * width + pass[0] + column * pass[2]) * samples;
        for (let k = 0; k < samples; k += 1)
          raw[to + k] = sampleAt(values, column * samples + k, depth);
      }
    }
    from += own.length;
  }
  return raw;
};

/** @throws FloeError `data_malformed` */
export const readPng = (bytes: Uint8Array): Raster => {
  const { header, palette, transparency, body } = chunksOf(bytes);
  const { width, height, depth, colour, samples } = header;
  const raw = rawOf(header, body);
  const pixels = width * height;
  if (colour === PALETTE) {
    if (palette === undefined) throw malformed('a PNG with a palette lacks it');
    const channels = transparency === undefined ? 3 : 4;
    const data = new Uint8Array(pixels * channels);
    for (let i = 0; i < pixels; i += 1) {
      const index = raw[i] as number;
      if (3 * index + 2 >= palette.length) throw malformed(`colour ${index} is not in the palette`);
      for (let k = 0; k < 3; k += 1) data[i * channels + k] = palette[3 * index + k] as number;
      if (channels === 4) data[i * 4 + 3] = transparency?.[index] ?? 255;
    }
    return samplesOf(data, width, height, channels);
  }
  const most = 2 ** depth - 1;
  const data = Uint8Array.from(raw, (value) => Math.round((value * 255) / most));
  const raster = samplesOf(data, width, height, samples);
  return depth === 16 ? { ...raster, reduced: true } : raster;
};
