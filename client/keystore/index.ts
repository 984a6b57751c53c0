/**
 * @module Keystores: the port, the folder on disk, the one in memory.
 */
export { nodeDisk, type Disk } from '../../protocol/ports/disk.ts';
export { openKeystore, readIdentity, type KeystoreOptions } from './file.ts';
export {
  decodeRunMemory,
  EMPTY_RUN,
  encodeRunMemory,
  LOCAL_PARTS,
  type Keystore,
  type LocalPart,
  type StoredAttempt,
  type RunMemory,
} from './keystore.ts';
export { keptPassphrase, KEPT_PASSPHRASE, openKept, readKept, type KeptKeystore } from './kept.ts';
export { memoryKeystore } from './memory.ts';
export { DEFAULT_KDF_COST, type KdfCost } from './sealed.ts';
