/**
 * @module What can be done with a run on Walrus, Seal and Sui once it is over, as a user does it:
 * from its folder, whose devnet is started again, and as an outsider who has nothing but an object
 * id, a network and a key.
 */
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCost } from '../../protocol/net/cost.ts';
import { DOCUMENTED_PRICES, GAS_RATES } from '../../protocol/spec/size-of-run.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { keyFromSeed } from '../../protocol/net/sui/keys.ts';
import type { Devnet } from 'floe-devnet';
import { makeScenario, readRun, runScenario, type RunResult } from '../../sim/index.ts';
import { keyOf, startNetwork } from '../substrate/support.ts';
import { floeIn, having } from '../support/floe.ts';
import { writeTable } from '../support/table.ts';
import { resultOf } from '../support/json-lines.ts';

let folder: string;
const floe = floeIn(() => folder);
const json = async (args: readonly string[], key?: Ed25519Keypair) => {
  const ended = await floe([...args, '--json'], having(key));
  const document = v.parse(v.record(v.string(), v.unknown()), resultOf(ended.stdout));
  return { ...ended, document };
};

/** Small: one quilt, one blob of each kind. */
const SIZES = {
  uploadBytes: 100,
  modelBytes: 100,
  bundleBytes: 100,
  publication: [100],
  epochs: 1,
};
const simulated = v.object({ folder: v.string(), modelHash: v.string() });
const error = v.object({ error: v.object({ code: v.string(), message: v.string() }) });
const versions = v.object({ versions: v.array(v.object({ id: v.string(), attempt: v.number() })) });

const SMALL =
  '--participants 4 --cohort 4 --rounds 2 --data table.csv --model linear --backend wasm --workers 1 --no-baseline'.split(
    ' ',
  );

let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-after-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 240, features: 6, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the folder of a run whose devnet has ended', () => {
  let result: RunResult;
  beforeAll(async () => {
    const scenario = makeScenario({
      participants: 3,
      cohort: 3,
      rounds: 1,
      data: table,
      model: 'linear',
      backend: 'wasm',
      workers: 1,
      baseline: false,
    });
    result = await runScenario(scenario, { outDir: join(folder, 'runs') });
  });

  it('verifies to level 1 against the chain, from the copies and from Walrus alone', async () => {
    const before = await stat(join(result.folder, 'devnet'));
    const bare = join(folder, 'bare');
    await cp(result.folder, bare, { recursive: true });
    await rm(join(bare, 'blobs'), { recursive: true });
    const [copies, words] = await Promise.all([
      json(['verify', 'runs/latest']),
      floe(['verify', bare, '--remote']),
    ]);
    expect(copies.code).toBe(0);
    expect(copies.document).toMatchObject({ ok: true, level: 'L1', ledger: 'sui' });
    expect(copies.document['modelHash']).toBe(result.summary.modelHash);
    expect(words.stdout).toMatch(/the devnet of this run, started again from/);
    expect(words.stdout).toMatch(/^verified, level L1/m);
    expect(words.code).toBe(0);
    // Reading leaves it as it was.
    expect((await stat(join(result.folder, 'devnet'))).mtimeMs).toBe(before.mtimeMs);
  });

  it("gives its model to the auditor's key in it, and to no other", async () => {
    const [pulled, denied] = await Promise.all([
      json(['pull', 'runs/latest', '--out', 'model', '--tfjs']),
      json(['pull', 'runs/latest', '--out', 'other'], keyOf(77)),
    ]);
    expect(pulled.document).toMatchObject({ attempt: 1, modelHash: result.summary.modelHash });
    expect(await readFile(join(folder, 'model', 'model.safetensors'))).toEqual(
      await readFile(join(result.folder, 'model.safetensors')),
    );
    expect(denied.code).toBe(4);
    expect(v.parse(error, denied.document).error.code).toBe('access_denied');
    expect(await readdir(folder)).not.toContain('other');
  });

  it('lists its versions, and a version is found where the latest run took place', async () => {
    const { document } = await json(['models', 'runs/latest']);
    const [, last] = v.parse(versions, document).versions;
    expect(last?.attempt).toBe(1);
    const verified = await json(['verify', last?.id ?? '']);
    expect(verified.document).toMatchObject({ ok: true, level: 'L1', version: last?.id });
  });

  it('is named when it does not hold: a record, a snapshot, another run', async () => {
    const broken = join(folder, 'broken');
    await cp(result.folder, broken, { recursive: true });
    const transcript = await readFile(join(broken, 'transcript.bin'));
    transcript[transcript.length - 20] = (transcript.at(-20) ?? 0) ^ 1;
    await writeFile(join(broken, 'transcript.bin'), transcript);
    const [verified, missing] = await Promise.all([
      json(['verify', broken]),
      json(['verify', `0x${'ab'.repeat(32)}`, '--run', broken]),
    ]);
    expect(verified.code).toBe(1);
    expect(verified.document).toMatchObject({ ok: false, culprit: { attempt: 1 } });
    expect(missing.code).toBe(2);
    expect(v.parse(error, missing.document).error.message).toContain('there is no object');
  });
});

