/**
 * @module floe/client in Node: all that browsers have, and what reads files.
 */
export * from './browser.ts';
export { parseCsv, type CsvOptions } from './data/csv.ts';
export { loadData, type LoadOptions } from './data/load-node.ts';
export * from './reader/index.ts';
export { nodeDisk } from './keystore/index.ts';
export { directoryStore } from '../protocol/ports/directory-store.ts';
