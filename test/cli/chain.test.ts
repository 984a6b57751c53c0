/**
 * @module The commands that talk to a network, as a user calls them, against a devnet.
 * What they say is compared with the chain, read with the stock client.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { decodeSuiPrivateKey } from '@mysten/sui/cryptography';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPasses, readNetworkFile } from '../../client/index.ts';
import { nodeDisk, openKeystore } from '../../client/keystore/index.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { suiClientOf } from '../../protocol/net/walrus/client.ts';
import { Run } from '../../protocol/net/sui/layout.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import type { Devnet } from 'floe-devnet';
import { startDevnet } from 'floe-devnet';
import { connect, fund, keyOf, networkOf, publicKeyOf, specFor } from '../substrate/support.ts';
import { floeIn, having, type Ended } from '../support/floe.ts';
import { resultOf } from '../support/json-lines.ts';

const owner = keyOf(61);
const stranger = keyOf(62);
const member = keyOf(63);
const auditor = keyOf(64);

let folder: string;
let devnet: Devnet;

const call = floeIn(() => folder);
const floe = (args: readonly string[], key?: Ed25519Keypair): Promise<Ended> =>
  call(args, having(key));

/** Runs a command on the published network and gives its document. */
const json = async (args: readonly string[], key?: Ed25519Keypair) => {
  const ended = await floe([...args, '--network', 'floe.json', '--json'], key);
  const document = v.parse(v.record(v.string(), v.unknown()), resultOf(ended.stdout));
  return { ...ended, document };
};
const text = (value: unknown): string => v.parse(v.string(), value);
const error = v.object({ error: v.object({ code: v.string(), message: v.string() }) });

const keystoreOf = (keys: readonly Ed25519Keypair[]): string =>
  JSON.stringify(
    keys.map((key) =>
      Buffer.from([0, ...decodeSuiPrivateKey(key.getSecretKey()).secretKey]).toString('base64'),
    ),
  );

const PUBLISH = ['publish', '--network', 'net.json'];
let packageId: string;
let published: Ended;
let run: string;
let models: readonly (string | undefined)[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-chain-'));
  devnet = await startDevnet({ nodes: 4, shardsPerNode: 1, sealServers: 2, sealThreshold: 2 });
  const raw = { ...devnet.config, note: 'a field that Floe does not know' };
  await writeFile(join(folder, 'net.json'), JSON.stringify(raw));
  await writeFile(join(folder, 'keys.json'), keystoreOf([stranger, owner]));
  for (const key of [owner, stranger]) await fund(devnet, key);
  published = await floe([
    ...PUBLISH,
    '--json',
    '--config-out',
    'floe.json',
    '--keystore-file',
    'keys.json',
    '--address',
    owner.toSuiAddress(),
  ]);
  ({ packageId } = v.parse(v.object({ packageId: v.string() }), resultOf(published.stdout)));

  const spec = specFor(owner);
  const network = { ...networkOf(devnet), floe: { packageId } };
  const { ledger, close } = await connect(devnet, owner, spec, { network });
  const hash = hashRunSpec(spec);
  const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
  const blob = (byte: number) => ({ id: 'A'.repeat(43), sha256: fill(byte), size: byte });
  await ledger.registerModel({
    run: hash,
    attempt: 0,
    modelHash: fill(1),
    transcriptRoot: fill(2),
    blob: blob(3),
  });
  const cohort = { run: hash, attempt: 1, root: fill(4), members: [publicKeyOf(member)] };
  await ledger.freezeCohort({ ...cohort, entropy: fill(5) });
  const survivors = { run: hash, attempt: 1, hash: fill(6), members: cohort.members };
  await ledger.freezeSurvivors({ ...survivors, dataCommitment: fill(10) });
  await ledger.registerModel(
    { run: hash, attempt: 1, modelHash: fill(7), transcriptRoot: fill(8), blob: blob(9) },
    {
      parent: 0,
      examples: 200,
      metrics: [
        { name: 'trainLoss', value: 0.25 },
        { name: 'testAccuracy', value: 0.97 },
      ],
    },
  );
  run = await ledger.runObject(hash);
  models = [await ledger.modelObject(hash, 0), await ledger.modelObject(hash, 1)];
  await close();
});
afterAll(async () => {
  await devnet.stop();
  await rm(folder, { recursive: true, force: true });
});

const stateOf = async (): Promise<typeof Run.$inferType> => {
  const client = suiClientOf(networkOf(devnet));
  const { object } = await client.core.getObject({ objectId: run, include: { content: true } });
  return Run.parse(object.content);
};

