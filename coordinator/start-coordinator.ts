/**
 * @module Starts a complete coordinator from one folder: the run in the folder or a new one, its
 * journal, its ports, the server, and the work after the last round. `floe coordinator` and `floe
 * fork` call it. `createCoordinator` is the run alone.
 */
import { join } from 'node:path';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import type { VersionFacts } from '../protocol/net/sui/lineage.ts';
import { sleep, systemClock } from '../protocol/ports/clock.ts';
import { writeWhole } from '../protocol/ports/files.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import { systemRandom } from '../protocol/ports/random.ts';
import type { Publication } from '../protocol/records/publication.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Coordinator, Outcome } from './coordinator.ts';
import type { StartEvent } from './events.ts';
import { createCoordinator } from './host.ts';
import { openJournal } from './journal/sqlite.ts';
import type { Logger } from './log.ts';
import { openRunPorts, type OnChain } from './ports.ts';
import { selfSigned } from './self-signed.ts';
import { requireFreePort, requireServable, serve, type ServeOptions } from './serve.ts';
import {
  makeStateFolder,
  keepPlace,
  placeOfRun,
  planRun,
  type NewRun,
  type Place,
  type PlaceOptions,
} from './state-folder.ts';

/** After the last round: how often it is looked whether everyone has heard of the end. */
const FAREWELL_MS = 1000;
/** A participant that knows of the end and keeps its session open holds no coordinator longer. */
const MAX_FAREWELL_MS = 10 * 60_000;

/** The coordinator's secrets: a keystore of floe/client has both. */
export interface CoordinatorKeys {
  readonly identity: Identity;
  /** 32 bytes, see `CoordinatorInit`. */
  readonly sealingSecret: Uint8Array;
  close?(): void | Promise<void>;
}

export interface StartOptions
  extends PlaceOptions, Partial<Pick<ServeOptions, 'host' | 'port' | 'tls' | 'allowOrigins'>> {
  /**
   * Journal, blobs, specification, network; made if missing. A run that is found in it is resumed.
   */
  readonly folder: string;
  /**
   * TLS with a certificate that is made in the folder, for these names besides those of this
   * machine; `tls` wins over it.
   */
  readonly selfSigned?: readonly string[];
  /** A function receives whether the run is on a network. Its keys are closed with the run. */
  readonly keys: CoordinatorKeys | ((onNetwork: boolean) => Promise<CoordinatorKeys>);
  /** What to begin where the folder holds no run. */
  readonly run: NewRun;
  /** The first round waits for this many participants; default: the size of the cohort. */
  readonly startWith?: number | undefined;
  /** See `CoordinatorInit`. */
  readonly regroups?: boolean | undefined;
  /** Default: nothing is logged. */
  readonly log?: Logger;
  readonly onEvent?: (event: StartEvent) => void;
  /** Stops the run, which the folder keeps: `finished` rejects with `aborted`. */
  readonly signal?: AbortSignal;
}

export interface FinishedRun {
  readonly outcome: Outcome;
  /** On a network. */
  readonly publication: Publication | undefined;
  readonly runObject: string | undefined;
  readonly versions: readonly VersionFacts[] | undefined;
}

