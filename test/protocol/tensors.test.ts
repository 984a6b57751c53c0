import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FloeError } from '../../protocol/errors.ts';
import {
  canonicalManifest,
  decodeSafetensors,
  encodeSafetensors,
  flatten,
  fromBfloat16,
  hashModel,
  matchManifest,
  parameterCount,
  toBfloat16,
  unflatten,
  validateManifest,
  type Manifest,
} from '../../protocol/model/index.ts';
import { swapWords } from '../../protocol/model/floats.ts';
import { toHex } from '../../protocol/bytes.ts';

const manifest: Manifest = {
  tensors: [
    { name: 'dense/kernel', shape: [3, 2], dtype: 'float32' },
    // Looks like an integer: objects would move it to the front.
    { name: '7', shape: [], dtype: 'float32' },
    { name: 'embedding', shape: [5], dtype: 'bfloat16' },
    { name: '__proto__', shape: [1], dtype: 'float32' },
  ],
};
const flat = Float32Array.of(1, -2, 3.5, 1e-30, -0, 6, 42, 1, 0.5, -3, 256, 0, 9.25);

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof FloeError) return error.code;
    throw error;
  }
  return 'no error';
};

/** A file from raw parts, so that broken ones can be made. */
const file = (header: string | Uint8Array, data: Uint8Array = new Uint8Array()): Uint8Array => {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
};

describe('manifest', () => {
  it('counts parameters and keeps known fields only', () => {
    expect(parameterCount(manifest)).toBe(13);
    const extra = { tensors: manifest.tensors.map((tensor) => ({ ...tensor, note: 1 })), x: 2 };
    expect(validateManifest(extra)).toEqual(manifest);
  });

  it.each([
    ['no list', {}],
    ['null', null],
    ['empty', { tensors: [] }],
    ['name twice', { tensors: [manifest.tensors[0], manifest.tensors[0]] }],
    ['empty name', { tensors: [{ name: '', shape: [1], dtype: 'float32' }] }],
    ['long name', { tensors: [{ name: 'x'.repeat(201), shape: [1], dtype: 'float32' }] }],
    ['lone surrogate', { tensors: [{ name: '\ud800', shape: [1], dtype: 'float32' }] }],
    ['size 0', { tensors: [{ name: 'a', shape: [0], dtype: 'float32' }] }],
    ['size 1.5', { tensors: [{ name: 'a', shape: [1.5], dtype: 'float32' }] }],
    ['size -1', { tensors: [{ name: 'a', shape: [-1], dtype: 'float32' }] }],
    ['size NaN', { tensors: [{ name: 'a', shape: [Number.NaN], dtype: 'float32' }] }],
    ['size as text', { tensors: [{ name: 'a', shape: ['1'], dtype: 'float32' }] }],
    ['type', { tensors: [{ name: 'a', shape: [1], dtype: 'float64' }] }],
    ['too many elements', { tensors: [{ name: 'a', shape: [2 ** 31, 2], dtype: 'float32' }] }],
    [
      'product beyond the safe integers',
      { tensors: [{ name: 'a', shape: Array(32).fill(2 ** 52), dtype: 'float32' }] },
    ],
    [
      'too many tensors',
      {
        tensors: Array.from({ length: 4097 }, (_, i) => ({
          name: `t${i}`,
          shape: [1],
          dtype: 'float32',
        })),
      },
    ],
  ])('refuses: %s', (_label, value) => {
    expect(codeOf(() => validateManifest(value))).toBe('tensor_malformed');
  });

  it('names the first difference', () => {
    expect(() => matchManifest(manifest, manifest)).not.toThrow();
    for (const change of [{ name: 'other' }, { shape: [2, 3] }, { dtype: 'bfloat16' as const }]) {
      const tensors = [{ ...manifest.tensors[0]!, ...change }, ...manifest.tensors.slice(1)];
      expect(codeOf(() => matchManifest(manifest, { tensors }))).toBe('tensor_mismatch');
    }
    const fewer = { tensors: manifest.tensors.slice(1) };
    expect(codeOf(() => matchManifest(manifest, fewer))).toBe('tensor_mismatch');
  });
});

