/**
 * @module Readers: who opens a model or a bundle that it should not, and what can be read out of what may be opened. What a reader is
 * told of a folder that somebody changed is in folder.test.ts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/access/sealed-box-gate.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { decryptBlob } from '../../protocol/envelope.ts';
import { selfMaskSeed } from '../../protocol/secagg/index.ts';
import { testIdentity } from '../support/run.ts';
import { byHand, unmasked } from './collusion.ts';
import { cosine, minus, times } from './learning.ts';
import {
  eventually,
  fastClock,
  PATIENT,
  readBundle,
  readModel,
  realRun,
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

  it('who has the key of one model, bundle or update opens no other with it', async () => {
    run = await realRun({ rounds: 2, secagg: 'none', cohort: { size: 4, minimum: 3 } });
    const members = await Promise.all(names(4).map((name) => run.join(name)));
    await run.committed(2);
    const [first, second] = run.records('commit');
    const gate = sealedBoxGate(members[0]!.keystore.identity);
    const of = { run: run.run, round: 1, role: 'model' } as const;
    const key = await gate.unwrap(first!.body.model.envelope, of);
    const cipher = await run.stage.store.get(second!.body.model.blob);
    const next = { ...of, round: 2 };
    const other = { ...of, role: 'bundle' } as const;
    const [upload] = run
      .records('upload')
      .filter(({ author }) => !equalBytes(author, members[0]!.key));
    const update = { run: run.run, round: 1, role: 'update' } as const;

    await expect(decryptBlob(key, next, cipher)).rejects.toMatchObject({
      code: 'decryption_failed',
    });
    await expect(gate.unwrap(first!.body.model.envelope, next)).rejects.toThrow();
    await expect(gate.unwrap(first!.body.model.envelope, other)).rejects.toThrow();
    await expect(gate.unwrap(upload!.body.envelope!, update)).rejects.toMatchObject({
      code: 'access_denied',
    });
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
      const read = await unmasked(run, key, [
        { seed: selfMaskSeed(context, key, secret), sign: -1 },
      ]);
      expect(Math.abs(cosine(read ?? new Float32Array(20), update))).toBeLessThan(0.9);
    }
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
    expect(await readBundle(run, commit!, liar.identity)).toMatchObject({ shares: [] });
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
