/**
 * @module One encoding for an upload to the storage nodes, counted.
 */
import { describe, expect, it } from 'vitest';
import type { EncodedBlob, WalrusCodec } from '../../protocol/net/walrus/codec.ts';
import { encodeOnce, uploadCodec } from '../../protocol/net/walrus/encode-once.ts';
import type { NetworkConfig } from '../../protocol/net/config.ts';

const SLIVER = 100;

/** Counts what it is asked for; every blob has two slivers. */
const counting = () => {
  const calls: string[] = [];
  const sliver = () => ({ sliver: new Uint8Array(SLIVER) });
  const codec: WalrusCodec = {
    describe: async ([first]) => {
      calls.push('describe');
      return { blobId: `blob ${first}`, rootHash: new Uint8Array(32).fill(first ?? 0) };
    },
    encode: async ([first]) => {
      calls.push('encode');
      return {
        blobId: `blob ${first}`,
        rootHash: new Uint8Array(32).fill(first ?? 0),
        sliversByNode: [{ primary: [sliver()], secondary: [sliver()] }],
      } as unknown as EncodedBlob;
    },
    quilt: async () => ({ bytes: new Uint8Array(), patches: [] }),
    read: async () => new Uint8Array(),
    reset: () => calls.push('reset'),
    close: async () => undefined,
  };
  return { codec, calls };
};

const blob = (first: number): Uint8Array => new Uint8Array(10).fill(first);

describe('an upload to the nodes', () => {
  it('encodes once for the id and the slivers, which are given away', async () => {
    const { codec, calls } = counting();
    const once = encodeOnce(codec);
    const expected = await codec.describe(blob(1));
    expect(await once.describe(blob(1))).toEqual(expected);
    expect((await once.encode(blob(1))).blobId).toBe('blob 1');
    expect(calls).toEqual(['describe', 'encode']);
    await once.encode(blob(1));
    expect(calls).toEqual(['describe', 'encode', 'encode']);
  });

  it('encodes anew for another committee', async () => {
    const { codec, calls } = counting();
    const once = encodeOnce(codec);
    await once.describe(blob(1));
    once.reset();
    await once.encode(blob(1));
    expect(calls).toEqual(['encode', 'reset', 'encode']);
  });

  it('keeps no more slivers than fit, and of a larger blob none', async () => {
    const { codec, calls } = counting();
    const once = encodeOnce(codec, 4 * SLIVER);
    for (const first of [1, 2, 3]) await once.describe(blob(first));
    await once.encode(blob(3));
    await once.encode(blob(2));
    expect(calls).toHaveLength(3);
    await once.encode(blob(1));
    expect(calls).toHaveLength(4);
    await once.describe(new Uint8Array(4 * SLIVER + 1));
    expect(calls.at(-1)).toBe('describe');
  });

  it('through a relay needs the id alone', () => {
    const { codec } = counting();
    const networkWith = (walrus: object) => ({ walrus }) as NetworkConfig;
    expect(uploadCodec(networkWith({ relayUrl: 'http://a' }), codec)).toBe(codec);
    expect(uploadCodec(networkWith({}), codec)).not.toBe(codec);
  });
});
