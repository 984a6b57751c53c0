/**
 * @module The Ledger on Sui, through Floe's Move package: what was frozen there nobody can take back, the coordinator included.
 * The package draws the beacon from Sui's randomness in the transaction that freezes the cohort, and hashes the members' entropy
 * into it: a coordinator cannot choose it, it can only abort the attempt.
 *
 * A round holds the hash of its survivor set and the data commitment: the Merkle root over the records of the uploads that
 * count, frozen before anybody unmasks them. Its model version copies the commitment on chain and adds the transcript root,
 * over all records of the finished round. Its differential privacy is none, which is not epsilon 0: no run has any yet.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { chainTime } from './time.ts';
import { bcs } from '@mysten/sui/bcs';
import type { Transaction, TransactionArgument } from '@mysten/sui/transactions';
import { equalBytes, toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import { addressOf } from '../../ports/identity.ts';
import { withRetry } from './bounds.ts';
import { TransactionFailed, type Sender } from './transactions.ts';
import { dynamicField, readChain } from './chain.ts';
import type {
  CohortFreeze,
  Ledger,
  ModelFacts,
  ModelVersion,
  SurvivorFreeze,
} from '../../ports/ledger.ts';
import { blobNumber, blobOfNumber, bytes, ModelObject, ObjectId, PublishedKey } from './layout.ts';
import { familyOf, roundOf as readRound } from './family.ts';
import { ensureRun, findRun, type RunReader, type SuiRun } from './run.ts';

export interface SuiLedgerInit {
  readonly client: ClientWithCoreApi;
  /** Floe's package. */
  readonly packageId: string;
  /** Sui address of the run's coordinator. */
  readonly owner: string;
  /** The coordinator's; without it the ledger is for reading. */
  readonly sender?: Sender | undefined;
  /** Of the run specification. */
  readonly name: string;
  /** Addresses that the auditors' policy admits as long as the run lasts, the coordinator's included. */
  readonly auditors: readonly string[];
  /** Hash of the architecture, 32 bytes. */
  readonly architecture: Uint8Array;
  /** Milliseconds for one read. */
  readonly timeoutMs?: number;
}

export interface SuiLedger extends Ledger {
  /** Object id of a run; the coordinator's ledger creates it when it is not there. */
  runObject(run: Uint8Array): Promise<string>;
  /** Object id of a model version. */
  modelObject(run: Uint8Array, round: number): Promise<string | undefined>;
}

/** The package's words for: said already, by module and code. */
const FROZEN: ReadonlySet<string> = new Set(['run/2', 'model/21']);
/** On chain, the hash of the state of a strategy that has none. */
const NO_STATE = new Uint8Array();
const MICRO = 1_000_000;
/** Reads may lag behind what the chain has just refused to say twice. */
const LAG_RETRIES = 8;

const isFrozen = (thrown: unknown): boolean =>
  thrown instanceof TransactionFailed && FROZEN.has(`${thrown.module}/${thrown.abortCode}`);

const own = (parsed: Iterable<number>): Uint8Array => Uint8Array.from(parsed);

