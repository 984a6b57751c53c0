/**
 * @module Publishing the contracts that are part of genesis: the framework's packages as objects, Walrus and Seal at fixed ids.
 */
import { FloeError } from '../protocol/errors.ts';
import type { Chain } from './chain/chain.ts';
import { moduleBytes, STD_ID, SUI_ID } from './move/index.ts';
import type { PublishablePackage } from './config.ts';

/** Makes the framework, which the machine already has, readable on the chain. */
export const installFramework = (chain: Chain): void => {
  for (const id of [STD_ID, SUI_ID]) {
    const info = chain.vm.getPackage(id);
    if (!info) throw new FloeError('internal', `the machine lacks the framework package ${id}`);
    chain.installPackage(info);
  }
};

/** Publishes a compiled package at a fixed id, as part of genesis. */
export const installContract = (
  chain: Chain,
  storageId: string,
  compiled: PublishablePackage,
): void => {
  const result = chain.vm.publish({
    storageId,
    modules: moduleBytes(compiled.modules),
    dependencies: compiled.dependencies,
  });
  if (result.status === 'failure')
    throw new FloeError('internal', `a contract of genesis is broken: ${result.failure.message}`);
  chain.installPackage(result.package);
};
