/**
 * @module The coordinator: runs the rounds of a federated run. `startCoordinator` is the short way:
 * it keeps everything in one folder. `createCoordinator` is the run alone, `serve` listens on a
 * port for it, `openJournal` and `memoryJournal` store it, and `journalLedger` is the ledger of a
 * consortium without a chain.
 */
export { describeAnomaly, describeStep } from './anomalies/describe.ts';
export {
  ANOMALY_KINDS,
  stepNumbers,
  type Anomaly,
  type AnomalyKind,
  type StepReport,
} from './anomalies/rules.ts';
export {
  createAnomalyWatch,
  type AnomalyMark,
  type AnomalyStatus,
  type AnomalyWatch,
} from './anomalies/watch.ts';
export type {
  Coordinator,
  CoordinatorInit,
  Outcome,
  Status,
  TranscriptSource,
} from './coordinator.ts';
export type { FundsOfRun, StartEvent } from './events.ts';
export { costOfRun, type CostOfRun, type CostOptions } from './cost-of-run.ts';
export { describeCost, quiltRatio } from './describe-cost.ts';
export { describeEvent } from './describe.ts';
export { loadStrategies } from '../protocol/algorithm/load-module.ts';
export { createCoordinator } from './host.ts';
export { committedIn, attemptEntries, registeredIn, wholeTranscript } from './journal/history.ts';
export { memoryJournal } from './journal/memory.ts';
export type { Journal } from './journal/port.ts';
export { markingJournal, rewindJournal, type JournalMark } from './journal/rewind.ts';
export { JOURNAL_VERSION, openJournal, type OpenOptions } from './journal/sqlite.ts';
export { openJournalToRead } from './journal/sqlite-reader.ts';
export { journalLedger } from './ledger.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export { reportedText, type Logger } from './log.ts';
export { ROUND_MACHINE } from './machine/index.ts';
export type { Machine, Phase, PhaseType, Progress } from './machine/index.ts';
export type { Presence } from './presence-notes.ts';
export { newRun, type Fork, type NewRunOptions } from './new-run.ts';
export { surveySpec } from './survey-settings.ts';
export { openNetworkPorts, type NetworkPorts, type NetworkPortsInit } from './network.ts';
export { readJournalLedger, type JournalFreezes } from './read-ledger.ts';
export { serve, type Served, type ServeOptions } from './serve.ts';
export type { ServerConnection } from './sessions.ts';
export {
  startCoordinator,
  type CoordinatorKeys,
  type FinishedRun,
  type StartedCoordinator,
  type StartOptions,
} from './start-coordinator.ts';
export {
  SETTINGS_FILE,
  type FixedParts,
  type NewRun,
  type Place,
  type PlaceOptions,
} from './state-folder.ts';
export type { UpkeepEvent } from './upkeep.ts';
export type { Line, LineLevel } from '../protocol/line.ts';
export {
  gatherSettings,
  readRunFile,
  type GatheredSettings,
  type GivenSettings,
  type RunFile,
} from '../protocol/spec/run-file.ts';
export { parseNetworkConfig, type NetworkConfig } from '../protocol/net/config.ts';
export { readNetworkFile, type NetworkFile } from '../protocol/net/network-file.ts';
export { directoryStore } from '../protocol/ports/directory-store.ts';
