/**
 * @module The AccessGate on Seal: key servers hand out the key to whoever the run's policy on Sui admits at that moment. The
 * 32-byte key is encrypted under the name of the audience (identity-based, Boneh and Franklin 2001; t of n servers).
 *
 * A policy admits groups, not lists: of the `readers`, those that audit the run are reached through the auditors' policy, all
 * others through the frozen cohort of `cohortOf`. Who is neither is not let in, listed or not.
 */
import {
  EncryptedObject,
  ExpiredSessionKeyError,
  NoAccessError,
  SealClient,
  SessionKey,
} from '@mysten/seal';
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { Signer } from '@mysten/sui/cryptography';
import * as v from 'valibot';
import { equalBytes, toHex } from '../bytes.ts';
import { bytesUpTo, decodeCbor, encodeCbor, integer } from '../cbor.ts';
import { FloeError } from '../errors.ts';
import type { NetworkConfig } from '../network.ts';
import { bounded, withRetry } from '../sui/bounds.ts';
import type { AccessGate, KeyPurpose } from './access-gate.ts';
import { approval, nameHex, purposeHash, sealName, type Audience } from './seal-identity.ts';

export interface SealGateInit {
  readonly seal: NetworkConfig['seal'];
  /** Floe's package: namespace of the keys and home of the policies. */
  readonly packageId: string;
  readonly client: ClientWithCoreApi;
  /** Who asks for keys; wrapping needs no key of its own. */
  readonly signer: Signer;
  /** Hash of the run specification; the only run this gate is for. */
  readonly run: Uint8Array;
  /** Object id of the run on chain. */
  readonly runObject: () => Promise<string>;
  /** Ed25519 keys that the run's policy knows as auditors, the coordinator's included. */
  readonly auditors: readonly Uint8Array[];
  /** Milliseconds for one wrap or unwrap, all attempts together. Default 30 s. */
  readonly timeoutMs?: number;
  /** Milliseconds for one answer of a key server. Default 8 s. */
  readonly serverTimeoutMs?: number;
  /** A denial is asked for again this often: a key server's node may not have seen the freeze yet. Default 2. */
  readonly denialRetries?: number;
}

const KEY_BYTES = 32;
const SESSION_MINUTES = 10;
const MAX_ENVELOPE_BYTES = 64 << 10;

const envelopeSchema = v.strictObject({
  v: v.literal(2),
  sealed: v.pipe(
    v.array(
      v.strictObject({
        audience: v.picklist(['cohort', 'auditor']),
        round: integer(0, 100_000),
        object: bytesUpTo(8 << 10),
      }),
    ),
    v.maxLength(8),
  ),
});
type Sealed = v.InferOutput<typeof envelopeSchema>['sealed'][number];

const malformed = (message: string, cause?: unknown): FloeError =>
  new FloeError('envelope_malformed', message, {}, { cause });

const unavailable = (thrown: unknown): FloeError =>
  thrown instanceof FloeError
    ? thrown
    : new FloeError('gate_unavailable', (thrown as Error).message, {}, { cause: thrown });

