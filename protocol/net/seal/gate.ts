/**
 * @module The AccessGate on Seal: key servers hand out the key to whoever the run's policy on Sui
 * admits at that moment. The 32-byte key is encrypted under the name of the audience
 * (identity-based, Boneh and Franklin 2001; t of n servers). Which servers and which t, a
 * ciphertext says itself; see `key-servers.ts`.
 *
 * A policy admits groups, not lists: of the `readers`, those that audit the run are reached through
 * the auditors' policy, all others through the frozen cohorts up to that of `cohortOf`. Models are
 * sealed for the audiences of the specification's `access` as well; who holds a pass, a
 * subscription or a grant when it asks is let in, and nobody has to know it when the model is
 * sealed. A bundle of unmasking shares has one audience with a separate policy, which admits
 * those who recompute the attempt and the cohorts that check its commit.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { Signer } from '@mysten/sui/cryptography';
import { equalBytes, toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import { sealedSchema, type Audience, type Sealed } from '../../model/key-envelopes.ts';
import type { AccessGate, KeyPurpose } from '../../ports/access-gate.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ModelAudience } from '../../spec/run-spec.ts';
import { decodeCbor, encodeCbor } from '../../wire/cbor.ts';
import type { NetworkConfig } from '../config.ts';
import { bounded, withRetry } from '../sui/bounds.ts';
import type { Holdings } from '../sui/tickets.ts';
import { malformed, unavailable } from './errors.ts';
import { createFetching } from './fetching.ts';
import { keyServers } from './key-servers.ts';
import { namedChain } from './named-chain.ts';
import { createOpening } from './opening.ts';
import { createSealing } from './sealing.ts';

export interface SealGateInit {
  readonly seal: NetworkConfig['seal'];
  /** Floe's package: namespace of the keys and home of the policies. */
  readonly packageId: string;
  readonly client: ClientWithCoreApi;
  /** The identity that asks for keys; wrapping needs none. */
  readonly signer: Signer;
  /** Hash of the run specification; the only run this gate is for. */
  readonly run: Uint8Array;
  /** Object id of the run on chain. */
  readonly runObject: () => Promise<string>;
  /** Ed25519 keys that the run's policy knows as auditors, the coordinator's included. */
  readonly auditors: readonly Uint8Array[];
  /**
   * Readers of models in addition to auditors and cohorts: `access.models` of the specification.
   */
  readonly models?: readonly ModelAudience[] | undefined;
  /**
   * What the reader shows where it owns several passes or subscriptions; looked up on chain where
   * missing.
   */
  readonly holdings?: Holdings | undefined;
  /** Milliseconds for one wrap or unwrap, all attempts together. Default 30 s. */
  readonly timeoutMs?: number;
  /** The Seal SDK itself tells the expiry of a session by Date.now, whatever this clock shows. */
  readonly clock?: Clock | undefined;
  /** Milliseconds for one answer of a key server. Default 8 s. */
  readonly serverTimeoutMs?: number;
  /**
   * A denial is asked for again this often: a key server's node may not have seen the freeze yet.
   * Default 2.
   */
  readonly denialRetries?: number;
}

const KEY_BYTES = 32;
const MAX_ENVELOPE_BYTES = 64 << 10;

export const sealGate = (init: SealGateInit): AccessGate => {
  const { seal, packageId, signer, run, runObject } = init;
  const client = namedChain(init.client);
  const { timeoutMs = 30_000, denialRetries = 2, models = [], holdings = {}, clock } = init;
  const address = signer.toSuiAddress();
  const own = signer.getPublicKey().toRawBytes();
  const isAuditor = (key: Uint8Array): boolean =>
    init.auditors.some((auditor) => equalBytes(auditor, key));
  const servers = keyServers({ seal, client, timeoutMs: init.serverTimeoutMs ?? 8_000 });
  const sealFor = createSealing({ seal, packageId, servers, runObject });
  const fetchKeys = createFetching({ packageId, client, signer });
  const openAny = createOpening({
    packageId,
    client,
    address,
    servers,
    fetchKeys,
    runObject,
    holdings,
    clock,
  });

  /** Whom a key is sealed for, each with the attempt in its name. */
  const audiencesOf = (
    purpose: KeyPurpose,
    readers: readonly Uint8Array[],
    cohortOf: number,
  ): readonly (readonly [Audience, number])[] => {
    const { role, attempt } = purpose;
    // The policy of a bundle admits the cohorts that check its commit, and no earlier ones as that
    // of a cohort would.
    if (role === 'bundle') return readers.length === 0 ? [] : [['unmask', attempt]];
    const named: Audience[] = readers.some(isAuditor) ? ['auditor'] : [];
    if (role === 'model') named.push(...models);
    const inPurpose = named.map((audience) => [audience, attempt] as const);
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
    wrap: async (key, purpose, readers, cohortOf = purpose.attempt) => {
      if (key.length !== KEY_BYTES)
        throw new FloeError('key_invalid', `expected a key of 32 bytes, got ${key.length}`);
      if (!equalBytes(purpose.run, run))
        throw malformed(`this gate is for the run ${toHex(run)}, not ${toHex(purpose.run)}`);
      const audiences = audiencesOf(purpose, readers, cohortOf);
      const sealed = await within('sealing a key', () =>
        withRetry({ retries: 3, clock }, async () => {
          try {
            return await Promise.all(
              audiences.map(([audience, attempt]) => sealFor(key, purpose, audience, attempt)),
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
