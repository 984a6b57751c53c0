/**
 * What shows everybody that an author lied: every kind of lie is shown by what recovery hands out
 * and by nothing less, and no coordinator with all other members on its side can show it of an
 * honest author.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, sha256, utf8 } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import {
  makeShares,
  ready,
  recover,
  requireLie,
  showPair,
  showSecret,
  wrapPairKey,
  type Lie,
  type RecoveryResult,
  type ShareKind,
  type ShareMessage,
  type SignedShares,
} from '../../protocol/secagg/index.ts';
import { play, type Drops, type Played, type PlayInit } from './play.ts';
import { pathOf, signedOf } from '../support/entries.ts';

beforeAll(ready);

const N = 5;
/** t of five. */
const T = 4;
const init = { n: N, length: 1, modulusBits: 16, seed: 'lies' } as const;

const signedBy = (context: Uint8Array, message: ShareMessage): SignedShares => ({
  ...message,
  context,
  entries: signedOf(context, message.author, message.entries),
});

/** Whether a lie holds; the reason where it does not. */
const judged = async (
  { cohort }: Pick<Played, 'cohort'>,
  signed: SignedShares,
  lie: Lie,
): Promise<string> => {
  try {
    expect(await requireLie(signed, lie, cohort)).toBe(true);
    return 'lied';
  } catch (thrown) {
    if (!(thrown instanceof FloeError) || thrown.code !== 'evidence_invalid') throw thrown;
    return thrown.message;
  }
};

const liesIn = (result: RecoveryResult): readonly Lie[] =>
  result.type === 'failed' ? result.lies : [];

/** Messages of the party under other secrets than its own. */
const remade = async (
  honest: Played,
  index: number,
  over: { sigma?: Uint8Array; selfSecret?: Uint8Array },
): Promise<ShareMessage> => {
  const { selfSecret, sigma } = honest.participants[index]!;
  const made = await makeShares({
    party: { ...honest.parties[index]!, sigma: over.sigma ?? sigma },
    selfSecret: over.selfSecret ?? selfSecret,
    random: seededRandom(utf8(`remade ${index}`)),
  });
  return made.message;
};

const playWith = async (
  liar: number,
  drops: Drops,
  make: (message: ShareMessage, honest: Played) => ShareMessage | Promise<ShareMessage>,
): Promise<Played> => {
  const honest = await play({ ...init, drops });
  const message = await make(honest.messages.get(liar)!, honest);
  const attack: PlayInit['attack'] = {
    message: (index, made) => (index === liar ? message : made),
  };
  return play({ ...init, drops, attack });
};

/** Why evidence about the entries of another record shows nothing. */
const NOT_SIGNED = 'the leaves are not those of the entries that the author signed';

const secretOf = (byte: number, length = 64): Uint8Array => new Uint8Array(length).fill(byte);

