/**
 * Complaints by the real participant: a bad entry is answered with its proof and no upload follows;
 * an abort that excludes somebody is accepted with the proof and named without it.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { signRecord } from '../../protocol/records/records.ts';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { pathOf, signedOf } from '../support/entries.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

/** An entry whose sealed shares do not open. */
const flip = (entry: Uint8Array): Uint8Array =>
  entry.with(entry.length - 70, entry[entry.length - 70]! ^ 1);

/** Four participants and a coordinator; the first one is the victim. */
const stage = async () => {
  const coordinator = await ScriptedCoordinator.create();
  running = await startAll(coordinator, 4);
  return { coordinator, members: coordinator.keys, victim: running[0] as Started };
};

describe('a member that seals bad shares, and a coordinator that says who lied', () => {
  /** The second member alters its entry for the victim and signs what it sent. */
  const withBadEntry = async () => {
    const s = await stage();
    await s.coordinator.open();
    await s.coordinator.cohort(s.members);
    await s.coordinator.collect(s.members, 'share');
    const liar = running[1] as Started;
    const own = s.coordinator.recordsOf(liar.key, 'share')[0]!;
    const place = s.members.findIndex((key) => Buffer.from(key).equals(s.victim.key));
    const entries = s.coordinator
      .entriesOf(liar.key)
      .map((entry, i) => (i === place ? flip(entry) : entry));
    const record = signRecord(liar.keystore.identity, 'share', s.coordinator.run, 1, {
      ...own.body,
      entries: signedOf(own.body.context, liar.key, entries),
    }).bytes;
    s.coordinator.frames.get(toHex(liar.key))!.push({ v: 3, type: 'share', record, entries });
    await s.coordinator.sharers(s.members);
    return { s, liar };
  };
  const other = (): Started => running[2] as Started;

  it('the victim complains and uploads nothing; with the proof everybody accepts the abort', async () => {
    const { s, liar } = await withBadEntry();
    const [complaint] = await s.coordinator.collect([s.victim.key], 'complaint');
    expect(toHex(complaint!.body.accused)).toBe(toHex(liar.key));
    expect(s.coordinator.recordsOf(s.victim.key, 'upload')).toHaveLength(0);
    await s.coordinator.collect([other().key], 'upload');
    s.coordinator.abort('complaint_upheld', [liar.key], complaint!.bytes);
    for (const one of [s.victim, other()]) {
      expect((await one.event('aborted')).code).toBe('complaint_upheld');
      expect(one.events.filter(({ type }) => type === 'violation')).toHaveLength(0);
    }
    expect(s.coordinator.recordsOf(s.victim.key, 'upload')).toHaveLength(0);
  });

  it.each(['missing', 'turned round', 'about another member'] as const)(
    'an abort whose proof is %s is named',
    async (how) => {
      const { s, liar } = await withBadEntry();
      const [complaint] = await s.coordinator.collect([s.victim.key], 'complaint');
      if (how === 'missing') s.coordinator.abort('complaint_upheld', [liar.key]);
      else if (how === 'turned round')
        s.coordinator.abort('complaint_unfounded', [s.victim.key], complaint!.bytes);
      else s.coordinator.abort('complaint_upheld', [other().key], complaint!.bytes);
      const { error } = await other().event('violation');
      expect(error.code).toBe('complaint_invalid');
    },
  );

  it('an abort over a complaint that proves nothing is named', async () => {
    const s = await stage();
    await s.coordinator.open();
    await s.coordinator.cohort(s.members);
    await s.coordinator.sharers(s.members);
    const accused = running[1] as Started;
    const share = s.coordinator.recordsOf(accused.key, 'share')[0]!;
    const place = s.members.findIndex((key) => Buffer.from(key).equals(other().key));
    const entries = s.coordinator.entriesOf(accused.key);
    const made = signRecord(other().keystore.identity, 'complaint', s.coordinator.run, 1, {
      context: s.coordinator.attempt!.context!,
      accused: accused.key,
      share: share.hash,
      kind: 'sealed',
      entry: entries[place]!,
      path: pathOf(s.coordinator.attempt!.context!, accused.key, entries, place),
      secret: new Uint8Array(32).fill(3),
    });
    s.coordinator.abort('complaint_upheld', [accused.key], made.bytes);
    const { error } = await s.victim.event('violation');
    expect(error.code).toBe('complaint_invalid');
  });
});
