/**
 * Attacks on the tree over sealed entries: no path shows a holder another entry than the one at its
 * place, whoever made the tree and whoever delivers, and nobody is blamed for what it has not
 * signed.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, sha256, utf8 } from '../../protocol/bytes.ts';
import {
  inclusionPath,
  leafHash,
  merkleRoot,
  merkleTree,
  rootOfPath,
} from '../../protocol/records/merkle.ts';
import {
  areEntryLeaves,
  createParty,
  entryHash,
  entryLeaf,
  entryLeaves,
  entryPath,
  entryTree,
  judgeComplaint,
  makeShares,
  MAX_ENTRY_PATH_BYTES,
  ready,
  showsEntry,
  signedEntries,
  complaintSecret,
  type SignedEntries,
} from '../../protocol/secagg/index.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { makeCohort, makeContext, makeParticipants } from '../secagg/play.ts';

beforeAll(ready);

const h = (text: string): Uint8Array => sha256(utf8(text));
const about = { context: h('context'), author: h('author') };
const hashesOf = (n: number): Uint8Array[] => Array.from({ length: n }, (_, i) => h(`entry ${i}`));
const node = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha256(new Uint8Array([1]), left, right);

describe('a path', () => {
  it('shows each leaf of trees of every size, at its own place alone', () => {
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33, 100, 255]) {
      const hashes = hashesOf(n);
      const leaves = entryLeaves(about, hashes);
      const signed = signedEntries(about, hashes);
      for (let place = 0; place < n; place += n > 40 ? 17 : 1) {
        const path = entryPath(merkleTree(leaves), place);
        expect(path.length).toBeLessThanOrEqual(MAX_ENTRY_PATH_BYTES);
        expect(showsEntry(about, signed, place, hashes[place]!, path)).toBe(true);
        for (const other of [place - 1, place + 1, n - 1, 0, n, -1, 1.5, Number.NaN])
          if (other !== place)
            expect(showsEntry(about, signed, other, hashes[place]!, path)).toBe(false);
      }
    }
  });

  it('is that of RFC 9162, in order and length', () => {
    const leaves = ['a', 'b', 'c', 'd', 'e'].map((name) => leafHash(utf8(name)));
    const [a, b, c, d, e] = leaves as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    expect(inclusionPath(merkleTree(leaves), 1)).toEqual(concatBytes(a, node(c, d), e));
    expect(inclusionPath(merkleTree(leaves), 2)).toEqual(concatBytes(d, node(a, b), e));
    expect(inclusionPath(merkleTree(leaves), 4)).toEqual(node(node(a, b), node(c, d)));
    expect(inclusionPath(merkleTree([a]), 0)).toEqual(new Uint8Array());
    const root = merkleRoot(['a', 'b', 'c', 'd', 'e'].map(utf8));
    expect(rootOfPath(e, 4, 5, inclusionPath(merkleTree(leaves), 4))).toEqual(root);
    expect(() => inclusionPath(merkleTree([]), 0)).toThrow(RangeError);
    expect(() => rootOfPath(a, 5, 5, new Uint8Array())).toThrow(RangeError);
  });

  it('of another length, with a changed byte or of another place shows nothing', () => {
    const hashes = hashesOf(11);
    const leaves = entryLeaves(about, hashes);
    const signed = signedEntries(about, hashes);
    const path = entryPath(merkleTree(leaves), 3);
    const shows = (other: Uint8Array): boolean => showsEntry(about, signed, 3, hashes[3]!, other);
    expect(shows(path)).toBe(true);
    const others = [
      new Uint8Array(),
      path.subarray(1),
      path.subarray(32),
      path.subarray(0, -32),
      concatBytes(path, new Uint8Array(1)),
      concatBytes(path, new Uint8Array(32)),
      concatBytes(path, path),
      new Uint8Array(1 << 16),
      ...leaves
        .map((_, i) => i)
        .filter((i) => i !== 3)
        .map((i) => entryPath(merkleTree(leaves), i)),
    ];
    for (const other of others) expect(shows(other)).toBe(false);
    for (let at = 0; at < path.length; at += 1)
      expect(shows(path.with(at, path[at]! ^ 1))).toBe(false);
  });

  it('of another author, attempt or run shows nothing', () => {
    const hashes = hashesOf(5);
    const signed = signedEntries(about, hashes);
    const path = entryPath(entryTree(about, hashes), 2);
    for (const other of [
      { ...about, author: h('another') },
      { ...about, context: h('another') },
      { context: about.author, author: about.context },
    ])
      expect(showsEntry(other, signed, 2, hashes[2]!, path)).toBe(false);
  });

  it('no node passes for an entry, and no entry for a node', () => {
    const hashes = hashesOf(4);
    const leaves = entryLeaves(about, hashes);
    const signed = signedEntries(about, hashes);
    const inner = node(leaves[0]!, leaves[1]!);
    const upper = node(leaves[2]!, leaves[3]!);
    // A tree of two with the same root, if the author had signed that size: its leaves would be
    // nodes.
    for (const size of [2, 4])
      for (const hash of [inner, upper, leaves[0]!, signed.root])
        for (const path of [upper, inner, new Uint8Array(), concatBytes(inner, upper)])
          expect(showsEntry(about, { ...signed, size }, 0, hash, path)).toBe(false);
    expect(areEntryLeaves(signed, [inner, upper])).toBe(false);
    expect(areEntryLeaves(signed, leaves)).toBe(true);
  });

  it('of a tree without entries, or of another size than was signed, shows nothing', () => {
    const none = signedEntries(about, []);
    expect(none).toEqual({ root: sha256(), size: 0 });
    expect(showsEntry(about, none, 0, h('entry 0'), new Uint8Array())).toBe(false);
    expect(showsEntry(about, { root: sha256(), size: 1 }, 0, h('x'), new Uint8Array())).toBe(false);
    const hashes = hashesOf(6);
    const signed = signedEntries(about, hashes);
    const leaves = entryLeaves(about, hashes);
    for (let size = 0; size < 300; size += 1)
      if (size !== 6)
        expect(
          showsEntry(about, { ...signed, size }, 4, hashes[4]!, entryPath(merkleTree(leaves), 4)),
        ).toBe(false);
  });

  it('an author that puts two entries for one holder into its tree shows it the one at its place', () => {
    // Two leaves say place 2; the second stands at place 3.
    const twice = [
      entryLeaf(about, 0, h('a')),
      entryLeaf(about, 1, h('b')),
      entryLeaf(about, 2, h('first')),
      entryLeaf(about, 2, h('second')),
    ];
    const root = node(node(twice[0]!, twice[1]!), node(twice[2]!, twice[3]!));
    const signed: SignedEntries = { root, size: 4 };
    expect(showsEntry(about, signed, 2, h('first'), entryPath(merkleTree(twice), 2))).toBe(true);
    for (const place of [2, 3])
      for (const path of [entryPath(merkleTree(twice), 2), entryPath(merkleTree(twice), 3)])
        expect(showsEntry(about, signed, place, h('second'), path)).toBe(false);
  });
});

describe('a complaint', () => {
  const stage = async () => {
    const people = makeParticipants('entry tree', 5);
    const cohort = makeCohort(people);
    const context = makeContext(cohort, 1);
    const { id: self, sigma, seal, selfSecret } = people[1]!;
    const party = createParty({ context, cohort, self, sigma, seal });
    const random = seededRandom(utf8('shares'));
    const { entries } = (await makeShares({ party, selfSecret, random })).message;
    const author = { context, author: self };
    /** Judges a complaint of member 3 over `entry`, shown by `path` in the tree of `all`. */
    const judge = (entry: Uint8Array, path: Uint8Array, signed: SignedEntries) =>
      judgeComplaint(
        context,
        cohort,
        {
          complainer: people[3]!.id,
          accused: self,
          kind: 'sealed',
          entry,
          path,
          secret: complaintSecret('sealed', people[3]!, people[1]!.sealKeys.public),
        },
        signed,
      );
    const signedOf = (all: readonly Uint8Array[]) => signedEntries(author, all.map(entryHash));
    const pathOf = (all: readonly Uint8Array[], place: number) =>
      entryPath(entryTree(author, all.map(entryHash)), place);
    return { entries, judge, signedOf, pathOf };
  };

  it('over an entry that the author did not make for the complainer blames nobody', async () => {
    const { entries, judge, signedOf, pathOf } = await stage();
    const signed = signedOf(entries);
    expect(await judge(entries[3]!, pathOf(entries, 3), signed)).toBe('complainer');
    // The entry of another member, with its own good path; a bent one; one that was never made.
    expect(await judge(entries[2]!, pathOf(entries, 2), signed)).toBe('invalid');
    expect(await judge(entries[4]!, pathOf(entries, 3), signed)).toBe('invalid');
    expect(await judge(entries[3]!.with(9, 9), pathOf(entries, 3), signed)).toBe('invalid');
    expect(await judge(new Uint8Array(), new Uint8Array(), signed)).toBe('invalid');
    // The right entry by a wrong path: whoever withholds the path blames nobody with it.
    for (const path of [new Uint8Array(), pathOf(entries, 2), new Uint8Array(96)])
      expect(await judge(entries[3]!, path, signed)).toBe('invalid');
  });

  it('over garbage whose hash is in the tree names the author, and so does what is no entry', async () => {
    const { entries, judge, signedOf, pathOf } = await stage();
    for (const bad of [
      entries[3]!.with(1200, entries[3]![1200]! ^ 1),
      utf8('no entry'),
      entries[2]!.subarray(9),
    ]) {
      const all = entries.with(3, bad);
      expect(await judge(bad, pathOf(all, 3), signedOf(all))).toBe('author');
    }
  });

  it('in a tree of another size than there are holders blames nobody', async () => {
    const { entries, judge, signedOf, pathOf } = await stage();
    const more = [...entries, entries[0]!];
    expect(await judge(more[3]!, pathOf(more, 3), signedOf(more))).toBe('invalid');
    const fewer = entries.slice(0, 4);
    expect(await judge(fewer[3]!, pathOf(fewer, 3), signedOf(fewer))).toBe('invalid');
  });
});
