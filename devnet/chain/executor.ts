/**
 * @module Executes one transaction against one state: gas coins are smashed into the first, the
 * commands run in a Move session, and the effects of the session become new object versions. The
 * state itself does not change: the caller applies the result or, for a simulation, drops it. A
 * failure discards everything except gas and the version bump of the inputs.
 */
import { toBase58 } from '@mysten/bcs';
import type { GrpcTypes } from '@mysten/sui/grpc';
import { DevnetError } from '../errors.ts';
import {
  DEFAULT_LIMITS,
  type MoveEvent,
  type MoveVm,
  type ObjectReader,
  type Owner as MoveOwner,
} from '../move/types.ts';
import { CommandRunner, SUI_COIN, type PublishedPackage } from './commands.ts';
import { ExecutionFailure, failure } from './failure.ts';
import {
  computationCost,
  netCost,
  rebateOf,
  stepsFor,
  storageCostOf,
  type GasUsed,
} from './gas.ts';
import { programmableOf, type ResolvedInput } from './inputs.ts';
import {
  addressBytes,
  objectDigest,
  u64le,
  type ChainObject,
  type Owner,
  type StateChange,
  type StateView,
} from './objects.ts';
import { collect, failedOutcome, sizeOf, type Draft, type Outcome } from './outcome.ts';

export interface ExecutionRequest {
  readonly vm: MoveVm;
  readonly state: StateView;
  readonly transaction: GrpcTypes.Transaction;
  readonly inputs: readonly ResolvedInput[];
  readonly digest: Uint8Array;
  readonly sender: string;
  readonly gas: {
    /** The first one remains, the others are merged into it. */
    readonly coins: readonly ChainObject[];
    readonly owner: string;
    readonly price: bigint;
    readonly budget: bigint;
  };
  readonly epoch: bigint;
  readonly epochTimestampMs: bigint;
  readonly referenceGasPrice: bigint;
  /**
   * Keep what the transaction published registered in the machine (execution), or not (simulation).
   */
  readonly keepPackages: boolean;
}

/** How one object stands before and after. */
export interface ObjectChange {
  readonly id: string;
  readonly before: ChainObject | undefined;
  readonly after: ChainObject | undefined;
  readonly operation: 'created' | 'deleted' | 'none';
}

export interface Execution {
  readonly digest: string;
  readonly error: GrpcTypes.ExecutionError | undefined;
  readonly gasUsed: GasUsed;
  readonly gasObjectId: string;
  readonly lamportVersion: bigint;
  readonly epoch: bigint;
  readonly change: StateChange;
  /** Ordered by id. */
  readonly objects: readonly ObjectChange[];
  readonly readOnlyShared: readonly ChainObject[];
  readonly events: readonly MoveEvent[];
  readonly packages: readonly PublishedPackage[];
  /** BCS of every command's results, for simulations; empty after a failure. */
  readonly results: readonly (readonly Uint8Array[])[];
}

/** The balance of a coin's BCS: id (32 bytes), u64. */
export const coinBalance = (contents: Uint8Array): bigint =>
  new DataView(contents.buffer, contents.byteOffset).getBigUint64(32, true);

const coinContents = (id: string, balance: bigint): Uint8Array =>
  Buffer.concat([addressBytes(id), u64le(balance)]);

const readerOf = (state: StateView): ObjectReader => ({
  getChild: (parent, id) => {
    const object = state.get(id);
    if (object?.owner.type !== 'object' || object.owner.parent !== parent) return undefined;
    return { id, type: object.objectType, contents: object.contents, version: object.version };
  },
  getReceivable: (parent, id, version) => {
    const object = state.get(id);
    if (object?.owner.type !== 'address' || object.owner.address !== parent) return undefined;
    if (object.version !== version) return undefined;
    return { id, type: object.objectType, contents: object.contents, version };
  },
});

interface Attempt {
  readonly outcome: Outcome;
  readonly error: GrpcTypes.ExecutionError | undefined;
  readonly steps: number;
  /** The gas coin after the commands: contents and owner. */
  readonly gas: Draft;
  readonly packages: readonly PublishedPackage[];
  readonly results: readonly (readonly Uint8Array[])[];
}

