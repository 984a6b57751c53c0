/**
 * The streams of correlated noise at a participant: what it keeps, over restarts and losses, and
 * kill -9 at every save of a round.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { memoryKeystore } from '../../client/keystore/memory.ts';
import { seedsOfStreams } from '../../client/participant/host/noise-streams.ts';
import { toHex } from '../../protocol/bytes.ts';
import { cipherStream, deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { decodeClientFrame } from '../../protocol/wire/messages.ts';
import { mortal, never } from '../support/mortal-participant.ts';
import { keystoreOf, start, stopAll, type Started } from '../support/participants.ts';
import { privateSpec } from '../support/private-spec.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

const FTRL = {
  type: 'ftrl',
  epsilon: 8,
  delta: 1e-5,
  participations: 6,
  honest: 0.8,
  noiseMultiplier: 0,
  bands: 3,
} as const;

describe('the seeds of streams', () => {
  const spec = privateSpec(6, 6, 1, { cohort: { size: 20 }, privacy: { ...FTRL, honest: 1 } });
  const run = new Uint8Array(32).fill(1);
  const own = (n: number) => ({ random: seededRandom(new Uint8Array(32).fill(n)) });
  const seeds = async (store: Awaited<ReturnType<typeof memoryKeystore>>, n: number, at: number) =>
    (await seedsOfStreams(store, { spec, run }, own(n), at))!.map(toHex);
  const keystore = () => memoryKeystore(new Uint8Array(32).fill(3));

  it('are those of the attempt and of the bands before it, the same after a restart', async () => {
    const store = await keystore();
    const [first] = await seeds(store, 1, 1);
    // Other randomness stands for the restarted process.
    expect(await seeds(store, 2, 1)).toEqual([first]);
    const second = await seeds(store, 3, 2);
    expect(second[1]).toBe(first);
    const third = await seeds(store, 4, 3);
    expect(third.slice(1)).toEqual(second);
    const fourth = await seeds(store, 5, 4);
    expect(fourth).toHaveLength(3);
    expect(fourth.slice(1)).toEqual(third.slice(0, 2));
    expect(new Set([...fourth, ...third]).size).toBe(4);
  });

  it('are drawn for attempts that it was not in, and erased when no later one needs them', async () => {
    const store = await keystore();
    const [first] = await seeds(store, 1, 1);
    const fourth = await seeds(store, 2, 4);
    expect(fourth).toHaveLength(3);
    expect(fourth).not.toContain(first);
    const kept = toHex((await store.loadLocal(run, 'streams'))!);
    expect(kept).not.toContain(first);
    for (const seed of fourth) expect(kept).toContain(seed);
  });

  it('are new ones where the keystore was lost, and none without correlated noise', async () => {
    const before = await seeds(await keystore(), 1, 3);
    const after = await seeds(await keystore(), 2, 3);
    expect(after.some((seed) => before.includes(seed))).toBe(false);
    const plain = { spec: privateSpec(6, 6, 1), run };
    expect(await seedsOfStreams(await keystore(), plain, own(1), 3)).toBeUndefined();
  });
});

describe('a participant that is killed', () => {
  let running: Started[] = [];
  afterEach(async () => {
    await stopAll(running);
    running = [];
  });

  const VICTIM = 3;
  const members = Array.from({ length: 4 }, (_, i) => i);
  /** The same in every life, so that runs can be compared bit for bit. */
  const noise = (i: number) => (attempt: number) =>
    cipherStream(deriveSeed(new Uint8Array(32).fill(8), 'noise', i, attempt));

  const play = async (at: number) => {
    const keystores = await Promise.all(members.map((i) => keystoreOf(i)));
    const coordinator = await ScriptedCoordinator.create({
      rounds: 6,
      cohort: { size: 4, minimum: 3, overSelect: 1 },
      members: { type: 'closed', keys: keystores.map(({ identity }) => identity.publicKey) },
      privacy: FTRL,
    });
    const options = (i: number) => ({ noise: noise(i) });
    running = await Promise.all(
      members.slice(0, VICTIM).map((i) => start(coordinator, i, options(i))),
    );
    const inner = keystores[VICTIM]!;
    const died = Promise.withResolvers<void>();
    const life = mortal(inner, 'after a save', at, died.resolve);
    const first = await start(coordinator, VICTIM, {
      ...options(VICTIM),
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
      const next = await start(coordinator, VICTIM, {
        ...options(VICTIM),
        keystore: inner,
        life: 1,
      });
      running.push(next);
      frames.push(next.frames);
    };
    const second = takeOver();
    await coordinator.loggedIn(4);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await coordinator.playRound();
      await coordinator.until(() => coordinator.keys.length === 4, 'everyone is back');
    }
    if (life.isDead()) await second;
    else await first.participant.stop();
    frames.push(...running.map((other) => other.frames));
    const stated = frames.flat().flatMap((bytes) => {
      const frame = decodeClientFrame(bytes);
      const record = 'record' in frame ? decodeRecord(frame.record) : undefined;
      return record?.type === 'register' ? [[record.attempt, record.body.stream] as const] : [];
    });
    // The victim states what the others do.
    const streams = new Set(stated.map(([attempt, stream]) => `${attempt} ${toHex(stream!)}`));
    return { weights: coordinator.weights, streams, saves: life.counts.save };
  };

  it('continues its streams and states the same sums, whatever it was doing', async () => {
    const undisturbed = await play(Infinity);
    expect(undisturbed.streams.size).toBe(3);
    await stopAll(running);
    const saves = Math.ceil(undisturbed.saves / 3);
    expect(saves).toBeGreaterThan(8);
    // In the second attempt, which has streams of the first one.
    for (let at = saves + 1; at <= 2 * saves; at += 1) {
      const disturbed = await play(at);
      await stopAll(running);
      expect(disturbed.weights, `killed after save ${at}`).toEqual(undisturbed.weights);
      expect(disturbed.streams.size, `killed after save ${at}`).toBe(3);
    }
  });
});
