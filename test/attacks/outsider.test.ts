/**
 * @module Outsiders: who is in no cohort by right, and only has an address, some keys of its own
 * making, or what others have lost. See admission.test.ts, origin.test.ts, local-secrets.test.ts
 * and model-keys.test.ts too.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { serve } from '../../coordinator/index.ts';
import { httpBlobStore } from '../../protocol/ports/http-store.ts';
import { equalBytes, utf8 } from '../../protocol/bytes.ts';
import { deriveSeed, systemRandom } from '../../protocol/ports/random.ts';
import { signRecord } from '../../protocol/records/records.ts';
import { connectionPair } from '../support/connection.ts';
import { silent, testIdentity } from '../support/run.ts';
import { byHand, openAnswers, smallTickets } from './collusion.ts';
import { cosine } from './learning.ts';
import {
  eventually,
  fastClock,
  keystoreNamed,
  never,
  PATIENT,
  readBundle,
  readModel,
  realRun,
  stepOfRound,
  type RealRun,
} from './real-run.ts';

let run: RealRun;
afterEach(() => run.stop());

const names = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${what} ${i}`);
const everyone = (count: number) => Promise.all(names('honest', count).map((n) => run.join(n)));

/** Logs in with a key of its own, and leaves if told to. */
const visit = async (name: string, stays = false): Promise<void> => {
  const { loggedIn } = run.coordinator.status();
  const session = byHand(run, await testIdentity(name), () => undefined);
  await eventually(() => run.coordinator.status().loggedIn > loggedIn, `${name} is known`);
  if (stays) return;
  session.close();
  await eventually(() => run.coordinator.status().loggedIn <= loggedIn, `${name} is gone`);
};

const keysOf = (people: readonly string[]): Promise<Uint8Array[]> =>
  Promise.all(people.map(async (name) => (await keystoreNamed(name)).identity.publicKey));

