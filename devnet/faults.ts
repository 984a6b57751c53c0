/**
 * @module The faults that a devnet can simulate, as methods and as JSON commands
 * (`POST /control`, on the server of the faucet). Callers switch faults on and off; none is random,
 * so a run with faults can be repeated.
 */
import * as v from 'valibot';
import { DevnetError } from './errors.ts';
import type { Chain } from './chain/chain.ts';
import { json, type HttpHandler, type RunningServer } from './http.ts';
import { advanceWalrusEpoch, type WalrusIds } from './walrus/contract.ts';
import type { BlobRegistry } from './walrus/registry.ts';
import type { StorageNode } from './walrus/storage-node.ts';

const index = v.pipe(v.number(), v.integer(), v.minValue(0));
const ms = v.pipe(v.number(), v.minValue(0));

/** One command; the method of the same name does the same. */
const FaultCommand = v.variant('type', [
  v.object({ type: v.literal('nodeDown'), node: index, down: v.optional(v.boolean(), true) }),
  v.object({ type: v.literal('nodeDelay'), node: index, ms }),
  v.object({
    type: v.literal('corruptSlivers'),
    node: index,
    blobs: v.optional(v.string(), 'all'),
  }),
  v.object({ type: v.literal('notFoundAfterCertify'), ms }),
  v.object({ type: v.literal('blockBlob'), blob: v.string() }),
  v.object({
    type: v.literal('keyServerDown'),
    server: index,
    down: v.optional(v.boolean(), true),
  }),
  v.object({ type: v.literal('keyServerDelay'), server: index, ms }),
  v.object({ type: v.literal('staleRpc'), transactions: index }),
  v.object({ type: v.literal('rpcDown'), down: v.optional(v.boolean(), true) }),
  v.object({ type: v.literal('rpcDelay'), ms }),
  v.object({ type: v.literal('relayDown'), down: v.optional(v.boolean(), true) }),
  v.object({ type: v.literal('advanceClock'), ms }),
  v.object({ type: v.literal('advanceEpoch'), syncing: v.optional(v.boolean(), false) }),
  v.object({ type: v.literal('clear') }),
]);

export type FaultCommand = v.InferOutput<typeof FaultCommand>;

export interface FaultTargets {
  readonly chain: Chain;
  readonly rpc: RunningServer;
  readonly relay: RunningServer;
  readonly nodes: readonly { readonly node: StorageNode; readonly server: RunningServer }[];
  readonly keyServers: readonly RunningServer[];
  readonly registry: BlobRegistry;
  readonly walrus: WalrusIds;
  /**
   * Called when storage nodes answer otherwise than before: what was read from them is not to hide
   * it.
   */
  readonly onStorage: () => void;
  /** Called when a client's picture of the committee is old. */
  readonly onEpoch: () => void;
}

export class Faults {
  readonly #targets: FaultTargets;

  constructor(targets: FaultTargets) {
    this.#targets = targets;
  }

  /** A storage node drops every connection. */
  nodeDown(node: number, down = true): void {
    this.#node(node).server.gate.down = down;
    this.#targets.onStorage();
  }

  /** A storage node answers late. */
  nodeDelay(node: number, delayMs: number): void {
    this.#node(node).server.gate.delayMs = delayMs;
    this.#targets.onStorage();
  }

  /** A storage node changes one byte in every sliver of a blob (or of all) that it hands out. */
  corruptSlivers(node: number, blob: string): void {
    const { faults } = this.#node(node).node;
    if (blob === 'all') faults.corrupt = 'all';
    else if (faults.corrupt !== 'all') faults.corrupt.add(blob);
    this.#targets.onStorage();
  }

