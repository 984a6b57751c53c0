/**
 * Complaints as everybody judges them: a bad entry names its author, a good one the complainer, and
 * what proves nothing names nobody. Under both implementations.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import {
  complaintSecret,
  createParty,
  judgeComplaint,
  kemSeed,
  makeShares,
  nativePrimitives,
  openEntry,
  portablePrimitives,
  ready,
  type Cohort,
  type ComplaintKind,
} from '../../protocol/secagg/index.ts';
import { makeCohort, makeContext, makeParticipants, type Participant } from './play.ts';
import { pathOf, signedOf } from '../support/entries.ts';

beforeAll(ready);

/** Where the parts of an entry for a higher member begin. */
const AT = { kem: 5, wrap: 1090, pairCommitment: 1125, sealKem: 1160, sealed: 2245, share: 2360 };

describe.each([nativePrimitives!, portablePrimitives()])('with $kind primitives', (primitives) => {
  let people: Participant[];
  let cohort: Cohort;
  let context: Uint8Array;
  /** Of member 0 for member 2. */
  let entry: Uint8Array;
  /** Of member 0, for all four. */
  let entries: readonly Uint8Array[];

  beforeAll(async () => {
    people = makeParticipants('complaint', 4, primitives);
    cohort = makeCohort(people, primitives);
    context = makeContext(cohort, 1);
    const { id: self, sigma, seal, selfSecret } = people[0]!;
    const party = createParty({ context, cohort, self, sigma, seal });
    const random = seededRandom(utf8('shares'));
    ({ entries } = (await makeShares({ party, selfSecret, random })).message);
    entry = entries[2]!;
  });

  const judge = (
    bad: Uint8Array,
    kind: ComplaintKind,
    over: { from?: number; to?: number; secret?: Uint8Array; signed?: Uint8Array } = {},
  ) => {
    const { from = 0, to = 2 } = over;
    const { seal, sigma, id } = people[to]!;
    const accusedKeys = people[from]!.sealKeys.public;
    const secret = over.secret ?? complaintSecret(kind, { sigma, seal }, accusedKeys, primitives);
    const accused = people[from]!.id;
    // As the accused made its tree: with this entry for the complainer.
    const all = entries.with(to, over.signed ?? bad);
    const path = pathOf(context, accused, all, to);
    const complaint = { complainer: id, accused, kind, entry: bad, path, secret };
    return judgeComplaint(context, cohort, complaint, signedOf(context, accused, all));
  };
  const altered = (at: number): Uint8Array => entry.with(at, entry[at]! ^ 1);

  it('a bad entry is its author’s fault, and the receiver says which secret shows it', async () => {
    for (const [at, kind] of [
      [AT.kem, 'pair'],
      [AT.wrap, 'pair'],
      [AT.pairCommitment, 'pair'],
      [AT.sealKem, 'sealed'],
      [AT.sealed, 'sealed'],
      [AT.share, 'sealed'],
    ] as const) {
      const { id: self, sigma, seal } = people[2]!;
      const party = createParty({ context, cohort, self, sigma, seal });
      await expect(openEntry(party, people[0]!.id, altered(at))).rejects.toMatchObject({
        code: 'share_invalid',
        details: { about: kind },
      });
      expect(await judge(altered(at), kind), `${at}`).toBe('author');
    }
  });

  it('something that is no entry at all is its author’s fault', async () => {
    expect(await judge(entry.subarray(1), 'sealed')).toBe('author');
    expect(await judge(new Uint8Array(0), 'pair')).toBe('author');
  });

  it('a good entry is the complainer’s fault, for either part of it', async () => {
    expect(await judge(entry, 'sealed')).toBe('complainer');
    expect(await judge(entry, 'pair')).toBe('complainer');
    // The other part is bad: it was the wrong complaint.
    expect(await judge(altered(AT.sealed), 'pair')).toBe('complainer');
  });

  it('another entry, another secret, another pair prove nothing', async () => {
    const bad = altered(AT.sealed);
    expect(await judge(bad, 'sealed', { signed: entry })).toBe('invalid');
    const { sigma, seal } = people[2]!;
    const secrets = [
      people[1]!.seal,
      seal,
      complaintSecret('sealed', people[1]!, people[0]!.sealKeys.public, primitives),
      // What was agreed on with another member.
      complaintSecret('sealed', people[2]!, people[1]!.sealKeys.public, primitives),
      sigma,
      new Uint8Array(0),
      kemSeed(sigma, 'mask', primitives),
      kemSeed(seal, 'seal', primitives),
    ];
    for (const secret of secrets) expect(await judge(bad, 'sealed', { secret })).toBe('invalid');
    for (const secret of [seal, kemSeed(seal, 'seal', primitives), new Uint8Array(64)])
      expect(await judge(altered(AT.wrap), 'pair', { secret })).toBe('invalid');
    expect(await judge(bad, 'sealed', { from: 2 })).toBe('invalid');
    const stranger = { complainer: new Uint8Array(32), accused: people[0]!.id } as const;
    const path = pathOf(context, stranger.accused, entries.with(2, bad), 2);
    const complaint = { ...stranger, kind: 'sealed', entry: bad, path, secret: seal } as const;
    const signed = signedOf(context, stranger.accused, entries.with(2, bad));
    expect(await judgeComplaint(context, cohort, complaint, signed)).toBe('invalid');
  });

  it('the higher member sends no pair key, so no complaint is about one', async () => {
    const { id: self, sigma, seal, selfSecret } = people[3]!;
    const party = createParty({ context, cohort, self, sigma, seal });
    const random = seededRandom(utf8('higher'));
    const down = (await makeShares({ party, selfSecret, random })).message.entries[2]!;
    expect(await judge(down, 'pair', { from: 3 })).toBe('invalid');
    expect(await judge(down, 'sealed', { from: 3 })).toBe('complainer');
  });
});
