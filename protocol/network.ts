/**
 * @module The network configuration: where Sui, Walrus, Seal and Floe's package are. `floe devnet --config-out` writes it; going
 * to testnet or mainnet is another file and nothing else.
 */
import * as v from 'valibot';
import { FloeError } from './errors.ts';

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
    /** Reads go through it where it is there; what it answers is held against the signed hash. */
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
  }),
  floe: v.optional(v.object({ packageId: objectId })),
});

export type NetworkConfig = v.InferOutput<typeof networkConfigSchema>;

/** Checks a parsed configuration. @throws FloeError `spec_invalid`, naming the field */
export const parseNetworkConfig = (data: unknown): NetworkConfig => {
  const parsed = v.safeParse(networkConfigSchema, data);
  if (!parsed.success)
    throw new FloeError('spec_invalid', `network configuration: ${v.summarize(parsed.issues)}`);
  const { seal } = parsed.output;
  const weight = seal.servers.reduce((sum, server) => sum + (server.weight ?? 1), 0);
  if (seal.threshold > weight)
    throw new FloeError(
      'spec_invalid',
      `network configuration: expected seal.threshold <= ${weight}, got ${seal.threshold}`,
    );
  return parsed.output;
};

/** An address as others may know it: user, password, query and fragment can hold keys of its owner. */
export const publicUrl = (text: string): string => {
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname === '/' ? '' : pathname}`;
};

/**
 * What others are told of a network: which it is and where it is read. Addresses lose what may hold a key, and what only
 * serves those who pay is left out. (A key in the path of an address stays: such an address is not for a shared file.)
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
    servers: seal.servers.map(({ url: address, aggregatorUrl, ...server }) => ({
      ...server,
      ...(address === undefined ? {} : { url: publicUrl(address) }),
      ...(aggregatorUrl === undefined ? {} : { aggregatorUrl: publicUrl(aggregatorUrl) }),
    })),
  },
  ...(floe === undefined ? {} : { floe }),
});

/** What tells one network from another; by how it is reached two descriptions may differ. */
const namesOf = ({ walrus, seal, floe }: NetworkConfig): Readonly<Record<string, string>> => ({
  'floe.packageId': floe?.packageId ?? 'none',
  'walrus.systemObjectId': walrus.systemObjectId,
  'walrus.stakingPoolId': walrus.stakingPoolId,
  'seal.servers': seal.servers
    .map(({ objectId: id }) => id)
    .toSorted()
    .join(' '),
  'seal.threshold': String(seal.threshold),
});

/** Where two descriptions are not of one network; undefined where they are. */
export const networkDifference = (own: NetworkConfig, other: NetworkConfig): string | undefined => {
  const others = namesOf(other);
  const found = Object.entries(namesOf(own)).find(([name, value]) => others[name] !== value);
  return found && `${found[0]}: expected ${found[1]}, got ${others[found[0]]}`;
};

export const DEFAULT_EPOCHS = 3;

/** The epochs that blobs are paid for, unless told. */
export const epochsOf = ({ walrus }: NetworkConfig): number => walrus.epochs ?? DEFAULT_EPOCHS;

/** Storage nodes speak TLS wherever the chain does. */
export const storageScheme = ({ rpcUrl }: NetworkConfig): 'http' | 'https' =>
  new URL(rpcUrl).protocol === 'http:' ? 'http' : 'https';
