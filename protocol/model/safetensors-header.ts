/**
 * @module The header of a safetensors file: JSON that maps tensor names to type, shape and byte
 * range. Parsed strictly: every byte of the data belongs to exactly one tensor, and no key occurs
 * twice (JSON.parse alone would keep the last).
 */
import { FloeError } from '../errors.ts';
import { elementCount, validateManifest, type Manifest, type TensorDtype } from './manifest.ts';

const TYPES = { float32: 'F32', bfloat16: 'BF16' } as const;
const BYTES = { float32: 4, bfloat16: 2 } as const;

/** Bytes of one element on disk. */
export const elementBytes = (dtype: TensorDtype): number => BYTES[dtype];

const malformed = (message: string, cause?: unknown): FloeError =>
  new FloeError('tensor_malformed', message, {}, { cause });

/**
 * Header text: `__metadata__` first (sorted by key, left out when empty), then the tensors in the
 * manifest's order. Written by hand because an object would move names that look like integers to
 * the front.
 */
export const formatHeader = (
  manifest: Manifest,
  metadata: Readonly<Record<string, string>>,
): string => {
  const parts: string[] = [];
  const entries = Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length > 0) {
    const pairs = entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    parts.push(`"__metadata__":{${pairs.join(',')}}`);
  }
  let offset = 0;
  for (const { name, shape, dtype } of manifest.tensors) {
    const end = offset + elementCount(shape) * BYTES[dtype];
    const body = { dtype: TYPES[dtype], shape, data_offsets: [offset, end] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(body)}`);
    offset = end;
  }
  return `{${parts.join(',')}}`;
};

/** The first key that occurs twice in one object of `json`, which must be valid JSON. */
export const duplicateKey = (json: string): string | undefined => {
  const open: (Set<string> | null)[] = [];
  // In valid JSON a string is a key exactly when a colon follows it.
  const token = /[{}[\]]|("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?/gs;
  for (const [text, literal, colon] of json.matchAll(token)) {
    if (text === '{') open.push(new Set());
    else if (text === '[') open.push(null);
    else if (text === '}' || text === ']') open.pop();
    else if (literal !== undefined && colon !== undefined) {
      const key = String(JSON.parse(literal));
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const parseJson = (bytes: Uint8Array): Readonly<Record<string, unknown>> => {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed('expected a header of UTF-8 JSON', cause);
  }
  if (bytes[0] !== 0x7b || !isRecord(value))
    throw malformed('expected a header that is a JSON object and starts with {');
  const twice = duplicateKey(text);
  if (twice !== undefined) throw malformed(`header key ${JSON.stringify(twice)} occurs twice`);
  return value;
};

const parseMetadata = (value: unknown): Readonly<Record<string, string>> => {
  if (value === undefined) return {};
  if (!isRecord(value)) throw malformed('expected __metadata__ to be an object of strings');
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string')
      throw malformed(`expected __metadata__ ${JSON.stringify(key)} to be a string`);
    return [key, text];
  });
  return Object.fromEntries(entries);
};

const parseEntry = (name: string, value: unknown, ignored: boolean) => {
  const label = JSON.stringify(name);
  if (!isRecord(value) || Object.keys(value).length !== 3)
    throw malformed(`tensor ${label}: expected exactly dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: offsets } = value;
  const type = dtype === 'F32' ? 'float32' : dtype === 'BF16' ? 'bfloat16' : undefined;
  if (type === undefined && !ignored)
    throw malformed(`tensor ${label}: expected dtype F32 or BF16`);
  if (!Array.isArray(offsets) || offsets.length !== 2)
    throw malformed(`tensor ${label}: expected two data_offsets`);
  const [begin, end] = offsets as readonly unknown[];
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end))
    throw malformed(`tensor ${label}: expected data_offsets that are integers`);
  return { name, shape, dtype: type, ignored, begin: Number(begin), end: Number(end) };
};

export interface Header {
  /** In the order of the data, which is the order in the flat vector. */
  readonly manifest: Manifest;
  /** Where each tensor's data begins, in bytes behind the header. */
  readonly starts: readonly number[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * @param bytes the JSON, with any padding
 * @param dataBytes length of what follows the header
 * @param ignore tensors of any type that are left out; their bytes still must be where they belong
 * @throws FloeError `tensor_malformed` naming the first offence
 */
export const parseHeader = (
  bytes: Uint8Array,
  dataBytes: number,
  ignore: (name: string) => boolean = () => false,
): Header => {
  const { __metadata__: rawMetadata, ...rest } = parseJson(bytes);
  const metadata = parseMetadata(rawMetadata);
  const entries = Object.entries(rest)
    .map(([name, value]) => parseEntry(name, value, ignore(name)))
    .toSorted((a, b) => a.begin - b.begin || a.end - b.end);
  const kept = entries.filter(({ ignored }) => !ignored);
  const manifest = validateManifest({ tensors: kept });
  let offset = 0;
  for (const { name, begin, end } of entries) {
    const label = JSON.stringify(name);
    if (begin !== offset)
      throw malformed(`tensor ${label}: expected its data at byte ${offset}, got ${begin}`);
    if (end < begin)
      throw malformed(`tensor ${label}: expected data that ends at ${begin} or later`);
    offset = end;
  }
  if (offset !== dataBytes) throw malformed(`expected ${offset} bytes of data, got ${dataBytes}`);
  for (const [index, { name, shape, dtype }] of manifest.tensors.entries()) {
    const { begin, end } = kept[index]!;
    const size = elementCount(shape) * BYTES[dtype];
    if (end - begin !== size)
      throw malformed(`tensor ${JSON.stringify(name)}: expected ${size} bytes, got ${end - begin}`);
  }
  return { manifest, metadata, starts: kept.map(({ begin }) => begin) };
};