describe('floe publish', () => {
  it('writes the package into the configuration and leaves no capability behind', async () => {
    expect(published.code).toBe(0);
    const written: unknown = JSON.parse(await readFile(join(folder, 'floe.json'), 'utf8'));
    expect(written).toEqual({
      ...devnet.config,
      note: 'a field that Floe does not know',
      floe: { packageId },
    });
    const client = suiClientOf(networkOf(devnet));
    const { objects } = await client.core.listOwnedObjects({ owner: owner.toSuiAddress() });
    expect(objects.filter(({ type }) => type.includes('UpgradeCap'))).toEqual([]);
    const { object } = await client.core.getObject({ objectId: packageId });
    expect(object.type).toBe('package');
  });

  it('publishes no second one unasked, and names what is wrong', async () => {
    const again = await floe(['publish', '--network', 'floe.json', '--json'], owner);
    expect(again.code).toBe(2);
    expect(v.parse(error, resultOf(again.stdout)).error.code).toBe('file_exists');
    const without = await floe(['publish', '--network', 'net.json']);
    expect(without).toMatchObject({ code: 2 });
    expect(without.stderr).toContain('FLOE_SUI_KEY');
    const poor = await floe(['publish', '--network', 'net.json'], keyOf(65));
    expect(poor.code).toBe(1);
    expect(poor.stderr).toContain('transaction_failed');
    const nowhere = await floe(['publish', '--network', 'none.json'], owner);
    expect(nowhere.stderr).toContain('file_not_found');
  });

  it('never prints a key', async () => {
    const secret = owner.getSecretKey();
    const raw = Buffer.from(decodeSuiPrivateKey(secret).secretKey);
    const ambiguous = await floe(
      ['publish', '--network', 'net.json', '--keystore-file', 'keys.json', '--debug'],
      owner,
    );
    expect(ambiguous.stderr).toContain('key_invalid');
    await writeFile(join(folder, 'broken.json'), JSON.stringify([`A${raw.toString('base64')}`]));
    const broken = await floe([...PUBLISH, '--keystore-file', 'broken.json', '--debug']);
    expect(broken.stderr).toContain('key_invalid');
    for (const { stdout, stderr } of [published, ambiguous, broken])
      for (const form of [secret, raw.toString('base64'), raw.toString('hex')])
        expect(stdout + stderr).not.toContain(form);
  });
});

describe('floe grant, floe revoke', () => {
  it('admit and turn away, and say when it was so already', async () => {
    const who = auditor.toSuiAddress();
    const first = await json(['grant', run, 'auditor', who], owner);
    expect(first.document).toMatchObject({ kind: 'auditor', admitted: true, changed: true });
    expect((await stateOf()).auditors).toContain(who);
    const second = await json(['grant', run, 'auditor', who], owner);
    expect(second.document).toMatchObject({ changed: false });
    await json(['revoke', run, 'auditor', who], owner);
    expect((await stateOf()).auditors).not.toContain(who);

    await json(['revoke', run, 'member', member.toSuiAddress()], owner);
    expect((await stateOf()).revoked).toMatchObject({ size: '1' });
    const twice = await json(['revoke', run, 'member', member.toSuiAddress()], owner);
    expect(twice.document).toMatchObject({ changed: false });
    await json(['grant', run, 'member', member.toSuiAddress()], owner);
    expect((await stateOf()).revoked).toMatchObject({ size: '0' });
  });

  it('give a compute node some attempts for a while', async () => {
    const who = stranger.toSuiAddress();
    const range = ['--attempts', '3-9', '--until', '2040-01-31T12:00:00Z'];
    const { document } = await json(['grant', run, 'compute', who, ...range], owner);
    expect(document).toMatchObject({ changed: true });
    const until = String(Date.UTC(2040, 0, 31, 12));
    expect((await stateOf()).grants).toEqual([[who, { first: '3', last: '9', expiresMs: until }]]);
    await json(['revoke', run, 'compute', who], owner);
    expect((await stateOf()).grants).toEqual([]);
  });

  it('refuse whoever does not own the run, and what makes no sense', async () => {
    const who = auditor.toSuiAddress();
    const foreign = await json(['grant', run, 'auditor', who], stranger);
    expect(foreign.code).toBe(4);
    expect(v.parse(error, foreign.document).error.code).toBe('access_denied');
    const wrong: readonly (readonly string[])[] = [
      ['grant', packageId, 'auditor', who],
      ['grant', '0x12', 'auditor', who],
      ['grant', run, 'king', who],
      ['grant', run, 'compute', who],
      ['grant', run, 'compute', who, '--attempts', '9-3', '--until', '2040-01-31T12:00:00Z'],
      ['grant', run, 'compute', who, '--attempts', '3', '--until', 'tomorrow'],
      ['grant', run, 'auditor', who, '--attempts', '3'],
    ];
    for (const args of wrong) expect((await json(args, owner)).code, args.join(' ')).toBe(2);
  });
});

