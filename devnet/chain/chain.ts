/**
 * @module The chain: one state, one order of transactions, one Move machine. Executing checks
 * signatures, gas and every claim of the request against the state. Reads may be made to lag behind
 * (a stale RPC); key servers always see the latest state.
 */
import { toBase58 } from '@mysten/bcs';
import type { GrpcTypes } from '@mysten/sui/grpc';
import { TransactionDataBuilder } from '@mysten/sui/transactions';
import { fromBase58, normalizeSuiAddress } from '@mysten/sui/utils';
import type { MoveVm, PackageInfo } from '../move/types.ts';
import { checkExpiration, checkGas, checkSignatures } from './checks.ts';
import { executedOf } from './encode.ts';
import { executeTransaction } from './executor.ts';
import { REFERENCE_GAS_PRICE, storageCostOf } from './gas.ts';
import { GRPC, GrpcError } from './grpc-web.ts';
import { CLOCK_ID, programmableOf, requireAddress, resolveInputs } from './inputs.ts';
import {
  addressBytes,
  blake2b256,
  objectDigest,
  StateView,
  u64le,
  type ChainObject,
  type StateChange,
  type SystemObject,
} from './objects.ts';
import { packageData } from './outcome.ts';
import { checkRandomUse, randomInput, randomnessAt } from './randomness.ts';
import { decodeTransaction } from './transaction.ts';

export interface ChainOptions {
  readonly vm: MoveVm;
  /** Milliseconds since 1970; the on-chain clock is this plus what `advanceClock` added. */
  readonly now: () => number;
  /** 32 bytes; the chain id and the ids of genesis objects follow from it. */
  readonly seed: Uint8Array;
}

/** One executed transaction and its place in the order. */
export interface TransactionRecord {
  readonly sequence: number;
  readonly executed: GrpcTypes.ExecutedTransaction;
}

/** An event and its place in the order of all events. */
export interface EventRecord {
  readonly sequence: number;
  readonly event: GrpcTypes.Event;
}

const refuse = (message: string): GrpcError => new GrpcError(GRPC.INVALID_ARGUMENT, message);
/** @param before the object as it is, if it is there already; its owner and the rebate stay */
export const systemObject = (object: SystemObject, before?: ChainObject): ChainObject => {
  const version = before ? before.version + 1n : 1n;
  const owner =
    object.owner.type === 'shared' && before?.owner.type === 'shared' ? before.owner : object.owner;
  return {
    ...object,
    owner,
    version,
    digest: objectDigest({ ...object, owner, version }),
    hasPublicTransfer: object.hasPublicTransfer ?? false,
    previousTransaction: toBase58(new Uint8Array(32)),
    storageRebate: before?.storageRebate ?? storageCostOf(object.contents.length),
  };
};

export class Chain {
  readonly vm: MoveVm;
  readonly state = new StateView();
  readonly chainId: string;
  readonly records: TransactionRecord[] = [];
  readonly events: EventRecord[] = [];
  readonly #byDigest = new Map<string, TransactionRecord>();
  readonly #listeners = new Set<(record: TransactionRecord) => void>();
  readonly #now: () => number;
  readonly #seed: Uint8Array;
  #clockOffset = 0;
  #epoch = 0n;
  #epochStartMs: number;
  #replica: { view: StateView; pending: StateChange[]; lag: number } | undefined;

  constructor(options: ChainOptions) {
    this.vm = options.vm;
    this.#now = options.now;
    this.#seed = options.seed;
    this.chainId = toBase58(blake2b256(new TextEncoder().encode('floe devnet'), options.seed));
    this.#epochStartMs = options.now();
    this.tick();
    this.#renewRandomness();
  }

  get epoch(): bigint {
    return this.#epoch;
  }

  get epochStartMs(): number {
    return this.#epochStartMs;
  }

  /** The on-chain clock in milliseconds. */
  get timeMs(): number {
    return Math.floor(this.#now() + this.#clockOffset);
  }

  /** Moves the on-chain clock forward; it never goes back. */
  advanceClock(ms: number): void {
    if (!(ms >= 0)) throw refuse(`expected milliseconds >= 0, got ${ms}`);
    this.#clockOffset += ms;
    this.tick();
  }

  advanceEpoch(): void {
    this.#epoch += 1n;
    this.#epochStartMs = this.timeMs;
  }

  /** What reads see: the latest state, or the lagging one. */
  get readable(): StateView {
    return this.#replica?.view ?? this.state;
  }

  /** Makes reads lag `transactions` behind; 0 ends it. */
  setStale(transactions: number): void {
    this.#replica =
      transactions > 0 ? { view: this.state.clone(), pending: [], lag: transactions } : undefined;
  }

  /** Sequence numbers below this are visible to reads. */
  get readableLength(): number {
    return this.records.length - (this.#replica?.pending.length ?? 0);
  }

  /** Calls back after every executed transaction; returns how to stop. */
  onTransaction(listener: (record: TransactionRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The record of a digest, if reads may see it already. */
  transaction(digest: string): TransactionRecord | undefined {
    const record = this.#byDigest.get(digest);
    return record && record.sequence < this.readableLength ? record : undefined;
  }

  /** Brings the clock object up to date. Its version stays, as nothing may write it. */
  tick(): void {
    const contents = Buffer.concat([addressBytes(CLOCK_ID), u64le(this.timeMs)]);
    this.#put({
      id: CLOCK_ID,
      objectType: `${normalizeSuiAddress('0x2')}::clock::Clock`,
      contents,
      owner: { type: 'shared', version: 1n },
    });
  }

  /** Draws anew; nobody can have seen the value before. */
  #renewRandomness(): void {
    this.#put(...randomnessAt(this.#seed, this.records.length, this.#epoch));
  }

  /** Writes objects that all reads see at once, at their first version. */
  #put(...objects: readonly SystemObject[]): void {
    const change = { written: objects.map((object) => systemObject(object)), removed: [] };
    this.state.apply(change);
    this.#replica?.view.apply(change);
  }

