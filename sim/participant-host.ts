/**
 * @module A host of many participants, in a worker (participants-worker.ts) or in the thread of the
 * caller. Each is the production participant with its own identity, keystore and randomness; they
 * share one copy of the data and, where tfjs trains, one backend. Connections come from the
 * coordinator as message ports.
 */
import type { MessagePort } from 'node:worker_threads';
import type { AdmissionInput } from '../client/admission.ts';
import { type Dataset, subset } from '../client/data/dataset.ts';
import { memoryKeystore } from '../client/keystore/index.ts';
import { watchedTrainer, type TrainingSeen } from './outputs/observations.ts';
import { keptKeystore, simulatedKeystore, type PartBefore } from './resume/kept-keystore.ts';
import { joinRun, type Participant, type ParticipantEvent } from '../client/participant/index.ts';
import type { BackendChoice } from '../client/tfjs/backends.ts';
import { tfjsTrainer } from '../client/tfjs/trainer.ts';
import type { Trainer } from '../client/trainer.ts';
import { loadStrategies } from '../protocol/algorithm/load-module.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { systemClock } from '../protocol/ports/clock.ts';
import type { Connection } from '../protocol/wire/connection.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { decodeRunSpec, hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { memoriesIn } from './attackers/attack-memory.ts';
import { createLiar } from './attackers/liars.ts';
import { modelOfSpec } from '../client/spec-model.ts';
import { portConnection } from './network.ts';
import { cipherStream, deriveSeed, type RandomSource } from '../protocol/ports/random.ts';
import { openReaderPorts, type ReaderPorts, type Substrate } from './substrate.ts';
import { createTurnstile } from './turnstile.ts';
import { baseOfTask, loadTask, type SimulationModule } from './task.ts';
import { timedGate, timedStore, timedTrainer, type Activity, type Note } from './timeline.ts';
import { attackOf, createMemberTrainers, type CrowdWorld } from './world.ts';

export interface Member {
  /** Number of the participant in the scenario, from 0. */
  readonly index: number;
  /** Rows of the training set that are its own. */
  readonly rows: Uint32Array;
  /** What its keystore and its randomness derive from, 32 bytes each. */
  readonly keystoreSeed: Uint8Array;
  readonly randomSeed: Uint8Array;
  /** Of a resumed run. */
  readonly before?: PartBefore | undefined;
}

export interface CrowdData {
  /** Canonical bytes. */
  readonly spec: Uint8Array;
  /** What every participant requires of it. */
  readonly require: AdmissionInput;
  readonly train: Dataset;
  readonly members: readonly Member[];
  readonly world: CrowdWorld;
  readonly substrate: Substrate;
  /** A thread has a separate module registry. */
  readonly strategyModules: readonly string[];
  readonly backend: BackendChoice;
  /** URL of the simulation module that makes the trainers, where one does. */
  readonly module?: string | undefined;
  /** Participants are made when they are woken, not at the start. */
  readonly asleep: boolean;
  /** Reconnect without the pauses that spare a real network. */
  readonly hurry: boolean;
  /** Folder of what participants keep for themselves; undefined where the run is not resumed. */
  readonly kept: string | undefined;
  /** Whether the host reports what it sees of each training. */
  readonly observe: boolean;
  /** Two BigUint64: bytes of blobs put and got by participants, over all workers. */
  readonly blobTraffic: SharedArrayBuffer;
}

/** Messages of a host in addition to answers. */
export type CrowdMessage =
  /** Wants a connection; the answer is a `connected` message with the port. */
  | { readonly type: 'connect'; readonly index: number }
  | { readonly type: 'event'; readonly index: number; readonly event: CrowdEvent }
  | { readonly type: 'trained'; readonly index: number; readonly seen: TrainingSeen }
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

/**
 * The events that the scenario reports; errors by code and text, since classes do not cross
 * threads.
 */
export type CrowdEvent =
  | {
      readonly type: 'withdrawn' | 'violation' | 'unproven' | 'waiting';
      readonly attempt: number;
      readonly code: string;
      readonly message: string;
    }
  | { readonly type: 'refused'; readonly code: string; readonly message: string };

export interface ConnectedMessage {
  readonly type: 'connected';
  readonly index: number;
  readonly port: MessagePort;
}

/** Messages to a host in addition to calls. */
export type HostMessage =
  | ConnectedMessage
  /** The participant is invited for the first time. */
  | { readonly type: 'wake'; readonly index: number };

