/**
 * The proof in an Abort, by bytes alone: at the size of the largest cohort, and as it is judged by
 * who has seen nothing, or something else.
 */
import { describe, expect, it } from 'vitest';
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { encodeFrame } from '../../protocol/wire/messages.ts';
import {
  decodeRecordOf,
  MAX_LIES,
  signRecord,
  sortKeys,
  type Body,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import {
  emptyView,
  requireLawful,
  withRecord,
  type AttemptView,
} from '../../protocol/rules/index.ts';
import { provenBy } from '../../protocol/rules/abort-proof.ts';
import { hashRunSpec, MAX_COHORT } from '../../protocol/spec/run-spec.ts';
import { decodeEvent, encodeEvent } from '../../coordinator/machine/index.ts';
import { makeCast, specOf, type Cast } from './build-round.ts';
import { lyingShares } from './lying-shares.ts';
import { signedOf } from '../support/entries.ts';

const ROUND = 7;
const h = (text: string): Uint8Array => sha256(utf8(text));

const stageOf = async (liars: number, n: number) => {
  const cast: Cast = await makeCast(liars);
  const spec = specOf(cast, 'masked');
  const run = hashRunSpec(spec);
  const others = Array.from({ length: n - liars }, (_, i) => h(`member ${i}`));
  const members = sortKeys([...cast.people.map(({ publicKey }) => publicKey), ...others]);
  const lied = cast.people.map((person) => {
    const context = h('context');
    const author = person.publicKey;
    const { entries, lie } = lyingShares({
      kind: 'self',
      context,
      members,
      author,
      sigma: h('sigma'),
    });
    const body = { context, commitment: h('b'), entries: signedOf(context, author, entries) };
    const sign = (attempt: number, of = run): SignedRecord<'share'> =>
      signRecord(person, 'share', of, attempt, body);
    return { lie, sign };
  });
  const abort = (change: Partial<Body<'abort'>> = {}, attempt = ROUND): SignedRecord<'abort'> =>
    signRecord(cast.coordinator, 'abort', run, attempt, {
      code: 'commitment_mismatch',
      reason: 'r',
      culprits: cast.people.map(({ publicKey }) => publicKey),
      answered: true,
      lies: lied.map(({ lie, sign }) => ({ ...lie, record: sign(ROUND).bytes })),
      ...change,
    });
  const view = emptyView({ spec, run, attempt: ROUND });
  return { cast, lied, abort, view, run };
};

/** As a participant takes it. */
const judge = async (
  view: AttemptView,
  abort: SignedRecord<'abort'>,
): Promise<string[] | string> => {
  try {
    requireLawful(view, abort);
    return (await provenBy(view, abort)).map(toHex);
  } catch (thrown) {
    if (thrown instanceof FloeError) return thrown.code;
    throw thrown;
  }
};

it('an abort has room for eight lies in the largest cohort, and so has the journal', async () => {
  const { cast, abort, view } = await stageOf(MAX_LIES, MAX_COHORT);
  const record = abort();
  // 300 KiB; a record has 1 MiB.
  expect(record.bytes.length).toBeLessThan(320 << 10);
  expect(encodeFrame({ type: 'record', record: record.bytes }).length).toBeLessThan(321 << 10);
  const { code, reason, culprits, lies } = record.body;
  const event = {
    type: 'work-failed',
    attempt: ROUND,
    code,
    reason,
    culprits,
    lies: lies!,
  } as const;
  expect(decodeEvent(encodeEvent(event), 1)).toEqual({ ...event, time: 1 });
  const all = cast.people.map(({ publicKey }) => toHex(publicKey));
  expect(await judge(view, decodeRecordOf('abort', record.bytes))).toEqual(all);
  expect(() => abort({ lies: [...record.body.lies!, record.body.lies![0]!] })).toThrow('lies');
});

describe('a member that has seen nothing of the attempt', () => {
  it('proves a false self secret, and takes no word for another', async () => {
    const { cast, abort, view, lied } = await stageOf(1, 5);
    const [liar] = cast.people;
    expect(await judge(view, abort())).toEqual([toHex(liar!.publicKey)]);
    const record = lied[0]!.sign(ROUND).bytes;
    const pair = {
      kind: 'pair',
      record,
      recipient: h('member 1'),
      entry: new Uint8Array(4),
      path: new Uint8Array(),
      secret: h('sigma'),
    } as const;
    expect(await judge(view, abort({ lies: [pair] }))).toEqual([]);
  });

  it('refuses a share record of another run, of another attempt, or that is none', async () => {
    const { cast, abort, view, lied, run } = await stageOf(1, 5);
    const [{ lie, sign }] = lied as [(typeof lied)[number]];
    const shown = (record: Uint8Array) => abort({ lies: [{ ...lie, record }] });
    expect(await judge(view, shown(sign(ROUND, h('another run')).bytes))).toBe('record_replayed');
    expect(await judge(view, shown(sign(ROUND - 1).bytes))).toBe('evidence_invalid');
    const bent = sign(ROUND).bytes;
    const last = bent.length - 1;
    expect(await judge(view, shown(bent.with(last, bent[last]! ^ 1)))).toBe('signature_invalid');
    const survivors = h('survivors');
    const other = signRecord(cast.people[0]!, 'consistent', run, ROUND, {
      context: h('context'),
      survivors,
    });
    expect(await judge(view, shown(other.bytes))).toBe('record_malformed');
    expect(await judge(view, abort({ culprits: [] }))).toBe('evidence_invalid');
    expect(await judge(view, abort({ answered: false }))).toBe('evidence_invalid');
    expect(await judge(view, abort({ code: 'not_enough_shares' }))).toBe('evidence_invalid');
    expect(cast.people).toHaveLength(1);
  });

  it('and one that has seen another share record of the author refuses this one', async () => {
    const { cast, abort, view, run } = await stageOf(1, 5);
    const [liar] = cast.people;
    const other = signRecord(liar!, 'share', run, ROUND, {
      context: h('context'),
      commitment: h('another'),
      entries: { root: h('root'), size: 5 },
    });
    expect(await judge(withRecord(view, other), abort())).toBe('record_conflict');
  });
});
