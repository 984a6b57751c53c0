/**
 * @module Opening a sealed key: everything that can be checked without asking is checked first,
 * then one audience after the other is tried.
 */
import { EncryptedObject } from '@mysten/seal';
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { Transaction } from '@mysten/sui/transactions';
import { equalBytes } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import type { Sealed } from '../../model/key-envelopes.ts';
import { purposeHash, type KeyPurpose } from '../../ports/access-gate.ts';
import type { Clock } from '../../ports/clock.ts';
import { TICKETS, type Holdings } from '../sui/tickets.ts';
import { malformed, unavailable } from './errors.ts';
import type { FetchKeys } from './fetching.ts';
import { approval, nameHex, sealName, type Shown } from './identity.ts';
import type { KeyServers, SealedUnder } from './key-servers.ts';
import { chainError } from './named-chain.ts';

const KEY_BYTES = 32;

export interface OpeningInit {
  readonly packageId: string;
  readonly client: ClientWithCoreApi;
  /** Sui address of the reader. */
  readonly address: string;
  readonly servers: KeyServers;
  readonly fetchKeys: FetchKeys;
  readonly runObject: () => Promise<string>;
  readonly holdings: Holdings;
  readonly clock: Clock | undefined;
}

/** Asks as one audience after the other. @throws FloeError `access_denied` when none admits */
export type OpenAny = (order: readonly Sealed[], purpose: KeyPurpose) => Promise<Uint8Array>;

export const createOpening = (init: OpeningInit): OpenAny => {
  const { packageId, client, address, servers, fetchKeys, runObject, holdings, clock } = init;

  /** What the audience's policy is shown; `undefined` when the reader has nothing to show. */
  const shownFor = async (
    object: string,
    { audience, attempt }: Sealed,
  ): Promise<Shown | undefined> => {
    if (audience !== 'pass' && audience !== 'subscription') return { run: object };
    const registry = { client, packageId, clock };
    const query = { registry, owner: address, run: object, attempt, holdings };
    const ticket = await TICKETS[audience](query);
    return ticket && { run: object, ticket };
  };

  const buildKind = async (transaction: Transaction): Promise<Uint8Array> => {
    try {
      return await transaction.build({ client, onlyTransactionKind: true });
    } catch (thrown) {
      throw unavailable(chainError(thrown));
    }
  };

  /** Asks as one audience. @throws FloeError `access_denied` */
  const open = async (sealed: Sealed, purpose: KeyPurpose): Promise<Uint8Array> => {
    const { audience, attempt } = sealed;
    const object = await runObject();
    const name = sealName(object, attempt, audience, purpose);
    const under = checkSealed(packageId, sealed, name, purpose);
    const asked = await servers.opening(under);
    const shown = await shownFor(object, sealed);
    if (shown === undefined)
      throw new FloeError('access_denied', `${address} owns no ${audience} of the run`);
    const txBytes = await buildKind(approval(packageId, audience, name, shown));
    const sessionKey = await fetchKeys(asked, under.threshold, name, txBytes);
    let key: Uint8Array;
    try {
      key = await asked.decrypt({ data: sealed.object, sessionKey, txBytes });
    } catch (cause) {
      throw malformed('the sealed key does not open', cause);
    }
    if (key.length !== KEY_BYTES) throw malformed(`expected a key of 32 bytes, got ${key.length}`);
    return key;
  };

  const openAny = async (order: readonly Sealed[], purpose: KeyPurpose): Promise<Uint8Array> => {
    let cause: unknown;
    for (const entry of order)
      try {
        // The next audience only matters once this one is refused.
        return await open(entry, purpose);
      } catch (thrown) {
        if (!(thrown instanceof FloeError) || thrown.code !== 'access_denied') throw thrown;
        // A key server's word rather than a missing ticket.
        cause = thrown.cause ?? cause ?? thrown;
      }
    const asked = order.map(({ audience }) => audience).join(', ') || 'nobody';
    throw new FloeError(
      'access_denied',
      `the key is for ${asked}; the policies on chain do not admit ${address}`,
      {},
      { cause },
    );
  };

  return openAny;
};

/** Everything that can be seen without a key: that it is for this purpose, package and audience. */
const checkSealed = (
  packageId: string,
  { object, audience }: Sealed,
  name: Uint8Array,
  purpose: KeyPurpose,
): SealedUnder => {
  let parsed: ReturnType<typeof EncryptedObject.parse>;
  try {
    parsed = EncryptedObject.parse(object);
    if (!equalBytes(EncryptedObject.serialize(parsed).toBytes(), object))
      throw malformed('not in canonical form');
  } catch (cause) {
    throw malformed(`the key sealed for the ${audience} cannot be read`, cause);
  }
  const aad = parsed.ciphertext.Aes256Gcm?.aad;
  const fits =
    parsed.version === 0 &&
    parsed.packageId === packageId &&
    parsed.id === nameHex(name) &&
    // The SDK numbers shares so; nothing else in the object holds these numbers fast.
    parsed.services.every(([, index], at) => index === at + 1) &&
    aad !== undefined &&
    aad !== null &&
    equalBytes(Uint8Array.from(aad), purposeHash(purpose));
  if (!fits)
    throw malformed(`the key was not sealed as ${purpose.role} of attempt ${purpose.attempt}`);
  return parsed;
};
