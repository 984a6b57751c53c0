/**
 * @module Asking key servers: one session key of the reader at a time, signed by its identity.
 */
import { ExpiredSessionKeyError, NoAccessError, type SealClient, SessionKey } from '@mysten/seal';
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { Signer } from '@mysten/sui/cryptography';
import { FloeError } from '../../errors.ts';
import { unavailable } from './errors.ts';
import { nameHex } from './identity.ts';

const SESSION_MINUTES = 10;

export interface FetchingInit {
  readonly packageId: string;
  readonly client: ClientWithCoreApi;
  readonly signer: Signer;
}

/**
 * Fetches the keys of a name from key servers. @returns the session key that opens with them
 * @throws FloeError `access_denied`, `key_server_faulty`, `gate_unavailable`
 */
export type FetchKeys = (
  asked: SealClient,
  threshold: number,
  name: Uint8Array,
  txBytes: Uint8Array,
) => Promise<SessionKey>;

export const createFetching = ({ packageId, client, signer }: FetchingInit): FetchKeys => {
  const address = signer.toSuiAddress();
  let session: SessionKey | undefined;

  const currentSession = async (): Promise<SessionKey> => {
    if (session === undefined || session.isExpired())
      session = await SessionKey.create({
        address,
        packageId,
        ttlMin: SESSION_MINUTES,
        signer,
        suiClient: client,
      });
    return session;
  };

  const fetchKeys: FetchKeys = async (asked, threshold, name, txBytes) => {
    const sessionKey = await currentSession();
    try {
      await asked.fetchKeys({ ids: [nameHex(name)], txBytes, sessionKey, threshold });
      return sessionKey;
    } catch (thrown) {
      if (thrown instanceof NoAccessError)
        throw new FloeError(
          'access_denied',
          `the policy on chain does not admit ${address}`,
          {},
          { cause: thrown },
        );
      if (thrown instanceof ExpiredSessionKeyError) session = undefined;
      throw unavailable(thrown);
    }
  };

  return fetchKeys;
};
