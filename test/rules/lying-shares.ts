/**
 * The entries of a member that lies, and what shows it, for rounds that are built record by record.
 */
import { concatBytes, equalBytes, joinBytes, sha256, utf8 } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import type { ShownLie } from '../../protocol/records/records.ts';
import {
  commitShare,
  entryBytes,
  entryHash,
  entryHead,
  entryLeaves,
  secretBytes,
  split,
  threshold,
  type ShareKind,
} from '../../protocol/secagg/index.ts';
import { pathOf } from '../support/entries.ts';

export interface Liar {
  readonly kind: ShownLie['kind'];
  readonly context: Uint8Array;
  /** The cohort. */
  readonly members: readonly Uint8Array[];
  readonly author: Uint8Array;
  /** Of its registered masking keys. */
  readonly sigma: Uint8Array;
}

type Unsigned<Shown> = Shown extends unknown ? Omit<Shown, 'record'> : never;

/**
 * @returns entries as long as they have to be, in which the commitments to the shares are true and
 * all else is noise
 */
export const lyingShares = ({ kind, context, members, author, sigma }: Liar) => {
  const random = seededRandom(sha256(utf8('lying shares')));
  const t = threshold(members.length);
  const sharesOf = (of: ShareKind): Uint8Array[] =>
    split(random(secretBytes(of)), members.length, t, random);
  const [self, key] = [sharesOf('self'), sharesOf('key')];
  const commitments = members.map((_, i) => ({
    self: commitShare(context, author, 'self', self[i] as Uint8Array),
    key: commitShare(context, author, 'key', key[i] as Uint8Array),
  }));
  const entries = members.map((member, i) => {
    const { self: one, key: two } = commitments[i] as (typeof commitments)[number];
    return concatBytes(random(entryBytes(author, member) - 64), one, two);
  });
  const shown = (shares: readonly Uint8Array[], other: ShareKind) =>
    shares.slice(0, t).map((share, i) => ({
      share,
      head: entryHead(entries[i] as Uint8Array),
      other: (commitments[i] as (typeof commitments)[number])[other],
    }));
  const leaves = joinBytes(entryLeaves({ context, author }, entries.map(entryHash)));
  const place = members.findLastIndex((member) => !equalBytes(member, author));
  const lies: Readonly<Record<ShownLie['kind'], Unsigned<ShownLie>>> = {
    self: { kind: 'self', leaves, shares: shown(self, 'key') },
    key: { kind: 'key', leaves, shares: shown(key, 'self') },
    pair: {
      kind: 'pair',
      recipient: members[place] as Uint8Array,
      entry: entries[place] as Uint8Array,
      path: pathOf(context, author, entries, place),
      secret: sigma,
    },
  };
  return { entries, lie: lies[kind] };
};
