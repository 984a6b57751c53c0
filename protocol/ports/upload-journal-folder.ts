/**
 * @module The upload journal in a folder: one JSON file per upload and, until it is certified, the bytes beside it. Files are
 * written under another name, synced and renamed, so that what is there is whole. Node only.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { FloeError } from '../errors.ts';
import { onDisk } from '../storage-errors.ts';
import {
  LATEST_UPLOADS,
  MOST_UPLOADS,
  uploadStateSchema,
  type UploadJournal,
  type UploadState,
} from './upload-journal.ts';

const isMissing = (thrown: unknown): boolean => (thrown as NodeJS.ErrnoException).code === 'ENOENT';
const KEY = /^[0-9a-f]{64}(-quilt)?$/;
const STATE = /^(?<key>[0-9a-f]{64}(-quilt)?)\.json$/;

const read = async (path: string): Promise<Uint8Array | undefined> => {
  try {
    return new Uint8Array(await readFile(path));
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
};

/** Of all uploads that the folder knows. */
const keysIn = async (folder: string): Promise<readonly string[]> => {
  await mkdir(folder, { recursive: true });
  return (await readdir(folder)).flatMap((name) => STATE.exec(name)?.groups?.['key'] ?? []);
};

export const folderUploadJournal = (folder: string): UploadJournal => {
  const pathOf = (key: string, ending: string): string => {
    if (!KEY.test(key)) throw new FloeError('internal', `not the key of an upload: ${key}`);
    return join(folder, `${key}.${ending}`);
  };
  const write = (path: string, content: Uint8Array | string): Promise<void> =>
    onDisk(folder, async () => {
      await mkdir(folder, { recursive: true });
      const temporary = `${path}.${randomUUID()}.tmp`;
      try {
        const handle = await open(temporary, 'wx');
        try {
          await handle.writeFile(content);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await rename(temporary, path);
      } catch (thrown) {
        await rm(temporary, { force: true });
        throw thrown;
      }
    });
  const load = async (key: string): Promise<UploadState | undefined> => {
    const bytes = await read(pathOf(key, 'json'));
    if (bytes === undefined) return undefined;
    try {
      return v.parse(uploadStateSchema, JSON.parse(new TextDecoder().decode(bytes)));
    } catch (cause) {
      throw new FloeError(
        'journal_corrupt',
        `the upload journal in ${folder} cannot be read: ${(cause as Error).message}`,
        {},
        { cause },
      );
    }
  };
  return {
    load,
    save: (key, state) => write(pathOf(key, 'json'), `${JSON.stringify(state)}\n`),
    pending: async () => {
      const keys = await keysIn(folder);
      const all = await Promise.all(
        keys.map(async (key) => {
          const state = await load(key);
          return state === undefined || state.step === 'certified' ? [] : [{ key, state }];
        }),
      );
      return all.flat();
    },
    keepBytes: (key, bytes) => write(pathOf(key, 'blob'), bytes),
    readBytes: (key) => read(pathOf(key, 'blob')),
    dropBytes: (key) => rm(pathOf(key, 'blob'), { force: true }),
    forget: async (keep) => {
      const keys = (await keysIn(folder)).filter((key) => !keep.has(key));
      if (keys.length <= MOST_UPLOADS) return;
      const aged = await Promise.all(
        keys.map(async (key) => {
          const path = pathOf(key, 'json');
          const [state, { mtimeMs }] = await Promise.all([load(key), stat(path)]);
          return { path, mtimeMs, isDone: state?.step === 'certified' };
        }),
      );
      const done = aged.filter(({ isDone }) => isDone).toSorted((a, b) => a.mtimeMs - b.mtimeMs);
      const old = done.slice(0, -LATEST_UPLOADS);
      await onDisk(folder, () => Promise.all(old.map(({ path }) => rm(path, { force: true }))));
    },
  };
};
