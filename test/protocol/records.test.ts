import { encode } from 'cborg';
import { createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, equalBytes, fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { decodeCbor, encodeCbor } from '../../protocol/wire/cbor.ts';
import { manualClock, sleep } from '../../protocol/ports/clock.ts';
import { openCose, signCose } from '../../protocol/records/cose.ts';
import { FloeError, toFloeError } from '../../protocol/errors.ts';
import {
  addressOf,
  identityFromSeed,
  verifySignature,
  type Identity,
} from '../../protocol/ports/identity.ts';
import { merkleRoot } from '../../protocol/records/merkle.ts';
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeFrame,
  MAX_FRAME_BYTES,
} from '../../protocol/wire/messages.ts';
import { randomBelow, seededRandom, systemRandom } from '../../protocol/ports/random.ts';
import {
  decodeRecord,
  decodeRecordOf,
  signRecord,
  sortKeys,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import {
  decodeRunSpec,
  encodeRunSpec,
  hashRunSpec,
  makeRunSpec,
  type RunSpecInput,
} from '../../protocol/spec/run-spec.ts';
import {
  decodeTranscript,
  emptyTranscript,
  encodeEntry,
  nextEntry,
  attemptRoot,
} from '../../protocol/records/transcript.ts';
import * as v from 'valibot';

const run = sha256(utf8('a run'));
/** The protected header of every record: {1: -8}. */
const HEADER = fromHex('a10127');
/** A tagged COSE envelope of these parts. */
const envelope = (parts: readonly unknown[]): Uint8Array =>
  concatBytes(new Uint8Array([0xd2]), encodeCbor(parts));
let alice: Identity;
let bob: Identity;

beforeAll(async () => {
  alice = await identityFromSeed(new Uint8Array(32).fill(1));
  bob = await identityFromSeed(new Uint8Array(32).fill(2));
});

const spec = () =>
  makeRunSpec({
    id: new Uint8Array(16),
    coordinator: alice.publicKey,
    model: { architecture: 'custom', tensors: [{ name: 'w', shape: [4], dtype: 'float32' }] },
  });

const register = (attempt = 1, author = bob): SignedRecord<'register'> =>
  signRecord(author, 'register', run, attempt, {
    open: sha256(utf8('open')),
    counter: 1,
    mask: { x25519: new Uint8Array(32), mlkem: new Uint8Array(1184) },
    seal: { x25519: new Uint8Array(32), mlkem: new Uint8Array(1184) },
  });

describe('identity', () => {
  // RFC 8032, section 7.1, test 1: the public key of this secret seed.
  it('has the key of RFC 8032 and a Sui address', async () => {
    const seed = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
    const known = await identityFromSeed(seed);
    expect(toHex(known.publicKey)).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    );
    expect(known.address).toMatch(/^0x[0-9a-f]{64}$/);
    expect(addressOf(known.publicKey)).toBe(known.address);
  });

  it('binds a signature to tag, payload and key', () => {
    const signature = alice.sign('open', utf8('hello'));
    expect(verifySignature('open', utf8('hello'), signature, alice.publicKey)).toBe(true);
    expect(verifySignature('upload', utf8('hello'), signature, alice.publicKey)).toBe(false);
    expect(verifySignature('open', utf8('hellO'), signature, alice.publicKey)).toBe(false);
    expect(verifySignature('open', utf8('hello'), signature, bob.publicKey)).toBe(false);
    expect(verifySignature('open', utf8('hello'), signature.subarray(1), alice.publicKey)).toBe(
      false,
    );
  });
});

describe('CBOR', () => {
  it('refuses lengths that are not the shortest, keys that come twice, floats that are not finite, and trailing bytes', () => {
    const refused = [
      '1800', // 0 in two bytes
      'a2616101616102', // a key twice
      'fb7ff8000000000000', // NaN
      'f97c00', // infinity
      '0000', // trailing byte
      '9f01ff', // indefinite length
      'f7', // undefined
    ];
    for (const hex of refused)
      expect(() => decodeCbor(v.any(), fromHex(hex), 'frame_malformed', 100), hex).toThrowError(
        FloeError,
      );
  });

  it('round-trips what it encodes', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string(),
          fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.uint8Array()),
        ),
        (value) => {
          const plain = { ...value };
          expect(decodeCbor(v.any(), encodeCbor(plain), 'frame_malformed', 1e6)).toEqual(plain);
        },
      ),
    );
  });
});

