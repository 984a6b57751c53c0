/**
 * @module The state folder of a coordinator: the network of its run, and the run in it or a new
 * one. An existing run keeps its specification, its network and its coordinator.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { makeStrategySpec, type StrategySpec } from '../protocol/algorithm/registry.ts';
import { contentOf, parentFor, type Beginning } from '../protocol/model/run-start.ts';
import type { ModelContent } from '../protocol/model/open-model.ts';
import { allowedServers, networkDifference, type NetworkConfig } from '../protocol/net/config.ts';
import { packageOf, type NetworkFile } from '../protocol/net/network-file.ts';
import { readOptional, writeWhole } from '../protocol/ports/files.ts';
import { deriveSeed, systemRandom } from '../protocol/ports/random.ts';
import { readRunNetwork, writeRunNetwork } from '../protocol/ports/run-folder.ts';
import { BUFFER_ON_CHAIN } from '../protocol/spec/buffer-in-spec.ts';
import { RUN_FILES, specAsJson } from '../protocol/records/run-files.ts';
import { masterSeed } from '../protocol/spec/master-seed.ts';
import { contractText } from '../protocol/spec/parse-contract.ts';
import { decodeRunSpec, encodeRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { onDisk } from '../protocol/storage-errors.ts';

/** The settings that the run was started with, for its operator. */
export const SETTINGS_FILE = 'settings.json';

export type Place = Pick<NetworkFile, 'network' | 'path'>;

export interface PlaceOptions {
  /** The network of the run; a folder whose run is on none, or on another one, is refused. */
  readonly network?: Place | undefined;
  /** A network for a new run, and to compare with; ignored where the folder's run is on none. */
  readonly networkIfAny?: Place | undefined;
  /** The run is kept in the folder; a folder whose run is on a network is refused. */
  readonly local?: boolean | undefined;
  /** Epochs that Walrus keeps the run's blobs for. */
  readonly storageEpochs?: number | undefined;
}

const mismatch = (message: string): FloeError => new FloeError('network_mismatch', message);

const storedPlace = async (folder: string): Promise<Place | undefined> => {
  const stored = await readRunNetwork(folder);
  return stored && { network: stored, path: join(folder, RUN_FILES.network) };
};

type Seal = NetworkConfig['seal'];

/** The servers that the run was sealed under before still open it. */
const withServersOfBefore = (seal: Seal, { servers, decryptOnly = [] }: Seal): Seal => {
  const allowed = allowedServers(seal);
  const before = [
    ...decryptOnly,
    ...servers.map(({ weight: _weight, ...server }) => server),
  ].filter(({ objectId }) => !allowed.has(objectId));
  return before.length === 0
    ? seal
    : { ...seal, decryptOnly: [...(seal.decryptOnly ?? []), ...before] };
};

/** Whether the folder holds a run. */
export const holdsRun = async (folder: string): Promise<boolean> =>
  (await readOptional(join(folder, RUN_FILES.spec))) !== undefined;

/**
 * The network of the run, undefined for a run in the folder. An existing run cannot change its
 * network. Writes nothing: see {@link keepPlace}.
 *
 * @throws FloeError `usage`, `network_mismatch`, `spec_invalid`
 */
export const placeOfRun = async (
  folder: string,
  options: PlaceOptions,
): Promise<Place | undefined> => {
  const { network: required, networkIfAny, local = false, storageEpochs } = options;
  if (local && required !== undefined)
    throw new FloeError('usage', 'expected --network or --local, not both');
  const given = local ? undefined : (required ?? networkIfAny);
  const stored = (await holdsRun(folder)) ? await storedPlace(folder) : given;
  if (stored === undefined) {
    if (required !== undefined)
      throw mismatch(
        `${folder} holds a run that is kept there, on no network; leave --network out`,
      );
    return undefined;
  }
  if (local)
    throw mismatch(
      `${folder} holds a run on a network; leave --local out, or choose another --state`,
    );
  const difference = given && networkDifference(given.network, stored.network);
  if (difference !== undefined)
    throw mismatch(`${folder} holds a run on another network: ${difference}`);
  const { network, path } = given ?? stored;
  packageOf(network, path);
  const epochs = storageEpochs ?? stored.network.walrus.epochs;
  const walrus = { ...network.walrus, ...(epochs === undefined ? {} : { epochs }) };
  const kept = { ...network, walrus, seal: withServersOfBefore(network.seal, stored.network.seal) };
  return { network: kept, path };
};

/** Writes the network of the run to its folder, or removes one that is not the run's. */
export const keepPlace = async (folder: string, place: Place | undefined): Promise<void> => {
  if (place === undefined) await rm(join(folder, RUN_FILES.network), { force: true });
  else await writeRunNetwork(folder, place.network);
};

/** The parts of a specification that the coordinator determines, not the settings. */
export interface FixedParts {
  readonly id: Uint8Array;
  readonly coordinator: Uint8Array;
  readonly model: RunSpec['model'];
  readonly parent?: NonNullable<RunSpec['parent']>;
  /** The data contract of the run that the model is from. */
  readonly data?: NonNullable<RunSpec['data']>;
}