describe('places', () => {
  it('grinds keys for the first draw, whose R it does not know: they win places as any keys do', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } }, { startWith: 14 });
    const keys = await keysOf(names('honest', 10));
    const guess = new Uint8Array(32);
    const { victim, sybils } = await smallTickets(guess, 1, keys, 4);
    const people = await everyone(10);
    for (const name of sybils)
      await run.liar(name, { train: (model) => new Float32Array(model.length) });
    await run.committed(1);
    const step = await stepOfRound(run, run.stage.coordinatorIdentity);
    const target = people.find(({ key }) => equalBytes(key, victim))!;
    const { members } = run.records('cohort')[0]!.body;
    const honest = members.filter((key) => keys.some((one) => equalBytes(one, key)));

    expect(members).toHaveLength(5);
    expect(honest.length).toBeGreaterThanOrEqual(2);
    expect(Math.abs(cosine(step, target.update))).toBeLessThan(0.9);
  });

  it('grinds keys once R is known: newcomers get no place that those before them want', async () => {
    const deadlines = {
      register: 500,
      share: 500,
      upload: 50,
      consistency: 500,
      unmask: 500,
      grace: 0,
    };
    run = await realRun(
      { cohort: { size: 5, minimum: 5 }, deadlines },
      { startWith: 10, clock: fastClock() },
    );
    // Nobody finishes the first attempt, so that the second one is drawn by the same R.
    const honest = names('honest', 10);
    const keys = await keysOf(honest);
    await Promise.all(honest.map((name) => run.join(name, { after: never() })));
    await eventually(() => run.records('open').length === 1, 'R is known');
    const { beacon } = run.records('open')[0]!.body;
    const { sybils } = await smallTickets(beacon, 2, keys, 4);
    for (const name of sybils) await visit(name, true);
    await eventually(() => run.records('open').length === 2, 'the second attempt is open');
    const { invited } = run.records('open')[1]!.body;

    expect(run.records('open')[1]!.body.beacon).toEqual(beacon);
    expect(invited).toHaveLength(5);
    expect(invited.every((key) => keys.some((one) => equalBytes(one, key)))).toBe(true);
  });

  it('logs in with many keys while others train: it opens no model, and pushes nobody off', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 }, deadlines: { upload: 300 } });
    const { promise: after, resolve: train } = Promise.withResolvers<void>();
    const members = await Promise.all(names('honest', 5).map((name) => run.join(name, { after })));
    await eventually(() => run.records('sharers').length === 1, 'all have shared');
    for (const name of names('outsider', 60)) await visit(name);
    train();
    await run.committed(1);
    const [commit] = run.records('commit');

    for (const { keystore } of members)
      expect(await readModel(run, commit!.body.model, keystore.identity)).toHaveLength(20);
    const outsider = await testIdentity('outsider 59');
    const denied = { code: 'access_denied' };
    await expect(readModel(run, commit!.body.model, outsider)).rejects.toMatchObject(denied);
    await expect(readBundle(run, commit!, outsider)).rejects.toMatchObject(denied);
  });

  it('registers without an invitation, and uploads in the name of a cohort it is not in', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    const { promise: after, resolve: train } = Promise.withResolvers<void>();
    await Promise.all(names('honest', 5).map((name) => run.join(name, { after })));
    await eventually(() => run.records('sharers').length === 1, 'all have shared');
    const identity = await testIdentity('outsider');
    const [register] = run.records('register');
    const { context } = run.records('sharers')[0]!.body;
    const codes: string[] = [];
    let post: ((record: Uint8Array) => void) | undefined;
    byHand(run, identity, (frame, send) => {
      post = (record) => send({ type: 'record', record });
      if (frame.type === 'error') codes.push(frame.code);
    });
    await eventually(() => post !== undefined, 'it is logged in');
    const ref = await run.stage.store.put(systemRandom(64));
    const blob = { id: ref.id, sha256: ref.sha256, size: ref.size };
    const upload = { context, blob, chunkRoot: new Uint8Array(32) };
    post!(signRecord(identity, 'register', run.run, 1, register!.body).bytes);
    post!(signRecord(identity, 'upload', run.run, 1, upload).bytes);
    post!(register!.bytes);
    await eventually(() => codes.length === 3, 'it is refused three times');
    train();
    await run.committed(1);

    expect(codes).toEqual(['phase_closed', 'not_in_cohort', 'record_replayed']);
    expect(run.records('survivors')[0]!.body.members).toHaveLength(5);
  });

  it('opens 300 connections that say nothing: newcomers come in at once', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    for (let i = 0; i < 300; i += 1) run.coordinator.accept(connectionPair('silent')[0]);
    await visit('newcomer', true);

    expect(run.coordinator.status()).toMatchObject({ connections: 256, loggedIn: 1 });
  });

  it('logs in and never registers: who misses an attempt is drawn after the others, until these commit', async () => {
    const deadlines = { ...PATIENT, register: 100 };
    run = await realRun(
      { cohort: { size: 4, minimum: 4 }, deadlines },
      { clock: fastClock(), startWith: 7 },
    );
    await everyone(4);
    for (const name of names('silent', 3)) await visit(name, true);
    await run.committed(1);
    const failures = await run.aborted(1);

    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(['cohort_too_small']));
    // Each attempt finds at least one of the three out.
    expect(failures.length).toBeLessThanOrEqual(3);
  });
});

describe('the address', () => {
  it('fills the blob store with what no record will ever name, one fresh key after another', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    const { store } = run.stage;
    const { coordinator } = run;
    const served = await serve(coordinator, { host: '127.0.0.1', port: 0, store, log: silent });
    const before = store.blobs.size;
    const codes: string[] = [];
    for (const name of names('outsider', 3)) {
      await visit(name);
      const own = httpBlobStore({
        url: served.url,
        identity: await testIdentity(name),
        run: run.run,
      });
      const put = own.put(systemRandom(coordinator.uploadLimit));
      codes.push(
        await put.then(
          () => 'stored',
          ({ code }: { code: string }) => code,
        ),
      );
    }
    await served.close();

    expect(codes).toEqual(Array(3).fill('store_refused'));
    expect(store.blobs.size).toBe(before);
  });
});

describe('what others have lost', () => {
  it('with the stolen key of the coordinator, opens none of the answers in the transcript of years ago', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    await everyone(5);
    await run.committed(1);
    const seed = deriveSeed(utf8('test'), 'coordinator');
    const answers = await openAnswers(run, run.stage.coordinatorIdentity, seed);

    expect(answers).toEqual({ opened: 0, tried: 10 });
  });

  it('remains: with the stolen key of the coordinator, opens every model and every bundle of the run', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    await everyone(5);
    await run.committed(1);
    const [commit] = run.records('commit');
    const thief = run.stage.coordinatorIdentity;

    expect(await readModel(run, commit!.body.model, thief)).toHaveLength(20);
    expect((await readBundle(run, commit!, thief)).secrets).toHaveLength(5);
  });
});