describe('a lie is shown', () => {
  const honestEntries = (message: ShareMessage, others: ShareMessage, at: readonly number[]) => ({
    ...message,
    entries: message.entries.map((entry, i) => (at.includes(i) ? others.entries[i]! : entry)),
  });
  const cases: readonly [
    string,
    Lie['kind'],
    number,
    Drops,
    (message: ShareMessage, honest: Played) => ShareMessage | Promise<ShareMessage>,
  ][] = [
    [
      'a commitment to another self secret',
      'self',
      2,
      {},
      (message) => ({ ...message, commitment: secretOf(0, 32) }),
    ],
    [
      'self shares that are not all of one polynomial',
      'self',
      2,
      {},
      async (message, honest) =>
        honestEntries(message, await remade(honest, 2, { selfSecret: secretOf(9) }), [1]),
    ],
    [
      'a sigma of which no registered key comes',
      'key',
      1,
      { beforeUpload: [1] },
      (_, honest) => remade(honest, 1, { sigma: secretOf(7, 32) }),
    ],
    [
      'a pair key that the own sigma does not give',
      'pair',
      0,
      { beforeUpload: [0] },
      (message, honest) => {
        const { id } = honest.participants[0]!;
        const peer = honest.cohort.members[3]!;
        const { primitives } = honest.cohort;
        const wrapped = wrapPairKey(secretOf(5, 32), honest.context, id, peer, primitives);
        const head = concatBytes(wrapped.kem, wrapped.wrap, wrapped.commitment);
        const entries = message.entries.with(
          3,
          concatBytes(head, message.entries[3]!.subarray(head.length)),
        );
        return { ...message, entries };
      },
    ],
  ];

  it.each(cases)('%s', async (_, kind, liar, drops, make) => {
    const played = await playWith(liar, drops, make);
    const [lie, ...more] = liesIn(played.result);
    expect(more).toEqual([]);
    expect(lie).toMatchObject({ kind, author: played.participants[liar]!.id });
    const signed = signedBy(played.context, played.messages.get(liar)!);
    expect(await judged(played, signed, lie!)).toBe('lied');
    // The first t by point, of whoever answered, so that everybody shows the same.
    if (lie!.kind !== 'pair') expect(lie!.shares).toHaveLength(T);
  });

  it('a wrapped pair key that the one who dropped does not unwrap, by half of its keys', async () => {
    const drops = { beforeUpload: [3] };
    const honest = await play({ ...init, drops });
    const entry = honest.messages.get(1)!.entries[3]!;
    for (const at of [5, 1088, 1088 + 32]) {
      const message = {
        ...honest.messages.get(1)!,
        entries: honest.messages.get(1)!.entries.with(3, entry.with(at, entry[at]! ^ 1)),
      };
      const shares = honest.view.shares.map((one, i) => (i === 1 ? message : one));
      const result = await recover({ ...honest.view, shares }, honest.answers);
      const [lie, ...more] = liesIn(result);
      expect(more).toEqual([]);
      expect(lie).toMatchObject({ kind: 'pair', author: message.author });
      // sigma of the one who dropped stays unsaid: its X25519 half still keeps its masks.
      expect(lie!.kind === 'pair' && lie!.secret.length).toBe(64);
      expect(await judged(honest, signedBy(honest.context, message), lie!)).toBe('lied');
    }
  });

  it('each of many by its own', async () => {
    const attack: PlayInit['attack'] = {
      message: (index, message) =>
        index > 2 ? { ...message, commitment: secretOf(index, 32) } : message,
    };
    const played = await play({ ...init, attack });
    const lies = liesIn(played.result);
    expect(lies.map(({ author }) => author)).toEqual([3, 4].map((i) => played.participants[i]!.id));
    for (const [i, lie] of lies.entries()) {
      const own = signedBy(played.context, played.messages.get(3 + i)!);
      expect(await judged(played, own, lie)).toBe('lied');
      const other = signedBy(played.context, played.messages.get(4 - i)!);
      expect(await judged(played, other, lie)).toMatch(NOT_SIGNED);
    }
  });

  it('and where holders answer with other shares, the author is not to blame', async () => {
    const attack: PlayInit['attack'] = {
      answer: (index, { sender, shares }) => ({
        sender,
        shares: shares.map((one) =>
          index > 1 ? { ...one, share: one.share.with(0, one.share[0]! ^ 1) } : one,
        ),
      }),
    };
    const { result } = await play({ ...init, attack });
    expect(result).toMatchObject({ type: 'failed', lies: [] });
    expect(result.badShares.every(({ reason }) => reason === 'commitment')).toBe(true);
  });
});

