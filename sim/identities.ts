/**
 * @module The public key of a seeded participant, for the allow-list and the plan of drop-outs. It
 * comes from the keystore itself, because a second derivation could differ.
 */
import { memoryKeystore } from '../client/keystore/index.ts';

export const keystoreKey = async (seed: Uint8Array): Promise<Uint8Array> => {
  const keystore = await memoryKeystore(seed);
  const key = keystore.identity.publicKey;
  await keystore.close();
  return key;
};
