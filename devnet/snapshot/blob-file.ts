/**
 * @module One blob of the storage nodes as a file: the blob itself once, the slivers of each node,
 * and the bytes of those slivers that do not follow from the blob. Layout: length of the header
 * (u32, little-endian), header (JSON), then the bytes that it names.
 */
import * as v from 'valibot';
import { DevnetError } from '../errors.ts';
import type { SliverKey } from '../walrus/encoding.ts';
import { parseBlobId } from '../walrus/layout.ts';
import type { BlobVault } from '../walrus/vault.ts';

const HEADER_LIMIT = 4 * 1024 * 1024;

const length = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const key = v.custom<SliverKey>(
  (value) => typeof value === 'string' && /^\d{1,5}\/(primary|secondary)$/.test(value),
);

const Header = v.object({
  metadata: length,
  /** Absent when only slivers are kept. */
  source: v.optional(length),
  holders: v.array(
    v.object({
      node: length,
      /** Slivers that follow from the blob. */
      derived: v.array(key),
      own: v.array(v.object({ key, length })),
    }),
  ),
});

type Header = v.InferOutput<typeof Header>;

/**
 * A blob as the vault has it now, to be encoded later, when the bytes of the blob are read;
 * undefined when it has not even its metadata.
 */
export const planBlobFile = (vault: BlobVault, blobId: string): (() => Uint8Array) | undefined => {
  const metadata = vault.metadata(blobId);
  if (!metadata) return undefined;
  const source = vault.shelved(blobId);
  const parts: Uint8Array[] = [];
  const holders: Header['holders'] = [];
  for (const [node, slivers] of vault.holders(blobId)) {
    const own: { key: SliverKey; length: number }[] = [];
    for (const [name, bytes] of slivers.own()) {
      own.push({ key: name, length: bytes.length });
      parts.push(bytes);
    }
    const names = new Set(own.map((item) => item.key));
    holders.push({ node, derived: [...slivers.keys()].filter((name) => !names.has(name)), own });
  }
  const header: Header = {
    metadata: metadata.bytes.length,
    ...(source ? { source: source.length } : {}),
    holders,
  };
  const text = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(text.length);
  return () =>
    Buffer.concat([head, text, metadata.bytes, ...(source ? [source.read()] : []), ...parts]);
};

const malformed = (blobId: string, why: string, cause?: unknown): DevnetError =>
  new DevnetError('snapshot_invalid', `the saved blob ${blobId}: ${why}`, { cause });

const readHeader = (blobId: string, file: Uint8Array): { header: Header; end: number } => {
  if (file.length < 4) throw malformed(blobId, `expected a header, got ${file.length} bytes`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = 4 + view.getUint32(0, true);
  if (end > Math.min(file.length, HEADER_LIMIT))
    throw malformed(blobId, `a header of ${end} bytes in a file of ${file.length}`);
  let data: unknown;
  try {
    data = JSON.parse(Buffer.from(file.subarray(4, end)).toString('utf8'));
  } catch (cause) {
    throw malformed(blobId, 'the header is not JSON', cause);
  }
  const parsed = v.safeParse(Header, data);
  if (!parsed.success) throw malformed(blobId, v.summarize(parsed.issues));
  return { header: parsed.output, end };
};

/**
 * Puts a saved blob into a vault.
 *
 * @param nodes how many storage nodes there are
 * @returns the nodes that hold something of it
 * @throws {DevnetError} snapshot_invalid
 */
export const restoreBlobFile = (
  vault: BlobVault,
  nodes: number,
  blobId: string,
  file: Uint8Array,
): readonly number[] => {
  const { header, end } = readHeader(blobId, file);
  let at = end;
  const take = (bytes: number): Uint8Array => {
    at += bytes;
    if (at > file.length) throw malformed(blobId, `expected ${at} bytes, got ${file.length}`);
    return file.subarray(at - bytes, at);
  };
  const id = parseBlobId(blobId);
  if (!id) throw malformed(blobId, 'the name is not a blob id');
  try {
    vault.restore(
      blobId,
      id,
      take(header.metadata),
      header.source === undefined ? undefined : take(header.source),
    );
  } catch (cause) {
    throw cause instanceof DevnetError ? cause : malformed(blobId, String(cause), cause);
  }
  for (const { node, derived, own } of header.holders) {
    if (node >= nodes) throw malformed(blobId, `there is no node ${node}`);
    if (derived.length > 0 && header.source === undefined)
      throw malformed(blobId, 'slivers follow from a blob that is not there');
    const slivers = vault.sliversOf(blobId, node);
    for (const name of derived) slivers.set(name);
    for (const item of own) slivers.set(item.key, take(item.length));
    slivers.changed = false;
  }
  if (at !== file.length) throw malformed(blobId, `${file.length - at} bytes too many`);
  return header.holders.map(({ node }) => node);
};
