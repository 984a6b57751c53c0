/**
 * @module A codec that encodes a blob once for an upload to the storage nodes. The upload needs the
 * blob's id before it is paid for and the slivers after; the SDK encodes the whole blob for each.
 * Through a relay only the id is needed, and nothing is kept.
 */
import { sha256, toHex } from '../../bytes.ts';
import type { NetworkConfig } from '../config.ts';
import type { EncodedBlob, WalrusCodec } from './codec.ts';

/** Bytes of slivers that wait for their upload, together: a blob of 30 MB takes about 150. */
const KEPT_BYTES = 160 << 20;

const bytesOf = ({ sliversByNode }: EncodedBlob): number =>
  sliversByNode
    .flatMap(({ primary, secondary }) => [...primary, ...secondary])
    .reduce((sum, { sliver }) => sum + sliver.length, 0);

/** @param most bytes of slivers that are kept together; the oldest go first */
export const encodeOnce = (codec: WalrusCodec, most = KEPT_BYTES): WalrusCodec => {
  const kept = new Map<string, { readonly encoded: EncodedBlob; readonly bytes: number }>();
  let total = 0;
  const drop = (name: string): void => {
    total -= kept.get(name)?.bytes ?? 0;
    kept.delete(name);
  };
  return {
    ...codec,
    describe: async (bytes) => {
      // Slivers are larger than what they encode.
      if (bytes.length > most) return codec.describe(bytes);
      const encoded = await codec.encode(bytes);
      const name = toHex(sha256(bytes));
      drop(name);
      const entry = { encoded, bytes: bytesOf(encoded) };
      kept.set(name, entry);
      total += entry.bytes;
      for (const oldest of kept.keys()) {
        if (total <= most) break;
        drop(oldest);
      }
      return { blobId: encoded.blobId, rootHash: encoded.rootHash };
    },
    encode: async (bytes) => {
      const name = toHex(sha256(bytes));
      const entry = kept.get(name);
      if (entry === undefined) return codec.encode(bytes);
      // Given away: who sends the slivers may move their buffers to another thread.
      drop(name);
      return entry.encoded;
    },
    reset: () => {
      // Which node gets which slivers follows from the committee.
      kept.clear();
      total = 0;
      codec.reset();
    },
  };
};

/** The codec of uploads to this network. */
export const uploadCodec = (network: NetworkConfig, codec: WalrusCodec): WalrusCodec =>
  network.walrus.relayUrl === undefined ? encodeOnce(codec) : codec;
