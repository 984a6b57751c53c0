import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  memoryKeystore,
  nodeDisk,
  openKeystore,
  readIdentity,
  type Disk,
  type Keystore,
} from '../../client/keystore/index.ts';
import { seal } from '../../client/keystore/sealed.ts';
import { toHex, utf8 } from '../../protocol/bytes.ts';
import { seededRandom, systemRandom } from '../../protocol/ports/random.ts';
import { fullMemory, keystoreSuite } from '../../testing/index.ts';

const run = new Uint8Array(32).fill(9);
const kdf = { memory: 64, passes: 1 };
let disk: Disk;
let root: string;
let count = 0;
const fresh = (): string => join(root, `keystore-${(count += 1)}`);
const open = (path: string, passphrase = 'correct horse'): Promise<Keystore> =>
  openKeystore(path, passphrase, { random: systemRandom, disk, kdf });

beforeAll(async () => {
  disk = await nodeDisk();
  root = await mkdtemp(join(tmpdir(), 'floe-keystore-'));
});
afterAll(() => rm(root, { recursive: true }));

keystoreSuite({ describe, expect, it }, 'memory', async () => ({
  keystore: await memoryKeystore(new Uint8Array(32).fill(1)),
  reopen: async (same) => same,
}));

keystoreSuite({ describe, expect, it }, 'folder', async () => {
  const path = fresh();
  return {
    keystore: await open(path),
    reopen: async (closed) => {
      await closed.close();
      return open(path);
    },
  };
});

describe('the keystore in a folder', () => {
  it('refuses a wrong passphrase, and none at all', async () => {
    const path = fresh();
    await (await open(path)).close();
    await expect(open(path, 'wrong')).rejects.toMatchObject({ code: 'decryption_failed' });
    await expect(open(path, '')).rejects.toMatchObject({ code: 'passphrase_missing' });
    await (await open(path)).close();
  });

  it('takes the same passphrase in another Unicode form', async () => {
    const path = fresh();
    await (await open(path, 'caf\u00e9')).close();
    await (await open(path, 'cafe\u0301')).close();
  });

  it('tells whose it is, also while a run has it open, and makes none', async () => {
    const path = fresh();
    await expect(readIdentity(path, 'x', disk)).rejects.toMatchObject({ code: 'file_not_found' });
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    const keystore = await open(path, 'x');
    const { publicKey } = await readIdentity(path, 'x', disk);
    expect(publicKey).toEqual(keystore.identity.publicKey);
    await expect(readIdentity(path, 'y', disk)).rejects.toMatchObject({
      code: 'decryption_failed',
    });
    await expect(readIdentity(path, '', disk)).rejects.toMatchObject({
      code: 'passphrase_missing',
    });
    await keystore.close();
  });

  it('names every truncation of every file, and every flipped byte', async () => {
    const path = fresh();
    const keystore = await open(path);
    await keystore.save(run, fullMemory);
    await keystore.close();
    const attempt = async (): Promise<unknown> => {
      const again = await open(path);
      try {
        return await again.load(run);
      } finally {
        await again.close();
      }
    };
    for (const name of ['identity', `${toHex(run)}.run`]) {
      const file = join(path, name);
      const whole = await readFile(file);
      for (const length of [0, 1, 10, whole.length >> 1, whole.length - 1]) {
        await writeFile(file, whole.subarray(0, length));
        await expect(attempt(), `${name} cut to ${length}`).rejects.toMatchObject({
          code: 'data_malformed',
        });
      }
      for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 40)) {
        const bad = Buffer.from(whole);
        bad[at]! ^= 1;
        await writeFile(file, bad);
        await expect(attempt(), `${name} byte ${at}`).rejects.toMatchObject({
          code: expect.stringMatching(/^(data_malformed|decryption_failed)$/),
        });
      }
      await writeFile(file, whole);
    }
    expect(await attempt()).toEqual(fullMemory);
  });

  it("does not take one run's file for another's", async () => {
    const path = fresh();
    const keystore = await open(path);
    await keystore.save(run, fullMemory);
    const other = new Uint8Array(32).fill(8);
    await writeFile(
      join(path, `${toHex(other)}.run`),
      await readFile(join(path, `${toHex(run)}.run`)),
    );
    await expect(keystore.load(other)).rejects.toMatchObject({ code: 'decryption_failed' });
    await keystore.close();
  });

  it('is readable by its owner only and holds no secret in clear', async () => {
    const path = fresh();
    const keystore = await open(path);
    const pattern = utf8('a pattern of thirty-two bytes...');
    await keystore.save(run, {
      ...fullMemory,
      attempt: { ...fullMemory.attempt!, sigma: pattern },
    });
    await keystore.saveVector(run, new Uint8Array(10));
    expect((await stat(path)).mode & 0o077).toBe(0);
    for (const name of await readdir(path)) {
      const bytes = await readFile(join(path, name));
      expect(bytes.includes(Buffer.from(pattern)), name).toBe(false);
      expect(bytes.includes(Buffer.from(keystore.trainingSecret)), name).toBe(false);
      if (!name.startsWith('lock'))
        expect((await stat(join(path, name))).mode & 0o777, name).toBe(0o600);
    }
    await keystore.close();
  });

  it('a write that fails leaves the old contents, never a part of the new', async () => {
    const path = fresh();
    const first = await open(path);
    await first.save(run, fullMemory);
    await first.close();
    const failing: Disk = {
      ...disk,
      write: () => Promise.reject(new Error('no space left on device')),
    };
    const second = await openKeystore(path, 'correct horse', {
      random: systemRandom,
      disk: failing,
    });
    await expect(second.save(run, { v: 2 })).rejects.toThrow('no space');
    await second.close();
    const third = await open(path);
    expect(await third.load(run)).toEqual(fullMemory);
    await third.close();
  });

  it('never encrypts two contents under one nonce, though the random source repeats', () => {
    const key = new Uint8Array(32).fill(3);
    const [one, two] = [1, 2].map((value) =>
      seal(key, 'x', new Uint8Array(64).fill(value), seededRandom(new Uint8Array(32))),
    ) as [Uint8Array, Uint8Array];
    // One key stream for both would leave the nonce equal and the boxes apart by 1 ^ 2 everywhere.
    const differing = one.filter((byte, at) => (byte ^ two[at]!) !== 0 && (byte ^ two[at]!) !== 3);
    expect(differing.length).toBeGreaterThan(64);
  });

  it('is held by one at a time, in this process and in others, and is free once the holder is killed', async () => {
    const path = fresh();
    await (await open(path)).close();
    const program = `
      import { nodeDisk, openKeystore } from './client/keystore/index.ts';
      import { systemRandom } from './protocol/ports/random.ts';
      await openKeystore(process.argv[1], 'correct horse', { random: systemRandom, disk: await nodeDisk() });
      process.stdout.write('held');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect(open(path)).rejects.toMatchObject({ code: 'keystore_locked' });
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const holder = await open(path);
    await expect(open(path)).rejects.toMatchObject({ code: 'keystore_locked' });
    await holder.close();
    await (await open(path)).close();
  });
});
