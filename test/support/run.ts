/**
 * @module A whole run in memory: a coordinator, test participants, one store.
 */
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { utf8 } from '../../protocol/bytes.ts';
import { systemClock, type Clock } from '../../protocol/ports/clock.ts';
import { identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import { makeRunSpec, type RunSpec, type RunSpecInput } from '../../protocol/spec/run-spec.ts';
import {
  createCoordinator,
  journalLedger,
  memoryJournal,
  type Coordinator,
  type Journal,
  type Logger,
  type Progress,
} from '../../coordinator/index.ts';
import type { CoordinatorInit } from '../../coordinator/index.ts';
import { connectionPair } from './connection.ts';
import { TestParticipant, type TestParticipantInit } from './participant.ts';

export const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export const testIdentity = (name: string): Promise<Identity> =>
  identityFromSeed(deriveSeed(utf8('test'), name));

export const DIMENSION = 20;

export const testSpec = async (
  over: Partial<Omit<RunSpecInput, 'id' | 'coordinator'>> = {},
): Promise<RunSpec> =>
  makeRunSpec({
    id: new Uint8Array(16),
    coordinator: (await testIdentity('coordinator')).publicKey,
    model: {
      architecture: 'custom',
      tensors: [{ name: 'w', shape: [DIMENSION], dtype: 'float32' }],
    },
    rounds: 1,
    cohort: { size: 4, minimum: 3 },
    encoding: { ring: 'ring32', bits: 20, clipNorm: 1, weightCap: 10 },
    deadlines: {
      register: 10,
      share: 10,
      upload: 10,
      consistency: 10,
      unmask: 10,
      grace: 0,
    },
    ...over,
  });

/** The coordinator's part of a test, which can be started again on the same journal and store. */
export interface Stage {
  readonly spec: RunSpec;
  readonly store: ReturnType<typeof memoryStore>;
  readonly progress: Progress[];
  readonly coordinatorIdentity: Identity;
  create(over?: Partial<CoordinatorInit>): Coordinator;
  participant(name: string, over?: Partial<TestParticipantInit>): Promise<TestParticipant>;
  readonly journal: Journal;
}

export const createStage = async (
  spec: RunSpec,
  {
    clock = systemClock,
    journal = memoryJournal(),
    store = memoryStore(),
  }: {
    readonly clock?: Clock;
    readonly journal?: Journal;
    readonly store?: ReturnType<typeof memoryStore>;
  } = {},
): Promise<Stage> => {
  const progress: Progress[] = [];
  const identity = await testIdentity('coordinator');
  return {
    spec,
    store,
    progress,
    journal,
    coordinatorIdentity: identity,
    create: (over = {}) =>
      createCoordinator({
        spec,
        identity,
        sealingSecret: deriveSeed(utf8('test'), 'coordinator sealing'),
        store,
        removal: store,
        gate: sealedBoxGate(identity),
        ledger: journalLedger(journal),
        journal,
        clock,
        random: seededRandom(deriveSeed(utf8('coordinator'), Math.random())),
        log: silent,
        onEvent: (event) => progress.push(event),
        ...over,
      }),
    participant: async (name, over = {}) =>
      new TestParticipant({
        identity: await testIdentity(name),
        spec,
        store,
        random: seededRandom(deriveSeed(utf8('participant'), name)),
        train: (model, attempt) =>
          model.map((value, i) => 0.01 * (name.length + attempt) * Math.sin(i) - 0.001 * value),
        ...over,
      }),
  };
};

export const connect = (coordinator: Coordinator, participant: TestParticipant): void => {
  const [server, client] = connectionPair(participant.identity.address.slice(0, 8));
  coordinator.accept(server);
  participant.connect(client);
};

/** Lets everything that is due happen: several turns of the event loop. */
export const turns = async (count = 20): Promise<void> => {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** So many that a disk under load is waited for: seconds of an idle event loop. */
const MOST_TURNS = 1_000_000;

/** Waits until `condition` holds, turning the event loop. @throws when it does not come true */
export const until = async (condition: () => boolean, what: string): Promise<void> => {
  for (let i = 0; i < MOST_TURNS; i += 1) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`it did not come to pass: ${what}`);
};
