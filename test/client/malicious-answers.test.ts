/**
 * @module A coordinator that lies about shares, survivors and answers: the victim names the broken
 * rule, answers nothing, withdraws, and takes part in the next honest round.
 */
import { describe, expect, it } from 'vitest';
import { survivorsHash, type Body } from '../../protocol/records/records.ts';
import { stopAll } from '../support/participants.ts';
import { pathOf } from '../support/entries.ts';
import {
  expectNamed,
  expectRefused,
  filled,
  running,
  stage,
  upTo,
  type Stage,
} from '../support/malicious.ts';

describe('a coordinator that lies about shares, survivors and answers', () => {
  const unproven = new Set([
    'leaves the victim out of the sharers',
    'swaps an entry',
    'names other shares',
    'counts another upload of the victim',
  ]);
  const before: [string, string, (s: Stage) => Promise<unknown>][] = [
    [
      'leaves the victim out of the sharers',
      'survivors_inconsistent',
      async (s) => {
        const others = s.members.filter((key) => !Buffer.from(key).equals(s.victim.key));
        await s.coordinator.collect(s.members, 'share');
        const frame = await s.coordinator.sharers(others);
        s.coordinator.send([s.victim.key], {
          type: 'sharers',
          record: frame.bytes,
          inbox: s.coordinator.attempt!.shares.map(({ bytes, author }) => ({
            record: bytes,
            ...entryFor(s, author),
          })),
        });
      },
    ],
    [
      'swaps an entry',
      'share_invalid',
      (s) => s.coordinator.sharers(s.members, undefined, (entry) => entry.with(0, entry[0]! ^ 1)),
    ],
    [
      'binds the sharers to another context',
      'context_mismatch',
      (s) => s.coordinator.sharers(s.members, (body) => ({ ...body, context: filled(1) })),
    ],
    [
      'names other shares',
      'record_malformed',
      (s) =>
        s.coordinator.sharers(s.members, (body) => ({
          ...body,
          shares: body.shares.with(0, filled(1)),
        })),
    ],
  ];
  const entryFor = (s: Stage, author: Uint8Array) => {
    const index = s.members.findIndex((key) => Buffer.from(key).equals(s.victim.key));
    const entries = s.coordinator.entriesOf(author);
    const path = pathOf(s.coordinator.attempt!.context!, author, entries, index);
    return { entry: entries[index]!, path };
  };
  for (const [what, code, attack] of before)
    it(`refuses: ${what}`, async () => {
      const s = await stage();
      await upTo.cohort(s);
      await attack(s);
      await (unproven.has(what) ? expectRefused : expectNamed)(s, code);
      expect(
        s.victim.events.filter(({ type }) => type === 'uploaded'),
        'no vector of the attacked round has left',
      ).toHaveLength(1);
    });

  const rehash = (body: Body<'survivors'>): Body<'survivors'> => ({
    ...body,
    hash: survivorsHash(body),
  });
  const without = (
    body: Body<'survivors'>,
    key: Uint8Array,
    rejected = [...body.rejected, { member: key, code: 'phase_closed' }],
  ): Body<'survivors'> => {
    const at = body.members.findIndex((member) => Buffer.from(member).equals(key));
    return rehash({
      ...body,
      rejected,
      members: body.members.toSpliced(at, 1),
      uploads: body.uploads.toSpliced(at, 1),
    });
  };
  const sets: [string, string, (body: Body<'survivors'>, s: Stage) => Body<'survivors'>][] = [
    [
      "leaves out the victim's recorded upload",
      'survivors_inconsistent',
      (body, s) => without(body, s.victim.key, []),
    ],
    [
      'counts another upload of the victim',
      'survivors_inconsistent',
      (body, s) => {
        const at = body.members.findIndex((key) => Buffer.from(key).equals(s.victim.key));
        return rehash({ ...body, uploads: body.uploads.with(at, filled(1)) });
      },
    ],
    [
      'counts a stranger',
      'survivors_inconsistent',
      (body) =>
        rehash({
          ...body,
          members: [...body.members, filled(255)],
          uploads: [...body.uploads, filled(1)],
        }),
    ],
    [
      'lists a peer as survivor and as rejected',
      'both_secrets_requested',
      (body, s) => ({
        ...body,
        rejected: [
          {
            member: body.members.find((key) => !Buffer.from(key).equals(s.victim.key))!,
            code: 'upload_mismatch',
          },
        ],
      }),
    ],
    [
      'leaves too few',
      'cohort_too_small',
      (body, s) => {
        const others = body.members.filter((key) => !Buffer.from(key).equals(s.victim.key));
        return without(without(body, others[0]!), others[1]!);
      },
    ],
    ['lies about the hash', 'survivors_inconsistent', (body) => ({ ...body, hash: filled(1) })],
    [
      'lists survivors out of order',
      'survivors_inconsistent',
      (body) =>
        rehash({
          ...body,
          members: body.members.toReversed(),
          uploads: body.uploads.toReversed(),
        }),
    ],
  ];
  for (const [what, code, change] of sets)
    it(`refuses: ${what}`, async () => {
      const s = await stage();
      await upTo.sharers(s);
      await s.coordinator.collect(s.members, 'upload');
      await s.victim.event('uploaded');
      await s.coordinator.survivors(s.members, (body) => change(body, s), [s.victim.key]);
      await s.victim.event('withdrawn');
      expect(s.coordinator.recordsOf(s.victim.key, 'consistent')).toHaveLength(0);
      await (unproven.has(what) ? expectRefused : expectNamed)(s, code);
    });

  it('shows two different survivor sets to one participant', async () => {
    const s = await stage();
    await upTo.survivors(s);
    const dropped = s.members.find((key) => !Buffer.from(key).equals(s.victim.key))!;
    await s.coordinator.survivors(s.members, (body) => without(body, dropped), [s.victim.key]);
    await s.victim.event('violation');
    expect(s.coordinator.recordsOf(s.victim.key, 'consistent')).toHaveLength(1);
    await expectNamed(s, 'survivors_inconsistent');
  });

  it('shows two different survivor sets to two participants', async () => {
    const s = await stage();
    await upTo.sharers(s);
    await s.coordinator.collect(s.members, 'upload');
    const [one, ...others] = s.members.toSorted((a) =>
      Buffer.from(a).equals(s.victim.key) ? -1 : 1,
    );
    await s.coordinator.survivors(s.members, undefined, [one!, others[0]!]);
    await s.coordinator.survivors(s.members, (body) => without(body, others[0]!), others.slice(1));
    const records = await s.coordinator.collect(s.members, 'consistent');
    s.coordinator.send([one!], {
      type: 'consistency',
      records: records.map(({ bytes }) => bytes),
    });
    await s.victim.event('unproven');
    expect(s.coordinator.recordsOf(s.victim.key, 'unmask')).toHaveLength(0);
    // One of the two that signed may have lied as well as the coordinator.
    await expectRefused(s, 'survivors_inconsistent');
  });

  it('asks for shares without enough signatures, with one signature repeated, or with a forged one', async () => {
    for (const attack of ['few', 'repeated', 'forged'] as const) {
      const s = await stage();
      await upTo.survivors(s);
      const records = (await s.coordinator.collect(s.members, 'consistent')).map(
        ({ bytes }) => bytes,
      );
      const sent = {
        few: records.slice(0, 2),
        repeated: [records[0]!, records[0]!, records[0]!, records[1]!],
        forged: records.map((record) => record.with(record.length - 1, (record.at(-1) ?? 0) ^ 1)),
      }[attack];
      s.coordinator.send([s.victim.key], { type: 'consistency', records: sent });
      const { error } = await s.victim.event('unproven');
      expect(error.code).toMatch(/survivors_inconsistent|signature_invalid|record_malformed/);
      expect(s.coordinator.recordsOf(s.victim.key, 'unmask')).toHaveLength(0);
      await stopAll(running);
    }
  });

  it('asks again after the answer: the same bytes for the same set, nothing for another one', async () => {
    const s = await stage();
    await upTo.survivors(s);
    await s.coordinator.consistency(s.members);
    await s.coordinator.collect(s.members, 'unmask');
    await s.coordinator.consistency(s.members, [s.victim.key]);
    await s.coordinator.consistency(s.members, [s.victim.key]);
    const answers = (): number =>
      s.victim.frames.filter((frame) => Buffer.from(frame).includes(encodedUnmask)).length;
    const [answer] = s.coordinator.recordsOf(s.victim.key, 'unmask');
    const encodedUnmask = Buffer.from(answer!.bytes);
    await s.coordinator.until(() => answers() === 3, 'three times the same answer');
    const dropped = s.members.find((key) => !Buffer.from(key).equals(s.victim.key))!;
    await s.coordinator.survivors(s.members, (body) => without(body, dropped), [s.victim.key]);
    expect((await s.victim.event('violation')).error.code).toBe('survivors_inconsistent');
    expect(s.coordinator.recordsOf(s.victim.key, 'unmask')).toHaveLength(1);
  });
});
