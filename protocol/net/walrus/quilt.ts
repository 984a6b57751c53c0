/**
 * @module Quilts: many small blobs in one Walrus blob, so that its fixed cost is paid once. The SDK
 * encodes them; this reads one blob out of the whole quilt, which, unlike single slivers, is held
 * against the quilt's id. Layout (QuiltV1): the bytes are a matrix of symbols, K1 rows by K2
 * columns; a patch fills columns from top to bottom: version u8, length u32, mask u8, identifier
 * with u16 length, tags with u16 length where the mask says so, contents.
 */
import { FloeError } from '../../errors.ts';
import { base64url, fromBase64url } from '../../wire/base64url.ts';

/** Which columns of which quilt hold a blob. */
export interface QuiltPatch {
  /** Walrus blob id of the quilt. */
  readonly quilt: string;
  readonly start: number;
  readonly end: number;
}

const PATCH_BYTES = 37;
const HEADER_BYTES = 6;
const HAS_TAGS = 1;

/** Walrus's own id of a patch: quilt id, version 1, first and last column. */
export const encodePatchId = ({ quilt, start, end }: QuiltPatch): string => {
  const bytes = new Uint8Array(PATCH_BYTES);
  bytes.set(fromBase64url(quilt));
  const view = new DataView(bytes.buffer);
  view.setUint8(32, 1);
  view.setUint16(33, start, true);
  view.setUint16(35, end, true);
  return base64url(bytes);
};

/** @returns undefined when the text is not the id of a patch */
export const parsePatchId = (id: string): QuiltPatch | undefined => {
  if (!/^[\w-]{50}$/.test(id)) return undefined;
  const bytes = fromBase64url(id);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (bytes.length !== PATCH_BYTES || view.getUint8(32) !== 1) return undefined;
  const patch = {
    quilt: base64url(bytes.subarray(0, 32)),
    start: view.getUint16(33, true),
    end: view.getUint16(35, true),
  };
  return patch.start < patch.end ? patch : undefined;
};

/**
 * Source symbols of Walrus's encoding for a number of shards (RS2): rows and columns of the matrix.
 */
export const sourceSymbols = (
  shards: number,
): { readonly rows: number; readonly columns: number } => {
  const faulty = Math.floor((shards - 1) / 3);
  return { rows: shards - 2 * faulty, columns: shards - faulty };
};

const malformed = (why: string): FloeError =>
  new FloeError('blob_corrupt', `not a quilt with this blob: ${why}`);

/** The columns of a patch, one after the other. */
const columnsOf = (quilt: Uint8Array, shards: number, { start, end }: QuiltPatch): Uint8Array => {
  const { rows, columns } = sourceSymbols(shards);
  const symbol = quilt.length / (rows * columns);
  if (!Number.isInteger(symbol) || symbol < 1 || end > columns)
    throw malformed(`${quilt.length} bytes, columns ${start} to ${end} of ${columns}`);
  const bytes = new Uint8Array((end - start) * rows * symbol);
  let at = 0;
  for (let column = start; column < end; column += 1)
    for (let row = 0; row < rows; row += 1) {
      const from = (row * columns + column) * symbol;
      bytes.set(quilt.subarray(from, from + symbol), at);
      at += symbol;
    }
  return bytes;
};

/**
 * The contents of one patch.
 * @param quilt the whole blob @param shards of the network
 * @throws FloeError `blob_corrupt`
 */
export const readPatch = (quilt: Uint8Array, shards: number, patch: QuiltPatch): Uint8Array => {
  const bytes = columnsOf(quilt, shards, patch);
  const view = new DataView(bytes.buffer);
  if (bytes.length < HEADER_BYTES + 2 || view.getUint8(0) !== 1) throw malformed('no header');
  const end = HEADER_BYTES + view.getUint32(1, true);
  let at = HEADER_BYTES + 2 + view.getUint16(HEADER_BYTES, true);
  if ((view.getUint8(5) & HAS_TAGS) !== 0 && at + 2 <= bytes.length)
    at += 2 + view.getUint16(at, true);
  if (at > end || end > bytes.length) throw malformed('its lengths do not fit');
  return bytes.slice(at, end);
};
