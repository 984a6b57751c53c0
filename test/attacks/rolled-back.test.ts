/**
 * A keystore is put back from a copy, by a backup or by whoever has the disk: it has forgotten what
 * it answered, and would answer again. Nothing that the participant itself remembers can tell; what
 * others have seen of it can.
 */
import { wholeTranscript } from '../../coordinator/index.ts';
import { afterEach, expect, it } from 'vitest';
import { concatBytes, equalBytes, toHex } from '../../protocol/bytes.ts';
import type { ParticipantEvent } from '../../client/index.ts';
import { decodeClientFrame } from '../../protocol/wire/messages.ts';
import { signRecord, type Body, type SignedRecord } from '../../protocol/records/records.ts';
import { emptyView, violation, withRecord } from '../../protocol/rules/index.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import {
  decodeTranscript,
  encodeEntry,
  genesis,
  nextEntry,
} from '../../protocol/records/transcript.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { connect, createStage, testIdentity, testSpec } from '../support/run.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];

/** One round; then the first participant is gone. */
const played = async () => {
  const coordinator = await ScriptedCoordinator.create();
  running = await startAll(coordinator, 4);
  await coordinator.playRound();
  const victim = running.shift() as Started;
  await victim.event('committed');
  await victim.participant.stop();
  await coordinator.until(() => coordinator.keys.length === 3, 'it is gone');
  const [register] = coordinator.recordsOf(victim.key, 'register');
  if (register === undefined) throw new Error('it has not registered');
  return { coordinator, victim, register };
};

/** The same identity with a keystore from before the first round. */
const fromCopy = async (coordinator: ScriptedCoordinator): Promise<Started> => {
  const started = await start(coordinator, 0, { keystore: await keystoreOf(0), life: 1 });
  running.push(started);
  return started;
};

it.each([
  ['a counter that they have seen', false],
  [
    'a counter that caught up, because the coordinator opened the rounds between for it again',
    true,
  ],
])('its peers refuse a cohort in which a member registers with %s', async (_, fed) => {
  // The coordinator is a liar: it shows the old keystore nothing, and takes its registration.
  const { coordinator, victim } = await played();
  if (!fed) coordinator.forget();
  const copy = await fromCopy(coordinator);
  if (fed) await copy.event('registered');
  await coordinator.loggedIn(4);
  await coordinator.open();
  await coordinator.cohort(coordinator.keys);
  for (const peer of running.slice(0, 3)) {
    const { error } = await peer.event('violation');
    expect(error).toMatchObject({ code: 'keystore_rolled_back' });
    expect(error.message).toContain(victim.keystore.identity.address);
    expect(await coordinator.withdrawal(peer.key)).toBe('keystore_rolled_back');
    // Nothing was shared with it.
    expect(coordinator.recordsOf(peer.key, 'share')).toEqual([]);
  }
});

it('peers remember across a restart of their own, and take the same cohort again', async () => {
  const { coordinator } = await played();
  const peer = running.shift() as Started;
  await peer.participant.stop();
  const again = await start(coordinator, 1, { keystore: peer.keystore, life: 1 });
  running.push(again);
  await fromCopy(coordinator);
  await coordinator.loggedIn(4);
  await coordinator.open();
  await coordinator.cohort(coordinator.keys);
  expect((await again.event('violation')).error.code).toBe('keystore_rolled_back');
  // A restart between cohort and shares meets the counters that it has remembered already.
  const honest = await ScriptedCoordinator.create();
  const others = await startAll(honest, 4);
  running.push(...others);
  const members = honest.keys;
  await honest.open();
  await honest.cohort(members);
  await honest.collect(members, 'share');
  const late = others[0] as Started;
  await late.participant.stop();
  await honest.until(() => honest.keys.length === 3, 'it is gone');
  const back = await start(honest, 0, { keystore: late.keystore, life: 1 });
  running.push(back);
  await honest.loggedIn(4);
  await back.event('joined');
  expect(back.events.some(({ type }) => type === 'violation')).toBe(false);
});

it('does not start where the coordinator shows what it has signed since', async () => {
  const { coordinator, victim, register } = await played();
  coordinator.shown.set(toHex(victim.key), register.bytes);
  const copy = await fromCopy(coordinator);
  await expect(copy.participant.finished).rejects.toMatchObject({ code: 'keystore_rolled_back' });
  expect(copy.frames.map((bytes) => decodeClientFrame(bytes).type)).toEqual(['hello', 'login']);
  // The keystore that has all of it starts.
  const whole = await start(coordinator, 0, { keystore: victim.keystore, life: 2 });
  running.push(whole);
  await coordinator.loggedIn(4);
  await whole.event('connected');
  await coordinator.playRound();
  await whole.event('committed');
});

