/**
 * @module The shortest way into a run: an address and data. All other options have defaults, which
 * the first lines of output state. Without a network the participant connects only to the
 * coordinator: its socket and its `/blobs` endpoint.
 */
import { httpBlobStore } from '../protocol/ports/http-store.ts';
import { localPorts } from '../protocol/ports/local-ports.ts';
import { systemClock, type Clock } from '../protocol/ports/clock.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import type { NetworkConfig } from '../protocol/net/config.ts';
import { systemRandom } from '../protocol/ports/random.ts';
import { type FinalModel, openFinal, openNewest } from './final-model.ts';
import { giveUpAfter } from './connect/give-up.ts';
import { patientConnect } from './connect/patience.ts';
import { httpAddress, webSocketConnect, type WebSocketOptions } from './connect/web-socket.ts';
import type { Dataset } from './data/dataset.ts';
import { keptPassphrase } from './keystore/kept.ts';
import { memoryKeystore, nodeDisk, openKeystore, type Keystore } from './keystore/index.ts';
import { joinRun, type Log, type Outcome, type ParticipantOptions } from './participant/index.ts';
import { reachRun, type Reach } from './network.ts';
import type { BackendChoice } from './tfjs/backends.ts';
import { hasThreads } from './thread/running.ts';
import { moduleTrainerModule, specTrainerModule, threadTrainer } from './thread/trainer.ts';
import type { BaseWeights } from './adapters/base.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Mapping } from './data/contract/mapping.ts';
import { dataOfRun, type OwnData, type RunData } from './data/run-data.ts';
import type { Trainer } from './trainer.ts';

export type { FinalModel };

export interface JoinOptions extends Partial<
  Pick<
    ParticipantOptions,
    | 'trainer'
    | 'store'
    | 'gate'
    | 'ledger'
    | 'answers'
    | 'expect'
    | 'require'
    | 'firstLoginMs'
    | 'onEvent'
  >
> {
  /**
   * This participant's examples, as `loadData` gives them: the data contract of the run maps them.
   * Or what makes them once the specification is known. The model is the one the run specification
   * asks for. Or give `trainer`.
   */
  readonly data?: OwnData | ((spec: RunSpec) => Dataset | Promise<Dataset>);
  /** With `data`: which of its columns and values are which of the contract's. */
  readonly map?: Mapping;
  /**
   * In a survey (`require: { survey: true }`): the table that it is about, where `data` is a
   * function; and whether to answer although this keystore has answered another survey about a
   * table of these columns.
   */
  readonly survey?: { readonly data?: OwnData; readonly again?: boolean };
  /** With `data` of a table: columns that may be as far from the contract as another unit is. */
  readonly acceptDrift?: readonly string[];
  /** With `data` that the contract maps: its preflight report. Default: lines to `log`, `warn`. */
  readonly onPreflight?: (data: RunData) => void;
  /**
   * With `data`: this site's copy of the frozen weights that the specification names, where it
   * names some. Another copy is refused: `base_mismatch`.
   */
  readonly base?: BaseWeights;
  /**
   * With `data`: what trains. Default `auto`: a participant that is killed and started again trains
   * the same update. `fastest` times the engines that run here and may choose another one each
   * time.
   */
  readonly backend?: BackendChoice;
  /**
   * With `data`, in a browser: the folder (with a slash at its end) that serves the .wasm files of
   * `@tensorflow/tfjs-backend-wasm`. Default: where the page's script is.
   */
  readonly wasmPath?: string;
  /**
   * With `data`: URL of a module that exports `trainer({ data, spec })`, which makes the trainer.
   */
  readonly module?: string | URL;
  /**
   * With `data`, in Node: false trains in this thread, which answers nothing during a training
   * step. Default true: in a worker thread, which holds a copy of `data` unless its numbers are on
   * a SharedArrayBuffer. In browsers training is always in the caller's thread.
   */
  readonly thread?: boolean;
  /**
   * A folder (made if missing) and its passphrase, or an open keystore. Without a passphrase one is
   * drawn and kept in the folder (`keptPassphrase`). Default: a new identity that is forgotten at
   * the end.
   */
  readonly keystore?: Keystore | { readonly path: string; readonly passphrase?: string };
  /**
   * The network of a run on Walrus, Seal and Sui, as `floe devnet --config-out` writes it and
   * `parseNetworkConfig` reads it. The participant then reads models from Walrus, requests keys
   * from Seal with its identity, and compares freezes with Sui; it needs no coins. `announced`
   * accepts the network that the coordinator announces; the checks then prove nothing against the
   * coordinator. A run on a network without this option, or the reverse, is refused:
   * `network_mismatch`.
   */
  readonly network?: NetworkConfig | 'announced';
  /**
   * Of the socket. For the coordinator's HTTP endpoints too, the process must trust it:
   * `NODE_EXTRA_CA_CERTS`.
   */
  readonly tls?: Pick<WebSocketOptions, 'ca' | 'fingerprint' | 'rejectUnauthorized'>;
  /** Called before every connection; what it throws is the failure of that connection. */
  readonly beforeConnect?: (signal: AbortSignal) => Promise<void>;
  /**
   * Milliseconds to try an address that has never answered. Default: `giveUpMs`, else two minutes.
   * Later outages have no limit.
   */
  readonly patienceMs?: number;
  /**
   * Milliseconds after which the participant leaves the run with `no_progress`, if the coordinator
   * or one of its ports did not answer all that time, or if its own attempts failed. Waiting for
   * other participants does not count. Default: no limit.
   */
  readonly giveUpMs?: number;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Lines of the events, and warnings. Default: the console. */
  readonly log?: Log;
  /** Warnings that no event has. Default: `log`. */
  readonly warn?: (message: string) => void;
  /** Leaves the run. */
  readonly signal?: AbortSignal;
  /**
   * Receives the final model once the run has finished, and before `finished` resolves: the
   * coordinator serves the model until then. What it throws, and what opening the model throws,
   * rejects `finished`. Not called for a run that has no commit.
   */
  readonly onModel?: (final: FinalModel) => Promise<void> | void;
}

