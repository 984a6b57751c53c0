/**
 * @module A worker that hosts many participants. Each is the production participant with its own identity, keystore and
 * randomness; they share the worker's backend and one copy of the data, and train one at a time. Connections come from the
 * main thread as message ports.
 */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { AdmissionInput } from '../client/admission.ts';
import { type Dataset, subset } from '../client/data/dataset.ts';
import { memoryKeystore } from '../client/keystore/index.ts';
import { joinRun, type ParticipantEvent } from '../client/participant/index.ts';
import type { BackendName } from '../client/tfjs/backends.ts';
import { tfjsTrainer } from '../client/tfjs/trainer.ts';
import { loadStrategies } from '../protocol/algorithm/load-module.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { systemClock } from '../protocol/ports/clock.ts';
import type { Connection } from '../protocol/wire/connection.ts';
import { FloeError } from '../protocol/errors.ts';
import { decodeRunSpec, hashRunSpec } from '../protocol/spec/run-spec.ts';
import { quickClock } from './clock.ts';
import { modelOfSpec } from '../client/spec-model.ts';
import { portConnection } from './network.ts';
import { cipherStream, deriveSeed } from '../protocol/ports/random.ts';
import { openReaderPorts, type Substrate } from './substrate.ts';
import { answerCalls } from './thread.ts';
import { timedGate, timedStore, timedTrainer, type Activity, type Note } from './timeline.ts';

export interface Member {
  /** Number of the participant in the scenario, from 0. */
  readonly index: number;
  /** Rows of the training set that are its own. */
  readonly rows: Uint32Array;
  /** What its keystore and its randomness derive from, 32 bytes each. */
  readonly keystoreSeed: Uint8Array;
  readonly randomSeed: Uint8Array;
}

export interface CrowdData {
  /** Canonical bytes. */
  readonly spec: Uint8Array;
  /** What every participant requires of it. */
  readonly require: AdmissionInput;
  readonly train: Dataset;
  readonly members: readonly Member[];
  readonly substrate: Substrate;
  /** A thread has modules of its own. */
  readonly strategyModules: readonly string[];
  readonly backend: 'auto' | BackendName;
  /** Reconnect without the pauses that spare a real network. */
  readonly hurry: boolean;
  /** Two BigUint64: bytes of blobs put and got by participants, over all workers. */
  readonly blobTraffic: SharedArrayBuffer;
}

/** What a crowd tells besides answers. */
export type CrowdMessage =
  /** Wants a connection; the answer is a `connected` message with the port. */
  | { readonly type: 'connect'; readonly index: number }
  | { readonly type: 'event'; readonly index: number; readonly event: CrowdEvent }
  /** Where time went. */
  | {
      readonly type: 'span';
      readonly activity: Activity;
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly type: 'failed';
      readonly index: number;
      readonly code: string;
      readonly message: string;
    };

/** The events that the scenario reports; errors by code and text, since classes do not cross threads. */
export type CrowdEvent =
  | {
      readonly type: 'withdrawn' | 'violation' | 'unproven' | 'waiting';
      readonly round: number;
      readonly code: string;
      readonly message: string;
    }
  | { readonly type: 'refused'; readonly code: string; readonly message: string };

export interface ConnectedMessage {
  readonly type: 'connected';
  readonly index: number;
  readonly port: MessagePort;
}

/** Half a second before a reconnect becomes 25 ms. */
const HURRY = 20;

const init = workerData as CrowdData;
const port = parentPort;
if (port === null) throw new FloeError('internal', 'expected to run in a worker thread');
const tell = (message: CrowdMessage): void => port.postMessage(message);
const note: Note = (activity, from, to) => tell({ type: 'span', activity, from, to });

const counted = (store: BlobStore): BlobStore => {
  const traffic = new BigUint64Array(init.blobTraffic);
  return {
    kind: store.kind,
    put: async (bytes, options) => {
      Atomics.add(traffic, 0, BigInt(bytes.length));
      return store.put(bytes, options);
    },
    get: async (ref, options) => {
      Atomics.add(traffic, 1, BigInt(ref.size));
      return store.get(ref, options);
    },
    getRange: async (ref, start, end, options) => {
      Atomics.add(traffic, 1, BigInt(end - start));
      return store.getRange(ref, start, end, options);
    },
  };
};

const waiting = new Map<number, (connection: Connection) => void>();
port.on('message', (message: ConnectedMessage | { readonly type: string }) => {
  if (message.type !== 'connected') return;
  const { index, port: end } = message as ConnectedMessage;
  const take = waiting.get(index);
  waiting.delete(index);
  const connection = portConnection(end, 'the simulated coordinator');
  if (take === undefined) connection.close(1000, 'no longer wanted');
  else take(connection);
});

const connect = (index: number, signal: AbortSignal): Promise<Connection> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    waiting.set(index, resolve);
    signal.addEventListener(
      'abort',
      () => {
        waiting.delete(index);
        reject(new FloeError('aborted', 'The operation was cancelled.'));
      },
      { once: true },
    );
    tell({ type: 'connect', index });
  });

const report = (index: number, event: ParticipantEvent): void => {
  if ('round' in event && 'error' in event && event.type !== 'fabricated') {
    const { type, round, error } = event;
    const { code, message } = error;
    tell({ type: 'event', index, event: { type, round, code, message } });
  } else if (event.type === 'refused') {
    const { type, code, message } = event;
    tell({ type: 'event', index, event: { type, code, message } });
  }
};

const calls = {
  /** Builds the model and lets everyone join. Answers with what trains. */
  start: async (): Promise<{ readonly backend: string }> => {
    await Promise.all(init.strategyModules.map(loadStrategies));
    const spec = decodeRunSpec(init.spec);
    const first = init.members[0];
    if (first === undefined) throw new FloeError('internal', 'a crowd without members');
    const shared = await tfjsTrainer({
      model: modelOfSpec(spec),
      data: subset(init.train, first.rows),
      backend: { prefer: init.backend },
    });
    const expect = { coordinator: spec.coordinator, run: hashRunSpec(spec) };
    const { identity } = await memoryKeystore(first.keystoreSeed);
    const ports = await openReaderPorts(init.substrate, spec, identity);
    const store = timedStore(counted(ports.store), note);
    for (const { index, rows, keystoreSeed, randomSeed } of init.members) {
      // oxlint-disable-next-line no-await-in-loop
      const keystore = await memoryKeystore(keystoreSeed);
      // oxlint-disable-next-line no-await-in-loop
      const gate = timedGate(await ports.gateFor(keystore.identity), note);
      let connections = 0;
      let random = cipherStream(randomSeed);
      const { finished } = joinRun({
        connect: async (signal) => {
          const connection = await connect(index, signal);
          // A fresh stream each time: how far a lost participant got before it noticed must not shift what it draws later.
          connections += 1;
          random = cipherStream(deriveSeed(randomSeed, connections));
          return connection;
        },
        keystore,
        trainer: timedTrainer(shared.withData(subset(init.train, rows)), note),
        store,
        gate,
        ledger: ports.ledger,
        clock: init.hurry ? quickClock(HURRY) : systemClock,
        random: (length) => random(length),
        expect,
        require: init.require,
        log: () => undefined,
        onEvent: (event) => report(index, event),
      });
      finished.catch((thrown: unknown) => {
        const { code, message } = thrown as FloeError;
        tell({ type: 'failed', index, code, message });
      });
    }
    return { backend: shared.backend };
  },
} as const;
export type CrowdCalls = typeof calls;

answerCalls(calls);