describe('run specification', () => {
  it('fills in defaults, survives encoding, and has a hash that depends on every field', () => {
    const made = spec();
    expect(decodeRunSpec(encodeRunSpec(made))).toEqual(made);
    expect(equalBytes(hashRunSpec(made), hashRunSpec({ ...made, rounds: made.rounds + 1 }))).toBe(
      false,
    );
  });

  it('keeps the hash it had without audiences, and changes it with them', () => {
    const made = spec();
    const { version: _version, ...rest } = made;
    const hashWith = (access?: RunSpecInput['access']): string =>
      toHex(hashRunSpec(makeRunSpec({ ...rest, access })));
    expect(encodeRunSpec(makeRunSpec({ ...rest, access: { models: [] } }))).toEqual(
      encodeRunSpec(made),
    );
    expect(hashWith()).toBe(toHex(hashRunSpec(made)));
    const audiences = [['pass'], ['compute'], ['pass', 'compute']] as const;
    const hashes = audiences.map((models) => hashWith({ models }));
    expect(new Set([hashWith(), ...hashes]).size).toBe(4);
  });

  it('names the field that is wrong', () => {
    const good = spec();
    const cases: [string, object][] = [
      ['rounds', { ...good, rounds: 0 }],
      ['access.models', { ...good, access: { models: [] } }],
      ['access.models', { ...good, access: { models: ['pass', 'pass'] } }],
      ['access.models', { ...good, access: { models: ['everybody'] } }],
      ['cohort.size', { ...good, cohort: { ...good.cohort, size: 2 } }],
      ['cohort.minimum', { ...good, cohort: { ...good.cohort, minimum: 11 } }],
      ['encoding.clipNorm', { ...good, encoding: { ...good.encoding, clipNorm: 0 } }],
      ['training.learningRate', { ...good, training: { ...good.training, learningRate: -1 } }],
      ['secagg', { ...good, secagg: 'base64' }],
      ['surprise', { ...good, surprise: 1 }],
    ];
    for (const [field, broken] of cases)
      expect(() => decodeRunSpec(encodeCbor(broken)), field).toThrowError(
        expect.objectContaining({
          code: 'spec_invalid',
          message: expect.stringContaining(field) as string,
        }),
      );
  });
});

