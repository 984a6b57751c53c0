/**
 * @module The body of `floe coordinator` and `floe fork`: flags to one call of `startCoordinator`,
 * and what it tells as lines.
 */
import { join } from 'node:path';
import { pino } from 'pino';
import { beginningOf } from '../client/run-start.ts';
import type { Keystore } from '../client/keystore/index.ts';
import { SETTINGS_FILE, startCoordinator, type StartOptions } from '../coordinator/index.ts';
import { makeStrategySpec } from '../protocol/algorithm/registry.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Beginning } from '../protocol/model/run-start.ts';
import { isThere } from '../protocol/ports/files.ts';
import { hashRunSpec } from '../protocol/spec/run-spec.ts';
import { conclude, tell } from './coordinator-lines.ts';
import type { CoordinatorOptions } from './coordinator-options.ts';
import { readInput } from './flags.ts';
import { findKey, namedNetwork, readNetworkFile } from './network.ts';
import { gatherSettings, placeAmong, readRunFile, withoutPlace } from './run-file.ts';
import type { RunSettings } from '../protocol/spec/settings.ts';
import { specOfSettings } from '../protocol/spec/spec-of-settings.ts';
import type { Context } from './run-command.ts';
import { openOrMakeKeystore } from './secrets.ts';
import { loadModules } from './strategy-flags.ts';

const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** A run that begins with a version on chain, whatever its settings. */
export interface Fork {
  /** Object id of the version. */
  readonly object: string;
  readonly open: () => Promise<Beginning>;
}

const tlsOf = ({ tlsCert, tlsKey }: CoordinatorOptions): Pick<StartOptions, 'tls'> => {
  if (tlsCert === undefined && tlsKey === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined)
    throw new FloeError('usage', 'expected --tls-cert and --tls-key together');
  return { tls: { certFile: tlsCert, keyFile: tlsKey } };
};

/**
 * The settings of the run: those the folder was made with, or the given ones.
 *
 * @throws FloeError `spec_mismatch` when the folder holds a run of other settings; `usage`
 */
const settle = async (
  given: RunSettings,
  folder: string,
  fork: Fork | undefined,
): Promise<RunSettings> => {
  const { model, inputs, classes, shape, from } = given;
  if (fork !== undefined && [model, inputs, classes, shape, from].some((set) => set !== undefined))
    throw new FloeError('usage', 'a fork takes its model from the version: leave the model out');
  const path = join(folder, SETTINGS_FILE);
  if (!(await isThere(path))) return given;
  const { settings: before } = await readRunFile(path);
  for (const [name, value] of Object.entries(given))
    if (JSON.stringify(value) !== JSON.stringify(before[name as keyof RunSettings]))
      throw new FloeError(
        'spec_mismatch',
        `${folder} holds a run with another ${name}; leave the setting out to resume it, or choose another --state`,
      );
  return before;
};

/**
 * The keystore of the state folder; a new one takes the Sui key that was named. @throws FloeError
 * `key_invalid`, `usage`
 */
const openOwnKeystore = async (
  options: CoordinatorOptions,
  folder: string,
  onNetwork: boolean,
): Promise<Keystore> => {
  const named = options.keystoreFile !== undefined;
  if (named && !onNetwork)
    throw new FloeError('usage', '--keystore-file: a run on no network has no use for a Sui key');
  const isNew = !(await isThere(join(folder, 'identity')));
  // The variable may hold the key for other commands; the keystore that is there decides.
  const key = onNetwork && (isNew || named) ? await findKey(options) : undefined;
  const keystore = await openOrMakeKeystore(folder, options, key && { identitySeed: key.seed });
  const { address } = keystore.identity;
  if (key === undefined || key.address === address) return keystore;
  await keystore.close();
  throw new FloeError(
    'key_invalid',
    `${folder} holds the key of ${address}, --keystore-file that of ${key.address}; a run keeps its coordinator`,
  );
};

const begin = async (settings: RunSettings): Promise<Beginning> =>
  beginningOf(
    settings,
    settings.from === undefined
      ? undefined
      : await readInput('--from', settings.from, MAX_MODEL_BYTES),
  );

/** The flag decides where the run is; the variable only where the run is on a network, or new. */
const placeOf = async (place: ReturnType<typeof placeAmong>) => {
  const { network, local, storageEpochs } = place;
  const isNamed = local !== true && namedNetwork(place) !== undefined;
  const file = isNamed || network !== undefined ? await readNetworkFile(place) : undefined;
  return { [network === undefined ? 'networkIfAny' : 'network']: file, local, storageEpochs };
};

/** @throws FloeError what the coordinator and the server throw */
export const runCoordinator = async (
  runFile: string | undefined,
  options: CoordinatorOptions,
  { output, signal }: Context,
  fork?: Fork,
): Promise<void> => {
  const tls = tlsOf(options);
  const { settings: all, nameOf } = await gatherSettings(runFile, options, {
    command: fork === undefined ? 'coordinator' : 'fork',
    say: (line) => output.warn(line),
  });
  const settings = await settle(withoutPlace(all), options.state, fork);
  await loadModules(settings.strategyModules);
  const { state: folder, host, port, allowOrigin } = options;
  const keystore = join(folder, 'keystore');
  await using running = await startCoordinator({
    folder,
    host,
    port,
    signal,
    ...tls,
    ...(await placeOf(placeAmong(all))),
    ...(allowOrigin === undefined ? {} : { allowOrigins: allowOrigin }),
    keys: (onNetwork) => openOwnKeystore(options, keystore, onNetwork),
    run: {
      settings,
      strategy: makeStrategySpec(settings.strategy ?? {}),
      seed: settings.seed,
      fork: fork?.object,
      begin: fork?.open ?? (() => begin(settings)),
      spec: (fixed) => specOfSettings(settings, fixed, nameOf),
    },
    startWith: settings.startWith,
    regroups: options.regroup,
    // pino writes to stderr, so that stdout stays the command's own.
    log: pino({ level: options.verbose === true ? 'info' : 'silent' }, pino.destination(2)),
    onEvent: (event) => tell(event, output),
  });
  const { outcome, publication, runObject, versions } = await running.finished;
  const { spec, place, url, kinds, address } = running;
  conclude({ folder, keystore, runObject, versions, network: place?.path }, output);
  output.document({
    run: toHex(hashRunSpec(spec)),
    coordinator: toHex(spec.coordinator),
    url,
    rounds: outcome.rounds,
    attempts: outcome.attempts,
    modelHash: toHex(outcome.model.hash),
    masked: spec.secagg === 'masked',
    folder,
    ...kinds,
    ...(place === undefined ? {} : { network: place.path, address }),
    ...(runObject === undefined ? {} : { runObject, publication: publication?.blob.id }),
    ...(versions === undefined
      ? {}
      : {
          versions: versions.map(({ id, round, blob }) => ({ object: id, round, blob: blob.id })),
        }),
  });
  // The run is over: to be stopped from here on is no error.
  await running.farewell();
  if (options.keepServing !== true || signal.aborted) return;
  output.line('still serving; Ctrl-C ends it');
  await new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
};
