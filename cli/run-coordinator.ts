/**
 * @module The body of `floe coordinator`: the run of its state folder, the server around it, and what is left when it ends.
 */
import { join } from 'node:path';
import { pino } from 'pino';
import {
  createCoordinator,
  openJournal,
  serve,
  type Logger,
  type Outcome,
} from '../coordinator/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { sleep, systemClock } from '../protocol/ports/clock.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import type { Publication } from '../protocol/records/publication.ts';
import { systemRandom } from '../protocol/ports/random.ts';
import { hashRunSpec } from '../protocol/spec/run-spec.ts';
import { RUN_FILES, writeWhole } from '../sim/run-folder.ts';
import type { CoordinatorOptions } from './coordinator.ts';
import { conclude, introduce, invite, progressLine, sayUpkeep } from './coordinator-lines.ts';
import { openRunPorts, type OnChain } from './coordinator-ports.ts';
import { keystoreOf, openState, type Fork, type State } from './coordinator-state.ts';
import type { Output } from './output.ts';
import type { Context } from './run-command.ts';

/** After the last round: how often it is looked whether everyone has heard of the end. */
const FAREWELL_MS = 1000;

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

/** Says what there is now, and how to get at it. */
const summarise = async (
  { folder, spec, keystore, place }: State,
  onChain: OnChain | undefined,
  ended: {
    readonly outcome: Outcome;
    readonly publication: Publication | undefined;
    readonly url: string;
    readonly kinds: Readonly<Record<'store' | 'gate' | 'ledger', string>>;
  },
  output: Output,
): Promise<void> => {
  const { outcome, publication, url, kinds } = ended;
  const runObject = await onChain?.runObject();
  const versions = await onChain?.versions();
  conclude({ folder, keystore: keystoreOf(folder), runObject, versions, place }, output);
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
    ...(place === undefined ? {} : { network: place.path, address: keystore.identity.address }),
    ...(runObject === undefined ? {} : { runObject, publication: publication?.blob.id }),
    ...(versions === undefined
      ? {}
      : {
          versions: versions.map(({ id, round, blob }) => ({ object: id, round, blob: blob.id })),
        }),
  });
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
  const say = (line: string): void => output.warn(line);
  const state = await openState(runFile, options, fork, resources, say);
  const { folder, place, spec, resumed, settings } = state;
  const stopped = interruption(signal, `stopped; started again with --state ${folder} it goes on`);
  const log = loggerOf(options);
  const { identity, sealingSecret } = state.keystore;
  const journal = await openJournal(join(folder, RUN_FILES.journal));
  resources.defer(() => journal.close());
  introduce({ spec, resumed }, output);
  const ports = await openRunPorts({ folder, place, spec, identity, journal, output });
  resources.defer(() => ports.close());
  const { store, staging, removal, uploads, gate, ledger, onChain, treasury } = ports;
  const kinds = { store: store.kind, gate: gate.kind, ledger: ledger.kind };
  output.line(`store      ${kinds.store}, gate ${kinds.gate}, ledger ${kinds.ledger}`);
  const { snapshot, events } = await journal.load();
  const isNew = snapshot === undefined && events.length === 0;
  const parentModel = isNew ? await state.parentModel() : undefined;
  const coordinator = createCoordinator({
    spec,
    identity,
    sealingSecret,
    store,
    staging,
    removal,
    gate,
    ledger,
    journal,
    clock: systemClock,
    random: systemRandom,
    ...(parentModel === undefined
      ? {}
      : { initialModel: parentModel.weights, initialState: parentModel.state }),
    ...(settings.startWith === undefined ? {} : { startWith: settings.startWith }),
    ...(options.regroup === true ? { regroups: true } : {}),
    log,
    onEvent: (progress) => {
      const line = progressLine(progress);
      if (line !== undefined) output.line(line);
    },
    treasury,
    onUpkeep: (event) => sayUpkeep(event, output),
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
    ownsUploads: true,
    log,
    ...(tls === undefined ? {} : { tls }),
    ...(options.allowOrigin === undefined ? {} : { allowOrigins: options.allowOrigin }),
    ...(place === undefined ? {} : { network: place.network }),
  });
  resources.defer(async () => served.close());
  invite({ url: served.url, spec, runObject, network: place?.path }, output);

  const publish = async (): Promise<Publication | undefined> => {
    const published = await onChain?.publish(await coordinator.transcript.whole());
    if (published !== undefined)
      output.line(
        `published  specification and transcript to round ${published.round}, blob ${published.blob.id}`,
      );
    return published;
  };
  const outcome = await Promise.race([coordinator.finished, stopped]).catch(
    async (thrown: unknown) => {
      // Others may read the result so far, whether or not the run is resumed.
      if (signal.aborted)
        await publish().catch((failure: unknown) =>
          output.warn(`what was reached is not published: ${toFloeError(failure).message}`),
        );
      throw thrown;
    },
  );
  await writeWhole(join(folder, RUN_FILES.transcript), await coordinator.transcript.whole());
  output.say(
    `finished after ${outcome.rounds} rounds (${outcome.attempts} attempts); model ${toHex(outcome.model.hash)}`,
  );
  const publication = await publish();
  await summarise(state, onChain, { outcome, publication, url: served.url, kinds }, output);
  // Whoever was lost just before the end reconnects to hear of it; the coordinator does not wait for it without end.
  // The run is over: to be stopped from here on is no error.
  await farewell(coordinator, output, signal);
  if (options.keepServing !== true || signal.aborted) return;
  output.line('still serving; Ctrl-C ends it');
  await stopped.catch(() => undefined);
};

/** Waits until everybody was told of the end, or the command is interrupted; says so when that takes longer. */
const farewell = async (
  coordinator: { status(): { readonly untold: number } },
  output: Output,
  signal: AbortSignal,
): Promise<void> => {
  for (let said = false; ; said = true) {
    await sleep(systemClock, FAREWELL_MS, signal).catch(() => undefined);
    const { untold } = coordinator.status();
    if (signal.aborted || untold === 0) return;
    if (!said) output.line(`waits for ${untold} who have not heard of the end; Ctrl-C ends it`);
  }
};

/** Rejects when the command is interrupted. */
const interruption = (signal: AbortSignal, message: string): Promise<never> => {
  const stopped = new Promise<never>((_, reject) => {
    const stop = (): void => reject(new FloeError('aborted', message));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  // It is waited for further on; until then nobody listens.
  stopped.catch(() => undefined);
  return stopped;
};
