/**
 * What another program of the same machine, or a child of the process, finds out about the secrets of a keystore.
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

it('the passphrase stays in the environment of the process and of what it starts', async () => {
  vi.stubEnv('FLOE_PASSPHRASE', SECRET);
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await main(['join', '--keystore', join(folder, 'me'), '--show-key']);
  vi.restoreAllMocks();
  expect(process.exitCode).toBe(0);
  expect(process.env['FLOE_PASSPHRASE']).toBe(SECRET);
  expect(await environmentOfWorker()).toBe(SECRET);
});
