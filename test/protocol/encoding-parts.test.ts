/**
 * The parts of the encoding against independent paths: naive Hadamard matrix, big integers,
 * orthogonality.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addInto,
  createLanes,
  pack,
  ringLayout,
  subtractInto,
  unpack,
  walshHadamard,
  type EncodingSpec,
  type SegmentLayout,
} from '../../protocol/encoding/index.ts';
import {
  blockEnergies,
  coordinatesOf,
  planRotation,
  rotateBlock,
  rotateBlockBack,
  rotationGain,
} from '../../protocol/encoding/rotation.ts';
import { FloeError } from '../../protocol/errors.ts';
import { difference, l2, normal, uniform } from './support.ts';

const spec: EncodingSpec = { ring: 'ring16', bits: 8, clipNorm: 1, rotation: true, weightCap: 600 };
const seed = Uint8Array.from({ length: 32 }, (_, i) => i);

const refusal = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof FloeError) return error.code;
    throw error;
  }
  return undefined;
};

const gaussian = (count: number, label: number): Float64Array => {
  const next = uniform(label);
  return Float64Array.from({ length: count }, () => normal(next));
};

/** A layout of given blocks, as `ringLayout` would make it for another size of model. */
const blocksOf = (blocks: number, blockSize: number): SegmentLayout => ({
  ...ringLayout(spec, 10, 1).segments[0],
  dimension: blocks * blockSize,
  blocks,
  blockSize,
  padded: blocks * blockSize,
});

describe('Walsh-Hadamard transform', () => {
  it.each([1, 2, 4, 8, 32, 64, 512])('is the naive matrix product at size %i', (size) => {
    const parity = (word: number): number => {
      let odd = 0;
      for (let rest = word; rest > 0; rest >>= 1) odd ^= rest & 1;
      return odd;
    };
    const x = gaussian(size, size);
    const want = Float64Array.from({ length: size }, (_, i) =>
      x.reduce((sum, value, j) => sum + (parity(i & j) ? -value : value), 0),
    );
    // In the middle of a longer vector, whose rest must stay as it is.
    const surrounded = new Float64Array(size + 6).fill(7);
    surrounded.set(x, 3);
    walshHadamard(surrounded, 3, size);
    expect(l2(difference(surrounded.subarray(3, 3 + size), want))).toBeLessThan(1e-10);
    expect([...surrounded.subarray(0, 3), ...surrounded.subarray(3 + size)]).toEqual(
      Array(6).fill(7),
    );
  });
});

describe('rotation', () => {
  it('is orthogonal inside a block, and undone', () => {
    const layout = blocksOf(3, 64);
    const rotation = planRotation(layout, seed);
    const gain = rotationGain(layout);
    const columns = Array.from({ length: 64 }, (_, i) => {
      const unit = new Float64Array(64);
      unit[i] = 1;
      rotateBlock(unit, rotation, 2);
      return unit.map((value) => value / gain);
    });
    for (const [i, a] of columns.entries())
      for (const [j, b] of columns.entries()) {
        const dot = a.reduce((sum, value, k) => sum + value * b[k]!, 0);
        expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-12);
      }
    const x = gaussian(64, 3);
    const there = x.slice();
    rotateBlock(there, rotation, 1);
    rotateBlockBack(there, rotation, 1);
    const back = there.map((value) => value / gain ** 2);
    expect(l2(difference(back, x))).toBeLessThan(1e-12);
  });

  it.each([1, 2, 3, 7, 49])('deals every coordinate to one block, %i blocks', (blocks) => {
    const layout = blocksOf(blocks, 64);
    const rotation = planRotation(layout, seed);
    const all = Array.from({ length: blocks }, (_, block) => [...coordinatesOf(rotation, block)]);
    expect(all.flat().toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: layout.padded }, (_, i) => i),
    );
    // One of each group of as many coordinates as there are blocks.
    for (const coordinates of all)
      expect(coordinates.map((i) => Math.floor(i / blocks))).toEqual(
        Array.from({ length: 64 }, (_, g) => g),
      );
    const x = Float32Array.from(gaussian(layout.padded - 5, blocks));
    const energies = blockEnergies(rotation, x);
    for (const [block, coordinates] of all.entries()) {
      const want = coordinates.reduce((sum, i) => sum + (x[i] ?? 0) ** 2, 0);
      expect(energies[block]).toBeCloseTo(want, 9);
    }
  });

  it('gives each block its share of a layer, however the layer is laid out', () => {
    // All energy in each 10th coordinate of a last layer of 2,010: one class of ten.
    const [layout] = ringLayout(spec, 10, 199_210).segments;
    const x = new Float32Array(199_210);
    for (let i = 197_200; i < x.length; i += 10) x[i] = 1;
    const energies = blockEnergies(planRotation(layout, seed), x);
    // 201 coordinates in 49 blocks: Poisson of mean 4.1, above 12 with probability 2e-4 a block.
    expect(Math.max(...energies)).toBeLessThanOrEqual(12);
  });

  it('expands signs and shifts as documented', () => {
    const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
      createHash('sha256').update(Buffer.concat(parts)).digest();
    const expanded = (tag: string, digests: number): Buffer => {
      const key = sha256(Buffer.from(tag), seed);
      return Buffer.concat(
        Array.from({ length: digests }, (_, c) => sha256(key, Uint8Array.of(c, 0, 0, 0))),
      );
    };
    const { signs, shifts } = planRotation(blocksOf(5, 128), seed);
    expect(Buffer.from(signs).equals(expanded('floe/rotation-signs/v2\0', 3))).toBe(true);
    const random = expanded('floe/rotation-shifts/v2\0', 16);
    expect([...shifts]).toEqual(
      Array.from({ length: 128 }, (_, g) => random.readUInt32LE(4 * g) % 5),
    );
  });
});

