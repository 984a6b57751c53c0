/**
 * `floe devnet --snapshot <folder> --fresh` on a folder that another program wrote, whose files
 * have names that a devnet uses as well: an application's manifest, a folder of blobs.
 */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeKept } from '../../devnet/kept.ts';

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'floe-fresh-'));
  folder = join(root, 'site');
  await mkdir(folder);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const MANIFEST = JSON.stringify({ format: 3, chainId: 'abc', settings: {}, blobs: [] });
const PORTS = JSON.stringify({
  rpc: 1,
  faucet: 2,
  relay: 3,
  publisher: 4,
  aggregator: 5,
  seal: [6],
  nodes: [7],
});
const BLOB = `${'A'.repeat(43)}.0123456789abcdef`;

const refused = async (): Promise<void> => {
  const before = await readdir(folder, { recursive: true });
  await expect(removeKept(folder)).rejects.toMatchObject({ code: 'snapshot_invalid' });
  expect(await readdir(folder, { recursive: true })).toEqual(before);
};

describe('what no devnet wrote is not removed', () => {
  it('the manifest of an application', async () => {
    await writeFile(join(folder, 'manifest.json'), '{"name":"app","start_url":"/"}');
    await refused();
  });

  it('a folder of blobs alone', async () => {
    await mkdir(join(folder, 'blobs'));
    await writeFile(join(folder, 'blobs', 'holiday.jpg'), '');
    await refused();
  });

  it('a foreign file among the blobs of a devnet', async () => {
    await writeFile(join(folder, 'manifest.json'), MANIFEST);
    await mkdir(join(folder, 'blobs'));
    await writeFile(join(folder, 'blobs', BLOB), '');
    await writeFile(join(folder, 'blobs', 'holiday.jpg'), '');
    await refused();
  });

  it('a link in the place of the folder', async () => {
    await writeFile(join(folder, 'manifest.json'), MANIFEST);
    const link = join(root, 'link');
    await symlink(folder, link);
    await expect(removeKept(link)).rejects.toMatchObject({ code: 'snapshot_invalid' });
  });
});

describe('what a devnet wrote is removed', () => {
  it('a whole snapshot, with what a crash has left', async () => {
    await writeFile(join(folder, 'manifest.json'), MANIFEST);
    await writeFile(join(folder, 'manifest.json.new'), '{');
    await mkdir(join(folder, 'blobs'));
    await writeFile(join(folder, 'blobs', BLOB), '');
    await writeFile(join(folder, 'blobs', `${BLOB}.new`), '');
    await removeKept(folder);
    expect(await readdir(root)).toEqual([]);
  });

  it('a damaged manifest beside the ports, the ports alone, an empty folder, none', async () => {
    await writeFile(join(folder, 'manifest.json'), '{');
    await writeFile(join(folder, 'ports.json'), PORTS);
    await removeKept(folder);
    await mkdir(folder);
    await writeFile(join(folder, 'ports.json'), PORTS);
    await removeKept(folder);
    await mkdir(folder);
    await removeKept(folder);
    await removeKept(folder);
    expect(await readdir(root)).toEqual([]);
  });
});
