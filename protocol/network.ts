/**
 * @module The network configuration: where Sui, Walrus, Seal and Floe's package are. `floe devnet --config-out` writes it; going
 * to testnet or mainnet is another file and nothing else.
 */
import * as v from 'valibot';
import { FloeError } from './errors.ts';

const url = v.pipe(v.string(), v.url());
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

/** Storage nodes speak TLS wherever the chain does. */
export const storageScheme = ({ rpcUrl }: NetworkConfig): 'http' | 'https' =>
  new URL(rpcUrl).protocol === 'http:' ? 'http' : 'https';
