/**
 * @module The Ledger on Sui, through Floe's Move package: what was frozen there nobody can take
 * back, the coordinator included. The package draws the beacon from Sui's randomness in the
 * transaction that freezes the cohort, and hashes the members' entropy into it: a coordinator
 * cannot choose it, it can only abort the attempt.
 *
 * An attempt holds the hash of its survivor set and the data commitment: the Merkle root over the
 * records of the uploads that count, frozen before anybody unmasks them. Its model version copies
 * the commitment on chain and adds the transcript root, over all records of the finished attempt.
 * It states the mechanism, epsilon and delta, or none, which is not epsilon 0.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { Transaction } from '@mysten/sui/transactions';
import { equalBytes, toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import type { Ledger, ModelFacts, ModelVersion } from '../../ports/ledger.ts';
import { readChain, type ReadLimits } from './chain.ts';
import { blobNumber, MECHANISMS } from './layout.ts';
import { callPackage, createFreezes } from './ledger-freezes.ts';
import { createOnce } from './ledger-once.ts';
import { createLedgerReads } from './ledger-read.ts';
import { createRunLookup } from './run-lookup.ts';
import type { SuiRun } from './run.ts';
import { chainTime } from './time.ts';
import type { Sender } from './transactions.ts';

export interface SuiLedgerInit extends ReadLimits {
  readonly client: ClientWithCoreApi;
  /** Floe's package. */
  readonly packageId: string;
  /** Sui address of the run's coordinator. */
  readonly owner: string;
  /** The coordinator's; without it the ledger is for reading. */
  readonly sender?: Sender | undefined;
  /** Of the run specification. */
  readonly name: string;
  /**
   * Addresses that the auditors' policy admits as long as the run lasts, the coordinator's
   * included.
   */
  readonly auditors: readonly string[];
  /** Hash of the architecture, 32 bytes. */
  readonly architecture: Uint8Array;
}

export interface SuiLedger extends Ledger {
  /** Object id of a run; the coordinator's ledger creates it when it is not there. */
  runObject(run: Uint8Array): Promise<string>;
  /** Object id of a model version. */
  modelObject(run: Uint8Array, attempt: number): Promise<string | undefined>;
}

/** On chain, the hash of the state of a strategy that has none. */
const NO_STATE = new Uint8Array();
const MICRO = 1_000_000;
const PICO = 1e12;

export const suiLedger = (init: SuiLedgerInit): SuiLedger => {
  const { client, packageId, sender, timeoutMs, clock } = init;
  const limits: ReadLimits = { timeoutMs, clock };
  const runs = createRunLookup({ ...init, sender });
  const reads = createLedgerReads({ client, packageId, limits, runs });
  const once = createOnce({ runs, sender, clock });
  const call = callPackage(packageId);
  const freezes = createFreezes({ reads, once, call, clock });
  const { modelId, readCohort, readSurvivors, readModel, readFamily } = reads;

  const sayModel = async (
    transaction: Transaction,
    object: SuiRun,
    { attempt, modelHash, stateHash, blob, transcriptRoot }: ModelVersion,
    { parent, examples = 0, metrics = [], privacy }: ModelFacts,
  ): Promise<void> => {
    const from = typeof parent === 'number' ? await modelId(object, parent) : parent;
    call(transaction, object, 'model::publish_version', ({ pure }) => [
      pure.u64(attempt),
      pure.vector('u8', init.architecture),
      pure.vector('u8', modelHash),
      pure.vector('u8', stateHash ?? []),
      pure.u64(Math.round(Math.max(0, examples))),
      pure.vector(
        'string',
        metrics.map(({ name }) => name),
      ),
      pure.vector(
        'u64',
        metrics.map(({ value }) => Math.round(Math.max(0, value) * MICRO)),
      ),
      // Rounded up: what stands on chain must hold.
      pure.u8(privacy === undefined ? 0 : MECHANISMS.indexOf(privacy.mechanism) + 1),
      pure.u64(privacy === undefined ? 0 : Math.ceil(privacy.epsilon * MICRO)),
      pure.u64(privacy === undefined ? 0 : Math.ceil(privacy.delta * PICO)),
      pure.option('address', from ?? null),
      pure.vector('u8', transcriptRoot),
      pure.u256(blobNumber(blob.id)),
      pure.vector('u8', blob.sha256),
      pure.u64(blob.size),
    ]);
  };

  const registerModel = async (version: ModelVersion, facts: ModelFacts = {}) => {
    const { run, attempt } = version;
    return {
      receipt: await once(
        'model',
        run,
        attempt,
        () => readModel(run, attempt),
        (found) =>
          equalBytes(found.modelHash, version.modelHash) &&
          equalBytes(found.stateHash ?? NO_STATE, version.stateHash ?? NO_STATE) &&
          equalBytes(found.transcriptRoot, version.transcriptRoot) &&
          equalBytes(found.blob.sha256, version.blob.sha256) &&
          found.blob.id === version.blob.id,
        (transaction, object) => sayModel(transaction, object, version, facts),
      ),
    };
  };

  return {
    time: async () => {
      const what = 'reading the time of the chain';
      const time = await readChain(what, limits, (signal) => chainTime(client, signal));
      if (time === undefined) throw new FloeError('ledger_unavailable', `${what}: no answer`);
      return time;
    },
    kind: 'sui',
    beacon: 'ledger',
    ...freezes,
    registerModel,
    readCohort,
    readSurvivors,
    readModel,
    readFamily,
    runObject: async (run) => {
      const found = sender === undefined ? await runs.standing(run) : await runs.ensured(run);
      if (found === undefined)
        throw new FloeError('ledger_unavailable', `the run ${toHex(run)} is not on chain yet`);
      return found.run;
    },
    modelObject: async (run, attempt) => {
      const object = await runs.standing(run);
      return object && (await modelId(object, attempt));
    },
  };
};