/** Between attempts to reconnect, in place of half a second to ten seconds. */
const HURRIED = { backoff: { baseMs: 25, maxMs: 500 } };
const paceOf = (hurry: boolean) => ({ clock: systemClock, ...(hurry ? HURRIED : {}) });

const counted = (store: BlobStore, memory: SharedArrayBuffer): BlobStore => {
  const traffic = new BigUint64Array(memory);
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

const report = (
  tell: (message: CrowdMessage) => void,
  index: number,
  event: ParticipantEvent,
): void => {
  if ('attempt' in event && 'error' in event && event.type !== 'fabricated') {
    const { type, attempt, error } = event;
    const { code, message } = error;
    tell({ type: 'event', index, event: { type, attempt, code, message } });
  } else if (event.type === 'refused') {
    const { type, code, message } = event;
    tell({ type: 'event', index, event: { type, code, message } });
  }
};

/**
 * Logins under way in one thread. Each is sent the specification, which lists every member: those
 * of all participants at once would fill the memory.
 */
const LOGINS = 16;

/** The connections of a crowd: asked for with one message, given with another. */
const createConnections = (tell: (message: CrowdMessage) => void) => {
  const waiting = new Map<number, (connection: Connection) => void>();
  return {
    take: ({ index, port }: ConnectedMessage): void => {
      const give = waiting.get(index);
      waiting.delete(index);
      const connection = portConnection(port, 'the simulated coordinator');
      if (give === undefined) connection.close(1000, 'no longer wanted');
      else give(connection);
    },
    connect: (index: number, signal: AbortSignal): Promise<Connection> =>
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
      }),
  };
};

/**
 * What trains the examples of each participant: tfjs, with one model for all, or the module's
 * trainers.
 */
const openTrainers = async (
  init: CrowdData,
  spec: RunSpec,
  task: SimulationModule | undefined,
): Promise<{
  readonly backend: (first: Trainer) => string;
  readonly trainerOf: (index: number | undefined, data: Dataset) => Trainer | Promise<Trainer>;
}> => {
  const make = task?.trainer;
  const contract = spec.data === undefined ? {} : { contract: spec.data };
  if (make !== undefined)
    return {
      backend: (first) => first.backend,
      trainerOf: (index, data) =>
        make({ data, ...(index === undefined ? {} : { index }), ...contract }),
    };
  const first = init.members[0];
  if (first === undefined) throw new FloeError('internal', 'a crowd without members');
  // The analyst has checked all of the examples.
  const checked = true;
  const shared = await tfjsTrainer({
    model: modelOfSpec(spec),
    data: subset(init.train, first.rows),
    backend: { prefer: init.backend },
    ...(await baseOfTask(task)),
    ...(spec.training.task === undefined ? {} : { task: spec.training.task }),
    ...contract,
    checked,
  });
  return {
    backend: () => shared.backend,
    trainerOf: (_, data) => shared.withData(data, { checked }),
  };
};

/** @param kept folder of a run that may be resumed */
const openMemory = ({ index, keystoreSeed, before }: Member, kept: string | undefined) =>
  kept === undefined
    ? simulatedKeystore(keystoreSeed)
    : keptKeystore(keystoreSeed, kept, index, before);

/** Trainers that report each training. */
const watcher =
  (tell: (message: CrowdMessage) => void) =>
  (trainer: Trainer, index: number): Trainer =>
    watchedTrainer(
      trainer,
      () => performance.now() / 1000,
      (seen) => tell({ type: 'trained', index, seen }),
    );

export interface Crowd {
  /** Builds the model and lets everyone join. Answers with what trains. */
  start(): Promise<{ readonly backend: string }>;
  /** A connection that was asked for, or a participant that is needed now. */
  take(message: HostMessage): void;
  /** Ends all participants. */
  stop(): Promise<void>;
}

/** What a participant draws: its noise from a stream of each attempt, so that a run repeats. */
const drawsOf = (random: RandomSource, seed: Uint8Array) => ({
  random,
  noise: (attempt: number): RandomSource => cipherStream(deriveSeed(seed, 'noise', attempt)),
});

/** What a participant is made with. */
interface MemberParts {
  readonly spec: RunSpec;
  /** Its hash: encoding it takes as long as a run has members. */
  readonly run: Uint8Array;
  readonly store: BlobStore;
  readonly ports: ReaderPorts;
  readonly trainer: Trainer;
}