describe('flat vector', () => {
  it('takes apart without copying and puts together again', () => {
    const named = unflatten(manifest, flat);
    expect([...named.keys()]).toEqual(['dense/kernel', '7', 'embedding', '__proto__']);
    expect(named.get('7')).toEqual(Float32Array.of(42));
    expect(named.get('embedding')!.buffer).toBe(flat.buffer);
    expect(flatten(manifest, named)).toEqual(flat);
    const two: Manifest = { tensors: manifest.tensors.slice(0, 2) };
    expect(flatten(two, { '7': Float32Array.of(1), 'dense/kernel': new Float32Array(6) })).toEqual(
      Float32Array.of(0, 0, 0, 0, 0, 0, 1),
    );
  });

  it('refuses missing, unknown and ill-sized tensors', () => {
    const named = unflatten(manifest, flat);
    const without = new Map([...named].filter(([name]) => name !== '7'));
    expect(codeOf(() => flatten(manifest, without))).toBe('tensor_mismatch');
    const unknown = new Map([...named, ['other', new Float32Array(1)] as const]);
    expect(codeOf(() => flatten(manifest, unknown))).toBe('tensor_mismatch');
    const longer = new Map([...named, ['7', new Float32Array(2)] as const]);
    expect(codeOf(() => flatten(manifest, longer))).toBe('tensor_mismatch');
    expect(codeOf(() => unflatten(manifest, flat.subarray(1)))).toBe('tensor_mismatch');
  });
});

describe('bfloat16', () => {
  // Independent path: the nearest of the two neighbours by distance in float64, ties to the even
  // one.
  const reference = (value: number): number => {
    const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
    const float = (half: number): number => new Float32Array(Uint32Array.of(half << 16).buffer)[0]!;
    const low = bits >>> 16;
    const [below, above] = [float(low), float(low + 1)];
    const next = Number.isFinite(above) ? above : Math.sign(value) * 2 ** 128;
    const [toLow, toHigh] = [Math.abs(value - below), Math.abs(next - value)];
    return toLow < toHigh || (toLow === toHigh && low % 2 === 0) ? below : above;
  };

  it('rounds to nearest, ties to even', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const [got] = fromBfloat16(toBfloat16(Float32Array.of(value)));
        expect(got).toBe(reference(value));
      }),
      { numRuns: 2000 },
    );
    const ties = Float32Array.of(
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      -1 - 2 ** -8,
      2 ** 127 * (2 - 2 ** -9),
    );
    expect([...fromBfloat16(toBfloat16(ties))]).toEqual([1, 1 + 2 ** -6, -1, Infinity]);
  });

  it('keeps every bfloat16 as it is, NaN a NaN', () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const floats = fromBfloat16(all);
    const again = toBfloat16(floats);
    for (let i = 0; i < all.length; i += 1)
      if (Number.isNaN(floats[i])) expect(again[i]! | 0x40).toBe(i | 0x40);
      else expect(again[i]).toBe(i);
    const loud = new Float32Array(Uint32Array.of(0x7f800001, 0xffffffff).buffer);
    expect([...fromBfloat16(toBfloat16(loud))]).toEqual([Number.NaN, Number.NaN]);
  });

  it('swaps words', () => {
    expect([...swapWords(Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 7, 8).subarray(1))]).toEqual([
      4, 3, 2, 1, 8, 7, 6, 5,
    ]);
  });
});

