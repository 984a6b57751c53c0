/**
 * Keys, pairs, Shamir and the sealed shares. Reference values: RFC 7748 (X25519, through the
 * library), an independent X25519 and HKDF (node:crypto), the `shamir-secret-sharing` library, and
 * the order of evaluation of GF(2^8) by table.
 */
import { createPrivateKey, createPublicKey, diffieHellman, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { combine, split as librarySplit } from 'shamir-secret-sharing';
import { beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/random.ts';
import {
  agree,
  commitShare,
  decapsulate,
  derive,
  encapsulate,
  ENTRY_BYTES,
  freezeCohort,
  hkdf,
  indexOf,
  makeShares,
  openShare,
  OWN_ENTRY_BYTES,
  pairMask,
  pairSign,
  parseEntry,
  ready,
  reconstruct,
  shareMatches,
  split,
  threshold,
  validatePublicKeys,
  validateShareMessage,
} from '../../protocol/secagg/index.ts';
import type { Cohort, ShareMessage } from '../../protocol/secagg/index.ts';
import { makeCohort, makeContext, makeParticipants } from './play.ts';
import type { Participant } from './play.ts';

const bytes = (label: string): Uint8Array => sha256(utf8(label));

let people: Participant[];
let cohort: Cohort;
let context: Uint8Array;

beforeAll(async () => {
  await ready();
  people = makeParticipants('secrets', 4);
  cohort = makeCohort(people);
  context = makeContext(cohort, 1);
});

const caught = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
};

const member = (p: Participant) => ({ id: p.id, keys: p.keys.public });

describe('keys', () => {
  it('derive from sigma by HKDF-SHA256 (against node:crypto), and only from it', () => {
    const sigma = bytes('sigma');
    const keys = derive(sigma);
    const expected = hkdfSync('sha256', sigma, new Uint8Array(0), 'floe/secagg/x25519/v1', 32);
    expect(toHex(keys.x25519Secret)).toBe(Buffer.from(expected).toString('hex'));
    expect(derive(sigma)).toEqual(keys);
    expect(derive(bytes('other')).public.x25519).not.toEqual(keys.public.x25519);
    expect(hkdf(sigma, context, utf8('i'), 40)).toEqual(
      new Uint8Array(hkdfSync('sha256', sigma, context, 'i', 40)),
    );
    expect(caught(() => derive(new Uint8Array(31)))).toMatchObject({ code: 'key_invalid' });
  });

  it('agree as X25519 does (against OpenSSL)', () => {
    const [a, b] = [people[0]!.keys, people[1]!.keys];
    const privateKey = createPrivateKey({
      key: Buffer.concat([fromHex('302e020100300506032b656e04220420'), a.x25519Secret]),
      format: 'der',
      type: 'pkcs8',
    });
    const publicKey = createPublicKey({
      key: Buffer.concat([fromHex('302a300506032b656e032100'), b.public.x25519]),
      format: 'der',
      type: 'spki',
    });
    const expected = new Uint8Array(diffieHellman({ privateKey, publicKey }));
    expect(agree(a.x25519Secret, b.public.x25519)).toEqual(expected);
    expect(agree(b.x25519Secret, a.public.x25519)).toEqual(expected);
  });

  it('refuse points of low order', () => {
    // Orders 1, 2, 4 and 8, and non-canonical encodings of 0 and 1: RFC 7748, section 6.1.
    const weak = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ];
    const { mlkem } = people[0]!.keys.public;
    for (const hex of weak) {
      const x25519 = fromHex(hex);
      expect(caught(() => agree(people[0]!.keys.x25519Secret, x25519))).toMatchObject({
        code: 'key_invalid',
      });
      expect(caught(() => validatePublicKeys({ x25519, mlkem }))).toMatchObject({
        code: 'key_invalid',
      });
    }
  });

  it('refuse KEM keys of another length or with coefficients of 3329 and more', () => {
    const { x25519, mlkem } = people[0]!.keys.public;
    validatePublicKeys({ x25519, mlkem });
    const malformed = [
      mlkem.subarray(1),
      concatBytes(mlkem, new Uint8Array(1)),
      mlkem.with(0, 0xff).with(1, mlkem[1]! | 0x0f),
      mlkem.with(1151, 0xff),
      new Uint8Array(0),
    ];
    for (const key of malformed) {
      expect(caught(() => validatePublicKeys({ x25519, mlkem: key }))).toMatchObject({
        code: 'key_invalid',
      });
      const peer = { id: people[1]!.id, keys: { x25519, mlkem: key } };
      expect(
        caught(() => encapsulate(people[0]!.keys, context, people[0]!.id, peer)),
      ).toMatchObject({ code: 'key_invalid' });
    }
    expect(caught(() => validatePublicKeys({ x25519: x25519.subarray(1), mlkem }))).toMatchObject({
      code: 'key_invalid',
    });
  });

  it('encapsulate deterministically, to one peer in one context only', () => {
    const [a, b, c] = [people[0]!, people[1]!, people[2]!];
    const first = encapsulate(a.keys, context, a.id, member(b));
    expect(encapsulate(derive(a.sigma), context, a.id, member(b))).toEqual(first);
    expect(decapsulate(b.keys, first.ciphertext)).toEqual(first.secret);
    const secrets = [
      first,
      encapsulate(a.keys, context, a.id, member(c)),
      encapsulate(a.keys, bytes('another context'), a.id, member(b)),
      encapsulate(a.keys, context, a.id, { id: c.id, keys: b.keys.public }),
    ].map(({ secret }) => toHex(secret));
    expect(new Set(secrets).size).toBe(4);
    expect(caught(() => decapsulate(b.keys, first.ciphertext.subarray(1)))).toMatchObject({
      code: 'share_invalid',
    });
  });
});

