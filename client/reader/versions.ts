/**
 * @module The model versions of a run on Sui, and the ancestors of a version. Needs no key and no
 * published run.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { NetworkConfig } from '../../protocol/net/config.ts';
import { isObjectId } from '../../protocol/net/object-id.ts';
import type { describeModels } from '../../protocol/net/sui/lineage.ts';
import type { Registry } from '../../protocol/net/sui/registry.ts';
import { addressOf, cryptoReady } from '../../protocol/ports/identity.ts';
import { readRun } from '../../protocol/ports/run-folder.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { findNetwork, type NetworkOptions } from './network.ts';

/** A run with its versions by round, or a version with its ancestors, the newest first. */
export type ListedVersions = { readonly id: string } & Awaited<ReturnType<typeof describeModels>>;

const objectIn = async (spec: RunSpec, registry: Registry): Promise<string | undefined> => {
  const { findRun } = await import('../../protocol/net/sui/run.ts');
  await cryptoReady;
  const owner = addressOf(spec.coordinator);
  return (await findRun({ ...registry, owner }, hashRunSpec(spec)))?.run;
};

/**
 * The object id of a run on its network, by which anyone entitled reads it without a coordinator;
 * undefined where the network has none. @throws FloeError `usage`, `ledger_unavailable`
 */
export const runObjectId = async (
  spec: RunSpec,
  network: NetworkConfig,
): Promise<string | undefined> => {
  const { registryOf } = await import('../../protocol/net/registry.ts');
  return objectIn(spec, registryOf(network));
};

/** The run of a folder on chain. */
const runObjectOf = async (folder: string, registry: Registry): Promise<string> => {
  const { spec } = await readRun(folder);
  const found = await objectIn(spec, registry);
  if (found === undefined)
    throw new FloeError('usage', `the run of ${folder} is not on its network yet`);
  return found;
};

/**
 * @param source the object id of a run or version, for which the options say where to look; or a
 * run's folder
 * @throws FloeError `usage` when it is on no network, or no run or version; `ledger_unavailable`,
 * `verification_failed`
 */
export const listVersions = async (
  source: string,
  options: NetworkOptions,
): Promise<ListedVersions> => {
  const [{ registryOf }, lineage] = await Promise.all([
    import('../../protocol/net/registry.ts'),
    import('../../protocol/net/sui/lineage.ts'),
  ]);
  await using resources = new AsyncDisposableStack();
  const isObject = isObjectId(source);
  const place = isObject ? options : { ...options, network: undefined, runFolder: source };
  const { network, from } = await findNetwork(place, resources);
  const registry = registryOf(network, from);
  const id = isObject ? source.toLowerCase() : await runObjectOf(source, registry);
  return { id, ...(await lineage.describeModels(registry, id)) };
};