export interface StartedCoordinator extends AsyncDisposable {
  readonly folder: string;
  readonly spec: RunSpec;
  /** Whose run it is: its address on Sui, too. */
  readonly address: string;
  /** Undefined for a run that is kept in the folder. */
  readonly place: Place | undefined;
  /** `http://host:port` or `https://...`, for readers. */
  readonly url: string;
  /** The same address for participants: `ws://host:port` or `wss://...`. */
  readonly joinUrl: string;
  /** SHA-256 of the certificate, 64 hex digits; undefined without TLS. */
  readonly fingerprint: string | undefined;
  readonly kinds: Readonly<Record<'store' | 'gate' | 'ledger', string>>;
  readonly coordinator: Coordinator;
  /**
   * Resolves when the last round is committed, stored and, on a network, published.
   * @throws FloeError `aborted` when it was stopped, and every error that ends a run
   */
  readonly finished: Promise<FinishedRun>;
  /** Resolves when every participant has heard of the end and left, or the signal fires. */
  farewell(): Promise<void>;
  /** Ends server and run, and closes their resources. Idempotent. */
  stop(): Promise<void>;
}

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Rejects when the run is to be stopped. */
const interruption = (signal: AbortSignal | undefined, message: string): Promise<never> => {
  const stopped = new Promise<never>((_, reject) => {
    const stop = (): void => reject(new FloeError('aborted', message));
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
  // Awaited later; until then its rejection must not count as unhandled.
  stopped.catch(() => undefined);
  return stopped;
};

const ownCertificate = async (folder: string, names: readonly string[] | undefined) =>
  names && selfSigned(folder, { names, now: systemClock.now(), random: systemRandom });

interface Ending {
  readonly folder: string;
  readonly coordinator: Coordinator;
  readonly onChain: OnChain | undefined;
  readonly stopped: Promise<never>;
  readonly signal: AbortSignal | undefined;
  readonly emit: (event: StartEvent) => void;
}

const awaitEnd = async (ending: Ending): Promise<FinishedRun> => {
  const { folder, coordinator, onChain, stopped, signal, emit } = ending;
  const publish = async (): Promise<Publication | undefined> => {
    const publication = await onChain?.publish(await coordinator.transcript.whole());
    if (publication !== undefined) emit({ type: 'published', publication });
    return publication;
  };
  const outcome = await Promise.race([coordinator.finished, stopped]).catch(
    async (thrown: unknown) => {
      // Others may read the result so far, whether or not the run is resumed.
      if (signal?.aborted === true)
        await publish().catch((failure: unknown) =>
          emit({
            type: 'warning',
            message: `the rounds so far could not be published: ${toFloeError(failure).message}`,
          }),
        );
      throw thrown;
    },
  );
  await writeWhole(join(folder, RUN_FILES.transcript), await coordinator.transcript.whole());
  emit({ type: 'finished', outcome });
  const publication = await publish();
  const runObject = await onChain?.runObject();
  const versions = await onChain?.versions();
  return { outcome, publication, runObject, versions };
};

/**
 * Waits until every participant has learned of the end and left, or the signal fires. Emits
 * `farewell` when this takes longer.
 */
const awaitFarewell = async ({ coordinator, signal, emit }: Ending): Promise<void> => {
  const latest = systemClock.now() + MAX_FAREWELL_MS;
  for (let said = false; ; said = true) {
    // A participant that was lost just before the end reconnects to hear of it.
    await sleep(systemClock, FAREWELL_MS, signal).catch(() => undefined);
    const { untold, loggedIn } = coordinator.status();
    // One that has been told and stays is fetching the final model.
    const isServed = loggedIn === 0 || systemClock.now() > latest;
    if (signal?.aborted === true || (untold === 0 && isServed)) return;
    if (!said) emit({ type: 'farewell', untold: untold + loggedIn });
  }
};

/**
 * Opens the folder's run, or begins one in it, and serves it. Resolves once it listens.
 *
 * @example
 * const keys = await openKeystore('state/keystore', passphrase, { random, disk });
 * await using run = await startCoordinator({
 *   folder: 'state',
 *   keys,
 *   run: { spec: (fixed) => makeRunSpec({ ...fixed, rounds: 20 }), begin: () => beginningOf({}) },
 *   port: 7700,
 * });
 * const { outcome } = await run.finished;
 * @throws FloeError `usage`, `spec_mismatch`, `spec_invalid`, `network_mismatch`, `funds_missing`,
 * `journal_corrupt`, `journal_locked`, `port_unavailable`, `aborted`, and what the keys, the store
 * and the ledger throw
 */
export const startCoordinator = async (options: StartOptions): Promise<StartedCoordinator> => {
  const { folder, keys, run, signal, startWith, regroups } = options;
  const { log = SILENT, onEvent: emit = () => undefined } = options;
  const { host = '127.0.0.1', port = 0, allowOrigins } = options;
  await using opening = new AsyncDisposableStack();
  await requireFreePort(host, port);
  const place = await placeOfRun(folder, options);
  const beginRun = await planRun(folder, run, place !== undefined);
  await requireServable(options);
  // From here on there are files; a refusal before this line leaves none.
  const own = typeof keys === 'function' ? await keys(place !== undefined) : keys;
  if (own !== keys) opening.defer(async () => own.close?.());
  await makeStateFolder(folder);
  await keepPlace(folder, place);
  const { identity, sealingSecret } = own;
  const prepared = await beginRun(identity.publicKey);
  const { spec, resumed } = prepared;
  const stopped = interruption(
    signal,
    `the identity and the run in ${folder} are kept, run the same command to resume`,
  );
  const journal = await openJournal(join(folder, RUN_FILES.journal));
  opening.defer(() => journal.close());
  emit({ type: 'opened', spec, resumed });
  const ports = await openRunPorts({ folder, place, spec, identity, journal, emit });
  opening.defer(() => ports.close());
  const { uploads, onChain, ...machinePorts } = ports;
  const { store, gate, ledger } = ports;
  const kinds = { store: store.kind, gate: gate.kind, ledger: ledger.kind };
  emit({ type: 'ports', ...kinds });
  const { snapshot, events } = await journal.load();
  const isNew = snapshot === undefined && events.length === 0;
  const parent = isNew ? await prepared.parentModel() : undefined;
  const coordinator = createCoordinator({
    ...machinePorts,
    spec,
    identity,
    sealingSecret,
    journal,
    clock: systemClock,
    random: systemRandom,
    ...(parent === undefined ? {} : { initialModel: parent.weights, initialState: parent.state }),
    ...(startWith === undefined ? {} : { startWith }),
    ...(regroups === true ? { regroups } : {}),
    log,
    onEvent: (progress) => emit({ type: 'progress', progress }),
    onPresence: (presence) => emit({ type: 'presence', presence }),
    onUpkeep: (event) => emit({ type: 'upkeep', event }),
  });
  opening.defer(async () => coordinator.stop());
  await Promise.race([coordinator.start(), stopped]);
  const runObject = await onChain?.runObject();
  const tls = options.tls ?? (await ownCertificate(folder, options.selfSigned));
  const served = await serve(coordinator, {
    host,
    port,
    store,
    uploads,
    ownsUploads: true,
    log,
    ...(tls === undefined ? {} : { tls }),
    ...(allowOrigins === undefined ? {} : { allowOrigins }),
    ...(place === undefined ? {} : { network: place.network }),
  });
  opening.defer(async () => served.close());
  const { url } = served;
  const joinUrl = url.replace(/^http/u, 'ws');
  const reached = { url, joinUrl, host, port: served.port, fingerprint: served.fingerprint };
  emit({ type: 'listening', ...reached, runObject, network: place?.path, spec });
  const ending = { folder, coordinator, onChain, stopped, signal, emit };
  const finished = awaitEnd(ending);
  finished.catch(() => undefined);
  const resources = opening.move();
  const stop = (): Promise<void> => resources.disposeAsync();
  return {
    folder,
    spec,
    address: identity.address,
    place,
    url,
    joinUrl,
    fingerprint: served.fingerprint,
    kinds,
    coordinator,
    finished,
    farewell: () => awaitFarewell(ending),
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
