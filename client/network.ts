/**
 * @module The ports of a participant. On a network it reads models from Walrus, opens their keys at
 * Seal with its identity, and compares cohorts and survivor sets with Sui. Its masked vectors go to
 * the coordinator, which pays for their storage. Without a network all data goes through the
 * coordinator. The participant decides between the two: an announced network is used only on
 * request.
 */
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import { localPorts } from '../protocol/ports/local-ports.ts';
import type { BlobRef, BlobStore } from '../protocol/ports/blob-store.ts';
import { httpBlobStore } from '../protocol/ports/http-store.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import { splitStore } from '../protocol/ports/staging-store.ts';
import { readAnnouncement, type Announcement } from '../protocol/records/announcement.ts';
import { equalBytes, toHex } from '../protocol/bytes.ts';
import type { ConnectOptions } from '../protocol/net/network-ports.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import {
  networkDifference,
  publicUrl,
  sealingDifference,
  type NetworkConfig,
} from '../protocol/net/config.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { ParticipantOptions } from './participant/options.ts';
import type { LedgerReader } from './participant/options.ts';

/**
 * Chooses the network: the participant's own configuration.
 *
 * @param own undefined if none was given; `announced` accepts the coordinator's announcement
 * @throws FloeError `network_mismatch` when own and announced network differ
 */
export const chooseNetwork = (
  own: NetworkConfig | 'announced' | undefined,
  announced: NetworkConfig | undefined,
): NetworkConfig | undefined => {
  if (own === undefined || own === 'announced') {
    if (announced === undefined || own === 'announced') return announced;
    throw new FloeError(
      'network_mismatch',
      `the run is on the network of ${publicUrl(announced.rpcUrl)}, package ${announced.floe?.packageId}; none was given here`,
    );
  }
  if (announced === undefined)
    throw new FloeError(
      'network_mismatch',
      `a network was given, ${publicUrl(own.rpcUrl)}, but the coordinator keeps this run itself`,
    );
  const difference = networkDifference(own, announced);
  if (difference !== undefined)
    throw new FloeError('network_mismatch', `the coordinator is on another network: ${difference}`);
  const sealing = sealingDifference(own, announced);
  if (sealing !== undefined)
    throw new FloeError(
      'network_mismatch',
      `the coordinator seals keys otherwise than the own network file has it: ${sealing}`,
    );
  return own;
};

export interface ParticipantPorts {
  readonly store: BlobStore;
  readonly gate: AccessGate;
  /** Undefined where the coordinator keeps the run itself. */
  readonly ledger: LedgerReader | undefined;
  close(): Promise<void>;
}

/**
 * Ports of one identity on a network. No coins are needed.
 *
 * @param uploads where masked vectors go
 * @throws FloeError `spec_invalid` when the configuration names no Floe package
 */
export const networkPorts = async (
  network: NetworkConfig,
  {
    identity,
    spec,
    uploads,
    limits = {},
    warn,
    clock,
  }: {
    readonly identity: Identity;
    readonly spec: RunSpec;
    readonly uploads: BlobStore;
    /** How long the network's services may take, where not as long as usual. */
    readonly limits?: Pick<ConnectOptions, 'store' | 'gate'>;
    readonly warn?: (message: string) => void;
    readonly clock?: Clock;
  },
): Promise<ParticipantPorts & { gateFor(other: Identity): Promise<AccessGate> }> => {
  const { connectIdentity } = await import('../protocol/net/network-ports.ts');
  const connected = await connectIdentity(network, identity, {
    spec,
    ...limits,
    ...(warn === undefined ? {} : { warn }),
    ...(clock === undefined ? {} : { clock }),
  });
  const { store: lasting, gate, ledger } = connected;
  const split = splitStore({ waiting: uploads, lasting });
  /**
   * What Walrus keeps no more, the coordinator has a copy of; its bytes are compared with the
   * record like any other.
   */
  const orCopy = async (
    ref: BlobRef,
    read: (store: BlobStore, from: BlobRef) => Promise<Uint8Array>,
  ): Promise<Uint8Array> => {
    try {
      return await read(split, ref);
    } catch (cause) {
      const waited = ref.id === toHex(ref.sha256);
      if (!(cause instanceof FloeError) || cause.code !== 'blob_not_found' || waited) throw cause;
      const copy = { ...ref, id: toHex(ref.sha256) };
      // A folder knows it by its content, the coordinator by its record.
      const bytes = await read(uploads, copy)
        .catch(() => read(uploads, ref))
        .catch(() => undefined);
      if (bytes === undefined)
        throw new FloeError(
          'blob_expired',
          `Walrus keeps no blob ${ref.id}, which the coordinator signed and pays for, and the coordinator gives no copy`,
          { blob: ref.id },
          { cause },
        );
      warn?.(`Walrus keeps blob ${ref.id} no more; read from the copy of the coordinator`);
      return bytes;
    }
  };
  return {
    store: {
      kind: split.kind,
      get: (ref, options) => orCopy(ref, (store, from) => store.get(from, options)),
      getRange: (ref, start, end, options) =>
        orCopy(ref, (store, from) => store.getRange(from, start, end, options)),
      put: (bytes, options) => uploads.put(bytes, options),
    },
    gate,
    ledger,
    gateFor: (other) => connected.gateFor(other),
    close: () => connected.close(),
  };
};

