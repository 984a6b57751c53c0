/**
 * @module The network of the trials: a devnet in this process, whose services can be stopped.
 */
import { parseNetworkConfig, type NetworkConfig } from '../../protocol/net/config.ts';
import type { Devnet } from 'floe-devnet';
import { networkFileOf, startFloeDevnet } from '../../move/floe-devnet.ts';

export const FAULTS = ['keys', 'nodes', 'rpc', 'relay'] as const;
export type FaultName = (typeof FAULTS)[number];

/** 13 nodes, of which 4 may be silent; 3 key servers, of which 2 suffice. */
export const startNetwork = (): Promise<Devnet> => startFloeDevnet({ nodes: 13, shardsPerNode: 1 });

/** With the helpers between client and nodes or, to meet faults of the nodes, without. */
export const networkOf = (devnet: Devnet, fault?: FaultName): NetworkConfig => {
  const network = parseNetworkConfig(networkFileOf(devnet.config));
  if (fault !== 'nodes') return network;
  const { relayUrl: _relay, aggregatorUrl: _aggregator, ...walrus } = network.walrus;
  return { ...network, walrus };
};

/** One more than the network tolerates. */
const KEY_SERVERS = 2;
const NODES = 5;

export const switchFault = ({ faults }: Devnet, fault: FaultName, down: boolean): void => {
  switch (fault) {
    case 'keys':
      for (let server = 0; server < KEY_SERVERS; server += 1) faults.keyServerDown(server, down);
      return;
    case 'nodes':
      for (let node = 0; node < NODES; node += 1) faults.nodeDown(node, down);
      return;
    case 'rpc':
      return faults.rpcDown(down);
    case 'relay':
      return faults.relayDown(down);
  }
};
