/**
 * @module The compiled contracts of Walrus and Seal, as the devnet publishes them at genesis.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { FloeError } from '../../../protocol/errors.ts';
import type { Chain } from '../chain/chain.ts';

const Compiled = v.object({ modules: v.array(v.string()), dependencies: v.array(v.string()) });
const Contracts = v.object({ walrus: Compiled, seal: Compiled });

export type Contracts = v.InferOutput<typeof Contracts>;

export const readContracts = async (): Promise<Contracts> => {
  const text = await readFile(join(import.meta.dirname, 'compiled.json'), 'utf8');
  return v.parse(Contracts, JSON.parse(text));
};

/** Publishes a compiled package at a fixed id, as part of genesis. */
export const installContract = (
  chain: Chain,
  storageId: string,
  compiled: Contracts['walrus'],
): void => {
  const result = chain.vm.publish({
    storageId,
    modules: compiled.modules.map((module) => Buffer.from(module, 'base64')),
    dependencies: compiled.dependencies,
  });
  if (result.status === 'failure')
    throw new FloeError('internal', `a contract of genesis is broken: ${result.failure.message}`);
  chain.installPackage(result.package);
};
