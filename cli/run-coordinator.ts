/**
 * @module The body of `floe coordinator`: its state folder, the run in it, the server around it.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { createCoordinator, openJournal, serve, type Logger } from '../coordinator/index.ts';
import type { Keystore } from '../client/keystore/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { sleep, systemClock } from '../protocol/clock.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import type { Publication } from '../protocol/publication.ts';
import { deriveSeed, systemRandom } from '../protocol/random.ts';
import { decodeRunSpec, encodeRunSpec, hashRunSpec, type RunSpec } from '../protocol/run-spec.ts';
import { RUN_FILES, specAsJson, writeWhole } from '../sim/run-folder.ts';
import { masterSeed } from '../sim/scenario.ts';
import { beginningOf, type Beginning } from './beginning.ts';
import type { CoordinatorOptions } from './coordinator.ts';
import { conclude, introduce, invite, progressLine } from './coordinator-lines.ts';
import { openRunPorts, placeOfRun } from './coordinator-ports.ts';
import { hexKey, readInput, readOptional } from './flags.ts';
import { findKey } from './network.ts';
import type { Context } from './run-command.ts';
import { gatherSettings, settingsToSpec, type RunSettings } from './run-file.ts';
import { openOrMakeKeystore } from './secrets.ts';

const KEYSTORE = 'keystore';
const SETTINGS = 'settings.json';
const MAX_ALLOW_BYTES = 16 << 20;
/** After the last round: how often it is looked whether everyone has heard of the end. */
const FAREWELL_MS = 1000;