describe('signed records', () => {
  it('decode to what was signed', () => {
    const record = register();
    expect(decodeRecord(record.bytes)).toEqual(record);
    expect(() => decodeRecordOf('upload', record.bytes)).toThrowError(
      expect.objectContaining({ code: 'record_malformed' }),
    );
  });

  it('refuse every flipped bit with a named error', () => {
    const { bytes } = register();
    for (let at = 0; at < bytes.length; at += 3) {
      const changed = new Uint8Array(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => decodeRecord(changed), `byte ${at}`).toThrowError(
        expect.objectContaining({
          code: expect.stringMatching(/^(record_malformed|signature_invalid)$/) as string,
        }),
      );
    }
  });

  it('refuse a signature of somebody else and a type the signature was not made for', () => {
    const record = register();
    const { payload, signature } = openCose(record.bytes, 'record_malformed');
    const fields = decodeCbor(v.record(v.string(), v.any()), payload, 'record_malformed', 1e6);
    // The envelope of another payload with the same signature: what a forger can make.
    const forge = (wire: object): Uint8Array => envelope([HEADER, {}, encodeCbor(wire), signature]);
    expect(forge(fields)).toEqual(record.bytes);
    const forged = [
      { ...fields, author: alice.publicKey },
      { ...fields, attempt: 2 },
      { ...fields, run: new Uint8Array(32) },
    ];
    for (const wire of forged)
      expect(() => decodeRecord(forge(wire))).toThrowError(
        expect.objectContaining({ code: 'signature_invalid' }),
      );
    expect(() => decodeRecord(forge({ ...fields, type: 'upload' }))).toThrowError(
      expect.objectContaining({ code: 'record_malformed' }),
    );
  });

  it('have one envelope: other headers, tags and lengths of the same signature are refused', () => {
    const { bytes } = register();
    const { payload, signature } = openCose(bytes, 'record_malformed');
    const others = [
      bytes.subarray(1),
      concatBytes(new Uint8Array([0xd1]), bytes.subarray(1)),
      concatBytes(bytes, new Uint8Array(1)),
      envelope([HEADER, { 4: 'kid' }, payload, signature]),
      envelope([new Uint8Array([0xa0]), {}, payload, signature]),
      envelope([HEADER, {}, payload, signature, 0]),
      envelope([HEADER, {}, payload]),
      envelope([HEADER, {}, payload, signature.subarray(1)]),
      // The array's length in two bytes where one would do.
      concatBytes(new Uint8Array([0xd2, 0x98, 0x04]), bytes.subarray(2)),
    ];
    for (const other of others)
      expect(() => decodeRecord(other)).toThrowError(
        expect.objectContaining({ code: 'record_malformed' }),
      );
  });

  it('are verified as they came: a payload in another form than ours holds as long as it is signed', () => {
    const record = register();
    const { type, author, attempt, body } = record;
    const inOrder = encode({ attempt, run, body, author, type }, { mapSorter: () => 0 });
    expect(inOrder).not.toEqual(openCose(record.bytes, 'record_malformed').payload);
    const other = decodeRecord(signCose(bob, utf8('floe/record/v2'), inOrder));
    expect(other.body).toEqual(record.body);
    expect(other.hash).not.toEqual(record.hash);
  });

  it('is COSE_Sign1 of RFC 9052: the signature is over its Sig_structure', () => {
    const { bytes } = register();
    const { payload, signature } = openCose(bytes, 'record_malformed');
    const structure = encodeCbor(['Signature1', HEADER, utf8('floe/record/v2'), payload]);
    const der = concatBytes(fromHex('302a300506032b6570032100'), bob.publicKey);
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    expect(verify(null, structure, key, signature)).toBe(true);
    expect(() => bob.signCose(payload)).toThrowError(expect.objectContaining({ code: 'internal' }));
  });

  it('refuse a key that is listed twice', () => {
    expect(() => sortKeys([alice.publicKey, bob.publicKey, alice.publicKey])).toThrowError(
      FloeError,
    );
    expect(sortKeys([bob.publicKey, alice.publicKey])).toEqual(
      sortKeys([alice.publicKey, bob.publicKey]),
    );
  });
});

describe('frames', () => {
  it('round-trip, each side its own', () => {
    const hello = encodeFrame({ type: 'hello', key: bob.publicKey, nonce: new Uint8Array(32) });
    expect(decodeClientFrame(hello)).toMatchObject({ type: 'hello' });
    expect(() => decodeServerFrame(hello)).toThrowError(
      expect.objectContaining({ code: 'frame_malformed' }),
    );
  });

  it('refuse another version, unknown types, extra fields and too many bytes, each by name', () => {
    const cases: [string, Uint8Array][] = [
      ['version_unsupported', encodeCbor({ v: 1, type: 'hello' })],
      ['version_unsupported', encodeCbor({ v: 'two', type: 'hello' })],
      ['version_unsupported', encodeCbor({ type: 'hello' })],
      ['frame_malformed', encodeCbor({ v: 3, type: 'gimme' })],
      ['frame_malformed', encodeCbor({ v: 3, type: 'record', record: new Uint8Array(1), more: 1 })],
      ['frame_malformed', encodeCbor({ v: 3, type: 'record' })],
      ['frame_malformed', new Uint8Array([0xff, 0, 1])],
      ['frame_malformed', new Uint8Array(0)],
      ['frame_too_large', new Uint8Array(MAX_FRAME_BYTES + 1)],
    ];
    for (const [code, bytes] of cases)
      expect(() => decodeClientFrame(bytes), code).toThrowError(expect.objectContaining({ code }));
  });

  it('never throw anything but a named error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeClientFrame(bytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(FloeError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('Merkle trees', () => {
  // RFC 9162, section 2.1.3, spelled out for three leaves.
  it('carry an odd subtree up, as the RFC says', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((text) => sha256(new Uint8Array([0]), utf8(text)));
    const expected = sha256(
      new Uint8Array([1]),
      sha256(new Uint8Array([1]), a as Uint8Array, b as Uint8Array),
      c as Uint8Array,
    );
    expect(merkleRoot(['a', 'b', 'c'].map(utf8))).toEqual(expected);
  });
});

