/**
 * @module A participant's ports. On a network it reads models from Walrus, opens their keys at Seal as itself, and holds cohorts
 * and survivor sets against what Sui says; its masked vectors go to the coordinator, who pays for their storage. Without a
 * network everything goes through the coordinator. Which of the two it is, the participant decides: what the coordinator
 * announces is taken only where that was asked for.
 */
import * as v from 'valibot';
import type { AccessGate } from '../protocol/access/access-gate.ts';
import { sealedBoxGate } from '../protocol/access/sealed-box-gate.ts';
import type { BlobStore } from '../protocol/blobs/blob-store.ts';
import { httpBlobStore } from '../protocol/blobs/http.ts';
import { roundStore } from '../protocol/blobs/round-store.ts';
import { concatBytes, toHex } from '../protocol/bytes.ts';
import type { ConnectOptions } from '../protocol/connect.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Identity } from '../protocol/identity.ts';
import { networkDifference, parseNetworkConfig, type NetworkConfig } from '../protocol/network.ts';
import { hashRunSpec, type RunSpec } from '../protocol/run-spec.ts';
import type { ParticipantOptions } from './participant/participant.ts';
import type { LedgerReader } from './participant/ports.ts';

const ANNOUNCEMENT_MS = 30_000;
/** The specification is in it too. */
const MAX_ANNOUNCEMENT_BYTES = 8 << 20;

const announcementSchema = v.object({
  run: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  network: v.optional(v.unknown()),
});

const readBounded = async (response: Response, url: string): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (response.body !== null)
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > MAX_ANNOUNCEMENT_BYTES)
        throw new FloeError('frame_too_large', `${url}: expected ${MAX_ANNOUNCEMENT_BYTES} bytes`);
      chunks.push(chunk);
    }
  return concatBytes(...chunks);
};

/**
 * The network that a coordinator says its run is on; undefined for a run that it keeps itself.
 *
 * @param base the coordinator's address over HTTP
 * @throws FloeError `connection_lost` when it does not answer, `spec_mismatch` for another run, `spec_invalid`
 */
export const announcedNetwork = async (
  base: string,
  run: Uint8Array,
): Promise<NetworkConfig | undefined> => {
  const url = new URL('/run', base).href;
  let bytes: Uint8Array;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANNOUNCEMENT_MS) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    bytes = await readBounded(response, url);
  } catch (thrown) {
    if (thrown instanceof FloeError) throw thrown;
    const message = `no answer from ${url}: ${(thrown as Error).message}`;
    throw new FloeError('connection_lost', message, {}, { cause: thrown });
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new FloeError('spec_invalid', `${url} is not JSON`, {}, { cause });
  }
  const parsed = v.safeParse(announcementSchema, value);
  if (!parsed.success)
    throw new FloeError('spec_invalid', `${url} is not the answer of a Floe coordinator`);
  if (parsed.output.run !== toHex(run))
    throw new FloeError('spec_mismatch', `${url} is about another run, ${parsed.output.run}`);
  const { network } = parsed.output;
  return network === undefined ? undefined : parseNetworkConfig(network);
};

/**
 * The network to use, which is the participant's own configuration.
 *
 * @param own undefined where none was given; `announced` takes the coordinator's word for it
 * @throws FloeError `network_mismatch` when own and announced network are not one and the same
 */
export const chooseNetwork = (
  own: NetworkConfig | 'announced' | undefined,
  announced: NetworkConfig | undefined,
): NetworkConfig | undefined => {
  if (own === undefined || own === 'announced') {
    if (announced === undefined || own === 'announced') return announced;
    throw new FloeError(
      'network_mismatch',
      `the run is on the network of ${announced.rpcUrl}, package ${announced.floe?.packageId}; none was given here`,
    );
  }
  if (announced === undefined)
    throw new FloeError(
      'network_mismatch',
      `a network was given, ${own.rpcUrl}, but the coordinator keeps this run itself`,
    );
  const difference = networkDifference(own, announced);
  if (difference !== undefined)
    throw new FloeError('network_mismatch', `the coordinator is on another network: ${difference}`);
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
  }: {
    readonly identity: Identity;
    readonly spec: RunSpec;
    readonly uploads: BlobStore;
    /** How long the network's services may take, where not as long as usual. */
    readonly limits?: Pick<ConnectOptions, 'store' | 'gate'>;
    readonly warn?: (message: string) => void;
  },
): Promise<ParticipantPorts & { gateFor(other: Identity): Promise<AccessGate> }> => {
  const { connectNetwork } = await import('../protocol/connect.ts');
  const connected = await connectNetwork(network, await identity.suiSigner(), {
    spec,
    ...limits,
    ...(warn === undefined ? {} : { warn }),
  });
  const { store: lasting, gate, ledger } = connected;
  const { kind, get } = roundStore({ waiting: uploads, lasting });
  return {
    store: { kind, get, put: (bytes, options) => uploads.put(bytes, options) },
    gate,
    ledger,
    gateFor: async (other) => connected.gateFor(await other.suiSigner()),
    close: () => connected.close(),
  };
};

/**
 * Ports for the run of a coordinator, on its own or on a network.
 *
 * @param base the coordinator's address over HTTP
 * @throws FloeError what {@link announcedNetwork}, {@link chooseNetwork} and {@link networkPorts} throw
 */
export const portsOfRun = async (
  base: string,
  {
    identity,
    spec,
    network,
    warn,
  }: {
    readonly identity: Identity;
    readonly spec: RunSpec;
    readonly network: NetworkConfig | 'announced' | undefined;
    readonly warn?: (message: string) => void;
  },
): Promise<ParticipantPorts> => {
  const run = hashRunSpec(spec);
  const uploads = httpBlobStore({ url: base, identity, run });
  const chosen = chooseNetwork(network, await announcedNetwork(base, run));
  if (chosen === undefined)
    return {
      store: uploads,
      gate: sealedBoxGate(identity),
      ledger: undefined,
      close: async () => undefined,
    };
  return networkPorts(chosen, {
    identity,
    spec,
    uploads,
    ...(warn === undefined ? {} : { warn }),
  });
};

/** Ports as a participant takes them: opened at the first login, once; where that fails, again at the next. */
export const portsAtLogin = (
  base: string,
  init: Omit<Parameters<typeof portsOfRun>[1], 'spec'>,
): {
  readonly ports: Required<Pick<ParticipantOptions, 'store' | 'gate' | 'ledger'>>;
  close(): Promise<void>;
} => {
  let opening: Promise<ParticipantPorts> | undefined;
  const open = async (spec: RunSpec): Promise<ParticipantPorts> => {
    opening ??= portsOfRun(base, { ...init, spec });
    try {
      return await opening;
    } catch (thrown) {
      opening = undefined;
      throw thrown;
    }
  };
  return {
    ports: {
      store: async (_, spec) => (await open(spec)).store,
      gate: async (_, spec) => (await open(spec)).gate,
      ledger: async (_, spec) => (await open(spec)).ledger,
    },
    // What could not be opened, which the participant was told, need not be closed.
    close: async () =>
      opening?.then(
        (opened) => opened.close(),
        () => undefined,
      ),
  };
};
