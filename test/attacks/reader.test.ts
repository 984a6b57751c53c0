/**
 * @module Readers: who opens a model or a bundle that it should not, and what can be read out of
 * what may be opened. What a reader is told of a folder that somebody changed is in folder.test.ts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { compareBytes, equalBytes, toHex } from '../../protocol/bytes.ts';
import { decryptBlob } from '../../protocol/model/envelope.ts';
import { batchesOf } from '../../protocol/rules/selection.ts';
import { freezeCohort, maskJobs, selfMaskSeed, type MaskJob } from '../../protocol/secagg/index.ts';
import { testIdentity } from '../support/run.ts';
import { byHand, unmasked, uploadOf } from './collusion.ts';
import { cosine, minus, times } from './learning.ts';
import {
  eventually,
  fastClock,
  keystoreNamed,
  PATIENT,
  readBundle,
  readModel,
  realRun,
  updateOf,
  type Client,
  type RealRun,
} from './real-run.ts';

describe('who may read', () => {
  let run: RealRun;
  afterEach(() => run.stop());

  const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `h${i}`);

  it('who only logged in, and was in no cohort, opens neither the model nor the bundle', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    const members = await Promise.all(names(5).map((name) => run.join(name)));
    await eventually(() => run.records('open').length === 1, 'the round is open');
    const outsider = await testIdentity('outsider');
    byHand(run, outsider, () => undefined);
    await run.committed(1);
    const [commit] = run.records('commit');
    const denied = { code: 'access_denied' };

    await expect(readModel(run, commit!.body.model, outsider)).rejects.toMatchObject(denied);
    await expect(readBundle(run, commit!, outsider)).rejects.toMatchObject(denied);
    expect(members).toHaveLength(5);
  });

  it.each([
    ['the model of one round opens that of the next with its key', 'model'],
    ['the model opens the bundle with its envelope', 'bundle'],
    ['the models opens the update of another, where there are no masks', 'update'],
  ] as const)('who reads %s', async (_, what) => {
    run = await realRun({ rounds: 2, secagg: 'none', cohort: { size: 4, minimum: 3 } });
    const members = await Promise.all(names(4).map((name) => run.join(name)));
    await run.committed(2);
    const [first, second] = run.records('commit');
    const [{ key, keystore }] = members as [Client];
    const gate = sealedBoxGate(keystore.identity);
    const of = { run: run.run, attempt: 1, role: 'model' } as const;
    const modelKey = await gate.unwrap(first!.body.model.envelope, of);
    const other = run.records('upload').find(({ author }) => !equalBytes(author, key))!;
    const moves = {
      model: async () => {
        const cipher = await run.stage.store.get(second!.body.model.blob);
        return decryptBlob(modelKey, { ...of, attempt: 2 }, cipher);
      },
      bundle: async () => gate.unwrap(first!.body.model.envelope, { ...of, role: 'bundle' }),
      update: async () => gate.unwrap(other.body.envelope!, { ...of, role: 'update' }),
    };
    const codes = {
      model: 'decryption_failed',
      bundle: 'envelope_malformed',
      update: 'access_denied',
    };

    await expect(moves[what]()).rejects.toMatchObject({ code: codes[what] });
  });

  it('who opens the bundle takes the self masks off single uploads: the pair masks stay', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    const members = await Promise.all(names(5).map((name) => run.join(name)));
    await run.committed(1);
    const [commit] = run.records('commit');
    const { secrets } = await readBundle(run, commit!, members[0]!.keystore.identity);
    const { context } = run.records('sharers')[0]!.body;

    expect(secrets.map(({ kind }) => kind)).toEqual(Array(5).fill('self'));
    for (const { key, update } of members.slice(1)) {
      const { secret } = secrets.find(({ author }) => equalBytes(author, key))!;
      const read = await unmasked(run, uploadOf(run, key), [
        { seed: selfMaskSeed(context, key, secret), sign: -1 },
      ]);
      expect(Math.abs(cosine(read ?? new Float32Array(20), update))).toBeLessThan(0.9);
    }
  });

  it('who opens the bundle takes the pair masks off an upload that came too late: the self mask stays', async () => {
    // Of the one who dropped the bundle opens sigma, and its blob is public as all are.
    run = await realRun(
      { cohort: { size: 5, minimum: 3 }, deadlines: { ...PATIENT, upload: 50 } },
      {
        clock: fastClock(),
      },
    );
    const members = await Promise.all(names(4).map((name) => run.join(name)));
    const update = updateOf('late', 20);
    const late = await run.liar('late', { train: () => update, dropAt: (at) => at === 'upload' });
    await run.committed(1);
    const { key: reader, keystore } = members[0]!;
    const [commit] = run.records('commit');
    const { secrets, pairs: shown } = await readBundle(run, commit!, keystore.identity);
    const { context } = run.records('sharers')[0]!.body;
    const { members: survivors } = run.records('survivors')[0]!.body;
    const cohort = freezeCohort(
      run
        .records('register')
        .map(({ author, body: { mask, seal } }) => ({ id: author, mask, seal })),
      run.records('cohort')[0]!.body.beacon,
    );
    const commitments = run
      .records('share')
      .map(({ author, body: { commitment } }) => ({ author, commitment }));
    const entryOf = (author: Uint8Array, recipient: Uint8Array): Uint8Array | undefined =>
      shown.find((one) => equalBytes(one.author, author) && equalBytes(one.recipient, recipient))
        ?.entry;
    commitments.sort((a, b) => compareBytes(a.author, b.author));
    const view = { context, cohort, shares: commitments, survivors, entryOf };
    const found = await maskJobs(view, [...secrets]);
    const jobs = found.type === 'jobs' ? found.jobs : [];
    const selfs = secrets
      .filter(({ kind }) => kind === 'self')
      .map(({ author, secret }) => toHex(selfMaskSeed(context, author, secret)));
    const pairs = jobs
      .filter(({ seed }) => !selfs.includes(toHex(seed)))
      .map(({ seed, sign }): MaskJob => ({ seed, sign: sign === 1 ? -1 : 1 }));
    const { upload, selfSecret } = late.sent(1)!;
    const read = await unmasked(run, upload!.body.blob, pairs);
    const seed = selfMaskSeed(context, late.identity.publicKey, selfSecret!);
    const whole = await unmasked(run, upload!.body.blob, [...pairs, { seed, sign: -1 }]);

    expect(survivors.map(toHex)).toContain(toHex(reader));
    expect([survivors.length, pairs.length]).toEqual([4, 4]);
    expect(Math.abs(cosine(read ?? new Float32Array(20), update))).toBeLessThan(0.9);
    // That one mask is all that is between them.
    expect(cosine(whole!, update)).toBeGreaterThan(0.99);
  });

  it('any member subtracts two rounds of a run in batches: of each it has whole batches only', async () => {
    const people = names(6);
    const keystores = await Promise.all(people.map((name) => keystoreNamed(name)));
    run = await realRun({
      rounds: 3,
      cohort: { size: 3, minimum: 3 },
      selection: 'batches',
      members: { type: 'closed', keys: keystores.map(({ identity }) => identity.publicKey) },
    });
    await Promise.all(people.slice(0, 5).map((name) => run.join(name)));
    await run.committed(1);
    await run.join('h5');
    await run.committed(3);
    const list = (keys: readonly Uint8Array[]): string => keys.map(toHex).join();
    const batches = new Set(batchesOf(run.spec).map(list));

    expect(batches.size).toBe(2);
    for (const { body } of run.records('survivors')) expect(batches).toContain(list(body.members));
  });

  it('remains: who was excluded for a proven lie still opens every later model', async () => {
    run = await realRun(
      { cohort: { size: 5, minimum: 3 }, deadlines: PATIENT },
      { clock: fastClock() },
    );
    await Promise.all(names(4).map((name) => run.join(name)));
    const liar = await run.liar('liar', { lie: { entries: true } });
    await run.committed(1);
    const [failure] = await run.aborted(1);
    const [commit] = run.records('commit');

    expect(failure!.culprits).toEqual([toHex(liar.identity.publicKey)]);
    expect(await readModel(run, commit!.body.model, liar.identity)).toHaveLength(20);
    expect(await readBundle(run, commit!, liar.identity)).toMatchObject({ pairs: [] });
  });

  it('remains: who left after the first round still opens the model of the last', async () => {
    run = await realRun({ rounds: 2, cohort: { size: 5, minimum: 3 } });
    const leaver = await run.join('leaver');
    await Promise.all(names(4).map((name) => run.join(name)));
    await run.committed(1);
    await leaver.participant.stop();
    await run.committed(2);
    const commit = run.records('commit').at(-1);

    expect(await readModel(run, commit.body.model, leaver.keystore.identity)).toHaveLength(20);
  });

  it('remains: any member subtracts two rounds, and has what the one late member added', async () => {
    run = await realRun({ rounds: 2, cohort: { size: 5, minimum: 3 } }, { startWith: 4 });
    const members = await Promise.all(names(4).map((name) => run.join(name)));
    await eventually(() => run.records('open').length === 1, 'the first round is open');
    const late = await run.join('late');
    await run.committed(2);
    const reader = members[0]!.keystore.identity;
    const [first, second] = run.records('commit');
    const [open] = run.records('open');
    const models = [
      await readModel(run, open!.body.model, run.stage.coordinatorIdentity),
      await readModel(run, first!.body.model, reader),
      await readModel(run, second!.body.model, reader),
    ] as const;
    const sums = [
      times(minus(models[1], models[0]), first!.body.weight),
      times(minus(models[2], models[1]), second!.body.weight),
    ] as const;

    expect(run.records('cohort').map(({ body }) => body.members.length)).toEqual([4, 5]);
    expect(cosine(minus(sums[1], sums[0]), late.update)).toBeGreaterThan(0.99);
  });
});
