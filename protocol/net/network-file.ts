/**
 * @module The network configuration as a file. Node only.
 */
import { FloeError } from '../errors.ts';
import { readInput } from '../ports/input-file.ts';
import { parseNetworkConfig, type NetworkConfig } from './config.ts';

const MAX_FILE_BYTES = 1 << 20;

export interface NetworkFile {
  readonly path: string;
  readonly network: NetworkConfig;
  /** As it was read, with fields that Floe does not know. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** @throws FloeError `file_not_found`, `usage`, `spec_invalid` naming the field */
export const readNetworkFile = async (path: string): Promise<NetworkFile> => {
  const bytes = await readInput('--network', path, MAX_FILE_BYTES);
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FloeError('spec_invalid', `${path}: ${(cause as Error).message}`, {}, { cause });
  }
  const network = parseNetworkConfig(raw);
  return { path, network, raw: raw as Record<string, unknown> };
};

/**
 * The id of Floe's package. @param from named in the error @throws FloeError `spec_invalid` when
 * there is none
 */
export const packageOf = ({ floe }: NetworkConfig, from: string): string => {
  if (floe !== undefined) return floe.packageId;
  throw new FloeError(
    'spec_invalid',
    `${from}: expected floe.packageId; floe publish writes it there`,
  );
};
