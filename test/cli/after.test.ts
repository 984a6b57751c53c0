/**
 * @module What can be done with a run on Walrus, Seal and Sui once it is over, as a user does it: from its folder, whose devnet
 * is started again, and as an outsider who has nothing but an object id, a network and a key.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyFromSeed } from '../../protocol/sui/keys.ts';
import type { Devnet } from '../../sim/devnet/index.ts';
import { makeScenario, readRun, runScenario, type RunResult } from '../../sim/index.ts';
import { keyOf, networkOf, startNetwork } from '../substrate/support.ts';
import { writeTable } from '../support/table.ts';

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
const floe = (args: readonly string[], key?: Ed25519Keypair): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, FLOE_SUI_KEY: key?.getSecretKey() ?? '', FLOE_NETWORK: '' };
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });

const json = async (args: readonly string[], key?: Ed25519Keypair) => {
  const ended = await floe([...args, '--json'], key);
  const document = v.parse(v.record(v.string(), v.unknown()), JSON.parse(ended.stdout));
  return { ...ended, document };
};

const error = v.object({ error: v.object({ code: v.string(), message: v.string() }) });
const versions = v.object({ versions: v.array(v.object({ id: v.string(), round: v.number() })) });

let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-after-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 240, features: 6, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const run = (
  substrate: NonNullable<Parameters<typeof makeScenario>[0]>['substrate'],
  outDir: string,
): Promise<RunResult> =>
  runScenario(
    makeScenario({
      participants: 4,
      cohort: 4,
      rounds: 2,
      data: table,
      model: 'linear',
      backend: 'wasm',
      workers: 1,
      baseline: false,
      substrate,
    }),
    { outDir: join(folder, outDir) },
  );

describe('the folder of a run whose devnet has ended', () => {
  let result: RunResult;
  beforeAll(async () => {
    result = await run('devnet', 'runs');
  });

  it('verifies to level 1 against the chain, from the copies and from Walrus alone', async () => {
    const before = await stat(join(result.folder, 'devnet'));
    const { code, document } = await json(['verify', 'runs/latest']);
    expect(code).toBe(0);
    expect(document).toMatchObject({ ok: true, level: 'L1', ledger: 'sui' });
    expect(document['modelHash']).toBe(result.summary.modelHash);
    await rm(join(result.folder, 'blobs'), { recursive: true });
    const words = await floe(['verify', 'runs/latest', '--remote']);
    expect(words.stdout).toMatch(/the devnet of this run, started again from/);
    expect(words.stdout).toMatch(/everything holds, level L1/);
    expect(words.code).toBe(0);
    // Reading leaves it as it was.
    expect((await stat(join(result.folder, 'devnet'))).mtimeMs).toBe(before.mtimeMs);
  });

  it("gives its model to the auditor's key in it, and to no other", async () => {
    const { code, document } = await json(['pull', 'runs/latest', '--out', 'model', '--tfjs']);
    expect(code).toBe(0);
    expect(document).toMatchObject({ round: 2, modelHash: result.summary.modelHash });
    expect(await readFile(join(folder, 'model', 'model.safetensors'))).toEqual(
      await readFile(join(result.folder, 'model.safetensors')),
    );
    const denied = await json(['pull', 'runs/latest', '--out', 'other'], keyOf(77));
    expect(denied.code).toBe(4);
    expect(v.parse(error, denied.document).error.code).toBe('access_denied');
    expect(await readdir(folder)).not.toContain('other');
  });

  it('lists its versions, and a version is found where the latest run took place', async () => {
    const { document } = await json(['models', 'runs/latest']);
    const [, , last] = v.parse(versions, document).versions;
    expect(last?.round).toBe(2);
    const verified = await json(['verify', last?.id ?? '']);
    expect(verified.document).toMatchObject({ ok: true, level: 'L1', version: last?.id });
  });

  it('is named when it does not hold: a record, a snapshot, another run', async () => {
    const broken = join(folder, 'broken');
    await cp(result.folder, broken, { recursive: true });
    const transcript = await readFile(join(broken, 'transcript.bin'));
    transcript[transcript.length - 20] = (transcript.at(-20) ?? 0) ^ 1;
    await writeFile(join(broken, 'transcript.bin'), transcript);
    const verified = await json(['verify', broken]);
    expect(verified.code).toBe(1);
    expect(verified.document).toMatchObject({ ok: false, culprit: { round: 2 } });
    const missing = await json(['verify', `0x${'ab'.repeat(32)}`, '--run', broken]);
    expect(missing.code).toBe(2);
    expect(v.parse(error, missing.document).error.message).toContain('there is no object');
  });
});

describe('an outsider with an object id, a network and a key', () => {
  let devnet: Devnet;
  let result: RunResult;
  let auditor: Ed25519Keypair;
  let versionIds: readonly string[];
  let runId: string;
  const NETWORK = ['--network', 'net.json'];

  beforeAll(async () => {
    devnet = await startNetwork({ nodes: 4, shardsPerNode: 2 });
    result = await run({ type: 'network', network: networkOf(devnet) }, 'elsewhere');
    await writeFile(join(folder, 'net.json'), JSON.stringify(devnet.config));
    auditor = keyFromSeed((await readRun(result.folder)).auditorSeed as Uint8Array);
    const listed = await json(['models', result.folder]);
    versionIds = v.parse(versions, listed.document).versions.map(({ id }) => id);
    runId = v.parse(v.string(), listed.document['id']);
    // Nothing of the coordinator's is left.
    await rm(result.folder, { recursive: true });
  });
  afterAll(async () => {
    await devnet.stop();
  });

  it('verifies a run to level 1, without a key to level 0', async () => {
    const whole = await json(['verify', runId, ...NETWORK], auditor);
    expect(whole.code).toBe(0);
    expect(whole.document).toMatchObject({
      ok: true,
      level: 'L1',
      ledger: 'sui',
      reader: auditor.toSuiAddress(),
    });
    expect(whole.document['modelHash']).toBe(result.summary.modelHash);
    const keyless = await json(['verify', runId, ...NETWORK]);
    expect(keyless.document).toMatchObject({ ok: true, level: 'L0', reader: null });
  });

  it('pulls a version, the latest of a run, and a round of it', async () => {
    const last = versionIds[2] ?? '';
    const pulled = await json(['pull', last, ...NETWORK, '--out', 'v2'], auditor);
    expect(pulled.document).toMatchObject({
      round: 2,
      version: last,
      modelHash: result.summary.modelHash,
    });
    const first = await json(['pull', versionIds[0] ?? '', ...NETWORK, '--out', 'v0'], auditor);
    expect(first.document).toMatchObject({ round: 0, version: versionIds[0] });
    const latest = await json(['pull', runId, ...NETWORK, '--out', 'v', '--round', '1'], auditor);
    expect(latest.document).toMatchObject({ round: 1 });
  });

  it('is denied without the right key, and told what is missing', async () => {
    const stranger = await json(['pull', runId, ...NETWORK, '--out', 'no'], keyOf(78));
    expect(stranger.code).toBe(4);
    const keyless = await json(['pull', runId, ...NETWORK, '--out', 'no']);
    expect(keyless.code).toBe(4);
    expect(v.parse(error, keyless.document).error.message).toContain('--keystore-file');
    const other = await json(['verify', runId, ...NETWORK, '--expect-run', '0'.repeat(64)]);
    expect(v.parse(error, other.document).error.code).toBe('spec_mismatch');
    devnet.faults.run({ type: 'keyServerDown', server: 0, down: true });
    devnet.faults.run({ type: 'keyServerDown', server: 1, down: true });
    try {
      const away = await json(['pull', runId, ...NETWORK, '--out', 'no'], auditor);
      expect(away.code).toBe(3);
      expect(v.parse(error, away.document).error.code).toBe('gate_unavailable');
    } finally {
      devnet.faults.clear();
    }
  });
});