export interface JoinedRun {
  /** Own Ed25519 key, and the address that is shown to people. */
  readonly key: Uint8Array;
  readonly address: string;
  /** Settles when the run is over; rejects with the `FloeError` that it cannot continue from. */
  readonly finished: Promise<Outcome>;
  /** Leaves; with the same keystore the run can be joined again. */
  stop(): Promise<void>;
  /** Fetches and opens the newest committed model, flat; `undefined` before the first commit. */
  model(): Promise<Float32Array | undefined>;
}

const consoleLog: Log = (level, message) => console[level](message);

const openOwn = async (
  given: JoinOptions['keystore'],
  warn: (message: string) => void,
): Promise<Keystore> => {
  if (given === undefined) {
    warn('no keystore: the identity is new and forgotten at the end');
    return memoryKeystore(systemRandom(32));
  }
  if ('identity' in given) return given;
  const disk = await nodeDisk();
  const { path } = given;
  const passphrase =
    given.passphrase ?? (await keptPassphrase(path, { disk, random: systemRandom }));
  return openKeystore(path, passphrase, { random: systemRandom, disk });
};

const trainerOf = (
  options: JoinOptions,
  tell: (data: RunData) => void,
  warn: (message: string) => void,
): ParticipantOptions['trainer'] => {
  const { data: given, trainer, base, backend = 'auto', clock = systemClock } = options;
  const { map, acceptDrift } = options;
  if (trainer !== undefined) return trainer;
  if (given === undefined) throw new FloeError('usage', 'expected data or a trainer');
  const examplesFor = (spec: RunSpec): Dataset | Promise<Dataset> => {
    if (typeof given === 'function') return given(spec);
    const prepared = dataOfRun(given, spec, map, undefined, { acceptDrift });
    tell(prepared);
    return prepared.data;
  };
  const make = async (whole: RunSpec): Promise<Trainer> => {
    const data = await examplesFor(whole);
    const { model, training, metrics, data: contract } = whole;
    const spec = { model, training, metrics, ...(contract && { data: contract }) };
    const inThread = hasThreads && options.thread !== false;
    if (options.module !== undefined) {
      const own = { module: String(options.module), spec, data };
      if (inThread) return threadTrainer({ module: moduleTrainerModule(), argument: own, clock });
      const { createTrainer } = await import('./thread/module-trainer.ts');
      return createTrainer(own);
    }
    const argument = {
      spec,
      data,
      backend,
      ...(base === undefined ? {} : { base }),
      ...(options.wasmPath === undefined ? {} : { wasmPath: options.wasmPath }),
    };
    if (inThread) return threadTrainer({ module: specTrainerModule(), argument, clock });
    const { createTrainer } = await import('./thread/spec-trainer.ts');
    return createTrainer(argument);
  };
  return async (spec) => {
    const made = await make(spec);
    // A contract's report has said so already.
    if (spec.data === undefined) for (const text of made.report?.warnings ?? []) warn(text);
    return made;
  };
};

/** What answers a survey, and what trains in any other run. */
const orSurvey =
  (
    trainer: ParticipantOptions['trainer'],
    { data, map, survey = {}, warn, log = consoleLog }: JoinOptions,
    keystore: Keystore,
  ): ParticipantOptions['trainer'] =>
  async (spec) => {
    if (spec.model.survey === undefined)
      return typeof trainer === 'function' ? trainer(spec) : trainer;
    const own = survey.data ?? (typeof data === 'function' ? undefined : data);
    if (own === undefined) throw new FloeError('usage', 'a survey: expected a table as data');
    const { surveyTrainer } = await import('./survey/trainer.ts');
    return surveyTrainer({
      spec,
      data: own,
      map,
      keystore,
      again: survey.again,
      tell: (lines) => {
        for (const [level, text] of lines)
          if (level === 'warn' && warn !== undefined) warn(text);
          else log(level === 'warn' ? 'warn' : 'info', text);
      },
    });
  };