export const suiLedger = (init: SuiLedgerInit): SuiLedger => {
  const { client, packageId, sender, timeoutMs } = init;
  const reader: RunReader = {
    client,
    packageId,
    owner: init.owner,
    auditors: init.auditors,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  const runs = new Map<string, Promise<SuiRun | undefined>>();

  /** Looked up once; what is not there is looked for again. */
  const remember = (
    run: Uint8Array,
    look: () => Promise<SuiRun | undefined>,
  ): Promise<SuiRun | undefined> => {
    const key = toHex(run);
    const known = runs.get(key);
    if (known !== undefined) return known;
    const looking = look();
    runs.set(key, looking);
    const forget = (): void => void runs.delete(key);
    looking.then((found) => found === undefined && forget(), forget);
    return looking;
  };
  const standing = (run: Uint8Array): Promise<SuiRun | undefined> =>
    remember(run, () => findRun(reader, run));
  const creating = new Map<string, Promise<SuiRun>>();
  const ensured = async (run: Uint8Array): Promise<SuiRun> => {
    if (sender === undefined)
      throw new FloeError('usage', "only the coordinator's ledger can write");
    const key = toHex(run);
    let created = creating.get(key);
    if (created === undefined) {
      const { name, auditors } = init;
      created = ensureRun(reader, sender, { specHash: run, name, auditors });
      creating.set(key, created);
      created.catch(() => creating.delete(key));
    }
    return created;
  };

  const field = (parentId: string, type: string, key: Uint8Array) =>
    dynamicField(client, parentId, type, key, timeoutMs);

  const roundOf = async (run: Uint8Array, round: number) => {
    const object = await standing(run);
    return object && readRound(client, object, round, timeoutMs);
  };

  const modelId = async ({ run }: SuiRun, round: number): Promise<string | undefined> => {
    const key = PublishedKey.serialize([round]).toBytes();
    const value = await field(run, `${packageId}::model::PublishedKey`, key);
    return value && ObjectId.parse(value);
  };

  const readCohort: Ledger['readCohort'] = async (run, round) => {
    const found = await roundOf(run, round);
    return found && { root: own(found.cohortRoot), beacon: own(found.beacon) };
  };

  const readSurvivors: Ledger['readSurvivors'] = async (run, round) => {
    const found = await roundOf(run, round);
    if (!found?.survivors) return undefined;
    return { hash: own(found.survivorsHash), dataCommitment: own(found.dataCommitment) };
  };

  const readModel: Ledger['readModel'] = async (run, round) => {
    const object = await standing(run);
    const id = object && (await modelId(object, round));
    if (id === undefined) return undefined;
    const content = await readChain(`reading model ${id}`, timeoutMs, async (signal) => {
      const include = { content: true } as const;
      return (await client.core.getObject({ objectId: id, include, signal })).object.content;
    });
    if (content === undefined) return undefined;
    const { modelHash, stateHash, transcriptRoot, blob } = ModelObject.parse(content);
    return {
      run,
      round,
      modelHash: own(modelHash),
      ...(stateHash.length === 0 ? {} : { stateHash: own(stateHash) }),
      transcriptRoot: own(transcriptRoot),
      blob: {
        id: blobOfNumber(blob.blobId),
        sha256: own(blob.sha256),
        size: Number(blob.size),
      },
    };
  };

  const readFamily: Ledger['readFamily'] = async (run, version, modelHash) => {
    const object = await standing(run);
    if (object === undefined)
      throw new FloeError('ledger_unavailable', `the run ${toHex(run)} is not on chain yet`);
    return familyOf(client, object, version, modelHash, timeoutMs);
  };

  /** Says a thing once: what stands already must be the same. */
  const once = async <Standing>(
    what: string,
    run: Uint8Array,
    round: number,
    read: () => Promise<Standing | undefined>,
    isSame: (standing: Standing) => boolean,
    say: (transaction: Transaction, object: SuiRun) => void | Promise<void>,
  ): Promise<string> => {
    const object = await ensured(run);
    const receipt = `sui:${object.run}/${what}/${round}`;
    const settled = (found: Standing): string => {
      if (isSame(found)) return receipt;
      throw new FloeError('already_frozen', `another ${what} of round ${round} stands`, { round });
    };
    const before = await read();
    if (before !== undefined) return settled(before);
    try {
      await sender?.execute((transaction) => say(transaction, object));
      return receipt;
    } catch (thrown) {
      if (!isFrozen(thrown)) throw thrown;
    }
    return withRetry({ retries: LAG_RETRIES }, async () => {
      const found = await read();
      if (found === undefined)
        throw new FloeError('ledger_unavailable', `the ${what} of round ${round} is not seen yet`);
      return settled(found);
    });
  };

  const call = (
    transaction: Transaction,
    { run, cap }: SuiRun,
    target: string,
    rest: (transaction: Transaction) => TransactionArgument[],
  ): void =>
    void transaction.moveCall({
      target: `${packageId}::${target}`,
      arguments: [transaction.object(cap), transaction.object(run), ...rest(transaction)],
    });

  const freezeCohort = async ({ run, round, root, members, entropy }: CohortFreeze) => {
    const receipt = await once(
      'cohort',
      run,
      round,
      () => roundOf(run, round),
      (found) => equalBytes(own(found.cohortRoot), root) && equalBytes(own(found.entropy), entropy),
      (transaction, object) =>
        call(transaction, object, 'run::freeze_cohort', ({ pure, object: shared }) => [
          pure.u64(round),
          pure(bcs.vector(bytes).serialize(members)),
          pure.vector('u8', root),
          pure.vector('u8', entropy),
          shared.random(),
          shared.clock(),
        ]),
    );
    const { beacon } = await withRetry({ retries: LAG_RETRIES }, async () => {
      const found = await readCohort(run, round);
      if (found !== undefined) return found;
      throw new FloeError('ledger_unavailable', `the cohort of round ${round} is not seen yet`);
    });
    return { beacon, receipt };
  };

  const freezeSurvivors = async (freeze: SurvivorFreeze) => {
    const { run, round, hash, members, dataCommitment } = freeze;
    const receipt = await once(
      'survivors',
      run,
      round,
      () => readSurvivors(run, round),
      (found) => equalBytes(found.hash, hash) && equalBytes(found.dataCommitment, dataCommitment),
      (transaction, object) =>
        call(transaction, object, 'run::freeze_survivors', ({ pure, object: shared }) => [
          pure.u64(round),
          pure.vector('address', members.map(addressOf)),
          pure.vector('u8', hash),
          pure.vector('u8', dataCommitment),
          shared.clock(),
        ]),
    );
    return { receipt };
  };

  const sayModel = async (
    transaction: Transaction,
    object: SuiRun,
    { round, modelHash, stateHash, blob, transcriptRoot }: ModelVersion,
    { parent, examples = 0, metrics = [] }: ModelFacts,
  ): Promise<void> => {
    const from = typeof parent === 'number' ? await modelId(object, parent) : parent;
    call(transaction, object, 'model::publish_version', ({ pure }) => [
      pure.u64(round),
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
      // No differential privacy, so neither epsilon nor delta.
      pure.option('u64', null),
      pure.u64(0),
      pure.option('address', from ?? null),
      pure.vector('u8', transcriptRoot),
      pure.u256(blobNumber(blob.id)),
      pure.vector('u8', blob.sha256),
      pure.u64(blob.size),
    ]);
  };

  const registerModel = async (version: ModelVersion, facts: ModelFacts = {}) => {
    const { run, round } = version;
    return {
      receipt: await once(
        'model',
        run,
        round,
        () => readModel(run, round),
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
      const time = await readChain(what, timeoutMs, (signal) => chainTime(client, signal));
      if (time === undefined) throw new FloeError('ledger_unavailable', `${what}: no answer`);
      return time;
    },
    kind: 'sui',
    beacon: 'ledger',
    freezeCohort,
    freezeSurvivors,
    registerModel,
    readCohort,
    readSurvivors,
    readModel,
    readFamily,
    runObject: async (run) => {
      const found = sender === undefined ? await standing(run) : await ensured(run);
      if (found === undefined)
        throw new FloeError('ledger_unavailable', `the run ${toHex(run)} is not on chain yet`);
      return found.run;
    },
    modelObject: async (run, round) => {
      const object = await standing(run);
      return object && (await modelId(object, round));
    },
  };
};