describe('an honest author is not framed', () => {
  let honest: Played;
  let later: Played;
  beforeAll(async () => {
    const drops = { beforeUpload: [4] };
    honest = await play({ ...init, drops });
    later = await play({ ...init, drops, attempt: 2 });
  });

  /** All n shares of an author, which a coordinator with all holders on its side has. */
  const all = ({ opened, participants, answers }: Played, author: number, kind: ShareKind) =>
    participants.map(({ id }, holder) => {
      const held = opened[holder]!.get(author)?.[kind];
      const own = answers
        .find(({ sender }) => sender === id)
        ?.shares.find((share) => share.author === participants[author]!.id && share.kind === kind);
      return held ?? own?.share ?? new Uint8Array(0);
    });
  const shown = (played: Played, author: number, kind: ShareKind, at: readonly number[]) => {
    const ids = played.participants.map(({ id }) => id);
    const shares = all(played, author, kind);
    return showSecret(
      kind,
      played.context,
      played.messages.get(author)!,
      ids,
      at.map((i) => shares[i]!),
    );
  };
  const judge = (author: number, lie: Lie, over: Partial<SignedShares> = {}) =>
    judged(honest, { ...signedBy(honest.context, honest.messages.get(author)!), ...over }, lie);
  const NOT_COMMITTED = 'not the one that its author committed to';

  it('by any t of its shares', async () => {
    for (const at of [
      [0, 1, 2, 3],
      [1, 2, 3, 4],
      [0, 1, 3, 4],
    ])
      expect(await judge(1, shown(honest, 1, 'self', at))).toMatch('give the secret that');
    // Of whoever dropped as well, for both kinds: the holders have both.
    const at = [0, 1, 2, 3];
    expect(await judge(4, shown(honest, 4, 'self', at))).toMatch('give the secret that');
    expect(await judge(4, shown(honest, 4, 'key', at))).toMatch(
      'give the secret of the registered',
    );
  });

  it('by fewer than t, more, the same twice, or others in any order', async () => {
    for (const at of [[], [0, 1, 2], [0, 1, 2, 3, 4]])
      expect(await judge(1, shown(honest, 1, 'self', at))).toMatch('expected 4 shares');
    for (const at of [
      [0, 0, 1, 2],
      [0, 1, 1, 1],
      [3, 2, 1, 0],
      [0, 2, 1, 3],
    ])
      expect(await judge(1, shown(honest, 1, 'self', at))).toMatch('in their order');
  });

  it('by forged shares, at whichever point', async () => {
    const lie = shown(honest, 1, 'self', [0, 1, 2, 3]);
    for (let at = 0; at < 64; at += 1) {
      const shares = lie.shares.with(2, {
        ...lie.shares[2]!,
        share: lie.shares[2]!.share.with(at, lie.shares[2]!.share[at]! ^ 1),
      });
      expect(await judge(1, { ...lie, shares })).toMatch(NOT_COMMITTED);
    }
    for (const point of [0, 6, 255]) {
      const last = lie.shares[3]!;
      const shares = lie.shares.with(3, { ...last, share: last.share.with(64, point) });
      expect(await judge(1, { ...lie, shares })).toMatch('in their order');
    }
    const moved = { ...lie.shares[3]!, share: lie.shares[3]!.share.with(64, 5) };
    expect(await judge(1, { ...lie, shares: lie.shares.with(3, moved) })).toMatch(NOT_COMMITTED);
    for (const part of ['head', 'other'] as const) {
      const first = lie.shares[0]!;
      const bent = { ...first, [part]: first[part].with(0, first[part][0]! ^ 1) };
      expect(await judge(1, { ...lie, shares: lie.shares.with(0, bent) })).toMatch(NOT_COMMITTED);
      const long = { ...first, [part]: concatBytes(first[part], new Uint8Array(1)) };
      expect(await judge(1, { ...lie, shares: lie.shares.with(0, long) })).toMatch('hashes');
    }
  });

  it('by its shares of another attempt, or of another member', async () => {
    const now = shown(honest, 1, 'self', [0, 1, 2, 3]);
    const then = shown(later, 1, 'self', [0, 1, 2, 3]);
    expect(await judge(1, then)).toMatch(NOT_SIGNED);
    expect(await judge(1, { ...now, shares: now.shares.with(3, then.shares[3]!) })).toMatch(
      NOT_COMMITTED,
    );
    const other = shown(honest, 2, 'self', [0, 1, 2, 3]);
    expect(await judge(1, { ...now, shares: now.shares.with(0, other.shares[0]!) })).toMatch(
      NOT_COMMITTED,
    );
  });

  it('by its shares of the other kind', async () => {
    const key = shown(honest, 4, 'key', [0, 1, 2, 3]);
    expect(await judge(4, { ...key, kind: 'self' })).toMatch('in their order');
    const self = shown(honest, 4, 'self', [0, 1, 2, 3]);
    expect(await judge(4, { ...self, kind: 'key' })).toMatch('in their order');
    // Each hash in the place of the other.
    const turned = key.shares.map((share, i) => ({ ...share, other: self.shares[i]!.other }));
    expect(await judge(4, { ...key, shares: turned })).toMatch(NOT_COMMITTED);
  });

  it('by a record that is for no cohort, or for another one', async () => {
    const lie = shown(honest, 1, 'self', [0, 1]);
    const signed = signedBy(honest.context, honest.messages.get(1)!);
    for (const size of [0, 2, 4, 6, 256]) {
      const other = { ...signed, entries: { ...signed.entries, size } };
      expect(await judge(1, lie, other)).toMatch('others than those who hold its shares');
      // Who has not seen the cohort.
      await expect(requireLie(other, lie, undefined)).rejects.toThrow(
        size < 3 || size > 255 ? 'expected shares for a cohort' : NOT_SIGNED,
      );
    }
  });

  it('by other leaves: too few, too many, in another order, or nodes of the tree', async () => {
    const lie = shown(honest, 1, 'self', [0, 1, 2, 3]);
    const { leaves } = lie;
    const hashes = Array.from({ length: N }, (_, i) => leaves.subarray(32 * i, 32 * i + 32));
    const node = (i: number): Uint8Array => sha256(new Uint8Array([1]), hashes[i]!, hashes[i + 1]!);
    // The same root, by three and by two leaves that are nodes.
    const three = [node(0), node(2), hashes[4]!];
    const two = [sha256(new Uint8Array([1]), node(0), node(2)), hashes[4]!];
    for (const others of [
      [],
      hashes.slice(1),
      [...hashes, hashes[4]!],
      hashes.toReversed(),
      three,
      two,
    ])
      expect(await judge(1, { ...lie, leaves: concatBytes(...others) })).toMatch(NOT_SIGNED);
    expect(await judge(1, { ...lie, leaves: concatBytes(leaves, new Uint8Array(1)) })).toMatch(
      NOT_SIGNED,
    );
    // With the size of three the author would need three shares only: it signs the size too.
    const { entries } = signedBy(honest.context, honest.messages.get(1)!);
    const smaller = { ...entries, size: 3 };
    const few = { ...lie, leaves: concatBytes(...three), shares: lie.shares.slice(0, 3) };
    const signed = { ...signedBy(honest.context, honest.messages.get(1)!), entries: smaller };
    await expect(requireLie(signed, few, undefined)).rejects.toThrow(NOT_COMMITTED);
  });

  it('over the key of a pair', async () => {
    const { participants, messages, context } = honest;
    const [lower, higher] = [participants[1]!, participants[4]!];
    const recipient = { id: higher.id, place: 4 };
    const pair = (secret: Uint8Array, dropped: typeof lower) =>
      showPair(context, messages.get(1)!, recipient, { author: dropped.id, secret });
    const good = 'the pair key is the one';
    expect(await judge(1, pair(lower.sigma, lower))).toMatch(good);
    expect(await judge(1, pair(higher.sigma, higher))).toMatch(good);
    const keys = 'not that of the registered keys';
    expect(await judge(1, pair(secretOf(1, 32), lower))).toMatch(keys);
    expect(await judge(1, pair(secretOf(1, 32), higher))).toMatch(keys);
    const shownPair = pair(lower.sigma, lower);
    expect(await judge(1, { ...shownPair, secret: secretOf(1, 31) })).toMatch(
      'a secret of 31 bytes',
    );
    for (const entry of [messages.get(1)!.entries[3]!, later.messages.get(1)!.entries[4]!])
      expect(await judge(1, { ...shownPair, entry })).toMatch('not the one that its author');
    // The entry for another member, with the path that is right for it.
    const { entries } = messages.get(1)!;
    const other = { entry: entries[3]!, path: pathOf(context, lower.id, entries, 3) };
    expect(await judge(1, { ...shownPair, ...other })).toMatch('not the one that its author');
    for (const path of [new Uint8Array(), concatBytes(shownPair.path, new Uint8Array(32))])
      expect(await judge(1, { ...shownPair, path })).toMatch('not the one that its author');
    // The higher one commits to no pair key.
    const dropped = { author: higher.id, secret: higher.sigma };
    const turned = showPair(context, messages.get(4)!, { id: lower.id, place: 1 }, dropped);
    expect(await judge(4, turned)).toMatch('only the lower');
  });
});
