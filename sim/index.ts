/**
 * @module floe/sim: a federated run of many participants on one machine, with the production code.
 */
export { describeEvent, describeRound, describeSummary } from './describe.ts';
export type { ScenarioEvent } from './events.ts';
export { DROP_PHASES, formatDrops, parseDrops, type DropPhase, type Drops } from './faults.ts';
export {
  dealRows,
  formatPartition,
  parsePartition,
  partitionStatistics,
  type Partition,
  type PartitionStatistics,
} from '../client/data/partition.ts';
export { loadStrategies } from '../protocol/algorithm/load-module.ts';
export { renderReport } from './report.ts';
export { readRun, resolveRunFolder, type StoredRun } from '../protocol/ports/run-folder.ts';
export { RUN_FILES } from '../protocol/records/run-files.ts';
export { runScenario, type RunOptions, type RunResult } from './run.ts';
export { compareRuns, type Comparison } from './compare/compare.ts';
export { renderComparison } from './compare/compare-page.ts';
export {
  distinctNames,
  readComparedRun,
  runFoldersOf,
  type ComparedRun,
} from './compare/read-runs.ts';
export { EXPORT_FORMATS, type ExportFormat } from './outputs/formats.ts';
export { openPartial, type PartialRun } from './resume/open-partial.ts';
export { makeScenario, type Scenario, type ScenarioInput } from './scenario.ts';
export { simulate, type SimulateOptions } from './simulate.ts';
export { runSweep, type SweepEvent, type SweepOptions } from './sweep/run-sweep.ts';
export { linesOfMap, type MapCell, type MeasureMap, type SweepMap } from './sweep/map.ts';
export { linesOfTable, type SweepTable } from './sweep/table.ts';
export type { AttackMemory } from './attackers/attack-memory.ts';
export type { Attack, AttackInit } from './attackers/model-attacks.ts';
export type { ModelFunction } from '../client/tfjs/models.ts';
export type { Trainer } from '../client/trainer.ts';
export type { SimulationData, SimulationModule, SimulationTrainerInit } from './task.ts';
export { summarySchema, type RoundSummary, type Summary } from './summary.ts';
