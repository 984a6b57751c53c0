/**
 * kill -9 at every point where a participant saves or sends. "Killed" = from that instant nothing
 * it does has an effect; a new participant over what its keystore holds takes over, with other
 * randomness. Compared to an undisturbed one: the same model bit for bit, one record of each kind,
 * one vector in the store.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { sha256, toHex } from '../../protocol/bytes.ts';
import { decodeClientFrame } from '../../protocol/wire/messages.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { mortal, never, type Moment } from '../support/mortal-participant.ts';
import {
  keystoreOf,
  start,
  startAll,
  stepOf,
  stopAll,
  testTrainer,
  type Started,
} from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

const VICTIM = 3;
let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const play = async (secagg: 'masked' | 'none', moment: Moment, at: number) => {
  const coordinator = await ScriptedCoordinator.create({ secagg });
  running = await startAll(coordinator, 3);
  const inner = await keystoreOf(VICTIM);
  const died = Promise.withResolvers<void>();
  const life = mortal(inner, moment, at, died.resolve);
  const first = await start(coordinator, VICTIM, {
    keystore: life.keystore,
    link: async (open) => {
      if (life.isDead()) return never();
      const connection = open();
      return { ...connection, send: life.send(connection.send) };
    },
  });
  const frames = [first.frames];
  const takeOver = async (): Promise<void> => {
    await died.promise;
    coordinator.drop(first.key);
    const next = await start(coordinator, VICTIM, { keystore: inner, life: 1 });
    running.push(next);
    frames.push(next.frames);
  };
  const second = takeOver();
  await coordinator.loggedIn(4);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const commit = await coordinator.playRound();
    await coordinator.until(() => coordinator.keys.length === 4, 'everyone is back');
    expect(commit.attempt).toBe(attempt);
  }
  if (life.isDead()) await second;
  else await first.participant.stop();
  return {
    coordinator,
    counts: life.counts,
    died: life.isDead(),
    frames: frames.flat(),
    key: first.key,
  };
};

/** Distinct records of each type and round, and how often each was sent. */
const recordsIn = (frames: readonly Uint8Array[]): Map<string, Set<string>> => {
  const found = new Map<string, Set<string>>();
  for (const bytes of frames) {
    const frame = decodeClientFrame(bytes);
    if (!('record' in frame)) continue;
    const record = decodeRecord(frame.record);
    const name = `${record.type} ${record.attempt}`;
    found.set(name, (found.get(name) ?? new Set()).add(toHex(sha256(bytes))));
  }
  return found;
};

describe('a participant that is killed', () => {
  for (const secagg of ['masked', 'none'] as const)
    it(`${secagg}: continues exactly where it was, whatever it was doing`, async () => {
      const undisturbed = await play(secagg, 'after a save', Infinity);
      expect(undisturbed.died).toBe(false);
      await stopAll(running);
      const blobs = undisturbed.coordinator.store.blobs.size;
      // One round is enough: the second one shows that it continues.
      const saves = Math.ceil(undisturbed.counts.save / 2);
      const sends = Math.ceil((undisturbed.counts.send - 2) / 2) + 2;
      expect(saves).toBeGreaterThan(secagg === 'masked' ? 8 : 4);
      for (const moment of [
        'before a save',
        'after a save',
        'before a send',
        'after a send',
      ] as const)
        for (let at = 1; at <= (moment.endsWith('save') ? saves : sends); at += 1) {
          const label = `killed ${moment} ${at}`;
          const disturbed = await play(secagg, moment, at);
          await stopAll(running);
          expect(disturbed.died, label).toBe(true);
          expect(disturbed.coordinator.weights, label).toEqual(undisturbed.coordinator.weights);
          for (const [name, hashes] of recordsIn(disturbed.frames))
            expect(hashes.size, `${label}: ${name}`).toBe(1);
          if (secagg === 'masked')
            expect(disturbed.coordinator.store.blobs.size, label).toBe(blobs);
        }
    });

  /** The victim's store is down: it saves its vector, uploads nothing, and its process ends. */
  const stoppedWithVector = async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 3);
    const keystore = await keystoreOf(VICTIM);
    const first = await start(coordinator, VICTIM, {
      keystore,
      store: { ...coordinator.store, put: never },
    });
    await coordinator.loggedIn(4);
    const members = coordinator.keys;
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    while ((await keystore.load(coordinator.run))?.attempt?.vector === undefined)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const saved = (await keystore.loadVector(coordinator.run))!;
    await first.participant.stop();
    return { coordinator, keystore, first, saved };
  };

  it('uploads the vector it has saved, though training would now give another one', async () => {
    const { coordinator, keystore, first, saved } = await stoppedWithVector();
    const second = await start(coordinator, VICTIM, {
      keystore,
      life: 1,
      trainer: testTrainer(99, (result) => ({
        ...result,
        weights: stepOf(result.weights, new Uint8Array(32).fill(66)),
      })),
    });
    running.push(second);
    const [upload] = await coordinator.collect([first.key], 'upload');
    expect(await coordinator.store.get(upload!.body.blob)).toEqual(saved);
    expect(second.events.some(({ type }) => type === 'trained')).toBe(false);
  });

  it('sits the attempt out when the saved vector is gone or altered: never a second one', async () => {
    for (const harm of ['gone', 'altered'] as const) {
      const { coordinator, keystore, first, saved } = await stoppedWithVector();
      if (harm === 'gone') await keystore.eraseVector(coordinator.run);
      else await keystore.saveVector(coordinator.run, saved.with(3, saved[3]! ^ 1));
      const second = await start(coordinator, VICTIM, { keystore, life: 1 });
      running.push(second);
      expect(await coordinator.withdrawal(first.key)).toBe('mask_reuse');
      expect(coordinator.recordsOf(first.key, 'upload')).toHaveLength(0);
      await coordinator.loggedIn(4);
      await coordinator.playRound();
      await second.event('committed');
      await stopAll(running);
    }
  });

  it('a restarted participant refuses the rounds it has already seen', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 3);
    const keystore = await keystoreOf(VICTIM);
    const first = await start(coordinator, VICTIM, { keystore });
    await coordinator.loggedIn(4);
    const open = await coordinator.open();
    await coordinator.collect(coordinator.keys, 'register');
    coordinator.abort();
    await first.event('aborted');
    await first.participant.stop();
    const second = await start(coordinator, VICTIM, { keystore, life: 1 });
    running.push(second);
    await coordinator.loggedIn(4);
    // The same record again is harmless; another one for that round is not.
    coordinator.send([first.key], { type: 'record', record: open.bytes });
    await coordinator.open((body) => ({ ...body, invited: body.invited.slice(0, 3) }), 1);
    expect((await second.event('violation')).error.code).toBe('record_conflict');
    expect(coordinator.recordsOf(first.key, 'register')).toHaveLength(1);
  });

  it('keeps no secret of a round that is over', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 3);
    const keystore = await keystoreOf(VICTIM);
    const victim = await start(coordinator, VICTIM, { keystore });
    running.push(victim);
    await coordinator.loggedIn(4);
    await coordinator.playRound();
    await victim.event('committed');
    await coordinator.open();
    await victim.event('registered', 2);
    coordinator.abort();
    await victim.event('aborted');
    for (const memory of [await keystore.load(coordinator.run)]) {
      expect(memory?.attempt).toBeUndefined();
      expect(memory?.commit).toBeDefined();
    }
    expect(await keystore.loadVector(coordinator.run)).toBeUndefined();
  });
});