describe('an outsider with an object id, a network and a key', () => {
  let devnet: Devnet;
  let result: v.InferOutput<typeof simulated>;
  let auditor: Ed25519Keypair;
  let versionIds: readonly string[];
  let runId: string;
  let coordinator: string;
  const NETWORK = ['--network', 'net.json'];

  beforeAll(async () => {
    devnet = await startNetwork({ nodes: 4, shardsPerNode: 2 });
    await writeFile(join(folder, 'net.json'), JSON.stringify(devnet.config));
    const sim = await json(['sim', ...NETWORK, ...SMALL, '--out', 'elsewhere']);
    expect(sim.document).toMatchObject({ store: 'walrus', gate: 'seal', ledger: 'sui' });
    const { folder: own, ...rest } = v.parse(simulated, sim.document);
    result = { folder: join(folder, own), ...rest };
    auditor = keyFromSeed((await readRun(result.folder)).auditorSeed as Uint8Array);
    const listed = await json(['models', result.folder]);
    versionIds = v.parse(versions, listed.document).versions.map(({ id }) => id);
    runId = v.parse(v.string(), listed.document['id']);
    coordinator = addressOf((await readRun(result.folder)).spec.coordinator);
    // Nothing of the coordinator's is left.
    await rm(result.folder, { recursive: true });
  });
  afterAll(async () => {
    await devnet.stop();
  });

  it('verifies a run to level 1, without a key to level 0', async () => {
    const [whole, keyless] = await Promise.all([
      json(['verify', runId, ...NETWORK], auditor),
      json(['verify', runId, ...NETWORK]),
    ]);
    expect(whole.code).toBe(0);
    expect(whole.document).toMatchObject({
      ok: true,
      level: 'L1',
      ledger: 'sui',
      reader: auditor.toSuiAddress(),
    });
    expect(whole.document['modelHash']).toBe(result.modelHash);
    expect(keyless.document).toMatchObject({ ok: true, level: 'L0', reader: null });
  });

  it('pulls a version, the latest of a run, and a round of it', async () => {
    const [last, first, middle] = await Promise.all([
      json(['pull', versionIds[2] ?? '', ...NETWORK, '--out', 'v2'], auditor),
      json(['pull', versionIds[0] ?? '', ...NETWORK, '--out', 'v0'], auditor),
      json(['pull', runId, ...NETWORK, '--out', 'v1', '--attempt', '1'], auditor),
    ]);
    const { modelHash } = result;
    expect(last.document).toMatchObject({ attempt: 2, version: versionIds[2], modelHash });
    expect(first.document).toMatchObject({ attempt: 0, version: versionIds[0] });
    expect(middle.document).toMatchObject({ attempt: 1 });
  });

  it('was paid for by as many transactions as were foreseen, with less gas', async () => {
    const own = devnet.chain.records.flatMap(({ executed }) => {
      const { gasUsed } = executed.effects ?? {};
      if (executed.transaction?.sender !== coordinator || gasUsed === undefined) return [];
      const { computationCost = 0n, storageCost = 0n, storageRebate = 0n } = gasUsed;
      return [computationCost + storageCost - storageRebate];
    });
    const gas = own.reduce((sum, used) => sum + used, 0n);
    const { total } = runCost({ ...SIZES, rounds: 2, uploads: 4 }, DOCUMENTED_PRICES, GAS_RATES);
    expect(own).toHaveLength(total.transactions);
    expect(total.gas).toBeGreaterThan(gas);
  });

  it('is denied without the right key, and told what is missing', async () => {
    const pull = ['pull', runId, ...NETWORK, '--out', 'no'];
    const [stranger, keyless, other] = await Promise.all([
      json(pull, keyOf(78)),
      json(pull),
      json(['verify', runId, ...NETWORK, '--expect-run', '0'.repeat(64)]),
    ]);
    expect(stranger.code).toBe(4);
    expect(keyless.code).toBe(4);
    expect(v.parse(error, keyless.document).error.message).toContain('--keystore-file');
    expect(v.parse(error, other.document).error.code).toBe('spec_mismatch');
  });

  it('is told what a run costs, and what is missing where nobody gives coins away', async () => {
    const { faucetUrl: _, ...poor } = devnet.config;
    await writeFile(join(folder, 'poor.json'), JSON.stringify(poor));
    const nobody = `0x${'0'.repeat(63)}9`;
    const [here, theirs, documented, broke] = await Promise.all([
      json(['cost', ...NETWORK, '--rounds', '3', '--storage-epochs', '5']),
      json(['cost', ...NETWORK, '--rounds', '3', '--address', nobody]),
      json(['cost', '--cohort', '100', '--shards', '1000']),
      json(['sim', '--network', 'poor.json', '--seed', 'poor', ...SMALL]),
    ]);
    expect(here.document).toMatchObject({ rounds: 3, shards: 8, storagePerUnit: '100000' });
    // Until when it is paid: the devnet is in its first epoch, and an epoch lasts a day.
    const paid = v.object({ paidUntil: v.object({ epoch: v.number(), time: v.number() }) });
    const [five, three] = [here, theirs].map(({ document }) => v.parse(paid, document).paidUntil);
    expect([five?.epoch, three?.epoch]).toEqual([6, 4]);
    expect((five?.time ?? 0) - (three?.time ?? 0)).toBe(2 * 86_400_000);
    expect(theirs.document).toMatchObject({ roundsFunded: 0 });
    expect(documented.document).toMatchObject({ paidUntil: null });
    expect(documented.document['ratio']).toBeGreaterThan(10);
    expect(broke.code).toBe(3);
    const { code, message } = v.parse(error, broke.document).error;
    expect(code).toBe('funds_missing');
    expect(message).toMatch(
      /^0x[0-9a-f]{64} has 0 SUI and 0 WAL; .*: send it 0\.\d+ SUI and 0\.\d+ WAL$/,
    );
  });
});
