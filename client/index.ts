/**
 * @module floe/client in Node: all that browsers have, and what reads files.
 */
export * from './browser.ts';
export { parseCsv, type CsvOptions } from './data/csv.ts';
export { loadData, type LoadOptions } from './data/load-node.ts';
export {
  examineFolder,
  type ExamineInit,
  type FileFinding,
  type FolderFiles,
  type FolderReport,
} from './reader/examine-folder.ts';
export { listFolder } from './reader/folder-files.ts';
export { topologyOfSpec } from './reader/topology.ts';
export { loadStrategies } from '../protocol/algorithm/load-module.ts';
export { nodeDisk } from './keystore/index.ts';
export { directoryStore } from '../protocol/ports/directory-store.ts';