export interface ReachInit {
  readonly identity: Identity;
  /**
   * The participant's own configuration; `announced` accepts the coordinator's; undefined: a run on
   * no network.
   */
  readonly network: NetworkConfig | 'announced' | undefined;
  readonly warn?: (message: string) => void;
}

/**
 * How a participant reaches the run of a coordinator: its connection, and its ports once it has
 * logged in.
 */
export interface Reach {
  readonly connect: ParticipantOptions['connect'];
  readonly ports: Required<Pick<ParticipantOptions, 'store' | 'gate' | 'ledger'>>;
  close(): Promise<void>;
}

/**
 * Reaches a run, on its coordinator or on a network. A coordinator on another network is found out
 * before anybody logs in; the ports are opened at the first login, and where that fails, again at
 * the next. They throw what {@link readAnnouncement}, {@link chooseNetwork} and
 * {@link networkPorts} throw; `spec_mismatch` when the run is not the one that was announced.
 *
 * @param base the coordinator's address over HTTP
 */
export const reachRun = (
  base: string,
  connect: ParticipantOptions['connect'],
  { identity, network, warn }: ReachInit,
): Reach => {
  let announced: Announcement | undefined;
  let opening: Promise<ParticipantPorts> | undefined;
  const announcement = async (): Promise<Announcement> =>
    (announced ??= await readAnnouncement(base));

  const openPorts = async (run: Uint8Array, spec: RunSpec): Promise<ParticipantPorts> => {
    const found = await announcement();
    if (!equalBytes(found.run, run))
      throw new FloeError(
        'spec_mismatch',
        `the coordinator announced the run ${toHex(found.run)} and offers ${toHex(run)}`,
      );
    const uploads = httpBlobStore({ url: base, identity, run });
    const chosen = chooseNetwork(network, found.network);
    if (chosen !== undefined)
      return networkPorts(chosen, {
        identity,
        spec,
        uploads,
        ...(warn === undefined ? {} : { warn }),
      });
    return localPorts({ identity, store: uploads, ledger: undefined });
  };
  const open = async (run: Uint8Array, spec: RunSpec): Promise<ParticipantPorts> => {
    opening ??= openPorts(run, spec);
    try {
      return await opening;
    } catch (thrown) {
      opening = undefined;
      throw thrown;
    }
  };

  return {
    connect: async (signal) => {
      chooseNetwork(network, (await announcement()).network);
      return connect(signal);
    },
    ports: {
      store: async (run, spec) => (await open(run, spec)).store,
      gate: async (run, spec) => (await open(run, spec)).gate,
      ledger: async (run, spec) => (await open(run, spec)).ledger,
    },
    // What could not be opened, which the participant was told, need not be closed.
    close: async () =>
      opening?.then(
        (opened) => opened.close(),
        () => undefined,
      ),
  };
};