  /**
   * Writes objects outside of any transaction: version 1, or the next one of an object that exists.
   */
  write(objects: readonly SystemObject[]): void {
    const written = objects.map((object) => systemObject(object, this.state.get(object.id)));
    this.#apply({ written, removed: [] });
  }

  /** Makes a package of genesis an object, so that it can be read and linked to. */
  installPackage(info: PackageInfo): void {
    const object = {
      id: info.storageId,
      version: info.version,
      owner: { type: 'immutable' },
      objectType: 'package',
      contents: new Uint8Array(),
      package: packageData(info),
    } as const;
    const installed: ChainObject = {
      ...object,
      digest: objectDigest(object),
      hasPublicTransfer: false,
      previousTransaction: toBase58(new Uint8Array(32)),
      storageRebate: 0n,
    };
    this.#apply({ written: [installed], removed: [] });
  }

  /** Puts back a complete state, as a snapshot has it. */
  restore(saved: {
    readonly objects: readonly ChainObject[];
    readonly executed: readonly GrpcTypes.ExecutedTransaction[];
    readonly epoch: bigint;
    readonly clockOffset: number;
  }): void {
    this.state.apply({ written: saved.objects, removed: [] });
    for (const executed of saved.executed) this.#remember(executed);
    this.#epoch = saved.epoch;
    this.#clockOffset = saved.clockOffset;
    this.tick();
    this.#renewRandomness();
  }

  get clockOffset(): number {
    return this.#clockOffset;
  }

  #apply(change: StateChange): void {
    this.state.apply(change);
    const replica = this.#replica;
    if (!replica) return;
    replica.pending.push(change);
    while (replica.pending.length > replica.lag) {
      const next = replica.pending.shift();
      if (next) replica.view.apply(next);
    }
  }

  /**
   * Executes signed BCS `TransactionData`. The same digest again gives the same record.
   *
   * @throws {GrpcError} for anything refused before execution: nothing has changed then.
   */
  async execute(bytes: Uint8Array, signatures: readonly Uint8Array[]): Promise<TransactionRecord> {
    const transaction = decodeTransaction(bytes);
    const digest = TransactionDataBuilder.getDigestFromBytes(bytes);
    const sender = requireAddress(transaction.sender, 'the sender');
    const gasOwner = requireAddress(transaction.gasPayment?.owner, 'the gas owner');
    await checkSignatures(bytes, signatures, new Set([sender, gasOwner]));
    // From here on nothing is awaited: transactions have one order.
    const known = this.#byDigest.get(digest);
    if (known) return known;
    this.tick();
    checkExpiration(transaction, this);
    const gas = checkGas(transaction, gasOwner, this.state);
    const programmable = programmableOf(transaction);
    checkRandomUse(programmable);
    const inputs = resolveInputs(programmable.inputs, this.state, sender);
    if (randomInput(programmable.inputs) >= 0) this.#renewRandomness();
    const execution = executeTransaction({
      vm: this.vm,
      state: this.state,
      transaction,
      inputs,
      digest: fromBase58(digest),
      sender,
      gas,
      keepPackages: true,
      ...this.environment,
    });
    this.#apply(execution.change);
    const record = this.#remember(
      executedOf(execution, {
        transaction,
        sender,
        signatures,
        sequence: this.records.length,
        timeMs: this.timeMs,
        vm: this.vm,
      }),
    );
    for (const listener of this.#listeners) listener(record);
    return record;
  }

  #remember(executed: GrpcTypes.ExecutedTransaction): TransactionRecord {
    const record = { sequence: this.records.length, executed };
    this.records.push(record);
    this.#byDigest.set(executed.digest ?? '', record);
    for (const event of executed.events?.events ?? [])
      this.events.push({ sequence: record.sequence, event });
    return record;
  }

  /** The facts about the chain that a transaction receives. */
  get environment() {
    return {
      epoch: this.#epoch,
      epochTimestampMs: BigInt(this.#epochStartMs),
      referenceGasPrice: REFERENCE_GAS_PRICE,
    };
  }
}
