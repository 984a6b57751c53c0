/**
 * `floe devnet`: the command of `floe-devnet`, with Floe's package and Floe's network file; and the
 * devnet's errors in the terms of Floe's catalogue.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DevnetError } from 'floe-devnet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EXIT } from '../../cli/exit-codes.ts';
import { parseNetworkConfig } from '../../protocol/net/config.ts';
import { floeErrorOf, startFloeDevnet } from '../../move/floe-devnet.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-devnet-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

test('it writes a network file that names Floe’s package, and ends when interrupted', async () => {
  const file = join(folder, 'net.json');
  const flags = ['--nodes', '4', '--shards-per-node', '1', '--config-out', file, '--json'];
  const main = join(import.meta.dirname, '../../cli/main.ts');
  const child = spawn(process.execPath, [main, 'devnet', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const exited = once(child, 'exit');
    // The file is complete before the document is printed.
    await Promise.race([once(child.stdout, 'data'), exited]);
    const written = parseNetworkConfig(JSON.parse(await readFile(file, 'utf8')));
    expect(written.floe?.packageId).toMatch(/^0x[0-9a-f]{64}$/u);
    child.kill('SIGINT');
    expect((await exited)[0]).toBe(EXIT.interrupted);
  } finally {
    child.kill('SIGKILL');
  }
});

test('errors of the devnet are errors of the catalogue; others pass', async () => {
  await expect(startFloeDevnet({ nodes: 1 })).rejects.toMatchObject({
    name: 'FloeError',
    code: 'usage',
    message: expect.stringContaining('at least 4 storage nodes') as unknown,
  });
  await expect(
    startFloeDevnet({ snapshot: join(folder, 'nothing'), readOnly: true }),
  ).rejects.toMatchObject({ code: 'data_malformed' });
  expect(floeErrorOf(new DevnetError('compiler_missing', 'none'))).toMatchObject({
    code: 'backend_unavailable',
  });
  const other = new Error('a port is taken');
  expect(floeErrorOf(other)).toBe(other);
});
