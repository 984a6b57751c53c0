/**
 * Keys, pairs, Shamir and the sealed shares. Reference values: RFC 7748 (X25519, through the
 * library), an independent X25519 and HKDF (node:crypto), the `shamir-secret-sharing` library, and
 * the order of evaluation of GF(2^8) by table.
 */
import { hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { combine, split as librarySplit } from 'shamir-secret-sharing';
import { beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import {
  commitShare,
  createParty,
  deriveKeys,
  entryBytes,
  entryHash,
  entryHashOf,
  entryHead,
  freezeCohort,
  indexOf,
  kemSeed,
  makeShares,
  openEntry,
  pairKey,
  pairMask,
  pairSign,
  parseEntry,
  platformPrimitives,
  ready,
  reconstruct,
  shareMatches,
  split,
  threshold,
  validatePublicKeys,
  validateShareMessage,
  wrapPairKey,
} from '../../protocol/secagg/index.ts';
import type { Cohort, Party, Registered, ShareMessage } from '../../protocol/secagg/index.ts';
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

const partyOf = (index: number): Party => {
  const { id: self, sigma, seal } = people[index]!;
  return createParty({ context, cohort, self, sigma, seal });
};
const registered = (): Registered[] =>
  people.map(({ id, keys, sealKeys }) => ({ id, mask: keys.public, seal: sealKeys.public }));

describe('keys', () => {
  it('derive from their secret by HKDF-SHA256 (against node:crypto), other ones for each use', () => {
    const secret = bytes('sigma');
    for (const use of ['mask', 'seal', 'answer'] as const) {
      const derived = (what: string, length: number) =>
        new Uint8Array(
          hkdfSync('sha256', secret, new Uint8Array(0), `floe/secagg/${use}/${what}/v1`, length),
        );
      const keys = deriveKeys(secret, use);
      const point = platformPrimitives.pointPair(derived('x25519', 32));
      expect(keys.public.x25519).toEqual(point.publicKey);
      expect(kemSeed(secret, use)).toEqual(derived('mlkem768', 64));
      const kem = platformPrimitives.kemPair(derived('mlkem768', 64));
      expect(keys.public.mlkem).toEqual(kem.publicKey);
    }
    const all = (['mask', 'seal', 'answer'] as const).map((use) => deriveKeys(secret, use).public);
    expect(new Set(all.map(({ x25519 }) => toHex(x25519))).size).toBe(3);
    expect(new Set(all.map(({ mlkem }) => toHex(mlkem))).size).toBe(3);
    expect(caught(() => deriveKeys(new Uint8Array(31), 'mask'))).toMatchObject({
      code: 'key_invalid',
    });
  });

  it('a party is refused that does not hold the secrets of its registered keys', () => {
    const { id: self, sigma, seal } = people[0]!;
    for (const wrong of [
      { sigma: seal, seal },
      { sigma, seal: sigma },
    ])
      expect(caught(() => createParty({ context, cohort, self, ...wrong }))).toMatchObject({
        code: 'key_invalid',
      });
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
    }
    expect(caught(() => validatePublicKeys({ x25519: x25519.subarray(1), mlkem }))).toMatchObject({
      code: 'key_invalid',
    });
  });
});

const BEACON = new Uint8Array(32);

describe('the cohort', () => {
  it('is sorted, has distinct ids and 3 to 255 members', () => {
    const members = registered().toReversed();
    const frozen = freezeCohort(members, BEACON).members;
    expect(frozen.map(({ id }) => id)).toEqual(cohort.members.map(({ id }) => id));
    expect(caught(() => freezeCohort([...members, members[0]!], BEACON))).toMatchObject({
      code: 'record_conflict',
    });
    expect(caught(() => freezeCohort(members.slice(2), BEACON))).toMatchObject({
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
  it('give both sides one seed and opposite signs', async () => {
    const messages = await Promise.all(people.map((_, index) => shareOf(index)));
    for (const [i, a] of people.entries())
      for (const [j, b] of people.entries()) {
        if (i === j) continue;
        const here = await openEntry(partyOf(i), b.id, messages[j]!.entries[i]!);
        const there = await openEntry(partyOf(j), a.id, messages[i]!.entries[j]!);
        expect(here.seed).toEqual(there.seed);
        // What the recovery computes from sigma of either alone.
        const [lower, higher] = i < j ? [i, j] : [j, i];
        const entry = messages[lower]!.entries[higher]!;
        const { wrapped } = parseEntry(people[lower]!.id, people[higher]!.id, entry);
        const { sigma, keys } = a;
        const peer = cohort.members[j]!;
        const mask = pairMask({ sigma, keys, context, self: a.id, peer, wrapped: wrapped! });
        expect(mask).toEqual({ seed: here.seed, sign: pairSign(a.id, b.id) });
      }
    expect(pairSign(people[0]!.id, people[1]!.id) + pairSign(people[1]!.id, people[0]!.id)).toBe(0);
  });

  it('give another key in another context, in the other direction and to every other member', () => {
    const [a, b, c] = people;
    const key = (used: Uint8Array, from = a!, to = b!) =>
      toHex(pairKey(a!.sigma, used, from.id, to.id, platformPrimitives));
    const keys = [key(context), key(bytes('x')), key(context, b, a), key(context, a, c)];
    expect(new Set(keys).size).toBe(4);
    expect(caught(() => key(new Uint8Array(31)))).toMatchObject({ code: 'context_mismatch' });
  });

  it('wrap a key under a fresh secret each time', () => {
    const key = bytes('k');
    const to = cohort.members[1]!;
    const wraps = [1, 2].map(() =>
      wrapPairKey(key, context, people[0]!.id, to, platformPrimitives),
    );
    expect(wraps[0]!.wrap).not.toEqual(wraps[1]!.wrap);
    expect(wraps[0]!.commitment).toEqual(wraps[1]!.commitment);
  });
});

describe('Shamir', () => {
  it('any t shares give the secret back; t - 1 or t + 1 are refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 40 }),
        fc.uint8Array({ minLength: 1, maxLength: 65 }),
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

const shareOf = async (index: number, random = 'r'): Promise<ShareMessage> => {
  const { selfSecret } = people[index]!;
  const source = seededRandom(bytes(random));
  return (await makeShares({ party: partyOf(index), selfSecret, random: source })).message;
};

const open = async (message: ShareMessage, recipient: number, used = context) => {
  const party = { ...partyOf(recipient), context: used };
  return openEntry(party, message.author, message.entries[recipient]!);
};

describe('sealed shares', () => {
  it('open for their recipient, at its point, and match their commitments', async () => {
    const message = await shareOf(0);
    validateShareMessage(cohort, message);
    const pairs = await Promise.all([1, 2, 3].map(async (index) => open(message, index)));
    expect(pairs.map(({ self }) => self[64])).toEqual([2, 3, 4]);
    expect(pairs.map(({ key }) => key[32])).toEqual([2, 3, 4]);
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

  it('sharing afresh under the same secrets never uses one sealing key for two plaintexts', async () => {
    const [first, second] = [await shareOf(0, 'before the crash'), await shareOf(0, 'after')];
    const [a, b] = [first, second].map((message) =>
      parseEntry(message.author, people[1]!.id, message.entries[1]!),
    );
    // Each entry has an encapsulation of its own, so a key of its own.
    expect(a!.kem).not.toEqual(b!.kem);
    expect((await open(first, 1)).seed).toEqual((await open(second, 1)).seed);
  });

  it('are refused in messages of the wrong shape, naming the author', async () => {
    const message = await shareOf(1);
    const lengths = message.entries.map(({ length }) => length);
    expect(lengths).toEqual([1266, 64, 2418, 2418]);
    expect(people.map(({ id }) => entryBytes(message.author, id))).toEqual(lengths);
    const author = toHex(people[1]!.id);
    const malformed = [
      { ...message, entries: message.entries.slice(1) },
      { ...message, entries: message.entries.map((entry) => entry.subarray(1)) },
      { ...message, entries: message.entries.map(() => new Uint8Array(2418)) },
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
      const share = new Uint8Array(65).fill(5).with(64, point);
      const committed = commitShare(context, author, 'self', share);
      const commitments = { self: committed, key: committed };
      return shareMatches(context, cohort, author, recipient, 'self', share, commitments);
    };
    expect([0, 1, 2, 3].map(matches)).toEqual([false, false, true, false]);
  });

  it('commitments tell kinds, authors, contexts and points apart', () => {
    const [a, b] = [people[0]!.id, people[1]!.id];
    const share = new Uint8Array(33).fill(1);
    const hashes = [
      commitShare(context, a, 'self', share),
      commitShare(context, a, 'key', share),
      commitShare(context, b, 'self', share),
      commitShare(bytes('another'), a, 'self', share),
      commitShare(context, a, 'self', share.with(0, 2)),
      commitShare(context, a, 'self', share.with(32, 2)),
    ];
    expect(new Set(hashes.map(toHex)).size).toBe(6);
  });

  it('the hash of an entry shows its commitments without the rest, and binds all of it', async () => {
    const { entries } = await shareOf(0);
    for (const [i, entry] of entries.entries()) {
      const { commitments } = parseEntry(people[0]!.id, people[i]!.id, entry);
      expect(entryHashOf(entryHead(entry), commitments)).toEqual(entryHash(entry));
      const others = Array.from(entry, (byte, at) => toHex(entryHash(entry.with(at, byte ^ 1))));
      expect(new Set([...others, toHex(entryHash(entry))]).size).toBe(entry.length + 1);
    }
    const short = [0, 1, 63, 64, 65].map((length) => toHex(entryHash(new Uint8Array(length))));
    expect(new Set(short).size).toBe(5);
  });
});
