/**
 * @module The specification of a run in a process of many participants: decoded once, shared, and
 * so never changed.
 */
import { describe, expect, it } from 'vitest';
import { FloeError } from '../../protocol/errors.ts';
import { createInterned } from '../../protocol/spec/decode-once.ts';

describe('what is decoded once', () => {
  it('is one value for 300 logins, with one decode', () => {
    let decodes = 0;
    const specs = createInterned((bytes) => {
      decodes += 1;
      return { list: [...bytes] };
    });
    const values = Array.from({ length: 300 }, () => specs.decode(Uint8Array.of(1, 2, 3)));
    expect(decodes).toBe(1);
    expect(new Set(values).size).toBe(1);
    expect(values[0]).toEqual({ list: [1, 2, 3] });
  });

  it('does not change with the bytes it was given, nor by its users', () => {
    const specs = createInterned((bytes) => ({ list: [...bytes] }));
    const bytes = Uint8Array.of(1, 2, 3);
    const first = specs.decode(bytes);
    bytes[0] = 9;
    expect(specs.decode(bytes)).toEqual({ list: [9, 2, 3] });
    expect(specs.decode(Uint8Array.of(1, 2, 3))).toBe(first);
    expect(() => first.list.push(4)).toThrow(TypeError);
  });

  it('keeps no more than the newest two, and nothing of what is refused', () => {
    let decodes = 0;
    const specs = createInterned((bytes) => {
      decodes += 1;
      if (bytes[0] === 0) throw new FloeError('spec_invalid', 'refused');
      return { first: bytes[0] };
    });
    for (const byte of [1, 2, 3, 3, 2]) specs.decode(Uint8Array.of(byte));
    expect(decodes).toBe(3);
    specs.decode(Uint8Array.of(1));
    expect(decodes).toBe(4);
    for (let i = 0; i < 2; i += 1)
      expect(() => specs.decode(Uint8Array.of(0))).toThrow(
        expect.objectContaining({ code: 'spec_invalid' }),
      );
    expect(decodes).toBe(6);
  });
});