describe('layout', () => {
  it.each([1, 2, 65, 100, 1000, 4097, 199_210, 1_000_000, 1_663_370, 102_000_001])(
    'pads %i coordinates by at most 2 % or 64',
    (dimension) => {
      const [layout] = ringLayout(spec, 10, dimension).segments;
      expect(layout.padded).toBe(layout.blocks * layout.blockSize);
      expect(Math.log2(layout.blockSize) % 1).toBe(0);
      expect(layout.padded).toBeGreaterThanOrEqual(dimension);
      expect(layout.padded - dimension).toBeLessThanOrEqual(Math.max(64, 0.02 * dimension));
    },
  );

  it('holds the sizes of the specification', () => {
    const megabytes = (n: number, ring: EncodingSpec['ring'] = 'ring16'): number =>
      ringLayout({ ...spec, ring }, n, 1_000_000).byteLength / 1e6;
    expect(megabytes(10)).toBeCloseTo(1.52, 2);
    expect(megabytes(100)).toBeCloseTo(1.9, 2);
    expect(megabytes(1000, 'ring24')).toBeCloseTo(2.29, 2);
  });
});

describe('packing', () => {
  it.each(Array.from({ length: 32 }, (_, i) => i + 1))(
    'is the bits of a big integer, b = %i',
    (b) => {
      const next = uniform(b);
      for (const count of [0, 1, 2, 3, 7, 8, 9, 64, 101]) {
        const lanes = createLanes(count, b).map(() => Math.floor(next() * 2 ** b));
        let bits = 0n;
        for (const [i, lane] of lanes.entries()) bits |= BigInt(lane) << BigInt(i * b);
        const want = Array.from({ length: Math.ceil((count * b) / 8) }, (_, i) =>
          Number((bits >> BigInt(8 * i)) & 255n),
        );
        const packed = pack(lanes, b);
        expect([...packed]).toEqual(want);
        expect(unpack(packed, b, count)).toEqual(lanes);
      }
    },
  );

  it('drops bits above b', () => {
    for (const b of [5, 8, 12, 15])
      for (const count of [1, 2, 3])
        expect(unpack(pack(new Uint16Array(count).fill(0xffff), b), b, count)).toEqual(
          new Uint16Array(count).fill(2 ** b - 1),
        );
  });

  it('refuses truncated and longer bytes, and padding bits', () => {
    for (const b of [4, 8, 12, 15, 18, 32]) {
      const packed = pack(createLanes(33, b), b);
      const longer = new Uint8Array(packed.length + 1);
      expect(refusal(() => unpack(packed.subarray(1), b, 33))).toBe('upload_mismatch');
      expect(refusal(() => unpack(longer, b, 33))).toBe('upload_mismatch');
      expect(refusal(() => unpack(new Uint8Array(), b, 33))).toBe('upload_mismatch');
      for (let bit = (33 * b) % 8; bit > 0 && bit < 8; bit += 1) {
        const padding = packed.slice();
        padding[padding.length - 1]! |= 1 << bit;
        expect(refusal(() => unpack(padding, b, 33))).toBe('upload_mismatch');
      }
    }
    expect(refusal(() => pack(new Uint16Array(1), 0))).toBe('encoding_overflow');
    expect(refusal(() => pack(new Uint16Array(1), 33))).toBe('encoding_overflow');
  });
});

describe('lanes', () => {
  it.each([4, 12, 16, 17, 24, 31, 32])('adds and subtracts mod 2^%i', (b) => {
    const modulus = 2n ** BigInt(b);
    const lane = fc.integer({ min: 0, max: 2 ** b - 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(lane, lane), { maxLength: 20 }), (pairs) => {
        const a = createLanes(pairs.length, b).map((_, i) => pairs[i]![0]);
        const c = createLanes(pairs.length, b).map((_, i) => pairs[i]![1]);
        const acc = a.slice();
        addInto(acc, c, b);
        expect([...acc]).toEqual(pairs.map(([x, y]) => Number((BigInt(x) + BigInt(y)) % modulus)));
        subtractInto(acc, c, b);
        expect(acc).toEqual(a);
        subtractInto(acc, c, b);
        expect([...acc]).toEqual(
          pairs.map(([x, y]) => Number((modulus + BigInt(x) - BigInt(y)) % modulus)),
        );
      }),
    );
  });

  it('refuses vectors that do not fit', () => {
    const eight = new Uint16Array(8);
    expect(refusal(() => addInto(eight, new Uint16Array(7), 12))).toBe('upload_mismatch');
    expect(refusal(() => addInto(eight, new Uint32Array(8), 12))).toBe('upload_mismatch');
    expect(refusal(() => subtractInto(eight, eight, 17))).toBe('upload_mismatch');
  });
});
