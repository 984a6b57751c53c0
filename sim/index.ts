/**
 * @module floe/sim: a federated run of many participants on one machine, with the production code.
 */
export type { ScenarioEvent } from './events.ts';
export { DROP_PHASES, formatDrops, parseDrops, type DropPhase, type Drops } from './faults.ts';
export {
  dealRows,
  formatPartition,
  parsePartition,
  partitionStatistics,
  type Partition,
  type PartitionStatistics,
} from './partition.ts';
export { loadStrategies } from '../protocol/algorithm/load-module.ts';
export { renderReport } from './report.ts';
export { readRun, resolveRunFolder, RUN_FILES, type StoredRun } from './run-folder.ts';
export { runScenario, type RunOptions, type RunResult } from './run.ts';
export { makeScenario, type Scenario, type ScenarioInput } from './scenario.ts';
export { summarySchema, type RoundSummary, type Summary } from './summary.ts';
