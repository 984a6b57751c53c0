/**
 * @module Floe's package on a network, for reading and writing what is on chain of a run.
 */
import type { FloeError } from '../errors.ts';
import type { Identity } from '../ports/identity.ts';
import type { NetworkConfig } from './config.ts';
import { packageOf } from './network-file.ts';
import type { Registry } from './sui/registry.ts';
import { suiSignerOf } from './sui/signer.ts';
import { createSender, type Sender } from './sui/transactions.ts';
import { suiClientOf } from './walrus/client.ts';

/**
 * @param from names the configuration in errors @throws FloeError `spec_invalid` when it names no
 * package
 */
export const registryOf = (
  network: NetworkConfig,
  from = 'the network configuration',
): Registry => ({
  client: suiClientOf(network),
  packageId: packageOf(network, from),
});

/** Told of each attempt of a transaction that failed. */
export type OnRetry = (error: FloeError, attempt: number) => void;

/**
 * Transactions that this identity pays and signs. @param onRetry told of each attempt that failed
 */
export const senderOf = async (
  { client }: Pick<Registry, 'client'>,
  identity: Identity,
  onRetry?: OnRetry,
): Promise<Sender> =>
  createSender({
    client,
    signer: suiSignerOf(identity),
    ...(onRetry === undefined ? {} : { onRetry }),
  });
