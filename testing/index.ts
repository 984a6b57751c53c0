/**
 * @module `floe/testing`: the compliance suites of Floe's ports. An implementation that passes the
 * suite of its port can take the place of Floe's own. Each suite is called once, at the top level
 * of a test file, with the runner's `describe`, `it` and `expect`, a name, and a function that
 * opens a fresh implementation for each test:
 *
 *     import { describe, expect, it } from 'vitest';
 *     import { blobStoreSuite } from 'floe/testing';
 *     const open = async () => ({ store, corrupt, close });
 *     blobStoreSuite({ describe, expect, it }, 'my store', open);
 */
export type { Checks, Expect, RejectionChecks, TestApi } from './api.ts';
export { accessGateSuite, type AccessGateFixture } from './access-gate.ts';
export { blobStoreSuite, type BlobStoreFixture } from './blob-store.ts';
export { clockSuite, type ClockFixture } from './clock.ts';
export { connectionSuite, type ConnectionFixture } from './connection.ts';
export { diskSuite, type DiskFixture } from './disk.ts';
export { journalSuite, readAll, type JournalFixture } from './journal.ts';
export { fullMemory, keystoreSuite, type KeystoreFixture } from './keystore.ts';
export { ledgerSuite, type LedgerFixture } from './ledger.ts';
export { trainerSuite, type TrainerFixture } from './trainer.ts';