describe('the cohort', () => {
  it('is sorted, has distinct ids and 3 to 255 members', () => {
    const members = cohort.members.toReversed();
    expect(freezeCohort(members).members).toEqual(cohort.members);
    expect(caught(() => freezeCohort([...members, members[0]!]))).toMatchObject({
      code: 'record_conflict',
    });
    expect(caught(() => freezeCohort(members.slice(2)))).toMatchObject({
      code: 'cohort_too_small',
    });
    expect(caught(() => threshold(256))).toMatchObject({ code: 'cohort_too_large' });
    expect(caught(() => threshold(2))).toMatchObject({ code: 'cohort_too_small' });
    expect([3, 4, 5, 6, 10, 40, 255].map(threshold)).toEqual([3, 3, 4, 5, 7, 27, 171]);
    expect(caught(() => indexOf(cohort, new Uint8Array(32)))).toMatchObject({
      code: 'not_in_cohort',
    });
  });
});

describe('pairs', () => {
  it('give both sides one seed and opposite signs', () => {
    for (const [i, a] of cohort.members.entries())
      for (const [j, b] of cohort.members.entries()) {
        if (i === j) continue;
        const [mine, theirs] = [people[i]!.keys, people[j]!.keys];
        const toB = encapsulate(mine, context, a.id, b).ciphertext;
        const toA = encapsulate(theirs, context, b.id, a).ciphertext;
        const here = pairMask({ keys: mine, context, self: a.id, peer: b, fromPeer: toA });
        const there = pairMask({ keys: theirs, context, self: b.id, peer: a, fromPeer: toB });
        expect(here.seed).toEqual(there.seed);
        expect(here.sign + there.sign).toBe(0);
        expect(here.sign).toBe(pairSign(a.id, b.id));
      }
  });

  it('give another seed in another context and to every other pair', () => {
    const [a, b, c] = cohort.members;
    const mask = (peer: typeof b, used: Uint8Array) =>
      toHex(
        pairMask({
          keys: people[0]!.keys,
          context: used,
          self: a!.id,
          peer: peer!,
          fromPeer: new Uint8Array(1088),
        }).seed,
      );
    const seeds = [mask(b, context), mask(c, context), mask(b, bytes('x')), mask(c, bytes('x'))];
    expect(new Set(seeds).size).toBe(4);
    expect(caught(() => mask(b, new Uint8Array(31)))).toMatchObject({ code: 'context_mismatch' });
  });
});

