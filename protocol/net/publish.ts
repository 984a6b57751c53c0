/**
 * @module Floe's Move package on a network: published once, never to be upgraded, and named in the
 * network's configuration. What `floe publish` does. Node only.
 */
import { FloeError } from '../errors.ts';
import { writeWhole } from '../ports/files.ts';
import type { Identity } from '../ports/identity.ts';
import type { NetworkFile } from './network-file.ts';
import { senderOf, type OnRetry } from './registry.ts';
import { publishForever, type Publishable, type Published } from './sui/publish.ts';
import { suiClientOf } from './walrus/client.ts';

export interface PublishOptions {
  /** Where the configuration is written. Default: the file that was read. */
  readonly configOut?: string | undefined;
  /** Publish another package where the configuration names one. */
  readonly force?: boolean | undefined;
  /** Told of each attempt that failed. */
  readonly onRetry?: OnRetry | undefined;
}

export interface PublishedPackage extends Published {
  /** The configuration that names the package. */
  readonly config: string;
}

/**
 * Publishes a compiled package and writes its id into the configuration.
 *
 * @param identity signs and pays
 * @throws FloeError `file_exists` where the configuration names a package, `usage` where it cannot
 * be written (the details name the package), `ledger_unavailable`; TransactionFailed
 */
export const publishPackage = async (
  file: NetworkFile,
  identity: Identity,
  compiled: Publishable,
  { configOut = file.path, force = false, onRetry }: PublishOptions = {},
): Promise<PublishedPackage> => {
  const standing = file.network.floe?.packageId;
  if (standing !== undefined && !force)
    throw new FloeError(
      'file_exists',
      `${file.path} names the package ${standing}; --force publishes another one`,
    );
  const sender = await senderOf({ client: suiClientOf(file.network) }, identity, onRetry);
  const published = await publishForever(sender, compiled);
  const { packageId, digest } = published;
  const config = { ...file.raw, floe: { packageId } };
  try {
    await writeWhole(configOut, `${JSON.stringify(config, undefined, 2)}\n`);
  } catch (cause) {
    throw new FloeError(
      'usage',
      `published as ${packageId}, but ${configOut} cannot be written: ${(cause as Error).message}`,
      { packageId, digest },
      { cause },
    );
  }
  return { ...published, config: configOut };
};
