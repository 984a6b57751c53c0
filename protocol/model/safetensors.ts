/**
 * @module safetensors files: 8 bytes of header length (little-endian), JSON header, raw
 * little-endian data. Writing is deterministic (one model, one byte string); reading is strict.
 * Format: https://github.com/huggingface/safetensors.
 */
import { utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { checkLength } from './flat.ts';
import {
  float32FromBytes,
  float32ToBytes,
  fromBfloat16,
  hostIsLittleEndian,
  toBfloat16,
} from './floats.ts';
import {
  elementCount,
  MANIFEST_LIMITS,
  parameterCount,
  validateManifest,
  type Manifest,
} from './manifest.ts';
import { elementBytes, formatHeader, type Header, parseHeader } from './safetensors-header.ts';

const PREFIX_BYTES = 8;
/** The data starts at a multiple of this, so that float32 can be viewed in place. */
const ALIGNMENT = 8;

export interface SafetensorsLimits {
  /** Bytes of JSON, at most; 1 MiB unless told. */
  readonly headerBytes: number;
  /** Elements of all tensors, at most; 2^31 unless told. */
  readonly parameters: number;
}

export const SAFETENSORS_LIMITS: SafetensorsLimits = {
  headerBytes: 2 ** 20,
  parameters: MANIFEST_LIMITS.parameters,
};

/** Of a file that Floe exports: topology and data contract are in its header. */
export const MODEL_FILE_LIMITS = { headerBytes: 16 << 20 } as const;

export interface Safetensors {
  readonly manifest: Manifest;
  readonly flat: Float32Array;
  readonly metadata: Readonly<Record<string, string>>;
}

const malformed = (message: string): FloeError => new FloeError('tensor_malformed', message);

/**
 * The same arguments give the same bytes on every machine. bfloat16 tensors lose the lower 16 bits
 * (rounded to nearest even).
 *
 * @param metadata free text that travels in the header
 * @throws FloeError `tensor_malformed` for a bad manifest, a tensor named `__metadata__` or a
 * header over 1 MiB; `tensor_mismatch` when `flat` has another length
 */
export const encodeSafetensors = (
  manifest: Manifest,
  flat: Float32Array,
  metadata: Readonly<Record<string, string>> = {},
  { headerBytes: maxHeader = SAFETENSORS_LIMITS.headerBytes }: Partial<SafetensorsLimits> = {},
): Uint8Array<ArrayBuffer> => {
  validateManifest(manifest);
  checkLength(manifest, flat);
  if (manifest.tensors.some(({ name }) => name === '__metadata__'))
    throw malformed('a tensor cannot be named __metadata__');
  const json = utf8(formatHeader(manifest, metadata));
  const headerBytes = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  if (headerBytes > maxHeader) throw malformed(`expected a header of at most ${maxHeader} bytes`);
  const dataBytes = manifest.tensors.reduce(
    (sum, { shape, dtype }) => sum + elementCount(shape) * elementBytes(dtype),
    0,
  );
  const file = new Uint8Array(PREFIX_BYTES + headerBytes + dataBytes);
  const view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, PREFIX_BYTES);
  file.fill(0x20, PREFIX_BYTES + json.length, PREFIX_BYTES + headerBytes);
  let from = 0;
  let to = PREFIX_BYTES + headerBytes;
  for (const { shape, dtype } of manifest.tensors) {
    const values = flat.subarray(from, from + elementCount(shape));
    if (dtype === 'float32') file.set(float32ToBytes(values), to);
    else
      for (const [i, half] of toBfloat16(values).entries()) view.setUint16(to + 2 * i, half, true);
    from += values.length;
    to += values.length * elementBytes(dtype);
  }
  return file;
};

/** The values where they lie, if all of them are aligned float32 of this host's byte order. */
const viewOf = (
  { manifest: { tensors }, starts }: Header,
  bytes: Uint8Array,
  dataStart: number,
  count: number,
): Float32Array | undefined => {
  const from = bytes.byteOffset + dataStart + (starts[0] ?? 0);
  let at = starts[0];
  const together = tensors.every(({ dtype, shape }, i) => {
    const here = starts[i] === at;
    at = (starts[i] ?? 0) + 4 * elementCount(shape);
    return dtype === 'float32' && here;
  });
  return hostIsLittleEndian && from % 4 === 0 && together
    ? new Float32Array(bytes.buffer, from, count)
    : undefined;
};

/**
 * Reads F32 and BF16 tensors. `flat` may be a view of `bytes`. The manifest's order is that of the
 * data. Values are not checked: NaN passes through.
 *
 * @throws FloeError `tensor_malformed` when the header is too long, not JSON, has a key twice, an
 * unknown type, a size that does not fit its shape, or when the data overlaps, has holes, is cut
 * short or continues behind the last tensor.
 */
export const decodeSafetensors = (
  bytes: Uint8Array,
  options: Partial<SafetensorsLimits> & {
    /** Tensors that are left out, of whatever type: the indices that PyTorch files hold. */
    readonly ignore?: (name: string) => boolean;
  } = {},
): Safetensors => {
  const { ignore, ...limits } = options;
  const { headerBytes: maxHeader, parameters } = { ...SAFETENSORS_LIMITS, ...limits };
  if (bytes.length < PREFIX_BYTES)
    throw malformed(`expected at least ${PREFIX_BYTES} bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const claimed = view.getBigUint64(0, true);
  if (claimed > BigInt(maxHeader))
    throw malformed(`expected a header of at most ${maxHeader} bytes, got ${claimed}`);
  const dataStart = PREFIX_BYTES + Number(claimed);
  if (dataStart > bytes.length)
    throw malformed(`expected ${dataStart} bytes of header, got ${bytes.length}`);
  const text = bytes.subarray(PREFIX_BYTES, dataStart);
  const header = parseHeader(text, bytes.length - dataStart, ignore);
  const { manifest, metadata } = header;
  const count = parameterCount(manifest);
  if (count > parameters) throw malformed(`expected at most ${parameters} elements, got ${count}`);
  const known = viewOf(header, bytes, dataStart, count);
  if (known !== undefined) return { manifest, metadata, flat: known };
  const flat = new Float32Array(count);
  let to = 0;
  for (const [index, { shape, dtype }] of manifest.tensors.entries()) {
    const from = dataStart + (header.starts[index] ?? 0);
    const out = flat.subarray(to, to + elementCount(shape));
    const end = from + out.length * elementBytes(dtype);
    if (dtype === 'float32') float32FromBytes(bytes.subarray(from, end), out);
    else {
      const halves = new Uint16Array(out.length);
      for (let i = 0; i < halves.length; i += 1) halves[i] = view.getUint16(from + 2 * i, true);
      fromBfloat16(halves, out);
    }
    to += out.length;
  }
  return { manifest, metadata, flat };
};