const readAllowList = async (path: string): Promise<readonly Uint8Array[]> =>
  new TextDecoder()
    .decode(await readInput('--allow', path, MAX_ALLOW_BYTES))
    .split('\n')
    .map((line) => line.replace(/#.*$/u, '').trim())
    .filter((line) => line !== '')
    .map(hexKey('--allow'));

/**
 * The settings of the run: those the folder was made with, or new ones.
 *
 * @throws FloeError `spec_mismatch` when the folder holds a run of other settings
 */
const settle = async (folder: string, given: RunSettings): Promise<RunSettings> => {
  const path = join(folder, SETTINGS);
  if ((await readOptional(path)) === undefined) return given;
  const before = await gatherSettings(path, {});
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
  /** The weights that the first round starts from; the same again after a crash. */
  readonly initialModel: () => Promise<Float32Array>;
}

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
): Promise<Prepared> => {
  const path = join(folder, RUN_FILES.spec);
  const { seed } = settings;
  // Secret: who knows it knows the model that the first round starts from.
  const secret = seed === undefined ? keystore.trainingSecret : masterSeed(seed);
  const begin = fork?.open ?? (() => beginningOf(settings, secret));
  const stored = await readOptional(path);
  if (stored !== undefined) {
    const spec = decodeRunSpec(stored);
    const object = spec.parent?.object && `0x${toHex(spec.parent.object)}`;
    if (fork !== undefined && fork.object !== object)
      throw new FloeError(
        'spec_mismatch',
        `${folder} holds a run that begins with ${object ?? 'no version on Sui'}; choose another --state`,
      );
    const initialModel = async (): Promise<Float32Array> => {
      if (object !== undefined && fork === undefined)
        throw new FloeError(
          'usage',
          `${folder} holds a fork that has not begun: repeat floe fork ${object}`,
        );
      return (await begin()).weights;
    };
    return { spec, resumed: true, initialModel };
  }
  const id =
    seed === undefined ? systemRandom(16) : deriveSeed(masterSeed(seed), 'run').slice(0, 16);
  const { model, weights, parent } = await begin();
  const spec = settingsToSpec(settings, {
    id,
    coordinator: keystore.identity.publicKey,
    model,
    ...(parent === undefined ? {} : { parent }),
  });
  // Only settings that make a valid specification are kept.
  await writeWhole(join(folder, SETTINGS), `${JSON.stringify(settings, null, 2)}\n`);
  await writeWhole(join(folder, RUN_FILES.specJson), specAsJson(spec));
  await writeWhole(path, encodeRunSpec(spec));
  return { spec, resumed: false, initialModel: async () => weights };
};

/** pino writes to stderr, so that stdout stays the command's own. */
const loggerOf = (options: CoordinatorOptions): Logger =>
  pino({ level: options.verbose === true ? 'info' : 'silent' }, pino.destination(2));

const tlsOf = (
  options: CoordinatorOptions,
): { readonly certFile: string; readonly keyFile: string } | undefined => {
  const { tlsCert, tlsKey } = options;
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new FloeError('usage', 'expected --tls-cert and --tls-key together');
  return { certFile: tlsCert, keyFile: tlsKey };
};

/** The keystore of the state folder; a new one takes the Sui key that was named. @throws FloeError `key_invalid`, `usage` */
const openOwnKeystore = async (
  options: CoordinatorOptions,
  onNetwork: boolean,
): Promise<Keystore> => {
  const folder = join(options.state, KEYSTORE);
  const named = options.keystoreFile !== undefined;
  if (named && !onNetwork)
    throw new FloeError('usage', '--keystore-file: a run on no network has no use for a Sui key');
  const isNew = (await readOptional(join(folder, 'identity'))) === undefined;
  // The variable may hold the key for other commands; the keystore that is there decides.
  const key = onNetwork && (isNew || named) ? await findKey(options) : undefined;
  const { decodeSuiPrivateKey } = await import('@mysten/sui/cryptography');
  const made = key && { identitySeed: decodeSuiPrivateKey(key.getSecretKey()).secretKey };
  const keystore = await openOrMakeKeystore(folder, options.passphraseFile, made);
  const { address } = keystore.identity;
  if (key === undefined || key.toSuiAddress() === address) return keystore;
  await keystore.close();
  throw new FloeError(
    'key_invalid',
    `${folder} holds the key of ${address}, --keystore-file that of ${key.toSuiAddress()}; a run keeps its coordinator`,
  );
};

/**
 * @throws FloeError what the coordinator and the server throw
 */
export const runCoordinator = async (
  runFile: string | undefined,
  options: CoordinatorOptions,
  { output, signal }: Context,
  fork?: Fork,
): Promise<void> => {
  await using resources = new AsyncDisposableStack();
  const tls = tlsOf(options);
  const given = await gatherSettings(runFile, options);
  const { model, inputs, classes, from } = given;
  if (fork !== undefined && [model, inputs, classes, from].some((set) => set !== undefined))
    throw new FloeError('usage', 'a fork takes its model from the version: leave the model out');
  const allowList = options.allow === undefined ? undefined : await readAllowList(options.allow);
  const folder = options.state;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const begun = (await readOptional(join(folder, RUN_FILES.spec))) !== undefined;
  const place = await placeOfRun(folder, begun, options);
  const keystore = await openOwnKeystore(options, place !== undefined);
  resources.defer(async () => keystore.close());
  const settings = await settle(folder, given);
  if (place === undefined && (settings.access?.length ?? 0) > 0)
    throw new FloeError('usage', '--access: expected --network, whose chain has the policies');
  const { spec, resumed, initialModel } = await prepare(folder, settings, keystore, fork);
  const stopped = abortion(signal, `stopped; started again with --state ${folder} it goes on`);
  const log = loggerOf(options);
  const { identity } = keystore;
  const journal = openJournal(join(folder, RUN_FILES.journal));
  resources.defer(() => journal.close());
  introduce({ spec, resumed }, output);
  const ports = await openRunPorts({ folder, place, spec, identity, journal, output });
  resources.defer(() => ports.close());
  const { store, uploads, gate, ledger, onChain } = ports;
  const kinds = { store: store.kind, gate: gate.kind, ledger: ledger.kind };
  output.line(`store      ${kinds.store}, gate ${kinds.gate}, ledger ${kinds.ledger}`);
  const coordinator = createCoordinator({
    spec,
    identity,
    store,
    gate,
    ledger,
    journal,
    clock: systemClock,
    random: systemRandom,
    ...(journal.eventCount === 0 ? { initialModel: await initialModel() } : {}),
    ...(allowList === undefined ? {} : { allowList }),
    ...(settings.startWith === undefined ? {} : { startWith: settings.startWith }),
    log,
    onEvent: (progress) => {
      const line = progressLine(progress);
      if (line !== undefined) output.line(line);
    },
  });
  resources.defer(async () => coordinator.stop());
  await Promise.race([coordinator.start(), stopped]);
  const runObject = await onChain?.runObject();
  const { host, port } = options;
  const served = await serve(coordinator, {
    host,
    port,
    store,
    uploads,
    log,
    ...(tls === undefined ? {} : { tls }),
    ...(place === undefined ? {} : { network: place.network }),
  });
  resources.defer(async () => served.close());
  invite({ url: served.url, spec, runObject, network: place?.path }, output);

  const publish = async (): Promise<Publication | undefined> => {
    const published = await onChain?.publish(coordinator.transcript());
    if (published !== undefined)
      output.line(
        `published  specification and transcript to round ${published.round}, blob ${published.blob.id}`,
      );
    return published;
  };
  const outcome = await Promise.race([coordinator.finished, stopped]).catch(
    async (thrown: unknown) => {
      // What was reached is for others to read, whether or not this goes on one day.
      if (signal.aborted)
        await publish().catch((failure: unknown) =>
          output.warn(`what was reached is not published: ${toFloeError(failure).message}`),
        );
      throw thrown;
    },
  );
  await writeWhole(join(folder, RUN_FILES.transcript), coordinator.transcript());
  output.say(
    `finished after ${outcome.rounds} rounds (${outcome.attempts} attempts); model ${toHex(outcome.model.hash)}`,
  );
  const publication = await publish();
  const versions = await onChain?.versions();
  conclude({ folder, keystore: join(folder, KEYSTORE), runObject, versions, place }, output);
  output.document({
    run: toHex(hashRunSpec(spec)),
    coordinator: toHex(spec.coordinator),
    url: served.url,
    rounds: outcome.rounds,
    attempts: outcome.attempts,
    modelHash: toHex(outcome.model.hash),
    masked: spec.secagg === 'masked',
    folder,
    ...kinds,
    ...(place === undefined ? {} : { network: place.path, address: identity.address }),
    ...(runObject === undefined ? {} : { runObject, publication: publication?.blob.id }),
    ...(versions === undefined
      ? {}
      : {
          versions: versions.map(({ id, round, blob }) => ({ object: id, round, blob: blob.id })),
        }),
  });
  // Whoever was lost just before the end reconnects to hear of it; the coordinator does not wait for it without end.
  do await sleep(systemClock, FAREWELL_MS, signal);
  while (coordinator.status().untold > 0);
  if (options.keepServing !== true) return;
  output.line('still serving; Ctrl-C ends it');
  await stopped;
};

/** Rejects when the command is interrupted. */
const abortion = (signal: AbortSignal, message: string): Promise<never> => {
  const stopped = new Promise<never>((_, reject) => {
    const stop = (): void => reject(new FloeError('aborted', message));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  // It is waited for further on; until then nobody listens.
  stopped.catch(() => undefined);
  return stopped;
};
