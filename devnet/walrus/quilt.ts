/**
 * @module Quilts: many small files in one Walrus blob. The Walrus SDK encodes them; this file reads
 * one file from the bytes of a whole quilt, which the aggregator has in its cache. Layout
 * (QuiltV1): the bytes are a matrix of symbols, K1 rows by K2 columns. A patch fills columns from
 * top to bottom with version u8, length u32, mask u8, an identifier with its u16 length, tags with
 * their u16 length if the mask has them, and the contents.
 */
import { formatBlobId, parseBlobId, sourceSymbols } from './layout.ts';

/** Which columns of which quilt hold a file: `start` up to but not including `end`. */
export interface QuiltPatch {
  /** Walrus blob id of the quilt. */
  readonly quilt: string;
  readonly start: number;
  readonly end: number;
}

const PATCH_ID = /^[\w-]{50}$/;
const PATCH_BYTES = 37;
const VERSION = 1;
/** Version, length and mask. */
const HEADER_BYTES = 6;
const HAS_TAGS = 1;

/**
 * Walrus's own id of a patch: quilt id, version, first column, the column after the last;
 * base64url.
 */
export const formatPatchId = ({ quilt, start, end }: QuiltPatch): string => {
  const bytes = new Uint8Array(PATCH_BYTES);
  bytes.set(parseBlobId(quilt) ?? []);
  const view = new DataView(bytes.buffer);
  view.setUint8(32, VERSION);
  view.setUint16(33, start, true);
  view.setUint16(35, end, true);
  return formatBlobId(bytes);
};

/** @returns undefined when the text is not the id of a patch */
export const parsePatchId = (id: string): QuiltPatch | undefined => {
  if (!PATCH_ID.test(id)) return undefined;
  const bytes = Uint8Array.from(Buffer.from(id, 'base64url'));
  const view = new DataView(bytes.buffer);
  if (bytes.length !== PATCH_BYTES || view.getUint8(32) !== VERSION) return undefined;
  const start = view.getUint16(33, true);
  const end = view.getUint16(35, true);
  return start < end ? { quilt: formatBlobId(bytes.subarray(0, 32)), start, end } : undefined;
};

/** The columns of a patch, one after the other; undefined when the blob has no such columns. */
const columnsOf = (
  blob: Uint8Array,
  shards: number,
  { start, end }: QuiltPatch,
): Uint8Array | undefined => {
  const { primary: rows, secondary: columns } = sourceSymbols(shards);
  const symbol = blob.length / (rows * columns);
  if (!Number.isInteger(symbol) || symbol < 1 || end > columns) return undefined;
  const bytes = new Uint8Array((end - start) * rows * symbol);
  let at = 0;
  for (let column = start; column < end; column += 1)
    for (let row = 0; row < rows; row += 1) {
      const from = (row * columns + column) * symbol;
      bytes.set(blob.subarray(from, from + symbol), at);
      at += symbol;
    }
  return bytes;
};

/**
 * The contents of one patch.
 *
 * @param blob the whole quilt
 * @param shards of the network
 * @returns undefined when the blob is no quilt or has no such patch
 */
export const readPatch = (
  blob: Uint8Array,
  shards: number,
  patch: QuiltPatch,
): Uint8Array | undefined => {
  const bytes = columnsOf(blob, shards, patch);
  if (bytes === undefined || bytes.length < HEADER_BYTES + 2) return undefined;
  const view = new DataView(bytes.buffer);
  if (view.getUint8(0) !== VERSION) return undefined;
  const end = HEADER_BYTES + view.getUint32(1, true);
  let at = HEADER_BYTES + 2 + view.getUint16(HEADER_BYTES, true);
  if ((view.getUint8(5) & HAS_TAGS) !== 0 && at + 2 <= bytes.length)
    at += 2 + view.getUint16(at, true);
  return at <= end && end <= bytes.length ? bytes.slice(at, end) : undefined;
};
