/**
 * @module The folder of a run, for reading: its specification, transcript, the seed of a simulated
 * auditor, the network that it took place on. Node only.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fromHex } from '../bytes.ts';
import { FloeError, toFloeError } from '../errors.ts';
import { parseNetworkConfig, type NetworkConfig } from '../net/config.ts';
import { RUN_FILES } from '../records/run-files.ts';
import { decodeRunSpec, type RunSpec } from '../spec/run-spec.ts';
import { nodeFiles } from './disk.ts';
import { isThere, readOptional, writeWhole } from './files.ts';

/** In the folder that runs are kept in: the newest finished one. */
export const LATEST = 'latest';
const MAX_FILE_BYTES = 2 ** 31 - 1;
const disk = nodeFiles();

/** Ends the name of a simulation's folder until the run is finished. */
export const PARTIAL = '.partial';

const unfinished = (message: string): FloeError => new FloeError('run_unfinished', message);

/** Why a name that nothing has names no run: it may be that of one that is not over. */
const noRun = async (path: string, cause: unknown): Promise<FloeError> => {
  if (basename(path) === LATEST) {
    const parent = dirname(path);
    const begun = (await disk.list(parent)).findLast((name) => name.endsWith(PARTIAL));
    if (begun !== undefined)
      return unfinished(`no run in ${parent} has finished; ${join(parent, begun)} has begun`);
  } else if (await isThere(`${path}${PARTIAL}`))
    return unfinished(`${path}${PARTIAL} is a simulation that has not finished`);
  return new FloeError(
    'file_not_found',
    `no run in ${path}: there is no such file or folder`,
    {},
    { cause },
  );
};

/** Why the folder of a run has no transcript. */
const noTranscript = async (folder: string): Promise<FloeError> => {
  if (basename(folder).endsWith(PARTIAL))
    return unfinished(`${folder} is a simulation that still runs or was killed`);
  if (await isThere(join(folder, RUN_FILES.journal)))
    return unfinished(
      `${folder} is the state of a coordinator whose run is not over: its records are in ${RUN_FILES.journal}, and ${RUN_FILES.transcript} is written at the end`,
    );
  return new FloeError('file_not_found', `no ${RUN_FILES.transcript} in ${folder}`);
};

/**
 * A run's folder, whether named directly or through a `latest` that is a file. @throws FloeError
 * `file_not_found`, `run_unfinished`
 */
export const resolveRunFolder = async (path: string): Promise<string> => {
  try {
    if ((await stat(path)).isDirectory()) return path;
    const name = (await readFile(path, 'utf8')).trim();
    if (basename(path) === LATEST && name !== '' && basename(name) === name)
      return await resolveRunFolder(join(dirname(path), name));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw await noRun(path, cause);
    throw cause;
  }
  throw new FloeError('file_not_found', `${path} is not the folder of a run`);
};

/** @throws FloeError `spec_invalid` naming the file */
const readSpec = (bytes: Uint8Array): RunSpec => {
  try {
    return decodeRunSpec(bytes);
  } catch (cause) {
    const { code, message } = toFloeError(cause);
    if (code === 'run_outdated') throw cause;
    throw new FloeError('spec_invalid', `${RUN_FILES.spec}: ${message}`, {}, { cause });
  }
};

export interface StoredRun {
  readonly folder: string;
  readonly spec: RunSpec;
  readonly transcript: Uint8Array;
  /** Seed of the simulated auditor, where the run has one. */
  readonly auditorSeed: Uint8Array | undefined;
  /** Where the run took place; undefined for a run on this machine's disk. */
  readonly network: NetworkConfig | undefined;
}

/**
 * Reads what verification and export need of a run's folder.
 *
 * @throws FloeError `file_not_found`, `run_unfinished`, `spec_invalid`, `data_malformed`
 */
export const readRun = async (path: string): Promise<StoredRun> => {
  const folder = await resolveRunFolder(path);
  const need = async (name: string): Promise<Uint8Array> => {
    const bytes = await readOptional(join(folder, name), MAX_FILE_BYTES);
    if (bytes === undefined) throw new FloeError('file_not_found', `no ${name} in ${folder}`);
    return bytes;
  };
  const spec = readSpec(await need(RUN_FILES.spec));
  const transcript = await readOptional(join(folder, RUN_FILES.transcript), MAX_FILE_BYTES);
  if (transcript === undefined) throw await noTranscript(folder);
  const key = await readOptional(join(folder, RUN_FILES.auditor), MAX_FILE_BYTES);
  return {
    folder,
    spec,
    transcript,
    auditorSeed: key === undefined ? undefined : parseSeed(new TextDecoder().decode(key)),
    network: await readRunNetwork(folder),
  };
};

/** The network that a run's folder names. @throws FloeError `data_malformed`, `spec_invalid` */
export const readRunNetwork = async (folder: string): Promise<NetworkConfig | undefined> => {
  const bytes = await readOptional(join(folder, RUN_FILES.network), MAX_FILE_BYTES);
  if (bytes === undefined) return undefined;
  const text = new TextDecoder().decode(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FloeError('data_malformed', `${RUN_FILES.network} is not JSON`, {}, { cause });
  }
  return parseNetworkConfig(value);
};

/** For its owner only: addresses may hold keys of theirs. */
export const writeRunNetwork = (folder: string, network: NetworkConfig): Promise<void> =>
  writeWhole(join(folder, RUN_FILES.network), `${JSON.stringify(network, null, 2)}\n`, 0o600);

const parseSeed = (text: string): Uint8Array => {
  const hex = text.trim();
  if (!/^[0-9a-f]{64}$/u.test(hex))
    throw new FloeError('data_malformed', `${RUN_FILES.auditor}: expected 64 hex digits`);
  return fromHex(hex);
};