describe('floe pass', () => {
  it('sells, gives, renews, revokes and closes', async () => {
    const terms = ['--pass-price', '0.07', '--period-price', '0.03', '--period', '30d'];
    const some = ['--attempts', '1-9'];
    const made = await json(['pass', 'offer', run, ...terms, ...some], owner);
    expect(made.document).toMatchObject({ first: 1, last: 9 });
    const offer = text(made.document['offer']);
    const own = owner.toSuiAddress();
    const client = suiClientOf(networkOf(devnet));
    const balance = async (): Promise<bigint> =>
      BigInt((await client.core.getBalance({ owner: own })).balance.balance);

    const before = await balance();
    const bought = await json(['pass', 'buy', offer, '--at-most', '0.07'], stranger);
    expect(bought.document).toMatchObject({ paid: '70000000', changed: true });
    expect((await balance()) - before).toBe(70_000_000n);
    const dear = await json(['pass', 'buy', offer, '--at-most', '0.0699'], stranger);
    expect(dear.code).toBe(2);

    const given = await json(['pass', 'give', offer, member.toSuiAddress()], owner);
    const pass = text(given.document['pass']);
    const { object } = await client.core.getObject({ objectId: pass });
    expect(object.owner).toMatchObject({ AddressOwner: member.toSuiAddress() });
    await fund(devnet, member);
    const handed = ['pass', 'transfer', pass, own];
    expect((await json(handed, stranger)).code).toBe(2);
    expect((await json(handed, member)).document).toMatchObject({ holder: own, changed: true });
    const after = await client.core.getObject({ objectId: pass });
    expect(after.object.owner).toMatchObject({ AddressOwner: own });
    const taken = ['pass', 'revoke', offer, pass];
    expect((await json(taken, owner)).document).toMatchObject({ changed: true });
    expect((await json(taken, owner)).document).toMatchObject({ changed: false });

    const { network, path } = await readNetworkFile(join(folder, 'floe.json'));
    const seed = decodeSuiPrivateKey(owner.getSecretKey()).secretKey;
    const passes = await openPasses(network, await identityFromSeed(seed), { from: path });
    const free = { run, passPrice: -1n, periodPrice: 0n, periodMs: 1000 };
    await expect(passes.offer(free)).rejects.toThrow('passPrice: expected 0 to');
    await expect(passes.buy(offer, -1n)).rejects.toThrow('atMost: expected 0 to');

    const pay = ['pass', 'subscribe', offer, '--at-most', '1'];
    const { document } = await json(pay, stranger);
    const renewed = await json([...pay, '--renew', text(document['subscription'])], stranger);
    const [from, until] = [document['expires'], renewed.document['expires']].map((time) =>
      Date.parse(text(time)),
    );
    expect((until ?? 0) - (from ?? 0)).toBe(30 * 86_400_000);

    expect((await json(['pass', 'close', offer], stranger)).code).toBe(4);
    await json(['pass', 'close', offer], owner);
    const late = await json(['pass', 'buy', offer, '--at-most', '1'], stranger);
    expect(v.parse(error, late.document).error).toMatchObject({ code: 'access_denied' });

    const terse = { passPrice: '70000000', periodPrice: '30000000', open: false, revoked: 1 };
    const { offers } = (await json(['pass', 'list', run])).document;
    expect(offers).toMatchObject([{ id: offer, first: 1, last: 9, ...terse }]);
  });

  it('makes time locks, each once', async () => {
    const opens = '2040-01-31T12:00:00.000Z';
    const args = ['pass', 'lock', run, '--opens', opens];
    const { document } = await json(args, owner);
    expect(document).toMatchObject({ opens, first: 0, changed: true });
    expect((await json(args, owner)).document).toMatchObject({ changed: false });
    expect((await json([...args, '--attempts', '2'], owner)).document).toMatchObject({ last: 2 });
    const opensMs = String(Date.parse(opens));
    expect((await stateOf()).timeLocks).toEqual([
      { first: '0', last: '100000', opensMs },
      { first: '2', last: '2', opensMs },
    ]);
    expect((await json(args, stranger)).code).toBe(4);
    const { stdout } = await floe(['pass', 'list', run, '--network', 'floe.json']);
    expect(stdout).toContain(`attempt 0 on open for everybody at ${opens}`);
  });
});

