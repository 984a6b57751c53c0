/**
 * @module floe/client in Node: all that browsers have, and what reads files.
 */
export * from './browser.ts';
export { parseAdmission } from './admission-file.ts';
export { beginningOf, type ModelSettings } from './run-start.ts';
export { parseCsv, type CsvOptions } from './data/csv.ts';
export { loadData, type LoadOptions } from './data/load-node.ts';
export * from './reader/index.ts';
export { dealRows, parsePartition, type Partition } from './data/partition.ts';
export { shardOf } from './data/shard.ts';
export { examine, type Check, type DoctorOptions, type Examination } from './doctor/index.ts';
export { passphraseOfDescriptor, passphraseOfFile } from './keystore/passphrase.ts';
export { loadStrategies } from '../protocol/algorithm/load-module.ts';
export { nodeDisk } from './keystore/index.ts';
export type { OfferTerms, Passes, Rounds } from '../protocol/net/passes.ts';
export { openPasses } from './passes.ts';
export { readNetworkFile, type NetworkFile } from '../protocol/net/network-file.ts';
export { directoryStore } from '../protocol/ports/directory-store.ts';
