/**
 * @module The devnet as Floe uses it: with Floe's Move package published at the start, and its
 * configuration and errors in Floe's own forms. `floe-devnet` itself knows nothing of Floe.
 */
import {
  DevnetError,
  startDevnet,
  type Devnet,
  type DevnetConfig,
  type DevnetErrorCode,
  type DevnetOptions,
} from 'floe-devnet';
import { compiledFloe, type CompiledPackage } from './compiled.ts';
import { FloeError, type ErrorCode } from '../protocol/errors.ts';
import { parseNetworkConfig, type NetworkConfig } from '../protocol/net/config.ts';

/** The name under which the devnet lists Floe's package. */
const NAME = 'floe';

/** A devnet's configuration as Floe's network file has it. */
export type FloeDevnetConfig = Omit<DevnetConfig, 'packages'> & {
  readonly floe?: { readonly packageId: string };
};

/** A devnet with its configuration as Floe's network file has it. */
export type FloeDevnet = Devnet & { readonly config: FloeDevnetConfig };

/** What is published at the start. */
export const floePackages = (): NonNullable<DevnetOptions['packages']> => ({
  [NAME]: compiledFloe(),
});

/**
 * The form of Floe's network file: `floe.packageId` for the package that {@link floePackages}
 * named.
 */
export const networkFileOf = ({ packages, ...config }: DevnetConfig): FloeDevnetConfig => {
  const packageId = packages[NAME];
  return { ...config, ...(packageId === undefined ? {} : { floe: { packageId } }) };
};

const CODES: Readonly<Record<DevnetErrorCode, ErrorCode>> = {
  option_invalid: 'usage',
  fault_invalid: 'usage',
  argument_invalid: 'usage',
  snapshot_invalid: 'data_malformed',
  module_malformed: 'data_malformed',
  compile_failed: 'data_malformed',
  package_missing: 'file_not_found',
  port_taken: 'port_unavailable',
  compiler_missing: 'backend_unavailable',
  internal: 'internal',
};

/** An error of the devnet as one of Floe's catalogue; any other stays as it is. */
export const floeErrorOf = (thrown: unknown): unknown =>
  thrown instanceof DevnetError
    ? new FloeError(CODES[thrown.code], thrown.message, {}, { cause: thrown })
    : thrown;

/**
 * Starts a devnet with Floe's package.
 *
 * @throws FloeError `usage`, `data_malformed` as the options or the snapshot are wrong
 */
export const startFloeDevnet = async (options: DevnetOptions = {}): Promise<FloeDevnet> => {
  try {
    const devnet = await startDevnet({
      ...options,
      packages: { ...options.packages, ...floePackages() },
    });
    return { ...devnet, config: { ...devnet.config, ...networkFileOf(devnet.config) } };
  } catch (thrown) {
    throw floeErrorOf(thrown);
  }
};

/**
 * Compiles the Move package in a folder. The compiler is a development dependency.
 *
 * @throws FloeError `file_not_found`, `data_malformed` with the compiler's words,
 * `backend_unavailable` without a compiler
 */
export const compileSource = async (folder: string): Promise<CompiledPackage> => {
  const { compilePackage, readPackage } = await import('floe-devnet/compile');
  try {
    return await compilePackage(await readPackage(folder));
  } catch (thrown) {
    throw floeErrorOf(thrown);
  }
};

/**
 * The devnet that a simulation left in its folder, started again unchanged: the option `devnet` of
 * `openRun` and `listVersions`.
 */
export const restartDevnet = async (
  snapshot: string,
): Promise<{ readonly network: NetworkConfig; stop(): Promise<void> }> => {
  const running = await startFloeDevnet({ snapshot, readOnly: true });
  return { network: parseNetworkConfig(running.config), stop: () => running.stop() };
};
