/**
 * @module A network in one process: Sui over gRPC-Web with a faucet, Walrus with its storage nodes,
 * relay, publisher and aggregator, Seal with its key servers. The SDKs of Mysten Labs run on it
 * unmodified.
 */
export {
  MAX_KEY_SERVERS,
  type DevnetConfig,
  type DevnetOptions,
  type DevnetPorts,
  type PublishablePackage,
} from './config.ts';
export { DevnetError, type DevnetErrorCode } from './errors.ts';
export { parseFault, type FaultCommand, type Faults } from './faults.ts';
export { startDevnet, type Devnet } from './start.ts';