/** A run to begin where the folder holds none. */
export interface NewRun {
  /** @throws FloeError `spec_invalid` naming the field */
  readonly spec: (fixed: FixedParts) => RunSpec;
  /**
   * The first model; asked for again when a run that begins with a parent is resumed before it has
   * stored that model.
   */
  readonly begin: () => Promise<Beginning>;
  /**
   * Of the new run. A parent of the same strategy gives its state too. Default: Floe's default
   * strategy.
   */
  readonly strategy?: Pick<StrategySpec, 'name' | 'code'> | undefined;
  /** Object id of the version that {@link begin} opens: a folder with another run is refused. */
  readonly fork?: string | undefined;
  /** The id of the run follows from it: for reproducible tests only. */
  readonly seed?: string | undefined;
  /** Stored next to the specification, as JSON, for the operator. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
}

export interface PreparedRun {
  readonly spec: RunSpec;
  readonly resumed: boolean;
  /** The parent, of a run that begins with one; the same again after a crash. */
  readonly parentModel: () => Promise<ModelContent | undefined>;
}

const resumeRun = (folder: string, stored: Uint8Array, { fork, begin }: NewRun): PreparedRun => {
  const spec = decodeRunSpec(stored);
  const object = spec.parent?.object && `0x${toHex(spec.parent.object)}`;
  if (fork !== undefined && fork !== object)
    throw new FloeError(
      'spec_mismatch',
      `${folder} holds a run that begins with ${object ?? 'no version on Sui'}; choose another --state`,
    );
  const parentModel = async (): Promise<ModelContent | undefined> => {
    if (spec.parent === undefined) return undefined;
    if (object !== undefined && fork === undefined)
      throw new FloeError(
        'usage',
        `${folder} holds a fork that has not begun: repeat floe fork ${object}`,
      );
    return contentOf(await begin());
  };
  return { spec, resumed: true, parentModel };
};

/**
 * Writes the run to its folder, where it is new.
 *
 * @param coordinator its public key
 * @throws FloeError `spec_mismatch` where the folder has got another run since the plan
 */
export type BeginRun = (coordinator: Uint8Array) => Promise<PreparedRun>;

/** In the place of the coordinator's key, which a refused run need not have. */
const NO_KEY = new Uint8Array(32);

/**
 * The run of the state folder, or a new one. All that can be refused is refused here, before a
 * keystore is made or a file is written.
 *
 * @throws FloeError `spec_mismatch`, `spec_invalid`, `usage`
 */
export const planRun = async (
  folder: string,
  run: NewRun,
  onNetwork: boolean,
): Promise<BeginRun> => {
  const path = join(folder, RUN_FILES.spec);
  const stored = await readOptional(path);
  if (stored !== undefined) {
    const resumed = resumeRun(folder, stored, run);
    return async () => resumed;
  }
  const { seed, settings = {} } = run;
  const id =
    seed === undefined ? systemRandom(16) : deriveSeed(masterSeed(seed), 'run').slice(0, 16);
  const beginning = await run.begin();
  const { model, data } = beginning;
  const parent = parentFor(beginning, run.strategy ?? makeStrategySpec({}));
  const specFor = (coordinator: Uint8Array): RunSpec =>
    run.spec({
      id,
      coordinator,
      model,
      ...(parent === undefined ? {} : { parent }),
      ...(data === undefined ? {} : { data }),
    });
  const planned = specFor(NO_KEY);
  if (!onNetwork && (planned.access?.models ?? []).length > 0)
    throw new FloeError('usage', '--access: expected --network, whose chain has the policies');
  if (onNetwork && planned.buffer !== undefined) throw new FloeError('usage', BUFFER_ON_CHAIN);
  encodeRunSpec(planned);
  return async (coordinator) => {
    // Between the plan and this a passphrase was asked for, or a parent was read.
    if ((await readOptional(path)) !== undefined)
      throw new FloeError(
        'spec_mismatch',
        `another command has begun a run in ${folder} meanwhile; the same command again resumes that one, another --state takes this one`,
      );
    const spec = specFor(coordinator);
    await writeWhole(join(folder, SETTINGS_FILE), `${JSON.stringify(settings, null, 2)}\n`);
    await writeWhole(join(folder, RUN_FILES.specJson), specAsJson(spec));
    if (spec.data !== undefined)
      await writeWhole(join(folder, RUN_FILES.contract), contractText(spec.data));
    await writeWhole(path, encodeRunSpec(spec));
    return { spec, resumed: false, parentModel: async () => contentOf(beginning) };
  };
};

/**
 * Makes the state folder, for its owner only. @throws FloeError `storage_full`,
 * `storage_read_only`, `storage_failed`
 */
export const makeStateFolder = (folder: string): Promise<unknown> =>
  onDisk(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }));