describe('safetensors', () => {
  const bytes = encodeSafetensors(manifest, flat, { attempt: '3', a: 'ä"\n' });

  it('is read by an independent parser', () => {
    // Straight from the format's description, with Node buffers.
    const buffer = Buffer.from(bytes);
    const headerLength = Number(buffer.readBigUInt64LE(0));
    expect((8 + headerLength) % 8).toBe(0);
    const text = buffer.toString('utf8', 8, 8 + headerLength);
    const header = JSON.parse(text) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >;
    expect(header['__metadata__']).toEqual({ a: 'ä"\n', attempt: '3' });
    const data = buffer.subarray(8 + headerLength);
    const read = new Map<string, number[]>();
    for (const [name, entry] of Object.entries(header)) {
      if (name === '__metadata__') continue;
      const [begin, end] = entry.data_offsets;
      const values: number[] = [];
      for (let at = begin; at < end; at += entry.dtype === 'F32' ? 4 : 2)
        if (entry.dtype === 'F32') values.push(data.readFloatLE(at));
        else {
          const word = Buffer.alloc(4);
          data.copy(word, 2, at, at + 2);
          values.push(word.readFloatLE(0));
        }
      expect(values.length).toBe(entry.shape.reduce((a, b) => a * b, 1));
      read.set(name, values);
    }
    for (const [name, values] of unflatten(manifest, flat))
      expect(read.get(name)).toEqual([...values]);
    expect(text.indexOf('dense/kernel')).toBeLessThan(text.indexOf('"7"'));
  });

  it('round-trips, at any alignment, and writes the same bytes again', () => {
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const decoded = decodeSafetensors(shifted.subarray(1));
    expect(decoded.manifest).toEqual(manifest);
    expect(decoded.flat).toEqual(flat);
    expect(decoded.metadata).toEqual({ a: 'ä"\n', attempt: '3' });
    expect(encodeSafetensors(decoded.manifest, decoded.flat, decoded.metadata)).toEqual(bytes);
    expect(encodeSafetensors(manifest, flat, { a: 'ä"\n', attempt: '3' })).toEqual(bytes);
  });

  it('round-trips generated models', () => {
    const tensor = fc.record({
      name: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
      shape: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      dtype: fc.constantFrom('float32' as const, 'bfloat16' as const),
    });
    const lists = fc.uniqueArray(tensor, {
      selector: ({ name }) => name,
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(lists, fc.integer(), (tensors, seed) => {
        fc.pre(tensors.every(({ name }) => name !== '__metadata__'));
        const model = { tensors };
        const values = Float32Array.from(
          { length: parameterCount(model) },
          (_, i) => ((seed + i * 37) % 128) / 4,
        );
        const decoded = decodeSafetensors(encodeSafetensors(model, values));
        expect(decoded.manifest).toEqual(model);
        expect(decoded.flat).toEqual(values);
      }),
    );
  });

  it('reads files of other writers: keys in any order, spaces, metadata last', () => {
    const data = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
    const decoded = decodeSafetensors(
      file(
        '{ "b": {"shape":[2], "data_offsets":[4,12], "dtype":"F32"}, ' +
          '"a": {"dtype":"F32","shape":[],"data_offsets":[0,4]}, "__metadata__": {"format":"pt"} }  ',
        data,
      ),
    );
    expect(decoded.manifest.tensors.map(({ name }) => name)).toEqual(['a', 'b']);
    expect([...decoded.flat]).toEqual([1, 2, 3]);
    expect(decoded.metadata).toEqual({ format: 'pt' });
  });

  it('refuses every truncation and every trailing byte', () => {
    for (let length = 0; length < bytes.length; length += 1)
      expect(codeOf(() => decodeSafetensors(bytes.subarray(0, length)))).toBe('tensor_malformed');
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    expect(codeOf(() => decodeSafetensors(longer))).toBe('tensor_malformed');
  });

  it('answers any changed byte with a model or tensor_malformed, nothing else', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: bytes.length - 1 }),
        fc.integer({ min: 0, max: 255 }),
        (at, value) => {
          const changed = bytes.slice();
          changed[at] = value;
          expect(['no error', 'tensor_malformed']).toContain(
            codeOf(() => decodeSafetensors(changed)),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  const f32 = (name: string, begin: number, end: number, shape = '[1]', dtype = 'F32') =>
    `"${name}":{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
  const eight = new Uint8Array(8);

  it.each([
    ['overlap', file(`{${f32('a', 0, 4)},${f32('b', 2, 6)}}`, eight.subarray(2))],
    ['same range twice', file(`{${f32('a', 0, 4)},${f32('b', 0, 4)}}`, eight.subarray(4))],
    ['hole', file(`{${f32('a', 0, 4)},${f32('b', 8, 12)}}`, new Uint8Array(12))],
    ['hole at the start', file(`{${f32('a', 4, 8)}}`, eight)],
    ['range behind the end', file(`{${f32('a', 0, 4)},${f32('b', 4, 8)}}`, eight.subarray(4))],
    ['unused tail', file(`{${f32('a', 0, 4)}}`, eight)],
    ['size differs from shape', file(`{${f32('a', 0, 8)}}`, eight)],
    ['bytes of the wrong type', file(`{${f32('a', 0, 4, '[1]', 'BF16')}}`, eight.subarray(4))],
    ['unknown type', file(`{${f32('a', 0, 8, '[1]', 'F64')}}`, eight)],
    ['negative offsets', file(`{${f32('a', -4, 0)}}`, eight)],
    ['fractional offsets', file(`{${f32('a', 0.5, 4.5)}}`, eight)],
    ['zero size', file(`{${f32('a', 0, 0, '[0]')}}`)],
    ['shape overflow', file(`{${f32('a', 0, 4, '[4294967296,4294967297]')}}`, eight)],
    ['duplicate key', file(`{${f32('a', 0, 4)},${f32('a', 0, 4)}}`, eight.subarray(4))],
    ['duplicate key, escaped', file(`{${f32('a', 0, 4)},${f32('\\u0061', 4, 8)}}`, eight)],
    [
      'duplicate inner key',
      file(
        '{"a":{"dtype":"F64","dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        new Uint8Array(4),
      ),
    ],
    [
      'unknown inner key',
      file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}', new Uint8Array(4)),
    ],
    ['metadata not text', file(`{"__metadata__":{"a":1},${f32('a', 0, 4)}}`, eight.subarray(4))],
    ['no tensors', file('{}')],
    ['array', file('[]')],
    ['leading space', file(` {${f32('a', 0, 4)}}`, eight.subarray(4))],
    ['not UTF-8', file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d))],
    ['byte order mark', file(`\ufeff{${f32('a', 0, 4)}}`, eight.subarray(4))],
    ['null offsets', file('{"a":{"dtype":"F32","shape":[1],"data_offsets":null}}')],
    ['header over 1 MiB', file(`{${f32('a', 0, 4)}${' '.repeat(2 ** 20)}}`, eight.subarray(4))],
    ['header length 2^64-1', new Uint8Array(64).fill(255)],
  ])('refuses: %s', (_label, broken) => {
    expect(codeOf(() => decodeSafetensors(broken))).toBe('tensor_malformed');
  });

  it('copes with the longest string and the deepest nesting a header can hold', () => {
    const long = file(`{"${'\\"'.repeat(2 ** 19 - 100)}":1}`);
    expect(codeOf(() => decodeSafetensors(long))).toBe('tensor_malformed');
    const deep = file(`{"a":${'['.repeat(400_000)}${']'.repeat(400_000)}}`);
    expect(codeOf(() => decodeSafetensors(deep))).toBe('tensor_malformed');
  });

  it('holds its limits', () => {
    expect(codeOf(() => decodeSafetensors(bytes, { headerBytes: 64 }))).toBe('tensor_malformed');
    expect(codeOf(() => decodeSafetensors(bytes, { parameters: 12 }))).toBe('tensor_malformed');
    const reserved: Manifest = {
      tensors: [{ name: '__metadata__', shape: [1], dtype: 'float32' }],
    };
    expect(codeOf(() => encodeSafetensors(reserved, new Float32Array(1)))).toBe('tensor_malformed');
    expect(codeOf(() => encodeSafetensors(manifest, flat.subarray(1)))).toBe('tensor_mismatch');
  });
});

describe('model hash', () => {
  it('is SHA-256 of the documented bytes', () => {
    const text = Buffer.from(canonicalManifest(manifest));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    const values = Buffer.alloc(flat.length * 4);
    for (const [i, value] of flat.entries()) values.writeFloatLE(value, i * 4);
    const want = createHash('sha256')
      .update(Buffer.concat([Buffer.from('floe/model/v1\0'), length, text, values]))
      .digest('hex');
    expect(toHex(hashModel(manifest, flat))).toBe(want);
  });

  it('changes with any bit and any word of the manifest', () => {
    const base = toHex(hashModel(manifest, flat));
    const zero = flat.slice();
    zero[4] = 0;
    expect(toHex(hashModel(manifest, zero))).not.toBe(base);
    const renamed = manifest.tensors.map((t) => (t.name === '7' ? { ...t, name: '8' } : t));
    expect(toHex(hashModel({ tensors: renamed }, flat))).not.toBe(base);
  });
});
