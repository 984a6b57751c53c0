import { describe, expect, it } from 'vitest';
import {
  areLeavesOf,
  chunkRoot,
  extrasLeaf,
  joinHashes,
  leafAt,
  leafCount,
  leafHashes,
} from '../../protocol/encoding/leaves.ts';
import { ringLayout, type EncodingSpec } from '../../protocol/encoding/index.ts';
import { seededRandom } from '../../protocol/ports/random.ts';

const spec = (over: Partial<EncodingSpec> = {}): EncodingSpec => ({
  ring: 'ring16',
  bits: 8,
  clipNorm: 1,
  rotation: true,
  weightCap: 100,
  ...over,
});

describe('leaves of a vector', () => {
  const layouts = [1, 35, 300, 5_000, 199_210].flatMap((dimension) =>
    [true, false].flatMap((rotation) =>
      [3, 10, 200].map((n) => ringLayout(spec({ rotation }), n, dimension)),
    ),
  );

  it.each(
    layouts.map((layout) => {
      const [{ dimension, blockSize }] = layout.segments;
      return [dimension, layout.modulusBits, blockSize, layout] as const;
    }),
  )(
    '%i coordinates of %i bits, %i lanes a leaf: cover every lane and every byte once, at whole bytes',
    (_dimension, bits, _lanes, layout) => {
      let byte = 0;
      let lane = 0;
      for (let i = 0; i < leafCount(layout); i += 1) {
        const leaf = leafAt(layout, i);
        expect(leaf).toMatchObject({ index: i, start: byte, lane });
        expect((leaf.lane * bits) % 8).toBe(0);
        byte = leaf.end;
        lane += leaf.lanes;
      }
      expect(byte).toBe(layout.byteLength);
      expect(lane).toBe(layout.lanes);
    },
  );

  it('are the blocks, and the extra lanes in one of their own', () => {
    const layout = ringLayout(spec(), 10, 199_210);
    expect(leafCount(layout)).toBe(layout.blocks + 1);
    expect(leafAt(layout, 3).lanes).toBe(layout.segments[0].blockSize);
    expect(extrasLeaf(layout)).toEqual(leafAt(layout, layout.blocks));
    expect(extrasLeaf(layout)).toMatchObject({ lane: layout.padded, lanes: layout.extraLanes });
  });

  it('the last leaf of an encrypted vector holds what encryption added', () => {
    const layout = ringLayout(spec(), 10, 300);
    expect(leafAt(layout, 5, layout.byteLength + 16).end).toBe(layout.byteLength + 16);
    expect(leafHashes(layout, new Uint8Array(layout.byteLength + 16))).toHaveLength(6);
  });

  it('no leaf beyond the last', () => {
    const layout = ringLayout(spec(), 10, 300);
    for (const index of [-1, 6, 0.5, Number.NaN])
      expect(() => leafAt(layout, index)).toThrowError(
        expect.objectContaining({ code: 'record_malformed' }),
      );
  });

  it('the root changes with any byte, and only the hashes of all leaves give it', () => {
    const layout = ringLayout(spec(), 10, 300);
    const vector = seededRandom(new Uint8Array(32))(layout.byteLength);
    const root = chunkRoot(layout, vector);
    for (const at of [0, 100, vector.length - 1])
      expect(
        chunkRoot(
          layout,
          vector.map((byte, i) => (i === at ? byte ^ 1 : byte)),
        ),
      ).not.toEqual(root);
    const hashes = leafHashes(layout, vector);
    expect(areLeavesOf(layout, joinHashes(hashes), root)).toBe(true);
    for (const wrong of [hashes.slice(1), [...hashes, hashes[0]!], hashes.toReversed(), []])
      expect(areLeavesOf(layout, joinHashes(wrong), root)).toBe(false);
    // The root itself is no leaf.
    expect(areLeavesOf(layout, root, root)).toBe(false);
  });
});
