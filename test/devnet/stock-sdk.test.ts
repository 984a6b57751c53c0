/**
 * @module The acceptance test of the devnet: it runs as its own process, and a script that uses
 * nothing but the stock SDKs does everything a project of Sui, Walrus and Seal needs.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import * as v from 'valibot';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runStockSdk } from '../../examples/devnet/stock-sdk.ts';
import type { DevnetConfig } from '../../devnet/index.ts';

const root = join(import.meta.dirname, '../..');
let folder: string;
let child: ChildProcess;
let config: DevnetConfig;

const exited = (): Promise<number | null> =>
  new Promise((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode);
    else child.once('exit', (code) => resolve(code));
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-devnet-'));
  const file = join(folder, 'config.json');
  child = spawn(process.execPath, [join(root, 'devnet/main.ts'), '--config-out', file, '--json'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  while (!existsSync(file)) {
    if (child.exitCode !== null) throw new Error(`the devnet ended with code ${child.exitCode}`);
    await wait(50);
  }
  const text: unknown = JSON.parse(await readFile(file, 'utf8'));
  config = v.parse(
    v.custom<DevnetConfig>(v.is.bind(undefined, v.record(v.string(), v.unknown()))),
    text,
  );
});

afterAll(async () => {
  child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

test('the configuration names everything a client needs', () => {
  const url = v.pipe(v.string(), v.regex(/^http:\/\/127\.0\.0\.1:\d+$/));
  const id = v.pipe(v.string(), v.regex(/^0x[0-9a-f]{64}$/));
  const walrus = { relayUrl: url, publisherUrl: url, aggregatorUrl: url };
  const server = v.strictObject({ objectId: id, url });
  const schema = v.strictObject({
    rpcUrl: url,
    faucetUrl: url,
    walrus: v.strictObject({ systemObjectId: id, stakingPoolId: id, ...walrus }),
    seal: v.strictObject({
      packageId: id,
      servers: v.strictTuple([server, server, server]),
      threshold: v.literal(2),
    }),
    packages: v.strictObject({}),
  });
  expect(v.is(schema, config)).toBe(true);
});

test('the stock SDKs publish, encrypt, decrypt, are denied, write and read', async () => {
  const result = await runStockSdk(config);
  expect(result.decrypted).toBe('read me');
  expect(result.denied).toEqual(['owner before being added', 'outsider', 'removed reader']);
  expect(result.blobEqual).toBe(true);
  expect(result.quilt).toEqual({ one: 'file one', two: 'file two' });
});

test('it ends cleanly when interrupted, with the exit code of an interrupt', async () => {
  child.kill('SIGINT');
  expect(await exited()).toBe(130);
});
