/**
 * @module The AccessGate on Seal: key servers hand out the key to whoever the run's policy on Sui admits at that moment. The
 * 32-byte key is encrypted under the name of the audience (identity-based, Boneh and Franklin 2001; t of n servers). Which
 * servers and which t, a ciphertext says itself; see `key-servers.ts`.
 *
 * A policy admits groups, not lists: of the `readers`, those that audit the run are reached through the auditors' policy, all
 * others through the frozen cohorts up to that of `cohortOf`. Models are sealed for the audiences of the specification's `access` as well;
 * who holds a pass, a subscription or a grant when it asks is let in, and nobody has to know it when the model is sealed. A
 * bundle of unmasking shares has one audience with a policy of its own, which admits those who recompute the round and the
 * cohorts that check its commit.
 */
import {
  EncryptedObject,
  ExpiredSessionKeyError,
  NoAccessError,
  type SealClient,
  SessionKey,
} from '@mysten/seal';
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { Signer } from '@mysten/sui/cryptography';
import type { Transaction } from '@mysten/sui/transactions';
import { equalBytes, sha256, toHex, utf8 } from '../../bytes.ts';
import { decodeCbor, encodeCbor } from '../../wire/cbor.ts';
import { FloeError } from '../../errors.ts';
import type { NetworkConfig } from '../config.ts';
import type { ModelAudience } from '../../spec/run-spec.ts';
import type { Clock } from '../../ports/clock.ts';
import { bounded, withRetry } from '../sui/bounds.ts';
import { purposeHash, type AccessGate, type KeyPurpose } from '../../ports/access-gate.ts';
import { sealedSchema, type Audience, type Sealed } from '../../model/key-envelopes.ts';
import { keyServers, type SealedUnder } from './key-servers.ts';
import { approval, nameHex, sealName, type Shown } from './identity.ts';
import { TICKETS, type Holdings } from '../sui/tickets.ts';

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
  /** Whom models are sealed for beside auditors and cohorts: `access.models` of the specification. */
  readonly models?: readonly ModelAudience[] | undefined;
  /** What the reader shows where it owns several passes or subscriptions; looked up on chain where missing. */
  readonly holdings?: Holdings | undefined;
  /** Milliseconds for one wrap or unwrap, all attempts together. Default 30 s. */
  readonly timeoutMs?: number;
  /** The Seal SDK itself tells the expiry of a session by Date.now, whatever this clock shows. */
  readonly clock?: Clock | undefined;
  /** Milliseconds for one answer of a key server. Default 8 s. */
  readonly serverTimeoutMs?: number;
  /** A denial is asked for again this often: a key server's node may not have seen the freeze yet. Default 2. */
  readonly denialRetries?: number;
}

const KEY_BYTES = 32;
const SESSION_MINUTES = 10;
const MAX_ENVELOPE_BYTES = 64 << 10;
/** Sealings that are kept so as not to be made twice; a round needs one for each audience. */
const MAX_KEPT = 64;

const malformed = (message: string, cause?: unknown): FloeError =>
  new FloeError('envelope_malformed', message, {}, { cause });

const unavailable = (thrown: unknown): FloeError =>
  thrown instanceof FloeError
    ? thrown
    : new FloeError('gate_unavailable', (thrown as Error).message, {}, { cause: thrown });

