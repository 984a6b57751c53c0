/**
 * @module Computes the summary of a run from its results.
 */
import { shapedEncoding, trainableOf } from '../protocol/algorithm/segments.ts';
import { describePrivacy, privacyClaim } from '../protocol/algorithm/privacy.ts';
import { describeError, expectedError } from '../protocol/encoding/index.ts';
import { createRequire } from 'node:module';
import * as v from 'valibot';
import { strategyOf } from '../protocol/algorithm/registry.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { toHex } from '../protocol/bytes.ts';
import type { BaselinePoint } from './analysis.ts';
import type { ScenarioBaseline } from './baseline.ts';
import type { FineTuned } from './fine-tune/distribution.ts';
import type { ScenarioData } from './data.ts';
import type { Bytes, History } from './history.ts';
import { formatPartition, type PartitionStatistics } from '../client/data/partition.ts';
import { ruleIn } from './report/robust-rule.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import type { Scenario } from './scenario.ts';
import { summarySchema, type Summary } from './summary.ts';
import type { Timeline } from './timeline.ts';
import type { WorldSummary } from './world-summary.ts';

export interface SummariseInit {
  readonly scenario: Scenario;
  readonly data: ScenarioData;
  readonly statistics: PartitionStatistics;
  readonly worldSummary: WorldSummary;
  readonly history: History;
  readonly status: Summary['status'];
  readonly run: Uint8Array;
  readonly spec: RunSpec;
  readonly modelHash: Uint8Array;
  readonly transcriptRoot: Uint8Array;
  readonly parameters: number;
  readonly bytes: Bytes;
  readonly seconds: number;
  /** Of a run that was resumed: the part before. */
  readonly earlier: { readonly processorSeconds: number; readonly resumed: number } | undefined;
  readonly activities: ReturnType<Timeline['shares']>;
  readonly backend: string;
  /** Whether the model is there in the form of tfjs as well. */
  readonly exported: boolean;
  readonly workers: number;
  readonly kinds: { readonly store: string; readonly gate: string; readonly ledger: string };
  readonly drops: string;
  /** Of the last version; objects and transcript on a network only. */
  readonly published: {
    readonly blob: string;
    readonly object: string | undefined;
    readonly runObject: string | undefined;
    readonly transcript: string | undefined;
  };
  readonly fineTuned: FineTuned | undefined;
  readonly baseline:
    | {
        readonly plan: ScenarioBaseline;
        readonly points: readonly BaselinePoint[];
        readonly seconds: number;
      }
    | undefined;
}

const versionSchema = v.object({ version: v.string() });

/** package.json lies one level up in the sources, two in `dist`. */
const floeVersion = (): string => {
  const path = import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json';
  return v.parse(versionSchema, createRequire(import.meta.url)(path)).version;
};

const versions = (): Record<string, string> => ({
  floe: floeVersion(),
  node: process.versions.node,
  '@tensorflow/tfjs': v.parse(
    versionSchema,
    createRequire(import.meta.url)('@tensorflow/tfjs/package.json'),
  ).version,
});

const defined = (values: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** @param examples of a participant, on average */
const roundingOf = (spec: RunSpec, examples: number): Summary['encoding']['rounding'] => {
  const of = [
    shapedEncoding(spec),
    spec.cohort.size,
    trainableOf(spec),
    Math.ceil(examples),
  ] as const;
  return { expectedError: expectedError(...of), words: describeError(...of) };
};

const clippingOf = ({ clipping }: Scenario): Pick<Summary['encoding'], 'clipping'> => {
  if (clipping === undefined) return {};
  const { type: _, ...parameters } = clipping;
  return { clipping: parameters };
};

/** What holds for every member after all attempts. */
const privacyIn = (spec: RunSpec): Pick<Summary, 'privacy'> => {
  const claim = privacyClaim(spec);
  return claim === undefined ? {} : { privacy: { ...claim, words: describePrivacy(spec) ?? '' } };
};

/** User and system time of this process so far. */
export const processorSeconds = (): number => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return (userCPUTime + systemCPUTime) / 1e6;
};

