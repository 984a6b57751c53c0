/**
 * @module Outsiders: who is in no cohort by right, and only has an address, some keys of its own making, or what others have lost.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../cli/main.ts';
import { DEFAULT_LIMITS } from '../../coordinator/limits.ts';
import { serve } from '../../coordinator/index.ts';
import { httpBlobStore } from '../../protocol/blobs/http.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { systemRandom } from '../../protocol/random.ts';
import { connectionPair } from '../support/connection.ts';
import { silent, testIdentity, until } from '../support/run.ts';
import { dial } from '../support/ws-client.ts';
import { byHand, openAnswers, smallTickets } from './collusion.ts';
import {
  eventually,
  fastClock,
  keystoreNamed,
  readBundle,
  readModel,
  realRun,
  stepOfRound,
  type RealRun,
} from './real-run.ts';
import { cosine } from './support.ts';

let run: RealRun;
afterEach(() => run.stop());

const names = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${what} ${i}`);
const everyone = (count: number) => Promise.all(names('honest', count).map((n) => run.join(n)));

/** Logs in with a key of its own, and leaves if told to. */
const visit = async (name: string, stays = false): Promise<void> => {
  const identity = await testIdentity(name);
  const session = byHand(run, identity, () => undefined);
  await until(() => run.coordinator.knows(toHex(identity.publicKey)), `${name} is known`);
  if (!stays) session.close();
};

/** What an honest newcomer is told. */
const newcomer = async (): Promise<string | undefined> => {
  const session = byHand(run, await testIdentity('newcomer'), () => undefined);
  await eventually(() => session.closed() !== undefined, 'the newcomer is sent away');
  return session.closed();
};

describe('places', () => {
  it('grinds keys until their tickets win every place but one, and reads the one that is left', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } }, { startWith: 14 });
    const keys = await Promise.all(
      names('honest', 10).map(async (name) => (await keystoreNamed(name)).identity.publicKey),
    );
    const { victim, sybils } = await smallTickets(run.spec.id, 1, keys, 4);
    const people = await everyone(10);
    for (const name of sybils)
      await run.liar(name, { train: (model) => new Float32Array(model.length) });
    await run.committed(1);
    const step = await stepOfRound(run, await testIdentity(sybils[0]!));
    const isolated = people.find(({ key }) => equalBytes(key, victim))!;

    expect(run.records('cohort')[0]!.body.members).toHaveLength(5);
    expect(cosine(step, isolated.update)).toBeGreaterThan(0.99);
  });

  it('logs in 2,600 times: the members who trained the model may no longer open it', async () => {
    const deadlines = { upload: 300 };
    run = await realRun({ cohort: { size: 5, minimum: 3 }, deadlines });
    const { promise: after, resolve: train } = Promise.withResolvers<void>();
    const members = await Promise.all(names('honest', 5).map((name) => run.join(name, { after })));
    await eventually(() => run.records('sharers').length === 1, 'all have shared');
    // While they train; no more than 256 at a time may be without a name.
    for (let at = 0; at < 2600; at += 200)
      await Promise.all(
        names('outsider', 2600)
          .slice(at, at + 200)
          .map((name) => visit(name)),
      );
    train();
    await run.committed(1);
    const [commit] = run.records('commit');

    for (const { keystore } of members) {
      const opened = readModel(run, commit!.body.model, keystore.identity);
      await expect(opened).rejects.toMatchObject({ code: 'access_denied' });
    }
    const outsider = await testIdentity('outsider 2599');
    expect(await readModel(run, commit!.body.model, outsider)).toHaveLength(20);
  });

  it('logs in as often as a run holds identities: newcomers are locked out, also after a restart', async () => {
    // The default is 10,000 and makes no difference but time.
    expect(DEFAULT_LIMITS.identities).toBe(10_000);
    const limits = { identities: 40 };
    run = await realRun({ cohort: { size: 5, minimum: 3 } }, { limits });
    for (const name of names('outsider', 40)) await visit(name);
    const before = await newcomer();
    await run.coordinator.stop();
    run.coordinator = run.stage.create({ limits });
    await run.coordinator.start();
    const after = await newcomer();

    expect([before, after]).toEqual(['too_many_connections', 'too_many_connections']);
  });

  it('opens 256 connections and says nothing: nobody else can log in', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    for (let i = 0; i < 256; i += 1) run.coordinator.accept(connectionPair('silent')[0]);
    const told = await newcomer();

    expect(told).toBe('too_many_connections');
  });

  it('logs in and never registers: every attempt waits to its deadline, and nobody is named', async () => {
    run = await realRun({ cohort: { size: 4, minimum: 4 } }, { clock: fastClock(), startWith: 16 });
    await everyone(4);
    for (const name of names('silent', 12)) await visit(name, true);
    const failures = await run.aborted(3);

    expect(failures.map(({ code }) => code)).toEqual(Array(3).fill('cohort_too_small'));
    expect(failures.flatMap(({ culprits }) => culprits)).toEqual([]);
    expect(run.coordinator.status().committed).toBe(0);
  });
});

describe('the address', () => {
  it('a page of any origin opens a session in the name of a key it has', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    const served = await serve(run.coordinator, {
      host: '127.0.0.1',
      port: 0,
      store: run.stage.store,
      log: silent,
    });
    const page = await run.stage.participant('page');
    page.connect(await dial(served.url, { origin: 'https://evil.example' }));
    const key = toHex(page.identity.publicKey);
    await eventually(() => run.coordinator.knows(key), 'the page is logged in');
    page.disconnect();
    await served.close();

    expect(run.coordinator.knows(key)).toBe(true);
  });

  it('fills the blob store with what no record will ever name, one fresh key after another', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    const { store } = run.stage;
    const { coordinator } = run;
    const served = await serve(coordinator, { host: '127.0.0.1', port: 0, store, log: silent });
    const before = store.blobs.size;
    for (const name of names('outsider', 5)) {
      await visit(name);
      const own = httpBlobStore({
        url: served.url,
        identity: await testIdentity(name),
        run: run.run,
      });
      for (let i = 0; i < 30; i += 1) await own.put(systemRandom(coordinator.uploadLimit));
    }
    await served.close();

    expect(store.blobs.size - before).toBe(5 * 30);
    expect(coordinator.status().round).toBe(0);
  });
});

describe('what others have lost', () => {
  it('with the stolen key of the coordinator, opens the answers in the transcript of years ago', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    await everyone(5);
    await run.committed(1);
    const { opened, secrets } = await openAnswers(run, run.stage.coordinatorIdentity);
    const [commit] = run.records('commit');
    const bundle = await readBundle(run, commit!, run.stage.coordinatorIdentity);

    expect(opened).toBe(5);
    for (const { author, secret } of bundle.secrets)
      expect(secrets.get(toHex(author))).toEqual(secret);
  });

  it('with a look at the environment of the process, reads the passphrase of the keystore', async () => {
    run = await realRun();
    const folder = await mkdtemp(join(tmpdir(), 'floe-passphrase-'));
    vi.stubEnv('FLOE_PASSPHRASE', 'correct horse battery staple');
    const output = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const errors = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await main(['join', '--keystore', join(folder, 'me'), '--show-key']);
    const seen = process.env['FLOE_PASSPHRASE'];
    for (const spy of [output, errors]) spy.mockRestore();
    vi.unstubAllEnvs();
    process.exitCode = undefined;
    await rm(folder, { recursive: true, force: true });

    expect(seen).toBe('correct horse battery staple');
  });
});