/** @param own the module itself, in the thread of the caller that gave it */
export const createCrowd = (
  init: CrowdData,
  tell: (message: CrowdMessage) => void,
  own?: SimulationModule,
): Crowd => {
  const note: Note = (activity, from, to) => tell({ type: 'span', activity, from, to });
  const watch = init.observe ? watcher(tell) : (trainer: Trainer) => trainer;
  const connections = createConnections(tell);
  const turnstile = createTurnstile(LOGINS);
  const participants: Participant[] = [];
  const memoryOf = memoriesIn(init.kept, init.members);

  const startMember = async (member: Member, shared: MemberParts): Promise<void> => {
    const { index, randomSeed } = member;
    const { spec, run, store, ports, trainer } = shared;
    const keystore = await openMemory(member, init.kept);
    const gate = timedGate(await ports.gateFor(keystore.identity), note);
    let logins = 0;
    let isInside = false;
    const leave = (): void => {
      if (isInside) turnstile.leave();
      isInside = false;
    };
    const memory = memoryOf(index);
    const until = member.before?.attempt;
    const lying = createLiar(attackOf(init.world, index), keystore.identity, { memory, until });
    let random = cipherStream(randomSeed);
    const participant = joinRun({
      connect: async (signal) => {
        if (logins === 0) {
          await turnstile.enter();
          isInside = !signal.aborted;
          if (signal.aborted) turnstile.leave();
        }
        const connection = await connections.connect(index, signal);
        // A new stream each time: the progress of a lost participant before it noticed must not
        // shift its later draws.
        logins += 1;
        random = cipherStream(deriveSeed(randomSeed, logins));
        return lying(connection);
      },
      keystore,
      trainer: watch(timedTrainer(trainer, note), index),
      store,
      gate,
      ledger: ports.ledger,
      ...paceOf(init.hurry),
      ...drawsOf((length) => random(length), randomSeed),
      expect: { coordinator: spec.coordinator, run },
      require: init.require,
      log: () => undefined,
      onEvent: (event) => {
        if (event.type === 'connected' || event.type === 'reconnecting') leave();
        report(tell, index, event);
      },
    });
    participants.push(participant);
    participant.finished.finally(leave).catch((thrown: unknown) => {
      const { code, message } = toFloeError(thrown);
      tell({ type: 'failed', index, code, message });
    });
  };

  const members = new Map(init.members.map((member) => [member.index, member]));
  let startOne: ((member: Member) => Promise<void>) | undefined;
  const wake = async (index: number): Promise<void> => {
    const member = members.get(index);
    if (member === undefined || startOne === undefined)
      throw new FloeError('internal', `nobody to wake by the number ${index}`);
    await startOne(member);
  };

  return {
    take: (message) => {
      if (message.type === 'connected') connections.take(message);
      else
        wake(message.index).catch((thrown: unknown) => {
          const { code, message: text } = toFloeError(thrown);
          tell({ type: 'failed', index: message.index, code, message: text });
        });
    },
    stop: async () => {
      await Promise.all(participants.splice(0).map((participant) => participant.stop()));
    },
    start: async () => {
      await Promise.all(init.strategyModules.map(loadStrategies));
      const spec = decodeRunSpec(init.spec);
      const task = own ?? (init.module === undefined ? undefined : await loadTask(init.module));
      const { backend, trainerOf } = await openTrainers(init, spec, task);
      const make = createMemberTrainers(init.world, {
        train: init.train,
        spec,
        ownAttack: task?.attack,
        memoryOf,
        trainerOf,
      });
      const [first] = init.members;
      if (first === undefined) throw new FloeError('internal', 'a crowd without members');
      const { identity } = await memoryKeystore(first.keystoreSeed);
      const ports = await openReaderPorts(init.substrate, spec, identity);
      const store = timedStore(counted(ports.store, init.blobTraffic), note);
      const run = hashRunSpec(spec);
      // Made at once: it tells what trains.
      const firstTrainer = await make(first);
      startOne = async (member) => {
        const trainer = member === first ? firstTrainer : await make(member);
        await startMember(member, { spec, run, store, ports, trainer });
      };
      if (!init.asleep) for (const member of init.members) await startOne(member);
      return { backend: backend(firstTrainer) };
    },
  };
};

/** The calls of a crowd, in a worker or not. */
export const crowdCalls = (crowd: Crowd) => ({ start: () => crowd.start() }) as const;
export type CrowdCalls = ReturnType<typeof crowdCalls>;