describe('floe receipt', () => {
  it('issues one to a survivor, whoever pays, and lists it', async () => {
    const whose = ['--for', member.toSuiAddress()];
    const issued = await json(['receipt', run, '--attempt', '1', ...whose], stranger);
    expect(issued.document).toMatchObject({ member: whose[1], attempt: 1, changed: true });
    const again = await json(['receipt', run, '--attempt', '1', ...whose], stranger);
    const { receipt } = issued.document;
    expect(again.document).toMatchObject({ receipt, changed: false });
    const { document } = await json(['receipt', run, ...whose]);
    expect(document).toMatchObject({
      receipts: [{ id: receipt, attempt: 1, dataCommitment: '0a'.repeat(32) }],
    });
    // The key of a keystore is the participant, whatever FLOE_SUI_KEY holds.
    const keystore = await openKeystore(join(folder, 'ks'), 'secret', {
      random: systemRandom,
      disk: await nodeDisk(),
      identitySeed: decodeSuiPrivateKey(member.getSecretKey()).secretKey,
    });
    await keystore.close();
    const env = { ...having(stranger), FLOE_PASSPHRASE: 'secret' };
    const flags = ['--keystore', 'ks', '--network', 'floe.json', '--json'];
    const own = resultOf((await call(['receipt', run, ...flags], env)).stdout);
    expect(own).toMatchObject({ member: whose[1], receipts: [{ id: receipt, attempt: 1 }] });
    const none = await json(['receipt', run, '--attempt', '1'], stranger);
    expect(none.code).toBe(2);
    expect(v.parse(error, none.document).error.message).toContain('expected a survivor');
  });
});

describe('floe models', () => {
  it('lists the versions of a run by round', async () => {
    const { document } = await json(['models', run]);
    expect(document).toMatchObject({
      type: 'run',
      versions: [
        { id: models[0], attempt: 0, examples: 0 },
        {
          id: models[1],
          attempt: 1,
          parent: models[0],
          metrics: { trainLoss: 0.25, testAccuracy: 0.97 },
          examples: 200,
        },
      ],
    });
  });

  it('shows what a version comes from', async () => {
    const { document } = await json(['models', models[1] ?? '']);
    expect(document).toMatchObject({
      type: 'version',
      lineage: [{ id: models[1] }, { id: models[0] }],
    });
    const words = await floe(['models', models[1] ?? '', '--network', 'floe.json']);
    expect(words.stdout).toContain(
      '200 examples: train loss 0.2500; test accuracy 0.9700 (the model before)',
    );
    expect(words.stdout).toContain(`parent ${models[0] ?? ''}`);
  });

  it('refuses what is neither', async () => {
    expect((await json(['models', packageId])).code).toBe(2);
    const without = await floe(['models', run, '--network', 'net.json']);
    expect(without).toMatchObject({ code: 2 });
    expect(without.stderr).toContain('floe publish');
  });
});

const checksIn = (document: Record<string, unknown>) =>
  new Map(
    v
      .parse(
        v.array(v.object({ name: v.string(), ok: v.boolean(), detail: v.string() })),
        document['checks'],
      )
      .map(({ name, ok, detail }) => [name, { ok, detail }]),
  );

describe('floe doctor --network', () => {
  it('reaches everything, and counts what may be down', async () => {
    const whole = await json(['doctor'], owner);
    const checks = checksIn(whole.document);
    for (const name of [
      'sui',
      'floe package',
      'walrus',
      'upload relay',
      'aggregator',
      'clock',
      'SUI',
      'WAL',
    ])
      expect(checks.get(name), name).toMatchObject({ ok: true });
    expect(checks.get('storage nodes')?.detail).toContain('4 of 4 nodes answer');
    expect(checks.get('key servers')?.detail).toContain('2 of 2 prove their keys');
    expect(whole.code).toBe(0);
  });

  it('says what is down, and fails when it is too much', async () => {
    devnet.faults.run({ type: 'nodeDown', node: 2, down: true });
    devnet.faults.run({ type: 'keyServerDown', server: 1, down: true });
    try {
      const part = await json(['doctor'], stranger);
      const checks = checksIn(part.document);
      expect(checks.get('storage nodes')).toMatchObject({ ok: true });
      expect(checks.get('storage nodes')?.detail).toContain('silent: 2');
      expect(checks.get('key servers')).toMatchObject({ ok: false });
      expect(part.code).toBe(1);
      devnet.faults.run({ type: 'nodeDown', node: 0, down: true });
      const { document } = await json(['doctor'], keyOf(66));
      expect(checksIn(document).get('storage nodes')).toMatchObject({ ok: false });
      expect(checksIn(document).get('SUI')).toMatchObject({ ok: false });
    } finally {
      devnet.faults.clear();
    }
  });
});
