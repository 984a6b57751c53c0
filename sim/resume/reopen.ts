/**
 * @module Takes the folder of an interrupted simulation back to its last commit.
 */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openJournal, registeredIn, rewindJournal } from '../../coordinator/index.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { nodeFiles } from '../../protocol/ports/disk.ts';
import { isThere, readOptional } from '../../protocol/ports/files.ts';
import { PARTIAL } from '../../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { encodeRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import type { LastRegistered } from './kept-keystore.ts';
import type { RoundSummary } from '../summary.ts';
import { readCheckpoint, type Checkpoint } from './checkpoint.ts';
import { readHistory, roundsOf, writeHistory } from './history-file.ts';

/** The state of a run at its last commit. */
export interface Resumed extends Checkpoint {
  readonly rounds: readonly RoundSummary[];
  /** The last registration of each participant, by its key in hex. */
  readonly registered: ReadonlyMap<string, LastRegistered>;
}

/**
 * The folder of an interrupted run, by its own name or the one it gets when it is finished.
 *
 * @throws FloeError `file_not_found`, `usage` for a finished run
 */
export const partialFolder = async (path: string): Promise<string> => {
  const bare = path.replace(/\/+$/u, '');
  const partial = bare.endsWith(PARTIAL) ? bare : `${bare}${PARTIAL}`;
  const found = await stat(partial).catch(() => undefined);
  if (found?.isDirectory() === true) return partial;
  const finished = partial.slice(0, -PARTIAL.length);
  if (await isThere(finished))
    throw new FloeError('usage', `${finished} is finished: there is nothing to resume`);
  throw new FloeError('file_not_found', `no run in ${partial}`);
};

/** @throws FloeError `journal_locked` while another process runs it */
const requireFree = async (path: string): Promise<void> => {
  if (await isThere(path)) await (await openJournal(path, { synced: false })).close();
};

/** The last registrations that a journal knows of. */
const registrations = async (path: string): Promise<Resumed['registered']> => {
  const journal = await openJournal(path, { synced: false });
  try {
    const records = await registeredIn(journal);
    return new Map(
      [...records].map(([key, { hash, body }]) => [key, { counter: body.counter, hash }]),
    );
  } finally {
    await journal.close();
  }
};

/** Removes what a run without a committed round has left. */
const clear = async (folder: string): Promise<void> => {
  const { journal, blobs, participants, history, checkpoint, devnet, uploads } = RUN_FILES;
  const database = [journal, `${journal}-wal`, `${journal}-shm`];
  const names = [...database, blobs, participants, history, devnet, uploads];
  for (const name of [...names, checkpoint])
    await rm(join(folder, name), { recursive: true, force: true });
};

/**
 * @param folder ends in `.partial`
 * @returns undefined where no round was committed: the run begins anew
 * @throws FloeError `spec_mismatch` where data, model or settings are not those of the run;
 * `journal_locked`, `journal_corrupt`, `data_malformed`
 */
export const reopen = async (folder: string, spec: RunSpec): Promise<Resumed | undefined> => {
  const stored = await readOptional(join(folder, RUN_FILES.spec));
  if (stored !== undefined && !equalBytes(stored, encodeRunSpec(spec)))
    throw new FloeError(
      'spec_mismatch',
      `the data, the model or the settings are not those that ${folder} began with`,
    );
  const path = join(folder, RUN_FILES.journal);
  await requireFree(path);
  const checkpoint = await readCheckpoint(folder);
  if (checkpoint === undefined) {
    await clear(folder);
    return undefined;
  }
  const { journal } = checkpoint;
  const lines = await readHistory(folder);
  const kept = roundsOf(lines).filter(({ attempt }) => attempt <= journal.attempt);
  if (kept.at(-1)?.attempt !== journal.attempt)
    throw new FloeError(
      'data_malformed',
      `${join(folder, RUN_FILES.history)}: the round of attempt ${journal.attempt} is missing`,
    );
  const versions = new Set(kept.map(({ version }) => version));
  await writeHistory(
    folder,
    lines.filter(({ version }) => versions.has(version)),
  );
  const uploads = rewindJournal(path, journal);
  const store = directoryStore(join(folder, RUN_FILES.blobs), { disk: nodeFiles() });
  await store.discard(uploads);
  // Those under way belong to the attempt that is repeated; a devnet knows them no more.
  await rm(join(folder, RUN_FILES.uploads), { recursive: true, force: true });
  return { ...checkpoint, rounds: kept, registered: await registrations(path) };
};
