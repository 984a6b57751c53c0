/**
 * @module The upload journal in a folder: one JSON file per upload and, until it is certified, the
 * bytes next to it. The Disk port writes each file whole or not at all.
 */
import * as v from 'valibot';
import { FloeError } from '../errors.ts';
import { utf8 } from '../bytes.ts';
import { nodeFiles, type Disk } from './disk.ts';
import {
  LATEST_UPLOADS,
  MOST_UPLOADS,
  uploadStateSchema,
  type UploadJournal,
  type UploadState,
} from './upload-journal.ts';

const KEY = /^[0-9a-f]{64}(-quilt)?$/;
const STATE = /^(?<key>[0-9a-f]{64}(-quilt)?)\.json$/;

export const folderUploadJournal = (folder: string, disk: Disk = nodeFiles()): UploadJournal => {
  /** Of all uploads that the folder knows. */
  const keysIn = async (): Promise<readonly string[]> =>
    (await disk.list(folder)).flatMap((name) => STATE.exec(name)?.groups?.['key'] ?? []);
  const pathOf = (key: string, ending: string): string => {
    if (!KEY.test(key)) throw new FloeError('internal', `not the key of an upload: ${key}`);
    return `${folder}/${key}.${ending}`;
  };
  const write = async (path: string, content: Uint8Array): Promise<void> => {
    await disk.makeFolder(folder);
    await disk.write(path, content);
  };
  const load = async (key: string): Promise<UploadState | undefined> => {
    const bytes = await disk.read(pathOf(key, 'json'));
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
    save: (key, state) => write(pathOf(key, 'json'), utf8(`${JSON.stringify(state)}\n`)),
    pending: async () => {
      const keys = await keysIn();
      const all = await Promise.all(
        keys.map(async (key) => {
          const state = await load(key);
          return state === undefined || state.step === 'certified' ? [] : [{ key, state }];
        }),
      );
      return all.flat();
    },
    keepBytes: (key, bytes) => write(pathOf(key, 'blob'), bytes),
    readBytes: (key) => disk.read(pathOf(key, 'blob')),
    dropBytes: (key) => disk.remove(pathOf(key, 'blob')),
    forget: async (keep) => {
      const keys = (await keysIn()).filter((key) => !keep.has(key));
      if (keys.length <= MOST_UPLOADS) return;
      const aged = await Promise.all(
        keys.map(async (key) => {
          const path = pathOf(key, 'json');
          const [state, writtenAt] = await Promise.all([load(key), disk.writtenAt(path)]);
          return { path, writtenAt: writtenAt ?? 0, isDone: state?.step === 'certified' };
        }),
      );
      const done = aged
        .filter(({ isDone }) => isDone)
        .toSorted((a, b) => a.writtenAt - b.writtenAt);
      const old = done.slice(0, -LATEST_UPLOADS);
      await Promise.all(old.map(({ path }) => disk.remove(path)));
    },
  };
};
