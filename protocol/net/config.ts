/**
 * @module The network configuration: where Sui, Walrus, Seal and Floe's package are.
 * `floe devnet --config-out` writes it; going to testnet or mainnet is another file and nothing
 * else.
 */
import * as v from 'valibot';
import { FloeError } from '../errors.ts';

const url = v.pipe(
  v.string(),
  v.url(),
  v.regex(/^https?:/iu, 'expected an address with http: or https:'),
);
const objectId = v.pipe(v.string(), v.regex(/^0x[0-9a-f]{64}$/, 'expected 0x and 64 hex digits'));
const whole = v.pipe(v.number(), v.integer(), v.minValue(1));

export const networkConfigSchema = v.object({
  rpcUrl: url,
  /** Sui's faucet; a network of value has none. */
  faucetUrl: v.optional(url),
  walrus: v.object({
    systemObjectId: objectId,
    stakingPoolId: objectId,
    /** Uploads go through it where it is there: one request instead of thousands. */
    relayUrl: v.optional(url),
    /** Most MIST for one upload through the relay. */
    relayTipLimit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    publisherUrl: v.optional(url),
    /** Reads go through it where it is there; what it answers is compared with the signed hash. */
    aggregatorUrl: v.optional(url),
    /** Epochs that blobs are paid for. */
    epochs: v.optional(v.pipe(whole, v.maxValue(53))),
  }),
  seal: v.object({
    /** Seal's own package; clients need the key servers only. */
    packageId: v.optional(objectId),
    servers: v.pipe(
      v.array(
        v.object({
          objectId,
          url: v.optional(url),
          weight: v.optional(whole),
          /** For a committee of servers behind one address. */
          aggregatorUrl: v.optional(url),
        }),
      ),
      v.minLength(1),
    ),
    threshold: whole,
    /** Servers of before: nothing is sealed under them any more, what was still opens. */
    decryptOnly: v.optional(
      v.array(v.object({ objectId, url: v.optional(url), aggregatorUrl: v.optional(url) })),
    ),
  }),
  floe: v.optional(v.object({ packageId: objectId })),
});

export type NetworkConfig = v.InferOutput<typeof networkConfigSchema>;

type Seal = NetworkConfig['seal'];

/**
 * Key servers that a ciphertext may name, by object id: those that seal, and those that only open.
 */
export const allowedServers = ({
  servers,
  decryptOnly = [],
}: Seal): ReadonlyMap<string, { readonly aggregatorUrl?: string | undefined }> =>
  new Map([...decryptOnly, ...servers].map((server) => [server.objectId, server]));

/** Checks a parsed configuration. @throws FloeError `spec_invalid`, naming the field */
export const parseNetworkConfig = (data: unknown): NetworkConfig => {
  const parsed = v.safeParse(networkConfigSchema, data);
  if (!parsed.success)
    throw new FloeError('spec_invalid', `network configuration: ${v.summarize(parsed.issues)}`);
  const { seal } = parsed.output;
  const listed = [...seal.servers, ...(seal.decryptOnly ?? [])].map(({ objectId: id }) => id);
  const twice = listed.find((id, at) => listed.indexOf(id) !== at);
  if (twice !== undefined)
    throw new FloeError(
      'spec_invalid',
      `network configuration: expected each key server once in seal.servers or seal.decryptOnly, got ${twice} twice`,
    );
  const weight = seal.servers.reduce((sum, server) => sum + (server.weight ?? 1), 0);
  if (seal.threshold > weight)
    throw new FloeError(
      'spec_invalid',
      `network configuration: expected seal.threshold <= ${weight}, got ${seal.threshold}`,
    );
  return parsed.output;
};

/**
 * Removes user, password, query and fragment from an address, because they can hold secret keys.
 */
export const publicUrl = (text: string): string => {
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname === '/' ? '' : pathname}`;
};

const publicServer = <
  Server extends { readonly url?: string | undefined; readonly aggregatorUrl?: string | undefined },
>({
  url: address,
  aggregatorUrl,
  ...server
}: Server) => ({
  ...server,
  ...(address === undefined ? {} : { url: publicUrl(address) }),
  ...(aggregatorUrl === undefined ? {} : { aggregatorUrl: publicUrl(aggregatorUrl) }),
});

/**
 * The public part of a network's configuration: its identity and the addresses for reading.
 * Address parts that may hold a key are removed, and so are settings that only payers use. (A key
 * in the path of an address remains: do not put such an address in a shared file.)
 */
export const publicNetwork = ({ rpcUrl, walrus, seal, floe }: NetworkConfig): NetworkConfig => ({
  rpcUrl: publicUrl(rpcUrl),
  walrus: {
    systemObjectId: walrus.systemObjectId,
    stakingPoolId: walrus.stakingPoolId,
    ...(walrus.aggregatorUrl === undefined
      ? {}
      : { aggregatorUrl: publicUrl(walrus.aggregatorUrl) }),
  },
  seal: {
    ...seal,
    servers: seal.servers.map(publicServer),
    ...(seal.decryptOnly === undefined ? {} : { decryptOnly: seal.decryptOnly.map(publicServer) }),
  },
  ...(floe === undefined ? {} : { floe }),
});

/**
 * What tells one network from another; by how it is reached, and by its key servers, two
 * descriptions may differ.
 */
const namesOf = ({ walrus, floe }: NetworkConfig): Readonly<Record<string, string>> => ({
  'floe.packageId': floe?.packageId ?? 'none',
  'walrus.systemObjectId': walrus.systemObjectId,
  'walrus.stakingPoolId': walrus.stakingPoolId,
});

/** Where two descriptions are not of one network; undefined where they are. */
export const networkDifference = (own: NetworkConfig, other: NetworkConfig): string | undefined => {
  const others = namesOf(other);
  const found = Object.entries(namesOf(own)).find(([name, value]) => others[name] !== value);
  return found && `${found[0]}: expected ${found[1]}, got ${others[found[0]]}`;
};

/**
 * Why keys that are sealed as `other` says are not for who has the configuration `own`: it does not
 * list one of the servers, or asks for more of them. Undefined where they are.
 */
export const sealingDifference = (
  { seal: own }: NetworkConfig,
  { seal: other }: NetworkConfig,
): string | undefined => {
  const allowed = allowedServers(own);
  const unlisted = other.servers.find(({ objectId: id }) => !allowed.has(id));
  if (unlisted !== undefined)
    return (
      `seal.servers: the key server ${unlisted.objectId} is not listed; ` +
      'if you trust it, add it to seal.servers, or to seal.decryptOnly to open with it only'
    );
  return other.threshold < own.threshold
    ? `seal.threshold: expected at least ${own.threshold}, got ${other.threshold}`
    : undefined;
};

export const DEFAULT_EPOCHS = 3;

/** The epochs that blobs are paid for, unless told. */
export const epochsOf = ({ walrus }: NetworkConfig): number => walrus.epochs ?? DEFAULT_EPOCHS;

/** Storage nodes speak TLS wherever the chain does. */
export const storageScheme = ({ rpcUrl }: NetworkConfig): 'http' | 'https' =>
  new URL(rpcUrl).protocol === 'http:' ? 'http' : 'https';