const moveOwner = ({ owner }: ChainObject): MoveOwner =>
  owner.type === 'shared' ? { type: 'shared' } : owner;

const runCommands = (request: ExecutionRequest, gasCoin: Draft): Attempt => {
  const { vm, gas } = request;
  const session = vm.begin({
    objects: readerOf(request.state),
    context: {
      sender: request.sender,
      digest: request.digest,
      epoch: request.epoch,
      epochTimestampMs: request.epochTimestampMs,
      referenceGasPrice: request.referenceGasPrice,
      gasPrice: gas.price,
      gasBudget: gas.budget,
      ...(gas.owner === request.sender ? {} : { sponsor: gas.owner }),
    },
    limits: { steps: stepsFor(gas.budget, gas.price, DEFAULT_LIMITS.steps) },
    inputs: new Map([
      [gasCoin.id, { type: 'address', address: gas.owner }],
      ...request.inputs.flatMap((input): [string, MoveOwner][] =>
        input.type === 'object' ? [[input.object.id, moveOwner(input.object)]] : [],
      ),
    ]),
  });
  const runner = new CommandRunner({
    vm,
    session,
    inputs: request.inputs,
    gasContents: gasCoin.contents,
  });
  let command: number | undefined;
  try {
    for (const [index, item] of programmableOf(request.transaction).commands.entries()) {
      command = index;
      runner.run(item);
    }
    command = undefined;
    runner.finish();
    const outcome = collect(request.inputs, session, runner);
    const given = outcome.drafts.get(gasCoin.id);
    const gasAfter =
      runner.gasCell.value === undefined
        ? (given ?? gasCoin)
        : { ...gasCoin, contents: session.bytes(runner.gasCell) };
    const results = runner.results.map((cells) =>
      cells.map((cell) => (cell.value === undefined ? new Uint8Array() : session.bytes(cell))),
    );
    const { steps } = session.effects();
    return { outcome, error: undefined, steps, gas: gasAfter, packages: runner.published, results };
  } catch (error) {
    for (const { info } of runner.published.toReversed()) vm.unpublish(info.storageId);
    if (!(error instanceof ExecutionFailure) && !(error instanceof DevnetError)) throw error;
    const reason =
      error instanceof ExecutionFailure ? error : failure('VM_INVARIANT_VIOLATION', error.message);
    return {
      outcome: failedOutcome(request.inputs),
      error: reason.toProto(command),
      steps: 0,
      gas: gasCoin,
      packages: [],
      results: [],
    };
  }
};

/** Storage of what is written, and what the replaced and removed versions give back. */
const gasUsedBy = (request: ExecutionRequest, attempt: Attempt): GasUsed => {
  const { outcome, gas } = attempt;
  const drafts = new Map(outcome.drafts).set(gas.id, gas);
  let storageCost = 0n;
  for (const draft of drafts.values()) storageCost += storageCostOf(sizeOf(draft));
  const replaced = new Set([
    ...drafts.keys(),
    ...outcome.removed,
    ...request.gas.coins.map(({ id }) => id),
  ]);
  let paid = 0n;
  for (const id of replaced) paid += request.state.get(id)?.storageRebate ?? 0n;
  const { refunded, kept } = rebateOf(paid);
  return {
    computationCost: computationCost(attempt.steps, request.gas.price),
    storageCost,
    storageRebate: refunded,
    nonRefundableStorageFee: kept,
  };
};

const settleGas = (
  request: ExecutionRequest,
  attempt: Attempt,
  gasCoin: Draft,
): { readonly attempt: Attempt; readonly used: GasUsed } => {
  const used = gasUsedBy(request, attempt);
  const affordable = (cost: bigint, coin: Draft): boolean =>
    cost <= request.gas.budget && cost <= coinBalance(coin.contents);
  if (attempt.error || affordable(netCost(used), attempt.gas)) return { attempt, used };
  for (const { info } of attempt.packages.toReversed()) request.vm.unpublish(info.storageId);
  const failed: Attempt = {
    outcome: failedOutcome(request.inputs),
    error: failure(
      'INSUFFICIENT_GAS',
      `needs ${netCost(used)} MIST, the budget is ${request.gas.budget}`,
    ).toProto(undefined),
    steps: attempt.steps,
    gas: gasCoin,
    packages: [],
    results: [],
  };
  return { attempt: failed, used: gasUsedBy(request, failed) };
};

