/**
 * @module floe/client in Node: everything of the browser entry, and the parts that read files.
 */
export * from './browser.ts';
export { readMapping } from './data/contract/mapping-file.ts';
export { readContract } from '../protocol/spec/contract-file.ts';
export { join, type NodeJoinedRun, type NodeJoinOptions } from './join-node.ts';
export { parseAdmission } from './admission-file.ts';
export { beginningOf, type ModelSettings } from './run-start.ts';
export { beginningOfModule } from './module-start.ts';
export type { OwnModule, OwnTrainerInit } from './own-module.ts';
export {
  loadData,
  loadDataset,
  readTable,
  type Loaded,
  type LoadOptions,
  type TableOptions,
} from './data/load-node.ts';
export {
  describeEvaluation,
  evaluateModel,
  fineTune,
  openModelToUse,
  predict,
  predictionsAsCsv,
  saveTuned,
  type Evaluation,
  type FineTuned,
  type FineTuneOptions,
  type Predictions,
  type ReadModel,
  type UseOptions,
} from './evaluate/index.ts';
export * from './reader/index.ts';
export { readStatus, type RunStatus } from './connect/status.ts';
export { readSurvey } from './survey/read.ts';
export { dealRows, parsePartition, type Partition } from './data/partition.ts';
export { shardOf } from './data/shard.ts';
export {
  describeExamination,
  examine,
  type Check,
  type DoctorOptions,
  type Examination,
} from './doctor/index.ts';
export {
  describePlan,
  describeResult,
  describeSetup,
  setupNative,
  undoNative,
  type SetupEvent,
  type SetupOptions,
  type SetupPlan,
  type SetupResult,
} from './native/setup.ts';
export {
  askPassphrase,
  readPassphrase,
  type KeystorePlace,
  type PassphraseSources,
  type Terminal,
} from './keystore/ask-passphrase.ts';
export { passphraseOfDescriptor, passphraseOfFile } from './keystore/passphrase.ts';
export { identityOfSeedFile } from './keystore/seed-file.ts';
export { parseFingerprint } from './connect/fingerprint.ts';
export { pinCertificate } from './connect/pin.ts';
export { trustCertificate } from './connect/trust.ts';
export {
  gatherSettings,
  readKeys,
  readRunFile,
  type GatheredSettings,
  type GivenSettings,
  type RunFile,
} from '../protocol/spec/run-file.ts';
export type { Line, LineLevel } from '../protocol/line.ts';
export { loadStrategies } from '../protocol/algorithm/load-module.ts';
export { readBase } from './adapters/base-file.ts';
export { threadTrainer, type ThreadTrainerOptions } from './thread/trainer.ts';
export { keptPassphrase, nodeDisk, openKept, type KeptKeystore } from './keystore/index.ts';
export type { ForSale, OfferTerms, Passes, PassesOptions } from '../protocol/net/passes.ts';
export { requestCoins, type RequestedCoins } from './faucet.ts';
export { listOffers, listReceipts, openPasses } from './passes.ts';
export { readNetworkFile, type NetworkFile } from '../protocol/net/network-file.ts';
export { directoryStore } from '../protocol/ports/directory-store.ts';
export type { AttemptRange } from '../protocol/spec/bounds.ts';
