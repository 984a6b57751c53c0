/**
 * Honest rounds. The sums are compared with a computation that never touches rings, masks or
 * records: the weighted mean of what the trainers returned, within the quantisation error; and
 * masked against unmasked, bit for bit.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { lineOf } from '../../client/index.ts';
import { quantisationError } from '../../protocol/encoding/index.ts';
import { concatBytes, equalBytes, utf8 } from '../../protocol/bytes.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { sortKeys } from '../../protocol/records/records.ts';
import { hashModel } from '../../protocol/model/index.ts';
import {
  keystoreOf,
  start,
  startAll,
  stepOf,
  stopAll,
  testTrainer,
  type Started,
} from '../support/participants.ts';
import { connectionPair } from '../support/connection.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const expectedMean = async (
  coordinator: ScriptedCoordinator,
  before: Float32Array,
  who: readonly { readonly index: number; readonly examples: number }[],
): Promise<Float64Array> => {
  const mean = new Float64Array(before.length);
  const total = who.reduce((sum, { examples }) => sum + examples, 0);
  for (const { index, examples } of who) {
    const { trainingSecret } = await keystoreOf(index);
    const hash = hashModel(coordinator.spec.model, before);
    const seed = deriveSeed(trainingSecret, 'train', coordinator.spec.id, hash);
    const after = stepOf(before, seed);
    for (let i = 0; i < mean.length; i += 1)
      mean[i]! += ((after[i]! - before[i]!) * examples) / total;
  }
  return mean;
};

const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.hypot(...Array.from(a, (value, i) => value - b[i]!));

describe('a newcomer to a running run', () => {
  it('is admitted, checks the newest commit, and counts in its first round', async () => {
    const identities = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => (await keystoreOf(index)).identity),
    );
    const keys = sortKeys(identities.map(({ publicKey }) => publicKey));
    const coordinator = await ScriptedCoordinator.create({
      cohort: { size: 6, minimum: 5, overSelect: 1 },
      members: { type: 'closed', keys },
    });
    // Each requires what participants require by default.
    running = await startAll(coordinator, 5, { require: {} });
    await coordinator.playRound();
    const newest = await coordinator.playRound();
    const newcomer = await start(coordinator, 5, { require: {} });
    running.push(newcomer);
    await coordinator.loggedIn(6);
    const commit = await coordinator.playRound();
    const { open, registers, cohort, survivors } = coordinator.attempt!;
    expect(cohort?.body.members).toEqual(keys);
    expect(survivors?.body.members).toEqual(keys);
    expect(open.body.bundle?.commit).toEqual(newest.hash);
    const registered = registers.find(({ author }) => equalBytes(author, newcomer.key));
    expect(registered?.body).toMatchObject({ counter: 1 });
    expect(registered?.body.previous).toBeUndefined();
    const checked = await newcomer.event('checked');
    expect(checked).toMatchObject({ attempt: 3, commit: 2 });
    const [share] = coordinator.recordsOf(newcomer.key, 'share');
    expect(share?.body.check).toEqual({ commit: newest.hash, leaf: checked.leaf });
    const committed = await newcomer.event('committed');
    expect(committed.model.hash).toEqual(commit.body.model.hash);
    await coordinator.playRound();
    for (const { events } of running)
      expect(events.filter(({ type }) => type === 'violation' || type === 'withdrawn')).toEqual([]);
  });
});

describe('a participant in honest rounds', () => {
  for (const secagg of ['masked', 'none'] as const)
    it(`${secagg}: the model moves by the weighted mean of the updates`, async () => {
      const coordinator = await ScriptedCoordinator.create({
        secagg,
        encoding: { weightCap: 20, clipNorm: 2 },
      });
      running = await startAll(coordinator, 5);
      for (let attempt = 1; attempt <= 2; attempt += 1) {
        const before = coordinator.weights;
        await coordinator.playRound();
        const who = running.map((_, index) => ({ index, examples: 10 + index }));
        const mean = await expectedMean(coordinator, before, who);
        const moved = coordinator.weights.map((value, i) => value - before[i]!);
        const { bound } = quantisationError(coordinator.spec.encoding, 5, 35, 12);
        expect(distance(moved, mean)).toBeLessThan(2 * bound);
        expect(distance(moved, mean)).toBeLessThan(distance(moved, new Float64Array(35)) / 3);
      }
      coordinator.finish();
      for (const { participant, event } of running) {
        const outcome = await participant.finished;
        expect(outcome.type).toBe('finished');
        expect(outcome.commit?.attempt).toBe(2);
        expect(await event('committed', 2)).toMatchObject({
          clipped: 0,
          metrics: [
            { name: 'trainLoss', kind: 'mean', value: 7.5 / 60 },
            { name: 'trainAccuracy', kind: 'mean', value: 15 / 60 },
          ],
        });
      }
    });

  it('masked and unmasked runs, and a repeated run, give the same model bit for bit', async () => {
    const results: Float32Array[] = [];
    for (const [secagg, life] of [
      ['masked', 0],
      ['none', 1],
      ['masked', 2],
    ] as const) {
      const coordinator = await ScriptedCoordinator.create({ secagg });
      running = await startAll(coordinator, 4, { life });
      await coordinator.playRound();
      await coordinator.playRound();
      await stopAll(running);
      results.push(coordinator.weights);
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('masked: the sum over the survivors is exact when somebody drops between share and upload', async () => {
    const sums: Float32Array[] = [];
    for (const secagg of ['masked', 'none'] as const) {
      const coordinator = await ScriptedCoordinator.create({ secagg });
      running = await startAll(coordinator, 5);
      await coordinator.playRound([running[2]!.key]);
      await stopAll(running);
      sums.push(coordinator.weights);
    }
    expect(sums[0]).toEqual(sums[1]);
  });

  it('no frame and no blob holds the update, the new weights or the secrets in clear', async () => {
    // A pattern that survives clipping, or none: the trained weights contain the bytes of this
    // text.
    const planted = utf8('floe: planted pattern, 32 bytes!');
    const values = new Float32Array(planted.slice().buffer);
    for (const secagg of ['masked', 'none'] as const) {
      const coordinator = await ScriptedCoordinator.create({ secagg });
      running = await startAll(coordinator, 3, {
        trainer: testTrainer(10, (result) => {
          const weights = result.weights.slice();
          weights.set(values);
          return { ...result, weights };
        }),
      });
      await coordinator.playRound();
      await stopAll(running);
      const secrets = running.map(({ keystore }) => keystore.trainingSecret);
      const everything = Buffer.from(
        concatBytes(
          ...running.flatMap(({ frames }) => frames),
          ...coordinator.store.blobs.values(),
        ),
      );
      expect(everything.length).toBeGreaterThan(1000);
      for (const secret of [planted, planted.subarray(0, 8), ...secrets])
        expect(everything.includes(Buffer.from(secret))).toBe(false);
      // The search finds what is there.
      expect(everything.includes(Buffer.from(running[0]!.key))).toBe(true);
    }
  });

  it('sits a round out when training fails, gives NaN or absurd weights, and takes part in the next', async () => {
    const failures = [
      [
        'trainer_failed',
        () => {
          throw new Error('row 17 of "anna.csv" in /home/anna has 3.5e2 features\nRow: Anna, 52');
        },
      ],
      ['update_not_finite', (r) => ({ ...r, weights: r.weights.fill(Number.NaN) })],
      ['weight_out_of_range', (r) => ({ ...r, examples: 1e9 })],
      ['weight_out_of_range', (r) => ({ ...r, examples: 0 })],
      ['metric_out_of_range', (r) => ({ ...r, lossSum: Number.NaN })],
      ['metric_out_of_range', (r) => ({ ...r, correct: -1 })],
      ['tensor_mismatch', (r) => ({ ...r, weights: r.weights.subarray(1) })],
    ] as const satisfies [string, Parameters<typeof testTrainer>[1]][];
    const coordinator = await ScriptedCoordinator.create();
    let attempt = 0;
    const trainer = testTrainer(10, (result) => {
      const failure = failures[attempt];
      return failure === undefined ? result : failure[1](result);
    });
    running = await startAll(coordinator, 4);
    const unlucky = await start(coordinator, 9, { trainer });
    running.push(unlucky);
    await coordinator.loggedIn(5);
    for (const [code] of failures) {
      await coordinator.playRound([unlucky.key]);
      expect(await coordinator.withdrawal(unlucky.key)).toBe(code);
      const left = await unlucky.event('withdrawn', attempt + 1);
      expect(left.error.code).toBe(code);
      // Who runs it reads whose fault it is; the coordinator reads no word of the message.
      const { detail } = coordinator.withdrew(unlucky.key) ?? {};
      expect(detail ?? 'Error 0000').toMatch(/^\w+ [0-9a-f]{4}$/u);
      if (attempt === 0) expect(detail).toMatch(/^Error /u);
      if (attempt === 0)
        expect(lineOf(left)?.[1]).toMatch(/trainer of this participant failed.*row 17.*Correct/u);
      attempt += 1;
    }
    await coordinator.playRound();
    await unlucky.event('uploaded');
  });

  it('reports bytes, joins, training and what it runs on', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 3);
    await coordinator.playRound();
    const [first] = running;
    await first!.event('committed');
    expect(first!.events.map(({ type }) => type)).toEqual([
      'admission',
      'connected',
      'registered',
      'joined',
      'trained',
      'uploaded',
      'unmasked',
      'committed',
    ]);
    expect(await first!.event('connected')).toMatchObject({
      backend: 'a function',
      store: 'memory',
      gate: 'sealed-box',
      keystore: 'memory',
    });
    const upload = coordinator.recordsOf(first!.key, 'upload')[0]!;
    expect((await first!.event('uploaded')).bytes).toBe(upload.body.blob.size);
  });

  it('comes back after every lost connection, waiting longer only while nothing gets through, and finishes the round', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 3);
    const members = coordinator.keys;
    const [unstable] = running as [Started];
    let losses = 0;
    const lose = async (): Promise<void> => {
      losses += 1;
      coordinator.drop(unstable.key);
      await unstable.event('reconnecting', losses);
      await coordinator.loggedIn(3);
    };
    for (let i = 0; i < 4; i += 1) await lose();
    const idle = losses;
    await coordinator.open();
    await lose();
    await coordinator.cohort(members);
    await lose();
    await coordinator.sharers(members);
    await lose();
    await coordinator.survivors(members);
    await lose();
    await coordinator.consistency(members);
    await lose();
    await coordinator.commit(members);
    await unstable.event('committed');
    expect(coordinator.recordsOf(unstable.key, 'upload')).toHaveLength(1);
    expect(coordinator.recordsOf(unstable.key, 'unmask')).toHaveLength(1);
    const delays = unstable.events.flatMap((e) => (e.type === 'reconnecting' ? [e.delayMs] : []));
    // Half of min(max, base * 2^k) at least, all of it at most; k starts again with a session that
    // got a record through.
    for (const [i, delay] of delays.entries()) {
      const most = Math.min(10, 2 * 2 ** (i <= idle ? i : 0));
      expect(delay, `delay ${i}`).toBeGreaterThanOrEqual(most / 2);
      expect(delay, `delay ${i}`).toBeLessThanOrEqual(most);
    }
  });

  it('shows what the coordinator writes without its control characters', () => {
    const message = 'no\n\u001b[2Jround 1: all is well\u202e';
    expect(lineOf({ type: 'refused', code: 'rate_limited', message })).toEqual([
      'warn',
      'the coordinator refused: rate_limited: no??[2Jround 1: all is well?',
    ]);
  });

  it('can be stopped in the middle of a login', async () => {
    const coordinator = await ScriptedCoordinator.create();
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    const { participant } = await start(coordinator, 0, {
      clock: manualClock(),
      link: async () => {
        const [here, there] = connectionPair();
        there.receive({ message: () => opened.resolve(), close: (code) => closed.resolve(code) });
        return here;
      },
    });
    await opened.promise;
    await participant.stop();
    expect((await participant.finished).type).toBe('stopped');
    expect(await closed.promise).toBe(4000);
  });

  it('continues trying while nobody answers', async () => {
    const coordinator = await ScriptedCoordinator.create();
    let refusals = 20;
    const late = await start(coordinator, 0, {
      link: async (open) => {
        refusals -= 1;
        if (refusals > 0) throw new Error('connection refused');
        return open();
      },
    });
    running = [late];
    await coordinator.loggedIn(1);
    expect((await late.event('reconnecting', 19)).error.code).toBe('connection_lost');
  });
});