const hasOwnPorts = ({ store, gate, ledger }: JoinOptions): boolean =>
  [store, gate, ledger].some((port) => port !== undefined);

/**
 * Opens the ports: those of the caller, completed through the coordinator; or those of the run's
 * network.
 */
const reach = (
  base: string,
  connect: Reach['connect'],
  identity: Identity,
  options: JoinOptions,
  warn: (message: string) => void,
): Reach => {
  const { store, gate, ledger, network } = options;
  if (!hasOwnPorts(options)) return reachRun(base, connect, { identity, network, warn });
  const throughCoordinator = (run: Uint8Array) =>
    localPorts({
      identity,
      store: httpBlobStore({ url: base, identity, run }),
      ledger: undefined,
    });
  return {
    connect,
    ports: {
      store: store ?? ((run) => throughCoordinator(run).store),
      gate: gate ?? ((run) => throughCoordinator(run).gate),
      ledger: ledger ?? (() => undefined),
    },
    close: async () => undefined,
  };
};

/**
 * Takes part in the run of the coordinator at `url` (`ws://host:port`, `wss://...`).
 *
 * @example
 * const data = await loadData('patients.csv');
 * const run = await join('ws://localhost:7700', { data });
 * await run.finished;
 * @throws FloeError `usage`, and what opening the keystore throws
 */
export const join = async (url: string, options: JoinOptions): Promise<JoinedRun> => {
  const { log = consoleLog, answers, expect, onEvent, signal, clock = systemClock } = options;
  const { warn = (message) => log('warn', message) } = options;
  // One bound for all that is waited for: a first contact has no shorter one of its own then.
  const { giveUpMs, patienceMs = giveUpMs, firstLoginMs = giveUpMs } = options;
  if (options.network !== undefined && hasOwnPorts(options))
    throw new FloeError('usage', 'expected a network or own ports (store, gate, ledger), not both');
  const dial = webSocketConnect(url, options.tls);
  const tell =
    options.onPreflight ??
    (({ lines }) => {
      for (const [level, text] of lines)
        if (level === 'warn') warn(text);
        else log('info', text);
    });
  const trainer = trainerOf(options, tell, warn);
  const keystore = await openOwn(options.keystore, warn);
  const { identity } = keystore;
  const reached = reach(httpAddress(url), dial, identity, options, warn);
  const late: { error?: FloeError } = {};
  const waiting =
    giveUpMs === undefined
      ? undefined
      : giveUpAfter(giveUpMs, clock, (error) => {
          late.error = error;
          void participant.stop();
        });
  const connect: Reach['connect'] = async (own) => {
    await options.beforeConnect?.(own);
    return reached.connect(own);
  };
  const participant = joinRun({
    connect: patientConnect(connect, {
      address: url,
      clock,
      ...(patienceMs === undefined ? {} : { patienceMs }),
    }),
    keystore,
    // A trainer that the caller made is the caller's to dispose of.
    trainer: options.require?.survey === true ? orSurvey(trainer, options, keystore) : trainer,
    ...reached.ports,
    clock,
    random: systemRandom,
    log,
    ...(answers === undefined ? {} : { answers }),
    ...(expect === undefined ? {} : { expect }),
    ...(options.require === undefined ? {} : { require: options.require }),
    ...(firstLoginMs === undefined ? {} : { firstLoginMs }),
    staysToTheEnd: options.onModel !== undefined,
    onEvent: (event) => {
      waiting?.note(event);
      onEvent?.(event);
    },
  });
  const stop = (): Promise<void> => participant.stop();
  const leave = (): void => void stop();
  signal?.addEventListener('abort', leave, { once: true });
  if (signal?.aborted === true) leave();
  const end = async (): Promise<Outcome> => {
    try {
      const outcome = await participant.finished;
      if (late.error !== undefined) throw late.error;
      if (options.onModel !== undefined && outcome.type === 'finished') {
        const final = await openFinal(participant, clock, signal);
        if (final !== undefined) await options.onModel(final);
      }
      return outcome;
    } finally {
      waiting?.release();
      signal?.removeEventListener('abort', leave);
      // Pending writes must be on disk before another process may open the keystore.
      await stop();
      await reached.close();
      if (keystore !== options.keystore) await keystore.close();
    }
  };
  return {
    key: identity.publicKey,
    address: identity.address,
    finished: end(),
    stop,
    model: async () => (await openNewest(participant))?.weights,
  };
};
