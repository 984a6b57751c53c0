/**
 * @module floe/client in browsers, and the part of floe/client in Node that is identical: take part
 * in a run. `join` is the short way; `joinRun` takes every part as an option. This file imports
 * nothing of Node.
 */
export {
  ADMISSION_DEFAULTS,
  makeAdmission,
  type AdmissionInput,
  type AdmissionPolicy,
} from './admission.ts';
export { ADMISSION_TABLE, type Requirement } from './admission-table.ts';
export { httpAddress, webSocketConnect, type WebSocketOptions } from './connect/web-socket.ts';
export { applyContract, applyInputs } from './data/contract/apply.ts';
export {
  inferContract,
  inferContractOfDataset,
  type InferredContract,
} from './data/contract/infer.ts';
export type { InferOptions } from './data/contract/infer-column.ts';
export { parseMapping, type Mapping } from './data/contract/mapping.ts';
export {
  describeReport,
  type AppliedData,
  type ColumnReport,
  type ContractReport,
} from './data/contract/report.ts';
export { denormalise, scalesOfTarget } from './data/contract/units.ts';
export { surveySite, type SiteSurvey } from './survey/site.ts';
export { surveyTrainer, type SurveyTrainerInit } from './survey/trainer.ts';
export { surveyOf, type ReadSurvey, type ReadSurveyOptions } from './survey/read.ts';
export {
  completeContract,
  describeSurvey,
  weightCapOf,
  type CompleteOptions,
} from '../protocol/survey/complete.ts';
export type { ColumnFacts, SurveyFacts } from '../protocol/survey/facts.ts';
export { createDataset, subset, type Dataset } from './data/dataset.ts';
export { createTable, textAt, type Column, type Table } from './data/table.ts';
export { readTableOfBlob } from './data/readers/blob.ts';
export type { CsvOptions } from './data/readers/csv.ts';
export { datasetOfTable, type LabelOptions } from './data/table-dataset.ts';
export { dataOfRun, type OwnData, type RunData } from './data/run-data.ts';
export { parseIdx, type IdxArray } from './data/idx.ts';
export { idxDataset, type IdxOptions } from './data/images.ts';
export { preflight, type PreflightReport } from './data/preflight.ts';
export { join, type FinalModel, type JoinedRun, type JoinOptions } from './join.ts';
export {
  memoryKeystore,
  openKeystore,
  type Disk,
  type Keystore,
  type KeystoreOptions,
} from './keystore/index.ts';
export {
  DEFAULT_BACKOFF,
  joinRun,
  lineOf,
  Participant,
  personalModel,
  type Answers,
  type Backoff,
  type Expected,
  type LedgerReader,
  type Log,
  type LogLevel,
  type OnRun,
  type Outcome,
  type ParticipantEvent,
  type ParticipantOptions,
} from './participant/index.ts';
export { modelOfSpec } from './spec-model.ts';
export { baseOf, hashBase, type BaseWeights } from './adapters/base.ts';
export { mergedModel } from './adapters/merged.ts';
export { mergeAdapters, withAdapters, type AdapterOptions } from './adapters/with-adapters.ts';
export {
  encoder,
  parseEncoderConfig,
  type EncoderConfig,
  type EncoderOptions,
} from './models/encoder.ts';
export { readEncoder } from './models/encoder-weights.ts';
export {
  readTokenizer,
  textDataset,
  type LabelledText,
  type TextTokenizer,
} from './text/tokenizer.ts';
export type { ModelFunction } from './tfjs/models.ts';
export { tfjsTrainer, type TfjsTrainer, type TfjsTrainerOptions } from './tfjs/trainer.ts';
export {
  optimizerOf,
  rateOfRound,
  type Correction,
  type Optimizer,
  type OptimizerRule,
  type Schedule,
} from './optimizer.ts';
export { makeTask, type RegressionLoss, type Task, type TaskType } from './task.ts';
export {
  functionTrainer,
  type FunctionTrainerOptions,
  type Trainer,
  type TrainRequest,
  type TrainResult,
} from './trainer.ts';
export {
  inputNames,
  outputsOfTarget,
  shapeOfInput,
  type Contract,
} from '../protocol/spec/contract.ts';
export { describeContract } from '../protocol/spec/describe-contract.ts';
export { contractText, parseContract } from '../protocol/spec/parse-contract.ts';
export { parseNetworkConfig, type NetworkConfig } from '../protocol/net/config.ts';
export { signConsent, type ConsentTo } from '../protocol/rules/consent.ts';
