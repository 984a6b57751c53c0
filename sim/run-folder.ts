/**
 * @module Writes the folder of a simulated run. Its name ends in `.partial` until the run is
 * finished, because an incomplete run must not look complete. `latest` points to the newest
 * finished run.
 */
import { mkdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FloeError } from '../protocol/errors.ts';
import { writeWhole } from '../protocol/ports/files.ts';
import { LATEST, PARTIAL } from '../protocol/ports/run-folder.ts';
import { RUN_FILES, seedAsText, specAsJson } from '../protocol/records/run-files.ts';
import { contractText } from '../protocol/spec/parse-contract.ts';
import { encodeRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { storageError } from '../protocol/storage-errors.ts';

const codeOf = (thrown: unknown): string | undefined => (thrown as NodeJS.ErrnoException).code;

/** `20260102-030405-seed1`. */
export const runName = (now: number, seed: string): string => {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]/gu, '').replace('T', '-').slice(0, 15);
  return `${stamp}-seed${seed.replaceAll(/[^\w.-]/gu, '_').slice(0, 40)}`;
};

/**
 * Makes `<parent>/<name>.partial`; a name that is taken gets a number.
 *
 * @throws FloeError `storage_full`, `storage_read_only`, `store_unavailable` when the disk refuses
 */
export const makeRunFolder = async (parent: string, name: string): Promise<string> => {
  try {
    await mkdir(parent, { recursive: true });
    for (let i = 1; ; i += 1) {
      const own = join(parent, i === 1 ? name : `${name}-${i}`);
      const taken = await stat(own).then(
        () => true,
        () => false,
      );
      if (taken) continue;
      try {
        await mkdir(`${own}${PARTIAL}`);
        return `${own}${PARTIAL}`;
      } catch (thrown) {
        if (codeOf(thrown) !== 'EEXIST') throw thrown;
      }
    }
  } catch (cause) {
    const refusal = storageError(cause, parent);
    if (refusal !== undefined) throw refusal;
    throw new FloeError(
      'store_unavailable',
      `cannot make a folder in ${parent}: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
};

/**
 * Points `latest` at a run: a symbolic link, or where those are refused a file that holds the name.
 */
const pointLatest = async (parent: string, name: string): Promise<void> => {
  const temporary = join(parent, `.${LATEST}.tmp`);
  await rm(temporary, { force: true });
  try {
    await symlink(name, temporary);
  } catch (thrown) {
    if (codeOf(thrown) !== 'EPERM' && codeOf(thrown) !== 'ENOSYS') throw thrown;
    await writeFile(temporary, `${name}\n`);
  }
  await rename(temporary, join(parent, LATEST));
};

/** Gives a finished folder its name and makes it the latest. Returns its path. */
export const finishRunFolder = async (partial: string): Promise<string> => {
  const own = partial.slice(0, -PARTIAL.length);
  await rename(partial, own);
  await pointLatest(dirname(own), basename(own));
  return own;
};

/**
 * Writes the files known before the first round. The auditor's key is readable by its owner only.
 */
export const writeRunStart = async (
  folder: string,
  spec: RunSpec,
  auditorSeed: Uint8Array,
): Promise<void> => {
  await writeWhole(join(folder, RUN_FILES.spec), encodeRunSpec(spec));
  await writeWhole(join(folder, RUN_FILES.specJson), specAsJson(spec));
  if (spec.data !== undefined)
    await writeWhole(join(folder, RUN_FILES.contract), contractText(spec.data));
  await writeWhole(join(folder, RUN_FILES.auditor), seedAsText(auditorSeed), 0o600);
};
