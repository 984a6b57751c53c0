/**
 * @module Which key servers a key is sealed under, and which are asked for it. A key is sealed
 * under the servers and the threshold of the network file. It is opened under those that its
 * ciphertext names, for these may be older than the file: every one of them must be in the file, as
 * one that seals or as one that only opens. A server that is in neither list is not asked.
 */
import { SealClient } from '@mysten/seal';
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { normalizeSuiAddress } from '@mysten/sui/utils';
import { FloeError } from '../../errors.ts';
import { allowedServers, type NetworkConfig } from '../config.ts';

/** The part of an encrypted object that says who holds its key. */
export interface SealedUnder {
  /** Object id of the server of each share, and the number of the share. */
  readonly services: readonly (readonly [id: string, share: number])[];
  readonly threshold: number;
}

export interface KeyServers {
  /** Seals under the servers of the file. */
  readonly sealing: SealClient;
  /**
   * What asks the servers of a ciphertext. @throws FloeError `key_server_not_listed`,
   * `envelope_malformed`
   */
  opening(under: SealedUnder): Promise<SealClient>;
}

/** Sets of servers and weights whose clients, with the keys they have fetched, are kept. */
const MAX_KEPT = 16;

const labelOf = (weights: ReadonlyMap<string, number>): string =>
  [...weights].map(([id, weight]) => `${id}x${weight}`).join(' ');

export const keyServers = ({
  seal,
  client,
  timeoutMs,
}: {
  readonly seal: NetworkConfig['seal'];
  readonly client: ClientWithCoreApi;
  readonly timeoutMs: number;
}): KeyServers => {
  const allowed = allowedServers(seal);
  const clientOf = (weights: ReadonlyMap<string, number>): SealClient =>
    new SealClient({
      suiClient: client,
      serverConfigs: [...weights].map(([objectId, weight]) => {
        const aggregatorUrl = allowed.get(objectId)?.aggregatorUrl;
        return { objectId, weight, ...(aggregatorUrl === undefined ? {} : { aggregatorUrl }) };
      }),
      // Their keys come from the chain; asking each server to prove itself would need all of them
      // up.
      verifyKeyServers: false,
      timeout: timeoutMs,
    });
  const own = new Map(seal.servers.map(({ objectId, weight = 1 }) => [objectId, weight]));
  const sealing = clientOf(own);
  const kept = new Map([[labelOf(own), sealing]]);

  /** As the chain calls it: its operator's word, for the reader of an error. */
  const nameOf = async (objectId: string): Promise<string> => {
    try {
      const [found] = await clientOf(new Map([[objectId, 1]])).getKeyServers();
      return found?.[1].name ?? 'no name on chain';
    } catch {
      return 'no name on chain';
    }
  };

  return {
    sealing,
    opening: async ({ services, threshold }) => {
      const weights = new Map<string, number>();
      for (const [service] of services) {
        const id = normalizeSuiAddress(service);
        weights.set(id, (weights.get(id) ?? 0) + 1);
      }
      const unlisted = [...weights.keys()].filter((id) => !allowed.has(id));
      if (unlisted.length > 0) {
        const named = await Promise.all(unlisted.map(async (id) => `${await nameOf(id)} (${id})`));
        const entries = unlisted.map((id) => `{"objectId": "${id}"}`).join(', ');
        throw new FloeError(
          'key_server_not_listed',
          `the key is sealed under a key server that the network file does not list: ` +
            `${named.join(', ')}; if you trust it, add ${entries} to seal.decryptOnly of the file`,
          { server: unlisted[0] },
        );
      }
      if (threshold < 1 || threshold > services.length)
        throw new FloeError(
          'envelope_malformed',
          `expected a threshold of 1 to ${services.length} key servers, got ${threshold}`,
        );
      const label = labelOf(weights);
      const known = kept.get(label) ?? clientOf(weights);
      kept.set(label, known);
      const oldest = [...kept.keys()].find((one) => kept.get(one) !== sealing);
      if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
      return known;
    },
  };
};