export const sealGate = (init: SealGateInit): AccessGate => {
  const { seal, packageId, client, signer, run, runObject } = init;
  const { timeoutMs = 30_000, denialRetries = 2 } = init;
  const address = signer.toSuiAddress();
  const own = signer.getPublicKey().toRawBytes();
  const isAuditor = (key: Uint8Array): boolean =>
    init.auditors.some((auditor) => equalBytes(auditor, key));
  const servers = new SealClient({
    suiClient: client,
    serverConfigs: seal.servers.map(({ objectId, weight, aggregatorUrl }) => ({
      objectId,
      weight: weight ?? 1,
      ...(aggregatorUrl === undefined ? {} : { aggregatorUrl }),
    })),
    // Their keys come from the chain; asking each server to prove itself would need all of them up.
    verifyKeyServers: false,
    timeout: init.serverTimeoutMs ?? 8_000,
  });
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

  const sealFor = async (
    key: Uint8Array,
    purpose: KeyPurpose,
    audience: Audience,
    round: number,
  ): Promise<Sealed> => {
    const name = sealName(await runObject(), round, audience, purpose);
    const { encryptedObject } = await servers.encrypt({
      threshold: seal.threshold,
      packageId,
      id: nameHex(name),
      data: key,
      aad: purposeHash(purpose),
    });
    return { audience, round, object: encryptedObject };
  };

  /** Everything that can be seen without a key: that it is for this purpose, package, audience and threshold. */
  const checkSealed = (
    { object, audience }: Sealed,
    name: Uint8Array,
    purpose: KeyPurpose,
  ): void => {
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
      parsed.threshold === seal.threshold &&
      // The SDK numbers shares so; nothing else in the object holds these numbers fast.
      parsed.services.every(([, index], at) => index === at + 1) &&
      aad !== undefined &&
      aad !== null &&
      equalBytes(Uint8Array.from(aad), purposeHash(purpose));
    if (!fits)
      throw malformed(`the key was not sealed as ${purpose.role} of round ${purpose.round}`);
  };

  const fetchKeys = async (name: Uint8Array, txBytes: Uint8Array): Promise<SessionKey> => {
    const sessionKey = await currentSession();
    try {
      const { threshold } = seal;
      await servers.fetchKeys({ ids: [nameHex(name)], txBytes, sessionKey, threshold });
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

  const open = async (sealed: Sealed, purpose: KeyPurpose): Promise<Uint8Array> => {
    const object = await runObject();
    const name = sealName(object, sealed.round, sealed.audience, purpose);
    checkSealed(sealed, name, purpose);
    let denials = 0;
    const { txBytes, sessionKey } = await withRetry(
      { retries: 3 + denialRetries, firstMs: 300, isFinal: () => denials > denialRetries },
      async () => {
        try {
          const kind = approval(packageId, object, sealed.audience, name);
          const bytes = await kind.build({ client, onlyTransactionKind: true });
          return { txBytes: bytes, sessionKey: await fetchKeys(name, bytes) };
        } catch (thrown) {
          const error = unavailable(thrown);
          if (error.code !== 'access_denied') throw error;
          denials += 1;
          throw denials > denialRetries ? error : new FloeError('gate_unavailable', error.message);
        }
      },
    );
    let key: Uint8Array;
    try {
      key = await servers.decrypt({ data: sealed.object, sessionKey, txBytes });
    } catch (cause) {
      throw malformed('the sealed key does not open', cause);
    }
    if (key.length !== KEY_BYTES) throw malformed(`expected a key of 32 bytes, got ${key.length}`);
    return key;
  };

  const within = <Result>(what: string, work: () => Promise<Result>): Promise<Result> =>
    bounded({ timeoutMs, code: 'gate_unavailable', what }, work);

  return {
    kind: 'seal',
    wrap: async (key, purpose, readers, cohortOf = purpose.round) => {
      if (key.length !== KEY_BYTES)
        throw new FloeError('key_invalid', `expected a key of 32 bytes, got ${key.length}`);
      if (!equalBytes(purpose.run, run))
        throw malformed(`this gate is for the run ${toHex(run)}, not ${toHex(purpose.run)}`);
      const audiences: readonly (readonly [Audience, number])[] = [
        ...(readers.some(isAuditor) ? ([['auditor', purpose.round]] as const) : []),
        ...(readers.every(isAuditor) ? [] : ([['cohort', cohortOf]] as const)),
      ];
      const sealed = await within('sealing a key', () =>
        withRetry({ retries: 3 }, async () => {
          try {
            return await Promise.all(
              audiences.map(([audience, round]) => sealFor(key, purpose, audience, round)),
            );
          } catch (thrown) {
            throw unavailable(thrown);
          }
        }),
      );
      return encodeCbor({ v: 2, sealed });
    },
    unwrap: async (envelope, purpose) => {
      const { sealed } = decodeCbor(
        envelopeSchema,
        envelope,
        'envelope_malformed',
        MAX_ENVELOPE_BYTES,
      );
      const first: Audience = isAuditor(own) ? 'auditor' : 'cohort';
      const order = sealed.toSorted(
        (a, b) => Number(b.audience === first) - Number(a.audience === first),
      );
      return within('opening a sealed key', async () => {
        let denied = new FloeError('access_denied', 'the key was sealed for nobody');
        for (const entry of order)
          try {
            // The next audience only matters once this one is refused.
            // oxlint-disable-next-line no-await-in-loop
            return await open(entry, purpose);
          } catch (thrown) {
            if (!(thrown instanceof FloeError) || thrown.code !== 'access_denied') throw thrown;
            denied = thrown;
          }
        throw denied;
      });
    },
  };
};
