/**
 * @module A specification that is encoded is one that others decode: the widest contract fits, and
 * a wider one is refused where it is made, with what to do. Bytes of other versions cost no second
 * decoding.
 */
import { Tokenizer } from 'cborg';
import { expect, it, vi } from 'vitest';
import * as v from 'valibot';
import { encodeCbor } from '../../protocol/wire/cbor.ts';
import { decodeVersioned } from '../../protocol/wire/versioned.ts';
import { type Contract, MAX_CONTRACT_FEATURES } from '../../protocol/spec/contract.ts';
import { parseContract } from '../../protocol/spec/parse-contract.ts';
import { decodeRunSpec, encodeRunSpec, makeRunSpec } from '../../protocol/spec/run-spec.ts';

/** Every field that a column of numbers can have. */
const wide = (columns: number, name = 'column'): Contract => ({
  version: 1,
  input: {
    type: 'table',
    features: Array.from({ length: columns }, (_, i) => ({
      type: 'number' as const,
      name: `${name} ${i}`,
      date: true as const,
      normalise: { mean: i / 3, scale: 1.1 },
      range: [-1.1, i + 0.1] as [number, number],
      missing: 0.7,
    })),
  },
  target: { type: 'classes', name: 'class', classes: ['a', 'b'] },
});

const specOf = (data: Contract) =>
  makeRunSpec({
    id: new Uint8Array(16),
    coordinator: new Uint8Array(32),
    model: { architecture: 'custom', tensors: [{ name: 'w', shape: [1], dtype: 'float32' }] },
    data,
  });

it('the most columns that a contract may have are encoded and decoded', () => {
  const spec = specOf(wide(MAX_CONTRACT_FEATURES));
  const bytes = encodeRunSpec(spec);
  expect(encodeRunSpec(decodeRunSpec(bytes))).toEqual(bytes);
});

it('one more, or longer names than fit, are refused with what to do', () => {
  const more = wide(MAX_CONTRACT_FEATURES + 1);
  const said = /--drop-column.*\.npy/u;
  expect(() => parseContract(more)).toThrow(said);
  // What encodes checks what no schema does.
  const narrow = specOf(wide(1));
  const long = wide(MAX_CONTRACT_FEATURES, 'n'.repeat(190));
  expect(() => encodeRunSpec({ ...narrow, data: long })).toThrow(said);
  const values = Array.from({ length: 10_000 }, (_, i) => i.toString(36));
  const categories: Contract = {
    ...more,
    input: {
      type: 'table',
      features: Array.from({ length: 41 }, (_, i) => ({
        type: 'category' as const,
        name: String(i),
        values,
      })),
    },
  };
  expect(() => encodeRunSpec({ ...narrow, data: categories })).toThrow(said);
});

it('another version is found by its field alone', () => {
  const schema = v.strictObject({ version: v.literal(2), a: v.array(v.number()) });
  const format = { field: 'version', version: 2, what: 'this' };
  const decode = (value: unknown, elements = 16) =>
    decodeVersioned(schema, format, encodeCbor(value), 'spec_invalid', 1 << 20, {
      elements,
      depth: 4,
    });
  expect(decode({ version: 2, a: [1] })).toEqual({ version: 2, a: [1] });
  const outdated = expect.objectContaining({ code: 'run_outdated' }) as Error;
  const invalid = expect.objectContaining({ code: 'spec_invalid' }) as Error;
  const thrownBy = (value: unknown): unknown => {
    try {
      return decode(value);
    } catch (thrown) {
      return thrown;
    }
  };
  expect(thrownBy({ version: 3, a: [1] })).toEqual(outdated);
  // `a` stands before the version and is passed over; `z...` behind it is not even read.
  expect(thrownBy({ version: 3, a: [[1], { b: 2 }] })).toEqual(outdated);
  expect(thrownBy({ version: 3, zzzzzzzzzz: Array.from({ length: 100 }, () => 0) })).toEqual(
    outdated,
  );
  expect(thrownBy({ version: 2, b: 1 })).toEqual(invalid);
  expect(thrownBy({ version: '3', a: [1] })).toEqual(invalid);
  const next = vi.spyOn(Tokenizer.prototype, 'next');
  expect(thrownBy({ version: 2, a: Array.from({ length: 1000 }, () => 0) })).toEqual(invalid);
  expect(next.mock.calls.length).toBeLessThanOrEqual(2 * 16);
  next.mockRestore();
});
