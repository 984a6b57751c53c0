/**
 * The first hour of a participant: the final model is on its disk when the run has finished, and
 * its identity is kept without a passphrase that blocks the first run.
 */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { join, keptPassphrase, nodeDisk, openKept, type FinalModel } from '../../client/index.ts';
import { readIdentity } from '../../client/keystore/index.ts';
import { decodeSafetensors, hashModel } from '../../protocol/model/index.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { testSpec } from '../support/run.ts';
import { serveRun, stepTrainer, type ServedRun } from '../support/served-run.ts';

const closing: (() => Promise<unknown> | void)[] = [];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), 'floe-final-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await rm(folder, { recursive: true, force: true });
});

const quiet = { trainer: stepTrainer, log: () => undefined, require: TEST_ADMISSION };

const startRun = async (): Promise<ServedRun> => {
  const run = await serveRun(await testSpec({ rounds: 2 }));
  closing.push(() => run.stop());
  return run;
};

describe('join with out', () => {
  it('writes the final model before it leaves, and overwrites none', async () => {
    const { coordinator, url: address } = await startRun();
    const out = joinPath(folder, 'model');
    const finals: { final: FinalModel; loggedIn: number; phase: string }[] = [];
    const first = await join(address, {
      ...quiet,
      out,
      onModel: (final) => {
        const { loggedIn, phase } = coordinator.status();
        finals.push({ final, loggedIn, phase });
      },
    });
    const others = await Promise.all([1, 2, 3].map(() => join(address, quiet)));
    const outcome = await first.finished;
    await Promise.all(others.map(({ finished }) => finished));
    const commit = outcome.commit!.body.model;
    expect(commit.version).toBe(2);
    // The session was still there: a coordinator that ends with its run waits for it.
    expect(finals).toHaveLength(1);
    expect(finals[0]).toMatchObject({ phase: 'finished' });
    expect(finals[0]!.loggedIn).toBeGreaterThan(0);
    expect(finals[0]!.final.model.hash).toEqual(commit.hash);
    const saved = first.saved();
    expect(saved).toMatchObject({ file: joinPath(out, 'model.safetensors'), tfjs: undefined });
    const { flat } = decodeSafetensors(new Uint8Array(await readFile(saved!.file)));
    expect(hashModel(outcome.spec!.model, flat)).toEqual(commit.hash);
    await expect(join(address, { ...quiet, out })).rejects.toMatchObject({ code: 'file_exists' });
  });

  it('a model that cannot be written rejects, by name', async () => {
    const { url: address } = await startRun();
    const runs = await Promise.all([1, 2, 3].map(() => join(address, quiet)));
    const failing = await join(address, {
      ...quiet,
      onModel: () => {
        throw new RangeError('no room');
      },
    });
    await expect(failing.finished).rejects.toThrow('no room');
    await Promise.all(runs.map(({ finished }) => finished));
    expect(runs[0]!.saved()).toBeUndefined();
  });
});

describe('an identity without a passphrase of its owner', () => {
  it('is found again, by its owner only, and not shared by two processes', async () => {
    const disk = await nodeDisk();
    const own = { disk, random: systemRandom, kdf: { memory: 8, passes: 1 } };
    const path = joinPath(folder, 'site');
    const first = await openKept(path, own);
    const second = await openKept(path, own);
    expect([first.folder, second.folder]).toEqual([path, `${path}-2`]);
    expect([first.isNew, second.isNew]).toEqual([true, true]);
    expect(first.keystore.identity.address).not.toBe(second.keystore.identity.address);
    await first.keystore.close();
    await second.keystore.close();
    const again = await openKept(path, own);
    closing.push(() => again.keystore.close());
    expect(again).toMatchObject({ folder: path, isNew: false });
    expect(again.keystore.identity.address).toBe(first.keystore.identity.address);
    for (const name of ['', 'passphrase', 'identity'])
      expect((await stat(joinPath(path, name))).mode & 0o077).toBe(0);
    // The file is a passphrase as any other: without it the keystore does not open.
    const kept = (await readFile(joinPath(path, 'passphrase'), 'utf8')).trim();
    expect((await readIdentity(path, kept, disk)).address).toBe(again.keystore.identity.address);
    await expect(readIdentity(path, 'another', disk)).rejects.toMatchObject({
      code: 'decryption_failed',
    });
  });

  it('refuses a keystore whose passphrase is elsewhere, and a file that is none', async () => {
    const disk = await nodeDisk();
    const own = { disk, random: systemRandom, kdf: { memory: 8, passes: 1 } };
    const path = joinPath(folder, 'moved');
    await (await openKept(path, own)).keystore.close();
    await rm(joinPath(path, 'passphrase'));
    await expect(keptPassphrase(path, own)).rejects.toMatchObject({ code: 'passphrase_missing' });
    await disk.write(joinPath(path, 'passphrase'), new TextEncoder().encode('hunter2'));
    const error = await keptPassphrase(path, own).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'data_malformed' });
    expect(String(error)).not.toContain('hunter2');
  });
});
