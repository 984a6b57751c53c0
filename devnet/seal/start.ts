/**
 * @module Starts Seal's key servers and registers each on the chain.
 */
import type { Chain } from '../chain/chain.ts';
import { evaluate } from '../chain/dry-run.ts';
import type { CompleteOptions } from '../config.ts';
import type { RunningServer } from '../http.ts';
import { deriveId, deriveScalar } from '../seeds.ts';
import { nthPort, type ServerGroup } from '../servers.ts';
import { keyServerObjects } from './contract.ts';
import { masterPublicKey } from './ibe.ts';
import { BODY_LIMIT, keyServerHandler, VERSION_HEADER } from './key-server.ts';
import { Requesters } from './requesters.ts';

/** A key server: its object on the chain, and where it answers. */
export interface KeyServer {
  readonly objectId: string;
  readonly server: RunningServer;
}

export const startKeyServers = async (init: {
  readonly options: CompleteOptions;
  readonly servers: ServerGroup;
  readonly chain: Chain;
  readonly seed: Uint8Array;
  readonly packageId: string;
  readonly now: () => number;
}): Promise<readonly KeyServer[]> => {
  const { options, servers, chain, seed, packageId, now } = init;
  const requesters = new Requesters(options.sealThreshold);
  const started: KeyServer[] = [];
  for (let index = 0; index < options.sealServers; index += 1) {
    const objectId = deriveId(seed, `seal server ${index}`);
    const secretKey = deriveScalar(seed, `seal master key ${index}`);
    const handler = keyServerHandler({
      chain,
      evaluate: (programmable, sender) => evaluate(chain, programmable, sender),
      objectId,
      secretKey,
      now,
      requesters,
    });
    const server = await servers.start(handler, {
      bodyLimit: BODY_LIMIT,
      exposeHeaders: [VERSION_HEADER],
      port: nthPort(options.ports?.seal, index),
    });
    started.push({ objectId, server });
    chain.write(
      keyServerObjects({
        packageId,
        objectId,
        name: `devnet-${index}`,
        url: server.url,
        publicKey: masterPublicKey(secretKey),
      }),
    );
  }
  return started;
};
