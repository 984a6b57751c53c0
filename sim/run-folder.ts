/**
 * @module The folder of a run: while it is written its name ends in `.partial`, and only a finished one gets its own name,
 * so nothing half-done looks finished. `latest` points to the newest finished one.
 */
import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RUN_FILES, seedAsText, specAsJson } from '../client/reader/run-files.ts';
import { exportTfjs } from '../client/tfjs/topology.ts';
import type { Topology } from '../client/tfjs/models.ts';
import { fromHex, utf8 } from '../protocol/bytes.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { parseNetworkConfig, type NetworkConfig } from '../protocol/net/config.ts';
import { nodeFiles } from '../protocol/ports/disk.ts';
import { decodeRunSpec, encodeRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { storageError } from '../protocol/storage-errors.ts';
import { encodeSafetensors } from '../protocol/model/index.ts';

export { RUN_FILES, specAsJson };

const LATEST = 'latest';
const PARTIAL = '.partial';
const MAX_TRANSCRIPT_BYTES = 2 ** 31 - 1;

const codeOf = (thrown: unknown): string | undefined => (thrown as NodeJS.ErrnoException).code;

const disk = nodeFiles();

/** Replaces a file whole, durably. */
export const writeWhole = (
  path: string,
  content: string | Uint8Array,
  mode = 0o644,
): Promise<void> => disk.write(path, typeof content === 'string' ? utf8(content) : content, mode);

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
      // oxlint-disable-next-line no-await-in-loop
      const taken = await stat(own).then(
        () => true,
        () => false,
      );
      if (taken) continue;
      try {
        // oxlint-disable-next-line no-await-in-loop
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

/** Points `latest` at a run: a symbolic link, or where those are refused a file that holds the name. */
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

/** A run's folder, whether named directly or through a `latest` that is a file. @throws FloeError `file_not_found` */
export const resolveRunFolder = async (path: string): Promise<string> => {
  try {
    if ((await stat(path)).isDirectory()) return path;
    const name = (await readFile(path, 'utf8')).trim();
    if (basename(path) === LATEST && name !== '' && basename(name) === name)
      return await resolveRunFolder(join(dirname(path), name));
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT')
      throw new FloeError('file_not_found', `no run in ${path}`, {}, { cause });
    throw cause;
  }
  throw new FloeError('file_not_found', `${path} is not the folder of a run`);
};

const readOptional = async (path: string): Promise<Uint8Array | undefined> => {
  try {
    const { size } = await stat(path);
    if (size > MAX_TRANSCRIPT_BYTES)
      throw new FloeError('data_malformed', `${path} is larger than ${MAX_TRANSCRIPT_BYTES} bytes`);
    return new Uint8Array(await readFile(path));
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
};

/** @throws FloeError `spec_invalid` naming the file */
const readSpec = (bytes: Uint8Array): RunSpec => {
  try {
    return decodeRunSpec(bytes);
  } catch (cause) {
    const { message } = toFloeError(cause);
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
 * @throws FloeError `file_not_found`, `spec_invalid`, `data_malformed`
 */
export const readRun = async (path: string): Promise<StoredRun> => {
  const folder = await resolveRunFolder(path);
  const need = async (name: string): Promise<Uint8Array> => {
    const bytes = await readOptional(join(folder, name));
    if (bytes === undefined) throw new FloeError('file_not_found', `no ${name} in ${folder}`);
    return bytes;
  };
  const spec = readSpec(await need(RUN_FILES.spec));
  const transcript = await need(RUN_FILES.transcript);
  const key = await readOptional(join(folder, RUN_FILES.auditor));
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
  const bytes = await readOptional(join(folder, RUN_FILES.network));
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

/** What is known before the first round. The auditor's key is for its owner only. */
export const writeRunStart = async (
  folder: string,
  spec: RunSpec,
  auditorSeed: Uint8Array,
): Promise<void> => {
  await writeWhole(join(folder, RUN_FILES.spec), encodeRunSpec(spec));
  await writeWhole(join(folder, RUN_FILES.specJson), specAsJson(spec));
  await writeWhole(join(folder, RUN_FILES.auditor), seedAsText(auditorSeed), 0o600);
};

/** The model in clear: safetensors, and tfjs's own format where the topology is known. */
export const writeModel = async (
  folder: string,
  spec: RunSpec,
  weights: Float32Array,
  topology: Topology | undefined,
): Promise<void> => {
  const manifest = { tensors: spec.model.tensors };
  await writeWhole(join(folder, RUN_FILES.model), encodeSafetensors(manifest, weights));
  if (topology === undefined) return;
  await mkdir(join(folder, RUN_FILES.tfjs), { recursive: true });
  for (const [name, bytes] of Object.entries(exportTfjs(manifest, weights, topology)))
    // oxlint-disable-next-line no-await-in-loop
    await writeWhole(join(folder, RUN_FILES.tfjs, name), bytes);
};