describe('Shamir', () => {
  it('any t shares give the secret back; t - 1 or t + 1 are refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 40 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.nat(),
        async (n, secret, salt) => {
          const t = threshold(n);
          const shares = split(secret, n, t, seededRandom(utf8(`${salt}`)));
          const start = salt % n;
          const rotated = [...shares.slice(start), ...shares.slice(0, start)];
          expect(await reconstruct(rotated.slice(0, t), t)).toEqual(secret);
          await expect(reconstruct(rotated.slice(0, t - 1), t)).rejects.toMatchObject({
            code: 'not_enough_shares',
          });
        },
      ),
      { numRuns: 25, seed: 5 },
    );
  });

  it('works at the largest cohort, with the points 1 to 255', async () => {
    const secret = bytes('largest');
    const shares = split(secret, 255, 171, seededRandom(bytes('r')));
    expect(shares.map((share) => share[32])).toEqual(Array.from({ length: 255 }, (_, i) => i + 1));
    expect(await reconstruct(shares.slice(84), 171)).toEqual(secret);
  });

  it('t - 1 shares fit every secret: exactly one polynomial of the right degree for each', async () => {
    // 2 of 3: one share and any claimed secret determine a consistent second share.
    const [share] = split(bytes('hidden'), 3, 2, seededRandom(bytes('r')));
    const claimed = bytes('claimed');
    // The library interpolates at 0. Shifted by 3 (addition is exclusive or), the line through (0,
    // claimed) and (1, share) runs through (3, claimed) and (2, share), and its value at 0 is the
    // unshifted line's value at 3.
    const atThree = concatBytes(claimed, new Uint8Array([3]));
    const atTwo = concatBytes(share!.subarray(0, 32), new Uint8Array([2]));
    const value = await combine([atThree, atTwo]);
    expect(await combine([share!, concatBytes(value, new Uint8Array([3]))])).toEqual(claimed);
  });

  it("reads the library's shares: the field and the format are the same", async () => {
    const secret = bytes('library');
    const shares = await librarySplit(secret, 9, 7);
    expect(await reconstruct(shares.slice(2), 7)).toEqual(secret);
  });

  it('refuses repeated points, the point zero, other lengths, and bad arguments', async () => {
    const shares = split(bytes('s'), 4, 3, seededRandom(bytes('r')));
    const [a, b, c] = shares as [Uint8Array, Uint8Array, Uint8Array];
    for (const bad of [a, c.with(32, 0), c.subarray(1), concatBytes(c, new Uint8Array(1))])
      await expect(reconstruct([a, b, bad], 3)).rejects.toMatchObject({ code: 'share_invalid' });
    const random = seededRandom(bytes('r'));
    for (const [n, t] of [
      [3, 1],
      [3, 4],
      [256, 3],
      [3, Number.NaN],
    ] as const)
      expect(caught(() => split(bytes('s'), n, t, random))).toMatchObject({ code: 'internal' });
    expect(caught(() => split(bytes('s'), 3, 2, () => new Uint8Array(1)))).toMatchObject({
      code: 'internal',
    });
  });
});

const xor = (x: Uint8Array, y: Uint8Array) => x.map((byte, i) => byte ^ y[i]!);

const shareOf = async (index: number, random = 'r'): Promise<ShareMessage> => {
  const { id: self, sigma, keys, selfSecret } = people[index]!;
  const source = seededRandom(bytes(random));
  return (await makeShares({ context, cohort, self, sigma, keys, selfSecret, random: source }))
    .message;
};

const open = async (message: ShareMessage, recipient: number, used = context) =>
  openShare({
    context: used,
    cohort,
    self: people[recipient]!.id,
    keys: people[recipient]!.keys,
    author: message.author,
    entry: message.entries[recipient]!,
  });