export const sealGate = (init: SealGateInit): AccessGate => {
  const { seal, packageId, client, signer, run, runObject } = init;
  const { timeoutMs = 30_000, denialRetries = 2, models = [], holdings = {}, clock } = init;
  const address = signer.toSuiAddress();
  const own = signer.getPublicKey().toRawBytes();
  const isAuditor = (key: Uint8Array): boolean =>
    init.auditors.some((auditor) => equalBytes(auditor, key));
  const servers = keyServers({ seal, client, timeoutMs: init.serverTimeoutMs ?? 8_000 });
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

  /** By audience, purpose and key: sealing takes a tenth of a second of processor time, and a key is wrapped every round. */
  const kept = new Map<string, Sealed>();

  const sealFor = async (
    key: Uint8Array,
    purpose: KeyPurpose,
    audience: Audience,
    round: number,
  ): Promise<Sealed> => {
    const hash = purposeHash(purpose);
    const of = toHex(sha256(utf8('floe/sealed-key/v1'), hash, key));
    const label = `${audience}/${round}/${of}`;
    const known = kept.get(label);
    if (known !== undefined) return known;
    const name = sealName(await runObject(), round, audience, purpose);
    const { encryptedObject } = await servers.sealing.encrypt({
      threshold: seal.threshold,
      packageId,
      id: nameHex(name),
      data: key,
      aad: hash,
    });
    const sealed = { audience, round, object: encryptedObject };
    kept.set(label, sealed);
    const [oldest] = kept.keys();
    if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    return sealed;
  };

  /** Everything that can be seen without a key: that it is for this purpose, package and audience. */
  const checkSealed = (
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
      throw malformed(`the key was not sealed as ${purpose.role} of round ${purpose.round}`);
    return parsed;
  };

  const fetchKeys = async (
    asked: SealClient,
    threshold: number,
    name: Uint8Array,
    txBytes: Uint8Array,
  ): Promise<SessionKey> => {
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

  /** What the audience's policy is shown; `undefined` when the reader has nothing to show. */
  const shownFor = async (
    object: string,
    { audience, round }: Sealed,
  ): Promise<Shown | undefined> => {
    if (audience !== 'pass' && audience !== 'subscription') return { run: object };
    const registry = { client, packageId, clock };
    const query = { registry, owner: address, run: object, round, holdings };
    const ticket = await TICKETS[audience](query);
    return ticket && { run: object, ticket };
  };

  const buildKind = async (transaction: Transaction): Promise<Uint8Array> => {
    try {
      return await transaction.build({ client, onlyTransactionKind: true });
    } catch (thrown) {
      throw unavailable(thrown);
    }
  };

  /** Asks as one audience. @throws FloeError `access_denied` */
  const open = async (sealed: Sealed, purpose: KeyPurpose): Promise<Uint8Array> => {
    const { audience, round } = sealed;
    const object = await runObject();
    const name = sealName(object, round, audience, purpose);
    const under = checkSealed(sealed, name, purpose);
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

  /** Asks as one audience after the other. @throws FloeError `access_denied` when none admits */
  const openAny = async (order: readonly Sealed[], purpose: KeyPurpose): Promise<Uint8Array> => {
    let cause: unknown;
    for (const entry of order)
      try {
        // The next audience only matters once this one is refused.
        // oxlint-disable-next-line no-await-in-loop
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

  /** Whom a key is sealed for, each with the round in its name. */
  const audiencesOf = (
    purpose: KeyPurpose,
    readers: readonly Uint8Array[],
    cohortOf: number,
  ): readonly (readonly [Audience, number])[] => {
    const { role, round } = purpose;
    // The policy of a bundle admits the cohorts that check its commit, and no earlier ones as that of a cohort would.
    if (role === 'bundle') return readers.length === 0 ? [] : [['unmask', round]];
    const named: Audience[] = readers.some(isAuditor) ? ['auditor'] : [];
    if (role === 'model') named.push(...models);
    const inPurpose = named.map((audience) => [audience, round] as const);
    return readers.every(isAuditor) ? inPurpose : [...inPurpose, ['cohort', cohortOf]];
  };

  /** Those through which this reader comes in most likely are asked first. */
  const preference = ({ audience }: Sealed): number => {
    if (audience === 'pass' || audience === 'subscription')
      return holdings[audience] === undefined ? 2 : 0;
    return audience === (isAuditor(own) ? 'auditor' : 'cohort') ? 1 : 2;
  };

  const within = <Result>(what: string, work: () => Promise<Result>): Promise<Result> =>
    bounded({ timeoutMs, clock, code: 'gate_unavailable', what }, work);

  return {
    kind: 'seal',
    policies: true,
    reader: own,
    wrap: async (key, purpose, readers, cohortOf = purpose.round) => {
      if (key.length !== KEY_BYTES)
        throw new FloeError('key_invalid', `expected a key of 32 bytes, got ${key.length}`);
      if (!equalBytes(purpose.run, run))
        throw malformed(`this gate is for the run ${toHex(run)}, not ${toHex(purpose.run)}`);
      const audiences = audiencesOf(purpose, readers, cohortOf);
      const sealed = await within('sealing a key', () =>
        withRetry({ retries: 3, clock }, async () => {
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
        sealedSchema,
        envelope,
        'envelope_malformed',
        MAX_ENVELOPE_BYTES,
      );
      const order = sealed.toSorted((a, b) => preference(a) - preference(b));
      let denials = 0;
      return within('opening a sealed key', () =>
        withRetry({ retries: 3 + denialRetries, firstMs: 300, clock }, async () => {
          try {
            return await openAny(order, purpose);
          } catch (thrown) {
            const error = unavailable(thrown);
            denials += Number(error.code === 'access_denied');
            if (error.code !== 'access_denied' || denials > denialRetries) throw error;
            throw new FloeError('gate_unavailable', error.message, {}, { cause: error });
          }
        }),
      );
    },
  };
};
