/**
 * @module The body of `floe coordinator` and `floe fork`: converts flags to one call of
 * `startCoordinator`, prints its events, and suggests the next commands.
 */
import { join, resolve as absolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { loweringFlags } from '../client/admission.ts';
import { beginningOfModule } from '../client/module-start.ts';
import { beginningOf } from '../client/run-start.ts';
import { describeEvent, newRun, startCoordinator } from '../coordinator/index.ts';
import type { FinishedRun, Fork, StartedCoordinator, StartEvent } from '../coordinator/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { info, type Line } from '../protocol/line.ts';
import { splitPlace, type RunPlace } from '../protocol/spec/run-file.ts';
import { hashRunSpec } from '../protocol/spec/run-spec.ts';
import type { RunSettings } from '../protocol/spec/settings.ts';
import type { Context } from './command.ts';
import { namedNetwork, openCoordinatorKeystore, readNetwork } from './keys.ts';
import { commandName, type Output } from './output.ts';
import { gatherSettings } from './run-flags.ts';
import type { CoordinatorFlags } from './coordinator-flags.ts';

const tlsOf = ({ tlsCert, tlsKey, selfSigned, tlsName, host }: CoordinatorFlags) => {
  if (selfSigned === true && (tlsCert !== undefined || tlsKey !== undefined))
    throw new FloeError('usage', 'expected --self-signed or --tls-cert and --tls-key, not both');
  if (selfSigned !== true && tlsName !== undefined)
    throw new FloeError('usage', '--tls-name: expected --self-signed as well');
  if (selfSigned === true) return { selfSigned: [host, ...(tlsName ?? [])] };
  if (tlsCert === undefined && tlsKey === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined)
    throw new FloeError('usage', 'expected --tls-cert and --tls-key together');
  return { tls: { certFile: tlsCert, keyFile: tlsKey } };
};

/** FLOE_NETWORK counts only where the run is on a network, or new; the setting always. */
const placeOf = async (place: RunPlace) => {
  const { network, local, storageEpochs } = place;
  const isNamed = local !== true && namedNetwork(place) !== undefined;
  const file = isNamed || network !== undefined ? await readNetwork(place) : undefined;
  return { [network === undefined ? 'networkIfAny' : 'network']: file, local, storageEpochs };
};

/** The command that joins the run from another terminal. */
const joinLines = (event: Extract<StartEvent, { type: 'listening' }>): readonly Line[] => {
  const { joinUrl, spec, network, fingerprint } = event;
  const address = joinUrl.replace('//0.0.0.0:', '//HOST:').replace('//[::]:', '//HOST:');
  const isOwnModel = spec.model.architecture === 'custom';
  const own = spec.data?.input.type === 'image' ? 'YOUR-FOLDER' : 'YOUR.csv';
  const isOwnData = isOwnModel || spec.data !== undefined;
  const data = isOwnData ? own : `mnist --shard 1/${spec.cohort.size}`;
  const where = network === undefined ? '' : ` --network ${network}`;
  const pinned = {
    'expect-run': toHex(hashRunSpec(spec)),
    coordinator: toHex(spec.coordinator),
    fingerprint,
  };
  const expected = Object.entries(pinned).flatMap(([flag, hex]) =>
    hex === undefined ? [] : [`--${flag} ${hex}`],
  );
  const survey = spec.model.survey === undefined ? ' --out model' : ' --accept-survey';
  const lowering = loweringFlags(spec);
  return [
    '',
    'join from another terminal:',
    [`  ${commandName()} join ${address} --data ${data}${where}${survey}`, ...expected].join(
      ' \\\n    ',
    ),
    ...(lowering.length === 0
      ? []
      : [
          'this run offers less than a participant requires by default; to accept that, add:',
          `  ${lowering.join(' ')}`,
        ]),
    '',
  ].map(info);
};

/** The commands that read the finished run. */
const nextLines = (
  { folder, place, spec }: StartedCoordinator,
  keystore: string,
  { runObject, versions }: FinishedRun,
): readonly Line[] => {
  const floe = commandName();
  const latest = versions?.at(-1);
  const network = place?.path;
  return [
    `verify it: ${floe} verify ${folder} --keystore ${keystore}`,
    ...(spec.model.survey === undefined
      ? []
      : [`read it:   ${floe} survey ${folder} --keystore ${keystore} --out contract.json`]),
    ...(latest === undefined || network === undefined
      ? []
      : [
          `model      ${latest.id} (attempt ${latest.attempt}), blob ${latest.blob.id}`,
          `all models: ${floe} models ${runObject} --network ${network}`,
          `pull it:   ${floe} pull ${latest.id} --network ${network} --keystore ${keystore}`,
        ]),
  ].map(info);
};

const documentOf = (run: StartedCoordinator, finished: FinishedRun) => {
  const { spec, place, url, kinds, address, folder } = run;
  const { outcome, publication, runObject, versions } = finished;
  return {
    run: hashRunSpec(spec),
    coordinator: spec.coordinator,
    url,
    rounds: outcome.rounds,
    attempts: outcome.attempts,
    modelHash: outcome.model.hash,
    masked: spec.secagg === 'masked',
    folder,
    ...kinds,
    ...(place === undefined ? {} : { network: place.path, address }),
    ...(runObject === undefined ? {} : { runObject, publication: publication?.blob.id }),
    versions: versions?.map(({ id, attempt, blob }) => ({ object: id, attempt, blob: blob.id })),
  };
};

const tell = (event: StartEvent, output: Output): void => {
  output.event(event, describeEvent(event));
  if (event.type === 'listening') output.print(joinLines(event));
};

/** @throws FloeError of the coordinator and the server */
export const runCoordinator = async (
  runFile: string | undefined,
  { flags, output, signal }: Context<CoordinatorFlags>,
  fork?: Fork,
): Promise<void> => {
  const tls = tlsOf(flags);
  const warn = (line: string): void => output.warn(line);
  const command = fork === undefined ? 'coordinator' : 'fork';
  const gathered = await gatherSettings(runFile, flags, command, warn);
  const { place, settings } = splitPlace(gathered.settings);
  const { state: folder, host, port, allowOrigin, module } = flags;
  const begin =
    module === undefined
      ? beginningOf
      : (given: RunSettings) => beginningOfModule(pathToFileURL(absolute(module)).href, given);
  const run = await newRun(folder, { settings, nameOf: gathered.nameOf, begin, fork });
  const keystore = join(folder, 'keystore');
  await using running = await startCoordinator({
    folder,
    host,
    port,
    signal,
    run,
    ...tls,
    ...(await placeOf(place)),
    ...(allowOrigin === undefined ? {} : { allowOrigins: allowOrigin }),
    keys: (onNetwork) => openCoordinatorKeystore(keystore, flags, onNetwork),
    startWith: run.settings.startWith,
    regroups: flags.regroup,
    // pino writes to stderr, because stdout is the output of the command.
    log: pino({ level: flags.verbose === true ? 'info' : 'silent' }, pino.destination(2)),
    onEvent: (event) => tell(event, output),
  });
  const finished = await running.finished;
  output.print(nextLines(running, keystore, finished));
  output.document(documentOf(running, finished));
  // The run is over: stopping from here on is no error.
  await running.farewell();
  if (flags.keepServing !== true || signal.aborted) return;
  output.line('still serving; Ctrl-C stops the server');
  await new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
};
