/**
 * @module A masked run for measurements: the production coordinator and participants without
 * training, which leaves the cost of the protocol. Everything is seeded, and the deadlines are
 * long, because no phase may end by time.
 */
import { memoryKeystore, type Keystore } from '../client/keystore/index.ts';
import { joinRun, type Participant } from '../client/participant/index.ts';
import { functionTrainer } from '../client/trainer.ts';
import {
  createCoordinator,
  journalLedger,
  memoryJournal,
  openJournal,
  type Coordinator,
  type Progress,
} from '../coordinator/index.ts';
import { sealedBoxGate } from '../protocol/ports/sealed-box-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { systemClock } from '../protocol/ports/clock.ts';
import type { Connection } from '../protocol/wire/connection.ts';
import { identityFromSeed } from '../protocol/ports/identity.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import { makeRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';

const SEED = new Uint8Array(32);
const HOUR_MS = 3_600_000;
/** Of each participant. */
export const BENCH_EXAMPLES = 600;

const tensorsOf = (dimension: number) => [
  { name: 'w', shape: [dimension], dtype: 'float32' as const },
];

/** A run of `rounds` in which all `n` take part. */
export const benchSpec = async (n: number, dimension: number, rounds: number): Promise<RunSpec> =>
  makeRunSpec({
    id: new Uint8Array(16),
    coordinator: (await identityFromSeed(deriveSeed(SEED, 'coordinator'))).publicKey,
    model: { architecture: 'custom', tensors: tensorsOf(dimension) },
    rounds,
    cohort: { size: n },
    deadlines: { register: 3600, share: 3600, upload: 3600, consistency: 3600, unmask: 3600 },
  });

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields: object, message: string) => console.warn(message, fields),
  error: (fields: object, message: string) => console.error(message, fields),
};

/** The coordinator, with its journal in a file, or in memory where none is named. */
export const benchCoordinator = async (
  spec: RunSpec,
  store: BlobStore,
  journalPath: string | undefined,
  onEvent: (progress: Progress) => void,
): Promise<Coordinator> => {
  const identity = await identityFromSeed(deriveSeed(SEED, 'coordinator'));
  const journal = journalPath === undefined ? memoryJournal() : await openJournal(journalPath);
  return createCoordinator({
    spec,
    identity,
    sealingSecret: deriveSeed(SEED, 'coordinator sealing'),
    store,
    gate: sealedBoxGate(identity),
    ledger: journalLedger(journal),
    journal,
    clock: systemClock,
    random: seededRandom(deriveSeed(SEED, 'coordinator randomness')),
    limits: { heartbeatMs: HOUR_MS, loginTimeoutMs: HOUR_MS },
    log: quiet,
    onEvent,
  });
};

export const benchKeystore = (index: number): Promise<Keystore> =>
  memoryKeystore(deriveSeed(SEED, 'participant', index));

/** A participant that returns the weights as they came, for 600 examples. */
export const benchParticipant = async (
  index: number,
  dimension: number,
  store: BlobStore,
  connect: (signal: AbortSignal) => Promise<Connection>,
): Promise<Participant> => {
  const keystore = await benchKeystore(index);
  return joinRun({
    connect,
    keystore,
    trainer: functionTrainer({
      manifest: { tensors: tensorsOf(dimension) },
      train: ({ weights }) => ({ weights, examples: BENCH_EXAMPLES, lossSum: 0, correct: 0 }),
    }),
    store,
    gate: sealedBoxGate(keystore.identity),
    clock: systemClock,
    random: seededRandom(deriveSeed(SEED, 'participant randomness', index)),
    loginTimeoutMs: HOUR_MS,
    // Anybody may join a run that measures.
    require: { known: 0, minimum: 3 },
  });
};
