/**
 * @module floe/protocol: what both sides agree on, for whoever writes a port, a trainer's surroundings or a verifier of their
 * own. Runs in Node and in browsers; the store in a directory, which needs Node, is in floe/client and floe/coordinator.
 */
export type { AccessGate, KeyPurpose } from './access/access-gate.ts';
export { sealedBoxGate } from './access/sealed-box-gate.ts';
export { checkBlob, type BlobOptions, type BlobRef, type BlobStore } from './blobs/blob-store.ts';
export { httpBlobStore, type HttpBlobStoreInit } from './blobs/http.ts';
export { memoryStore } from './blobs/memory.ts';
export { equalBytes, fromHex, sha256, toHex } from './bytes.ts';
export { manualClock, systemClock, type Clock, type ManualClock } from './clock.ts';
export type { Connection, ConnectionHandlers } from './connection.ts';
export { ERRORS, type ErrorArea } from './error-catalogue.ts';
export { initialModel, initialModelHash, type FirstModel } from './first-model.ts';
export { FloeError, isErrorCode, type ErrorCode, type ErrorDetails } from './errors.ts';
export {
  addressOf,
  cryptoReady,
  identityFromSeed,
  sealTo,
  verifySignature,
  type Identity,
} from './identity.ts';
export { firstBeacon, localBeacon, nextBeacon } from './ledger/beacon.ts';
export type { CohortFreeze, Ledger, ModelVersion, SurvivorFreeze } from './ledger/ledger.ts';
export { merkleRoot } from './merkle.ts';
export { PROTOCOL_VERSION } from './messages.ts';
export { deriveSeed, seededRandom, systemRandom, type RandomSource } from './random.ts';
export {
  dataCommitment,
  decodeRecord,
  decodeRecordOf,
  survivorsHash,
  type Body,
  type ModelRef,
  type RecordType,
  type SignedRecord,
} from './records.ts';
export {
  decodeRunSpec,
  encodeRunSpec,
  hashRunSpec,
  makeRunSpec,
  MAX_COHORT,
  MIN_COHORT,
  runSpecSchema,
  SPEC_DEFAULTS,
  type RunSpec,
  type RunSpecInput,
} from './run-spec.ts';
export * from './tensors/index.ts';
export {
  decodeTranscript,
  roundRoot,
  type Transcript,
  type TranscriptEntry,
} from './transcript.ts';
export {
  openModel,
  verifyRun,
  type Verification,
  type VerifiedRound,
  type VerifyInit,
} from './verify/index.ts';