it('a coordinator cannot keep a participant out with what it has not signed', async () => {
  const { coordinator, victim, register } = await played();
  const [other] = coordinator.recordsOf((running[0] as Started).key, 'register');
  if (other === undefined) throw new Error('it has not registered');
  coordinator.shown.set(toHex(victim.key), other.bytes);
  const deceived = await fromCopy(coordinator);
  // It takes no part, accuses nobody, and asks again.
  expect((await deceived.event('reconnecting', 2)).error.code).toBe('record_replayed');
  const forged = register.bytes.slice();
  forged[forged.length >> 1] = (forged[forged.length >> 1] as number) ^ 1;
  coordinator.shown.set(toHex(victim.key), forged);
  const isForged = ({ type, ...event }: ParticipantEvent): boolean =>
    type === 'reconnecting' &&
    'error' in event &&
    /^(?:signature_invalid|record_malformed)$/u.test(event.error.code);
  for (let count = 3; !deceived.events.some(isForged); count += 1)
    await deceived.event('reconnecting', count);
  expect(deceived.events.some(({ type }) => type === 'registered')).toBe(false);
  coordinator.shown.delete(toHex(victim.key));
  await deceived.event('connected');
});

it('the real coordinator refuses the registration and shows the last one at login; verify names it', async () => {
  const stage = await createStage(await testSpec({ rounds: 2 }));
  const coordinator = stage.create();
  await coordinator.start();
  const people = await Promise.all(
    NAMES.map((name) =>
      stage.participant(name, {
        forgets: (attempt) => name === 'berta' && attempt === 2,
      }),
    ),
  );
  for (const person of people) connect(coordinator, person);
  await coordinator.finished;
  const [, berta] = people;
  expect(berta?.errors.map(({ code }) => code)).toContain('keystore_rolled_back');
  const { entries } = decodeTranscript(
    hashRunSpec(stage.spec),
    await wholeTranscript(stage.journal),
  );
  const second = entries.filter(({ record }) => record.attempt === 2 && record.type === 'register');
  expect(second).toHaveLength(3);
  // A transcript in which such a registration stands all the same: only the rule of counters is
  // broken.
  const view = emptyView({
    spec: stage.spec,
    run: hashRunSpec(stage.spec),
    attempt: 2,
    complete: true,
    lastRegisterOf: () => ({ counter: 2, hash: new Uint8Array(32) }),
  });
  const [opened] = entries.filter(({ record }) => record.attempt === 2 && record.type === 'open');
  const record = second[0]?.record as SignedRecord<'register'>;
  expect(violation(withRecord(view, opened?.record as SignedRecord<'open'>), record)).toMatchObject(
    { rule: 'register-counter', code: 'keystore_rolled_back' },
  );
  await coordinator.stop();
});

type Register = Body<'register'>;

it.each<[string, (body: Register) => Register]>([
  ['goes back', ({ open, mask, seal }) => ({ open, mask, seal, counter: 1 })],
  ['stands still', (body) => ({ ...body, counter: 1 })],
  ['follows another registration', (body) => ({ ...body, previous: new Uint8Array(32) })],
])('a transcript with a counter that %s is refused by verify', async (_, change) => {
  const stage = await createStage(await testSpec({ rounds: 2 }));
  const coordinator = stage.create();
  await coordinator.start();
  const people = await Promise.all(NAMES.map((name) => stage.participant(name)));
  for (const person of people) connect(coordinator, person);
  await coordinator.finished;
  await coordinator.stop();
  const run = hashRunSpec(stage.spec);
  const { entries } = decodeTranscript(run, await wholeTranscript(stage.journal));
  // Everything after a record that was signed anew would have to be, too; verification stops at the
  // first.
  let head = genesis(run);
  const identities = await Promise.all(NAMES.map(testIdentity));
  const forged = entries.map(({ record }, index) => {
    const author = identities.find(({ publicKey }) => equalBytes(publicKey, record.author));
    const next =
      record.type === 'register' && record.attempt === 2 && author !== undefined
        ? signRecord(author, 'register', run, 2, change(record.body))
        : record;
    const entry = nextEntry(head, index, next);
    head = entry.hash;
    return encodeEntry(entry);
  });
  const { ok, culprit } = await verifyRun({
    spec: stage.spec,
    transcript: concatBytes(...forged),
    store: stage.store,
  });
  expect(ok).toBe(false);
  expect(culprit).toMatchObject({ attempt: 2, record: 'register' });
  expect(culprit?.reason).toContain('register-counter');
});