describe('sealed shares', () => {
  it('open for their recipient, at its point, and match their commitments', async () => {
    const message = await shareOf(0);
    validateShareMessage(cohort, message);
    const pairs = await Promise.all([1, 2, 3].map(async (index) => open(message, index)));
    expect(pairs.map(({ self }) => self[32])).toEqual([2, 3, 4]);
    const selfShares = pairs.map(({ self }) => self);
    expect(await reconstruct(selfShares, 3)).toEqual(people[0]!.selfSecret);
    expect(
      await reconstruct(
        pairs.map(({ key }) => key),
        3,
      ),
    ).toEqual(people[0]!.sigma);
  });

  it('do not open for another recipient, author or context', async () => {
    const message = await shareOf(0);
    const moved = { ...message, entries: message.entries.toReversed() };
    await expect(open(moved, 2)).rejects.toMatchObject({ code: 'share_invalid' });
    const claimed = { ...message, author: people[2]!.id };
    await expect(open(claimed, 1)).rejects.toMatchObject({
      code: 'share_invalid',
      details: { author: toHex(people[2]!.id) },
    });
    await expect(open(message, 1, bytes('another'))).rejects.toMatchObject({
      code: 'share_invalid',
    });
    await expect(open(message, 0)).rejects.toMatchObject({ code: 'share_invalid' });
    const stranger = { ...message, author: new Uint8Array(32) };
    await expect(open(stranger, 1)).rejects.toMatchObject({ code: 'not_in_cohort' });
  });

  it('sharing afresh under the same sigma never encrypts two plaintexts under one keystream', async () => {
    const [first, second] = [await shareOf(0, 'before the crash'), await shareOf(0, 'after')];
    const [a, b] = [first, second].map((message) =>
      parseEntry(message.author, people[1]!.id, message.entries[1]!),
    );
    const [plainA, plainB] = await Promise.all([open(first, 1), open(second, 1)]);
    const plain = xor(concatBytes(plainA.self, plainA.key), concatBytes(plainB.self, plainB.key));
    expect(a!.kem).toEqual(b!.kem);
    expect(xor(a!.ciphertext.subarray(0, 66), b!.ciphertext)).not.toEqual(plain);
    expect(await shareOf(0, 'after')).toEqual(second);
  });

  it('are refused in messages of the wrong shape, naming the author', async () => {
    const message = await shareOf(1);
    expect(message.entries.map(({ length }) => length)).toEqual([
      ENTRY_BYTES,
      OWN_ENTRY_BYTES,
      ENTRY_BYTES,
      ENTRY_BYTES,
    ]);
    const author = toHex(people[1]!.id);
    const malformed = [
      { ...message, entries: message.entries.slice(1) },
      { ...message, entries: message.entries.map((entry) => entry.subarray(1)) },
      { ...message, entries: message.entries.map(() => new Uint8Array(ENTRY_BYTES)) },
      { ...message, commitment: new Uint8Array(31) },
    ];
    for (const bad of malformed)
      expect(caught(() => validateShareMessage(cohort, bad))).toMatchObject({
        code: 'share_invalid',
        details: { author },
      });
  });

  it('a committed share at the point of another member does not count', () => {
    const [author, recipient] = [people[0]!.id, people[1]!.id];
    const matches = (point: number) => {
      const share = new Uint8Array(33).fill(5).with(32, point);
      const committed = commitShare(context, author, recipient, 'self', share);
      const commitments = { self: committed, key: committed };
      return shareMatches(context, cohort, author, recipient, 'self', share, commitments);
    };
    expect([0, 1, 2, 3].map(matches)).toEqual([false, false, true, false]);
  });

  it('commitments tell kinds, authors and recipients apart', () => {
    const [a, b] = [people[0]!.id, people[1]!.id];
    const share = new Uint8Array(33).fill(1);
    const hashes = [
      commitShare(context, a, b, 'self', share),
      commitShare(context, a, b, 'key', share),
      commitShare(context, b, a, 'self', share),
      commitShare(bytes('another'), a, b, 'self', share),
      commitShare(context, a, b, 'self', share.with(0, 2)),
    ];
    expect(new Set(hashes.map(toHex)).size).toBe(5);
  });
});
