/**
 * @module Bytes that cost more to decode than to send: millions of elements, deep nesting, lengths
 * that are declared and never come. Both sides read frames of the other, and everybody reads
 * records of strangers. Counted is what the decoder has taken from the bytes when it refuses, not
 * how long that took.
 */
import { Tokenizer } from 'cborg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../protocol/bytes.ts';
import { encodeCbor } from '../../protocol/wire/cbor.ts';
import { FloeError, isErrorCode } from '../../protocol/errors.ts';
import { decodeClientFrame, decodeServerFrame } from '../../protocol/wire/messages.ts';
import { decodeRecord, MAX_RECORD_BYTES } from '../../protocol/records/records.ts';
import { decodeRunSpec } from '../../protocol/spec/run-spec.ts';

/** Above what the widest honest frame or record has: a few lists of a cohort. */
const FEW = 16_384;
/** The same of a specification: 10,000 members, 4,096 tensors, a contract of 20,000 columns. */
const FEW_IN_SPEC = 500_000;

let elements = 0;
// oxlint-disable-next-line unbound-method
const { next } = Tokenizer.prototype;
beforeAll(() => {
  Tokenizer.prototype.next = function counted(this: Tokenizer) {
    elements += 1;
    return next.call(this);
  };
});
afterAll(() => {
  Tokenizer.prototype.next = next;
});
beforeEach(() => {
  elements = 0;
});

const filled = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);
const repeated = (unit: readonly number[], times: number): Uint8Array =>
  Uint8Array.from({ length: unit.length * times }, (_, i) => unit[i % unit.length] as number);
/** The head of an array of `count`, in four bytes of length. */
const arrayOf = (count: number): Uint8Array =>
  new Uint8Array([0x9a, count >>> 24, (count >>> 16) & 255, (count >>> 8) & 255, count & 255]);
const ARRAYS = (size: number): Uint8Array => concatBytes(arrayOf(size), filled(0x80, size));

/** By name: what a body of about `size` bytes may look like. */
const BOMBS: Readonly<Record<string, (size: number) => Uint8Array>> = {
  'a list of empty lists': ARRAYS,
  'lists in lists': (size) => filled(0x81, size),
  'maps in maps': (size) => repeated([0xa1, 0x61, 0x61], Math.floor(size / 3)),
  'lists without an end': (size) => filled(0x9f, size),
  'tags on tags': (size) => filled(0xc6, size),
  bignums: (size) =>
    concatBytes(arrayOf(Math.floor(size / 3)), repeated([0xc2, 0x41, 1], Math.floor(size / 3))),
  'a list of 2^64 - 1': () => concatBytes(new Uint8Array([0x9b]), filled(0xff, 8)),
  'a map of 2^53': () => new Uint8Array([0xbb, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  'a map of many small keys': (size) => {
    const count = Math.floor(size / 6);
    const pairs = Array.from({ length: count }, (_, i) => [
      0x64,
      ...utf8(i.toString(36).padStart(4, '0')),
      0,
    ]);
    return concatBytes(
      new Uint8Array([0xba, count >>> 24, (count >>> 16) & 255, (count >>> 8) & 255, count & 255]),
      new Uint8Array(pairs.flat()),
    );
  },
  'bytes of 2^63': () => concatBytes(new Uint8Array([0x5b, 0x7f]), filled(0xff, 7)),
  'text of 2^63': () => concatBytes(new Uint8Array([0x7b, 0x7f]), filled(0xff, 7)),
};

const refusedByName = (
  decode: (bytes: Uint8Array) => unknown,
  bytes: Uint8Array,
  most = FEW,
): void => {
  let thrown: unknown;
  try {
    decode(bytes);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(FloeError);
  expect(isErrorCode((thrown as FloeError).code)).toBe(true);
  expect((thrown as FloeError).code).not.toBe('internal');
  expect(elements).toBeLessThan(most);
};

/** {v: 3, <name>: <bomb>, type}: the bomb stands where the type is not yet known, or behind it. */
const frameWith = (head: object, key: string, bomb: Uint8Array): Uint8Array => {
  const whole = encodeCbor({ v: 3, ...head, [key]: 0 });
  // The last byte is the value of the longest key.
  return concatBytes(whole.subarray(0, -1), bomb);
};

describe.each(Object.entries(BOMBS))('%s', (_name, make) => {
  const bomb = make(1 << 20);

  it('is no frame', () => {
    refusedByName(decodeClientFrame, bomb);
    refusedByName(decodeServerFrame, bomb);
  });

  it.each(['hello', 'login', 'record', 'share', 'withdraw'])('is refused in a frame %s', (type) => {
    refusedByName(decodeClientFrame, frameWith({ type }, 'entries', bomb));
  });

  it.each(['welcome', 'evidence', 'cohort', 'sharers', 'consistency', 'finished'])(
    'is refused by the participant in a frame %s',
    (type) => {
      refusedByName(decodeServerFrame, frameWith({ type }, 'registers', bomb));
      elements = 0;
      refusedByName(decodeServerFrame, frameWith({ type }, 'records', bomb));
    },
  );

  it('is refused as a record, as its envelope and as its payload', () => {
    const small = make(MAX_RECORD_BYTES - 200);
    // The largest body lists the identities of a draw: 10,000 thrice.
    const most = 32 << 10;
    refusedByName(decodeRecord, concatBytes(new Uint8Array([0xd2]), small), most);
    elements = 0;
    const head = new Uint8Array([0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0, 0x5a]);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, small.length);
    const signature = new Uint8Array(64);
    const envelope = [new Uint8Array([0xd2]), head, length, small, [0x58, 0x40], signature];
    const wrapped = concatBytes(...envelope.map((part) => new Uint8Array(part)));
    refusedByName(decodeRecord, wrapped, most);
  });

  it('is refused as a specification', () => {
    refusedByName(
      decodeRunSpec,
      frameWith({ version: 1 }, 'a long name of a field that is none', bomb),
      FEW_IN_SPEC,
    );
  });
});

it('eight MiB of empty lists in a hello are refused after a handful of elements', () => {
  refusedByName(
    decodeClientFrame,
    frameWith({ type: 'hello', key: new Uint8Array(32) }, 'nonce', ARRAYS((8 << 20) - 100)),
  );
  expect(elements).toBeLessThan(32);
});
