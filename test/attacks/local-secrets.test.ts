/**
 * What another program of the same machine, or a child of the process, finds out about the secrets
 * of a keystore.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { main } from '../../cli/main.ts';

const SECRET = 'correct horse battery staple';
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-secrets-'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** What a worker thread, as the simulator and the codec start them, has in its environment. */
const environmentOfWorker = (): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(
      "require('node:worker_threads').parentPort.postMessage(process.env.FLOE_PASSPHRASE)",
      { eval: true },
    );
    worker.on('message', resolve);
    worker.on('error', reject);
  });

it('the passphrase is gone from the environment of the process and of what it starts', async () => {
  vi.stubEnv('FLOE_PASSPHRASE', SECRET);
  vi.stubEnv('FLOE_SUI_KEY', 'suiprivkey1secret');
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await main(['join', '--keystore', join(folder, 'me'), '--show-key']);
  vi.restoreAllMocks();
  expect(process.exitCode).toBe(0);
  expect(process.env).not.toHaveProperty('FLOE_PASSPHRASE');
  expect(process.env).not.toHaveProperty('FLOE_SUI_KEY');
  expect(await environmentOfWorker()).toBeUndefined();
});

it('also where the command has no use for it, or fails', async () => {
  for (const args of [
    ['help', 'exit-codes'],
    ['verify', join(folder, 'nothing')],
    ['--nonsense'],
  ]) {
    vi.stubEnv('FLOE_PASSPHRASE', SECRET);
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await main(args);
    vi.restoreAllMocks();
    expect(process.env).not.toHaveProperty('FLOE_PASSPHRASE');
  }
});
