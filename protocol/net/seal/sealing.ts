/**
 * @module Sealing a key for one audience. Sealing takes a tenth of a second of processor time and a
 * key is wrapped every attempt, so the newest sealings are kept.
 */
import { sha256, toHex, utf8 } from '../../bytes.ts';
import type { Audience, Sealed } from '../../model/key-envelopes.ts';
import { purposeHash, type KeyPurpose } from '../../ports/access-gate.ts';
import type { NetworkConfig } from '../config.ts';
import { nameHex, sealName } from './identity.ts';
import type { KeyServers } from './key-servers.ts';

/** Sealings that are kept so as not to be made twice; an attempt needs one for each audience. */
const MAX_KEPT = 64;

export interface SealingInit {
  readonly seal: NetworkConfig['seal'];
  readonly packageId: string;
  readonly servers: KeyServers;
  readonly runObject: () => Promise<string>;
}

export type SealFor = (
  key: Uint8Array,
  purpose: KeyPurpose,
  audience: Audience,
  attempt: number,
) => Promise<Sealed>;

export const createSealing = ({ seal, packageId, servers, runObject }: SealingInit): SealFor => {
  /** By audience, purpose and key. */
  const kept = new Map<string, Sealed>();

  const sealFor: SealFor = async (key, purpose, audience, attempt) => {
    const hash = purposeHash(purpose);
    const of = toHex(sha256(utf8('floe/sealed-key/v1'), hash, key));
    const label = `${audience}/${attempt}/${of}`;
    const known = kept.get(label);
    if (known !== undefined) return known;
    const name = sealName(await runObject(), attempt, audience, purpose);
    const { encryptedObject } = await servers.sealing.encrypt({
      threshold: seal.threshold,
      packageId,
      id: nameHex(name),
      data: key,
      aad: hash,
    });
    const sealed = { audience, attempt, object: encryptedObject };
    kept.set(label, sealed);
    const [oldest] = kept.keys();
    if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    return sealed;
  };

  return sealFor;
};