/** Runs a transaction; throws only what is a defect of the devnet itself. */
export const executeTransaction = (request: ExecutionRequest): Execution => {
  const [primary] = request.gas.coins;
  if (!primary) throw new DevnetError('internal', 'expected at least one gas coin');
  const total = request.gas.coins.reduce((sum, coin) => sum + coinBalance(coin.contents), 0n);
  const gasCoin: Draft = {
    id: primary.id,
    objectType: SUI_COIN,
    contents: coinContents(primary.id, total),
    owner: { type: 'address', address: request.gas.owner },
    hasPublicTransfer: true,
  };
  const settled = settleGas(request, runCommands(request, gasCoin), gasCoin);
  const { attempt, used } = settled;
  const { outcome } = attempt;
  const cost = netCost(used);
  const balance = coinBalance(attempt.gas.contents);
  // A failed transaction never costs more than its budget or than there is.
  const charged = cost > balance ? balance : cost;
  outcome.drafts.set(attempt.gas.id, {
    ...attempt.gas,
    contents: coinContents(attempt.gas.id, balance - charged),
  });
  outcome.removed.delete(attempt.gas.id);
  for (const coin of request.gas.coins.slice(1)) outcome.removed.add(coin.id);

  const inputObjects = request.inputs.flatMap((input) =>
    input.type === 'object' ? [input.object] : [],
  );
  const versions = [...inputObjects, ...request.gas.coins].map(({ version }) => version);
  for (const id of [...outcome.drafts.keys(), ...outcome.removed])
    versions.push(request.state.get(id)?.version ?? 0n);
  const lamport =
    [...versions, ...outcome.loaded].reduce((max, version) => (version > max ? version : max), 0n) +
    1n;
  const transactionDigest = toBase58(request.digest);

  const objects: ObjectChange[] = [];
  for (const draft of outcome.drafts.values()) {
    const before = request.state.get(draft.id);
    const owner: Owner =
      draft.owner.type !== 'shared'
        ? draft.owner
        : before?.owner.type === 'shared'
          ? before.owner
          : { type: 'shared', version: lamport };
    const version = draft.packageVersion ?? lamport;
    const body = { ...draft, owner, version };
    const after: ChainObject = {
      id: draft.id,
      version,
      digest: objectDigest(body),
      owner,
      objectType: draft.objectType,
      contents: draft.contents,
      hasPublicTransfer: draft.hasPublicTransfer,
      previousTransaction: transactionDigest,
      storageRebate: storageCostOf(sizeOf(draft)),
      ...(draft.package ? { package: draft.package } : {}),
    };
    const created = !before && (outcome.createdIds.has(draft.id) || draft.package !== undefined);
    objects.push({ id: draft.id, before, after, operation: created ? 'created' : 'none' });
  }
  const smashed = new Set(request.gas.coins.map(({ id }) => id));
  for (const id of outcome.removed) {
    const before = request.state.get(id);
    const deleted = outcome.deletedIds.has(id) || smashed.has(id);
    if (before)
      objects.push({ id, before, after: undefined, operation: deleted ? 'deleted' : 'none' });
  }
  objects.sort((a, b) => (a.id < b.id ? -1 : 1));

  if (!request.keepPackages)
    for (const { info } of attempt.packages.toReversed()) request.vm.unpublish(info.storageId);
  return {
    digest: transactionDigest,
    error: attempt.error,
    gasUsed: used,
    gasObjectId: attempt.gas.id,
    lamportVersion: lamport,
    epoch: request.epoch,
    change: {
      written: objects.flatMap(({ after }) => after ?? []),
      removed: objects.flatMap(({ id, after }) => (after ? [] : [id])),
    },
    objects,
    readOnlyShared: request.inputs.flatMap((input) =>
      input.type === 'object' && input.access === 'shared' && !input.mutable ? [input.object] : [],
    ),
    events: outcome.events,
    packages: attempt.packages,
    results: attempt.results,
  };
};
