/**
 * @module Reads a finished or running run: opened by folder, by a coordinator's address, or by an
 * object id on Sui. Node only.
 */
export {
  examineFolder,
  type ExamineInit,
  type FileFinding,
  type FolderFiles,
  type FolderReport,
} from './examine-folder.ts';
export { listFolder } from './folder-files.ts';
export type { NetworkOptions, ReaderEvent, RestartedDevnet } from './network.ts';
export type { Beginning } from '../../protocol/model/run-start.ts';
export type { VersionFacts } from '../../protocol/net/sui/lineage.ts';
export type { Receipt } from '../../protocol/net/sui/receipts.ts';
export {
  openRun,
  type PulledModel,
  type PullOptions,
  type RunReader,
  type RunVerification,
  type VerifyOptions,
} from './run.ts';
export { modelOfVersion, modelsOf } from './signed-models.ts';
export type { ClosableLedger, OpenRunOptions } from './source.ts';
export { topologyOfSpec } from './topology.ts';
export { listVersions, type ListedVersions } from './versions.ts';
export { savePulled, writeModel, type SavedModel, type SaveOptions } from './write-model.ts';
export { describeReaderEvent, describeVerification, describeVersions } from './describe.ts';