/** The resources that the run has used so far. @param earlier what a part before it used */
const resources = (
  earlier: SummariseInit['earlier'],
): Pick<Summary, 'processorSeconds' | 'peakMemory' | 'resumed'> => ({
  processorSeconds: round((earlier?.processorSeconds ?? 0) + processorSeconds(), 3),
  peakMemory: process.resourceUsage().maxRSS * 1024,
  ...(earlier === undefined ? {} : { resumed: earlier.resumed + 1 }),
});

export const summarise = (init: SummariseInit): Summary => {
  const { scenario, data, statistics, history, baseline } = init;
  const final = history.rounds.at(-1);
  const { histogram: _, ...shape } = statistics;
  return v.parse(summarySchema, {
    format: 'floe/summary/v1',
    status: init.status,
    ...(final?.testAccuracy === undefined ? {} : { testAccuracy: final.testAccuracy }),
    ...(final?.testLoss === undefined ? {} : { testLoss: final.testLoss }),
    rounds: history.rounds.length,
    attemptsAborted: history.aborted,
    participants: scenario.participants,
    cohort: scenario.cohort,
    parameters: init.parameters,
    seed: scenario.seed,
    run: toHex(init.run),
    modelHash: toHex(init.modelHash),
    transcriptRoot: toHex(init.transcriptRoot),
    bytesUp: init.bytes.up,
    bytesDown: init.bytes.down,
    seconds: round(init.seconds, 3),
    ...resources(init.earlier),
    backend: init.backend,
    masked: scenario.mask,
    model: scenario.model,
    data: { source: data.source, train: data.train.size, test: data.test.size },
    partition: { scheme: formatPartition(scenario.partition), ...shape },
    drops: init.drops,
    world: init.worldSummary,
    ...(final?.attackSuccess === undefined ? {} : { attackSuccess: final.attackSuccess }),
    ...(final?.virtualTime === undefined ? {} : { virtualSeconds: final.virtualTime }),
    published: defined(init.published),
    training: {
      epochs: scenario.epochs,
      batchSize: scenario.batchSize,
      learningRate: scenario.learningRate,
    },
    strategy: { name: init.spec.strategy.name, parameters: strategyOf(init.spec).parameters },
    encoding: {
      ring: scenario.ring,
      ...(scenario.bits === undefined ? {} : { bits: scenario.bits }),
      clipNorm: scenario.clipNorm,
      ...clippingOf(scenario),
      ...(scenario.modelPrecision === 'float32' ? {} : { modelPrecision: scenario.modelPrecision }),
      rounding: roundingOf(init.spec, data.train.size / scenario.participants),
    },
    ...(init.spec.buffer === undefined ? {} : { buffer: { ...init.spec.buffer } }),
    ...ruleIn(init.spec),
    ...privacyIn(init.spec),
    ...(scenario.targetAccuracy === undefined ? {} : { targetAccuracy: scenario.targetAccuracy }),
    ...(init.fineTuned === undefined ? {} : { fineTuned: init.fineTuned }),
    ...(baseline === undefined
      ? {}
      : {
          baselineAccuracy: baseline.points.at(-1)?.testAccuracy,
          baseline: {
            epochs: round(baseline.plan.epochs, 3),
            batchSize: baseline.plan.batchSize,
            learningRate: baseline.plan.learningRate,
            seconds: round(baseline.seconds, 3),
            points: baseline.points.map(({ examples, testAccuracy }) => ({
              rounds: round(examples / baseline.plan.perRound, 2),
              testAccuracy,
            })),
          },
        }),
    history: [...history.rounds],
    phaseSeconds: history.phaseSeconds,
    activities: Object.fromEntries(
      Object.entries(init.activities).map(([name, { seconds, share, besideTraining }]) => [
        name,
        {
          seconds: round(seconds, 3),
          share: round(share, 4),
          besideTraining: round(besideTraining, 4),
        },
      ]),
    ),
    workers: init.workers,
    ...init.kinds,
    versions: versions(),
    files: {
      model: RUN_FILES.model,
      ...(init.exported ? { tfjs: `${RUN_FILES.tfjs}/model.json` } : {}),
      transcript: RUN_FILES.transcript,
      blobs: RUN_FILES.blobs,
      spec: RUN_FILES.spec,
      journal: RUN_FILES.journal,
      auditorKey: RUN_FILES.auditor,
      report: RUN_FILES.report,
    },
  });
};