  /** All nodes answer reads 404 for this long after a blob was certified. */
  notFoundAfterCertify(delayMs: number): void {
    for (const { node } of this.#targets.nodes) node.faults.notFoundAfterCertifyMs = delayMs;
    this.#targets.onStorage();
  }

  /** All nodes refuse to hand out a blob (HTTP 451). */
  blockBlob(blob: string): void {
    for (const { node } of this.#targets.nodes) node.faults.blocked.add(blob);
    this.#targets.onStorage();
  }

  keyServerDown(server: number, down = true): void {
    this.#keyServer(server).gate.down = down;
  }

  keyServerDelay(server: number, delayMs: number): void {
    this.#keyServer(server).gate.delayMs = delayMs;
  }

  /** Reads over RPC lag this many transactions behind; 0 ends it. */
  staleRpc(transactions: number): void {
    this.#targets.chain.setStale(transactions);
  }

  rpcDown(down = true): void {
    this.#targets.rpc.gate.down = down;
  }

  rpcDelay(delayMs: number): void {
    this.#targets.rpc.gate.delayMs = delayMs;
  }

  /** The upload relay drops every connection. */
  relayDown(down = true): void {
    this.#targets.relay.gate.down = down;
  }

  /** Moves the on-chain clock forward; wallets and key servers keep the wall clock. */
  advanceClock(byMs: number): void {
    this.#targets.chain.advanceClock(byMs);
  }

  /**
   * Begins the next epoch of Sui and Walrus; blobs that ran out are gone. With `syncing`, Walrus
   * says that shards are still moving until the next call, which only ends that. Returns the Walrus
   * epoch.
   */
  advanceEpoch(options: { readonly syncing?: boolean } = {}): number {
    const { chain, walrus, registry, nodes, onEpoch, onStorage } = this.#targets;
    const epoch = advanceWalrusEpoch(chain, walrus, { syncing: options.syncing ?? false });
    if (epoch !== registry.epoch) chain.advanceEpoch();
    registry.epoch = epoch;
    for (const { node } of nodes) node.collectGarbage();
    onEpoch();
    onStorage();
    return epoch;
  }

  /** Ends every fault; clock and epoch stay where they are. */
  clear(): void {
    const { chain, rpc, relay, nodes, keyServers } = this.#targets;
    chain.setStale(0);
    for (const { gate } of [rpc, relay, ...nodes.map(({ server }) => server), ...keyServers]) {
      gate.down = false;
      gate.delayMs = 0;
    }
    for (const { node } of nodes) {
      node.faults.corrupt = new Set();
      node.faults.notFoundAfterCertifyMs = 0;
      node.faults.blocked.clear();
    }
    this.#targets.onStorage();
  }

  /** Runs one command. */
  run(command: FaultCommand): void {
    switch (command.type) {
      case 'nodeDown':
        return this.nodeDown(command.node, command.down);
      case 'nodeDelay':
        return this.nodeDelay(command.node, command.ms);
      case 'corruptSlivers':
        return this.corruptSlivers(command.node, command.blobs);
      case 'notFoundAfterCertify':
        return this.notFoundAfterCertify(command.ms);
      case 'blockBlob':
        return this.blockBlob(command.blob);
      case 'keyServerDown':
        return this.keyServerDown(command.server, command.down);
      case 'keyServerDelay':
        return this.keyServerDelay(command.server, command.ms);
      case 'staleRpc':
        return this.staleRpc(command.transactions);
      case 'rpcDown':
        return this.rpcDown(command.down);
      case 'rpcDelay':
        return this.rpcDelay(command.ms);
      case 'relayDown':
        return this.relayDown(command.down);
      case 'advanceClock':
        return this.advanceClock(command.ms);
      case 'advanceEpoch':
        this.advanceEpoch({ syncing: command.syncing });
        return undefined;
      case 'clear':
        return this.clear();
    }
  }

  #node(node: number): FaultTargets['nodes'][number] {
    const target = this.#targets.nodes[node];
    if (!target)
      throw new DevnetError(
        'fault_invalid',
        `expected a node below ${this.#targets.nodes.length}, got ${node}`,
      );
    return target;
  }

  #keyServer(server: number): RunningServer {
    const target = this.#targets.keyServers[server];
    if (!target)
      throw new DevnetError(
        'fault_invalid',
        `expected a key server below ${this.#targets.keyServers.length}, got ${server}`,
      );
    return target;
  }
}

/** Reads a command written as JSON. @throws {DevnetError} fault_invalid, naming what is wrong. */
export const parseFault = (text: string): FaultCommand => {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new DevnetError('fault_invalid', `expected a fault as JSON, got ${text}`, {
      cause: error,
    });
  }
  const parsed = v.safeParse(FaultCommand, data);
  if (!parsed.success) throw new DevnetError('fault_invalid', v.summarize(parsed.issues));
  return parsed.output;
};

/** `POST /control` with one command. Only from this machine, as everything of a devnet. */
export const controlHandler =
  (faults: Faults): HttpHandler =>
  ({ method, url, headers, body }) => {
    // A page in a browser must not be able to switch faults.
    if (headers.origin !== undefined || method !== 'POST' || url.pathname !== '/control')
      return json({ error: 'NotFound', message: 'no such route' }, 404);
    try {
      faults.run(parseFault(Buffer.from(body).toString('utf8')));
      return json({ status: 'ok' });
    } catch (error) {
      if (!(error instanceof DevnetError)) throw error;
      return json({ error: error.code, message: error.message }, 400);
    }
  };
