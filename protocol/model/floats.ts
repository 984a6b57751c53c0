/**
 * @module float32 and bfloat16 as little-endian bytes. bfloat16 is the upper half of an IEEE 754
 * binary32; the conversion rounds to nearest, ties to even, and keeps NaN a NaN.
 */

export const hostIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A copy with the bytes of every 4-byte word reversed. */
export const swapWords = (bytes: Uint8Array): Uint8Array => {
  const swapped = new Uint8Array(bytes.length);
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const to = new DataView(swapped.buffer);
  for (let i = 0; i + 4 <= bytes.length; i += 4) to.setUint32(i, from.getUint32(i, false), true);
  return swapped;
};

/**
 * The little-endian bytes of `values`: a view of the same memory on little-endian hosts, else a
 * copy.
 */
export const float32ToBytes = (values: Float32Array): Uint8Array => {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return hostIsLittleEndian ? bytes : swapWords(bytes);
};

/** Fills `out` from `4 * out.length` little-endian bytes, of any alignment. */
export const float32FromBytes = (bytes: Uint8Array, out: Float32Array): void => {
  const target = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
  target.set(hostIsLittleEndian ? bytes : swapWords(bytes));
};

const bitsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

/**
 * Rounds to nearest, ties to even; overflow becomes infinity, NaN stays a (quiet) NaN of the same
 * sign.
 */
export const toBfloat16 = (values: Float32Array): Uint16Array => {
  const bits = bitsOf(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i += 1) {
    const word = bits[i]!;
    // The carry of rounding could turn a NaN with a high payload into infinity or zero.
    const isNaNWord = (word & 0x7fffffff) > 0x7f800000;
    out[i] = isNaNWord ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
};

/**
 * Rounds to one of the two neighbours by chance, so that the expectation is the value: a draw u of
 * 16 bits rounds up where the lower 16 bits plus u carry. NaN and infinity stay what they are.
 *
 * @param draws uniform, as many as there are values
 */
export const toBfloat16ByChance = (values: Float32Array, draws: Uint16Array): Uint16Array => {
  const bits = bitsOf(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i += 1) {
    const word = bits[i]!;
    const isFinite = (word & 0x7f800000) !== 0x7f800000;
    const isNaNWord = (word & 0x7fffffff) > 0x7f800000;
    out[i] = isFinite ? (word + draws[i]!) >>> 16 : (word >>> 16) | (isNaNWord ? 0x40 : 0);
  }
  return out;
};

/** Exact. Fills `out` when given, else allocates `values.length` elements. */
export const fromBfloat16 = (
  values: Uint16Array,
  out: Float32Array = new Float32Array(values.length),
): Float32Array => {
  const bits = bitsOf(out);
  for (let i = 0; i < out.length; i += 1) bits[i] = values[i]! << 16;
  return out;
};
