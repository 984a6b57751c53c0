/**
 * @module floe/protocol: the contract of both sides, for authors of ports, trainers' environments
 * or verifiers. Runs in Node and in browsers; the store in a directory,
 * which needs Node, is in floe/client and floe/coordinator.
 */
export type { AccessGate, KeyPurpose } from './ports/access-gate.ts';
export { sealedBoxGate } from './ports/sealed-box-gate.ts';
export {
  checkBlob,
  checkRange,
  checkRangeLength,
  type BlobOptions,
  type BlobRef,
  type BlobStore,
  type PutOptions,
} from './ports/blob-store.ts';
export type {
  BlobBatches,
  BlobLeases,
  BlobRemoval,
  LastingStore,
  Lease,
  StagedStore,
  SustainOptions,
  UploadStaging,
} from './ports/upload-staging.ts';
export { httpBlobStore, type HttpBlobStoreInit } from './ports/http-store.ts';
export { memoryStore } from './ports/memory-store.ts';
export { equalBytes, fromHex, sha256, toHex } from './bytes.ts';
export { manualClock, systemClock, type Clock, type ManualClock } from './ports/clock.ts';
export { parseNetworkConfig, type NetworkConfig } from './net/config.ts';
export type { Connection, ConnectionHandlers } from './wire/connection.ts';
export { ERRORS, type ErrorArea } from './error-catalogue.ts';
export { initialModel, initialModelHash, type FirstModel } from './model/first-model.ts';
export { FloeError, isErrorCode, type ErrorCode, type ErrorDetails } from './errors.ts';
export {
  addressOf,
  cryptoReady,
  identityFromSeed,
  sealTo,
  verifySignature,
  type Identity,
} from './ports/identity.ts';
export { firstBeacon, localBeacon, nextBeacon } from './rules/beacon.ts';
export type { CohortFreeze, Ledger, ModelVersion, SurvivorFreeze } from './ports/ledger.ts';
export { merkleRoot } from './records/merkle.ts';
export { PROTOCOL_VERSION } from './wire/messages.ts';
export { deriveSeed, seededRandom, systemRandom, type RandomSource } from './ports/random.ts';
export {
  dataCommitment,
  decodeRecord,
  decodeRecordOf,
  survivorsHash,
  type Body,
  type ModelRef,
  type RecordType,
  type SignedRecord,
} from './records/records.ts';
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
} from './spec/run-spec.ts';
export { SETTINGS, type RunSettings, type SettingName } from './spec/settings.ts';
export { specOfSettings } from './spec/spec-of-settings.ts';
export * from './model/index.ts';
export * from './privacy/index.ts';
export {
  decodeTranscript,
  attemptRoot,
  type Transcript,
  type TranscriptEntry,
} from './records/transcript.ts';
export {
  DEFAULT_METRICS,
  type MetricSpec,
  type NamedSum,
  type ReportedMetric,
} from './algorithm/metrics.ts';
export {
  knownStrategies,
  registerStrategy,
  strategyOf,
  type ChosenStrategy,
  type StrategyInput,
  type StrategySpec,
} from './algorithm/registry.ts';
export type {
  MemberPart,
  MemberUpdate,
  ParameterSpec,
  ParameterValues,
  ServerStep,
  StateVector,
  StepTotals,
  Strategy,
} from './algorithm/strategy.ts';
export type { ModelContent } from './model/open-model.ts';
export {
  openModel,
  openVersion,
  verifyRun,
  type Verification,
  type VerifiedAttempt,
  type VerifyInit,
} from './verify/index.ts';