describe('transcript', () => {
  const build = () => {
    let transcript = emptyTranscript(run);
    for (const record of [register(1), register(2), register(2, alice)]) {
      const entry = nextEntry(transcript.head, transcript.entries.length, record);
      transcript = { run, head: entry.hash, entries: [...transcript.entries, entry] };
    }
    return { transcript, bytes: Buffer.concat(transcript.entries.map(encodeEntry)) };
  };

  it('reads back, with one root per round', () => {
    const { transcript, bytes } = build();
    const read = decodeTranscript(run, bytes);
    expect(read).toEqual(transcript);
    expect(attemptRoot(read.entries, 1)).not.toEqual(attemptRoot(read.entries, 2));
  });

  it('names the entry after one changed byte, a dropped, swapped or foreign entry', () => {
    const { transcript, bytes } = build();
    const broken = expect.objectContaining({ code: 'transcript_broken' });
    for (let at = 0; at < bytes.length; at += 37) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 4;
      expect(() => decodeTranscript(run, changed), `byte ${at}`).toThrowError(broken);
    }
    const [first, second, third] = transcript.entries.map(encodeEntry) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    expect(() => decodeTranscript(run, Buffer.concat([first, third]))).toThrowError(broken);
    expect(() => decodeTranscript(run, Buffer.concat([second, first, third]))).toThrowError(broken);
    expect(() => decodeTranscript(sha256(utf8('another')), bytes)).toThrowError(broken);
    expect(() => decodeTranscript(run, bytes.subarray(0, -1))).toThrowError(broken);
  });
});

describe('randomness and time', () => {
  it('a seeded stream repeats, whatever the sizes asked for', () => {
    const whole = seededRandom(new Uint8Array(32))(100);
    const stream = seededRandom(new Uint8Array(32));
    expect(Buffer.concat([stream(1), stream(63), stream(36)])).toEqual(Buffer.from(whole));
  });

  it('the system source fills more than the platform gives at once', () => {
    const bytes = systemRandom(200_000);
    expect(bytes.subarray(-32).some((byte) => byte !== 0)).toBe(true);
  });

  it('draws below a bound without bias (chi-square, 6 cells, 60,000 draws, p > 1e-6)', () => {
    const random = seededRandom(new Uint8Array(32).fill(5));
    const cells = Array.from({ length: 6 }, () => 0);
    for (let i = 0; i < 60_000; i += 1) {
      const cell = randomBelow(random, 6);
      cells[cell] = (cells[cell] ?? 0) + 1;
    }
    const chi2 = cells.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chi2).toBeLessThan(35.9);
  });

  it('a manual clock fires in order and can be cancelled; sleep can be aborted', async () => {
    const clock = manualClock(100);
    const fired: number[] = [];
    clock.at(130, () => fired.push(130));
    clock.at(110, () => fired.push(110));
    clock.at(120, () => fired.push(120))();
    const controller = new AbortController();
    const nap = sleep(clock, 1000, controller.signal);
    clock.advance(50);
    expect(fired).toEqual([110, 130]);
    controller.abort();
    await expect(nap).rejects.toMatchObject({ code: 'aborted' });
    expect(toFloeError(new Error('disk on fire'), 'store_unavailable')).toMatchObject({
      code: 'store_unavailable',
      retryable: true,
    });
  });
});
