/** Participants over connections in memory, for tests against the scripted coordinator. */
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import { memoryKeystore, type Keystore } from '../../client/keystore/index.ts';
import {
  joinRun,
  type Participant,
  type ParticipantEvent,
  type ParticipantOptions,
} from '../../client/participant/index.ts';
import { functionTrainer, type Trainer, type TrainResult } from '../../client/trainer.ts';
import { connectionPair } from './connection.ts';
import { TEST_ADMISSION } from './admission.ts';
import { TENSORS, type ScriptedCoordinator } from './scripted-coordinator.ts';

/** "Training": a step in a direction that the seed gives. Deterministic, no data. */
export const stepOf = (weights: Float32Array, seed: Uint8Array): Float32Array => {
  const bytes = seededRandom(seed)(weights.length);
  return weights.map((value, i) => value + (bytes[i]! - 127.5) / 2000);
};

export const testTrainer = (
  examples = 10,
  change: (result: TrainResult) => TrainResult = (result) => result,
  tensors: Trainer['manifest']['tensors'] = TENSORS,
): Trainer =>
  functionTrainer({
    manifest: { tensors },
    train: ({ weights, seed }) =>
      change({ weights: stepOf(weights, seed), examples, lossSum: 1.5, correct: 3 }),
  });

export interface Started {
  readonly participant: Participant;
  readonly keystore: Keystore;
  readonly key: Uint8Array;
  readonly events: ParticipantEvent[];
  /** Every frame it has sent, over all connections. */
  readonly frames: Uint8Array[];
  /** Waits for the `count`-th event of a type. */
  event<Type extends ParticipantEvent['type']>(
    type: Type,
    count?: number,
  ): Promise<Extract<ParticipantEvent, { type: Type }>>;
}

export const keystoreOf = (index: number): Promise<Keystore> =>
  memoryKeystore(deriveSeed(new Uint8Array(32), 'participant', index));

export const start = async (
  coordinator: ScriptedCoordinator,
  index: number,
  options: Partial<Omit<ParticipantOptions, 'connect' | 'store'>> & {
    readonly store?: BlobStore;
    readonly examples?: number;
    readonly tensors?: Trainer['manifest']['tensors'];
    /** Number of the process: another one has another stream of randomness. */
    readonly life?: number;
    readonly link?: (accept: () => Connection) => Promise<Connection>;
  } = {},
): Promise<Started> => {
  const { examples = 10 + index, tensors = TENSORS, life = 0, link, ...rest } = options;
  const keystore = options.keystore ?? (await keystoreOf(index));
  const events: ParticipantEvent[] = [];
  const frames: Uint8Array[] = [];
  const waiters: (() => void)[] = [];
  const open = (): Connection => {
    const [here, there] = connectionPair();
    coordinator.accept(there);
    return {
      ...here,
      send: (frame) => {
        frames.push(frame);
        here.send(frame);
      },
    };
  };
  const participant = joinRun({
    connect: async () => (link === undefined ? open() : link(open)),
    trainer: testTrainer(examples, undefined, tensors),
    store: coordinator.store,
    gate: sealedBoxGate(keystore.identity),
    clock: systemClock,
    random: seededRandom(deriveSeed(new Uint8Array(32), 'random', index, life)),
    backoff: { baseMs: 2, maxMs: 10 },
    require: TEST_ADMISSION,
    ...rest,
    keystore,
    onEvent: (event) => {
      events.push(event);
      for (const wake of waiters.splice(0)) wake();
    },
  });
  // A test that expects the error awaits it itself.
  participant.finished.catch(() => undefined);
  return {
    participant,
    keystore,
    key: keystore.identity.publicKey,
    events,
    frames,
    event: async (type, count = 1) => {
      const late = AbortSignal.timeout(20_000);
      for (;;) {
        const found = events.filter((event) => event.type === type)[count - 1];
        if (found !== undefined) return found as never;
        if (late.aborted)
          throw new Error(`no event ${type} #${count}; got ${events.map((e) => e.type).join()}`);
        await new Promise<void>((resolve) => {
          waiters.push(resolve);
          late.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
  };
};

export const startAll = async (
  coordinator: ScriptedCoordinator,
  count: number,
  options: Parameters<typeof start>[2] = {},
): Promise<Started[]> => {
  const started = await Promise.all(
    Array.from({ length: count }, (_, index) => start(coordinator, index, options)),
  );
  await coordinator.loggedIn(count);
  return started;
};

export const stopAll = async (started: readonly Started[]): Promise<void> => {
  await Promise.all(started.map(({ participant }) => participant.stop()));
};
