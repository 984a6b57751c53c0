/**
 * @module The state folder of `floe coordinator`: its key, its settings, the run that it holds or a new one. A run that was begun
 * keeps its settings, its place and its coordinator.
 */
import { makeStrategySpec } from '../protocol/algorithm/registry.ts';
import { NO_STATE } from '../protocol/algorithm/state.ts';
import type { ModelContent } from '../protocol/model/open-model.ts';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Keystore } from '../client/keystore/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { deriveSeed, systemRandom } from '../protocol/ports/random.ts';
import { onDisk } from '../protocol/storage-errors.ts';
import { decodeRunSpec, encodeRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import type { NameSetting } from '../protocol/spec/read-settings.ts';
import type { RunSettings } from '../protocol/spec/settings.ts';
import { specOfSettings } from '../protocol/spec/spec-of-settings.ts';
import { RUN_FILES, specAsJson, writeWhole } from '../sim/run-folder.ts';
import { masterSeed } from '../sim/scenario.ts';
import { beginningOf, type Beginning, parentFor } from './beginning.ts';
import type { CoordinatorOptions } from './coordinator.ts';
import { placeOfRun, type Place } from './coordinator-ports.ts';
import { readOptional } from './flags.ts';
import { findKey } from './network.ts';
import { gatherSettings, placeAmong, readRunFile, withoutPlace } from './run-file.ts';
import { openOrMakeKeystore } from './secrets.ts';
import { loadModules } from './strategy-flags.ts';

const SETTINGS = 'settings.json';

/** Of the coordinator, in its state folder. */
export const keystoreOf = (folder: string): string => join(folder, 'keystore');

/**
 * The settings of the run: those the folder was made with, or new ones.
 *
 * @throws FloeError `spec_mismatch` when the folder holds a run of other settings
 */
const settle = async (folder: string, given: RunSettings): Promise<RunSettings> => {
  const path = join(folder, SETTINGS);
  if ((await readOptional(path)) === undefined) return given;
  const { settings: before } = await readRunFile(path);
  for (const [name, value] of Object.entries(given))
    if (JSON.stringify(value) !== JSON.stringify(before[name as keyof RunSettings]))
      throw new FloeError(
        'spec_mismatch',
        `${folder} holds a run with another ${name}; leave the setting out to resume it, or choose another --state`,
      );
  return before;
};

/** A run that begins with a version on chain, whatever its settings. */
export interface Fork {
  /** Object id of the version. */
  readonly object: string;
  readonly open: () => Promise<Beginning>;
}

interface Prepared {
  readonly spec: RunSpec;
  readonly resumed: boolean;
  /** The parent, of a run that begins with one; the same again after a crash. */
  readonly parentModel: () => Promise<ModelContent | undefined>;
}

const contentOf = ({ weights, carried }: Beginning): ModelContent | undefined =>
  weights && { weights, state: carried?.state ?? NO_STATE };

/**
 * The run of the state folder, or a new one.
 *
 * @throws FloeError `spec_mismatch`, `spec_invalid`, `usage`
 */
const prepare = async (
  folder: string,
  settings: RunSettings,
  keystore: Keystore,
  fork: Fork | undefined,
  nameOf: NameSetting,
): Promise<Prepared> => {
  const path = join(folder, RUN_FILES.spec);
  const { seed } = settings;
  const begin = fork?.open ?? (() => beginningOf(settings));
  const stored = await readOptional(path);
  if (stored !== undefined) {
    const spec = decodeRunSpec(stored);
    const object = spec.parent?.object && `0x${toHex(spec.parent.object)}`;
    if (fork !== undefined && fork.object !== object)
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
  }
  const id =
    seed === undefined ? systemRandom(16) : deriveSeed(masterSeed(seed), 'run').slice(0, 16);
  const beginning = await begin();
  const { model } = beginning;
  const parent = parentFor(beginning, makeStrategySpec(settings.strategy ?? {}));
  const coordinator = keystore.identity.publicKey;
  const fixed = { id, coordinator, model, ...(parent === undefined ? {} : { parent }) };
  const spec = specOfSettings(settings, fixed, nameOf);
  // Only settings that make a valid specification are kept.
  await writeWhole(join(folder, SETTINGS), `${JSON.stringify(settings, null, 2)}\n`);
  await writeWhole(join(folder, RUN_FILES.specJson), specAsJson(spec));
  await writeWhole(path, encodeRunSpec(spec));
  return { spec, resumed: false, parentModel: async () => contentOf(beginning) };
};

/** The keystore of the state folder; a new one takes the Sui key that was named. @throws FloeError `key_invalid`, `usage` */
const openOwnKeystore = async (
  options: CoordinatorOptions,
  onNetwork: boolean,
): Promise<Keystore> => {
  const folder = keystoreOf(options.state);
  const named = options.keystoreFile !== undefined;
  if (named && !onNetwork)
    throw new FloeError('usage', '--keystore-file: a run on no network has no use for a Sui key');
  const isNew = (await readOptional(join(folder, 'identity'))) === undefined;
  // The variable may hold the key for other commands; the keystore that is there decides.
  const key = onNetwork && (isNew || named) ? await findKey(options) : undefined;
  const { decodeSuiPrivateKey } = await import('@mysten/sui/cryptography');
  const made = key && { identitySeed: decodeSuiPrivateKey(key.getSecretKey()).secretKey };
  const keystore = await openOrMakeKeystore(folder, options, made);
  const { address } = keystore.identity;
  if (key === undefined || key.toSuiAddress() === address) return keystore;
  await keystore.close();
  throw new FloeError(
    'key_invalid',
    `${folder} holds the key of ${address}, --keystore-file that of ${key.toSuiAddress()}; a run keeps its coordinator`,
  );
};

export interface State extends Prepared {
  readonly folder: string;
  /** Undefined for a run that is kept in the folder. */
  readonly place: Place | undefined;
  readonly keystore: Keystore;
  readonly settings: RunSettings;
}

/**
 * Opens the folder, or begins a run in it. The keystore is closed with `resources`.
 *
 * @throws FloeError `usage`, `spec_mismatch`, `spec_invalid`, `network_mismatch`, `key_invalid`, what opening a keystore throws
 */
export const openState = async (
  runFile: string | undefined,
  options: CoordinatorOptions,
  fork: Fork | undefined,
  resources: AsyncDisposableStack,
  say: (line: string) => void,
): Promise<State> => {
  const { settings: all, nameOf } = await gatherSettings(runFile, options, {
    command: fork === undefined ? 'coordinator' : 'fork',
    say,
  });
  const given = withoutPlace(all);
  const { model, inputs, classes, from } = given;
  if (fork !== undefined && [model, inputs, classes, from].some((set) => set !== undefined))
    throw new FloeError('usage', 'a fork takes its model from the version: leave the model out');
  const folder = options.state;
  await onDisk(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }));
  const begun = (await readOptional(join(folder, RUN_FILES.spec))) !== undefined;
  const place = await placeOfRun(folder, begun, { ...options, ...placeAmong(all) });
  const keystore = await openOwnKeystore(options, place !== undefined);
  resources.defer(async () => keystore.close());
  const settings = await settle(folder, given);
  await loadModules(settings.strategyModules);
  if (place === undefined && (settings.access?.length ?? 0) > 0)
    throw new FloeError('usage', '--access: expected --network, whose chain has the policies');
  return {
    folder,
    place,
    keystore,
    settings,
    ...(await prepare(folder, settings, keystore, fork, nameOf)),
  };
};
