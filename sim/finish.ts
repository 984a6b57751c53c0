/**
 * @module The end of a run: writes the remaining files of its folder. The model is opened with the
 * auditor's key, like by any entitled reader, and written in clear: the only clear copy.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import type { ModelRef } from '../protocol/records/records.ts';
import { openModel } from '../protocol/verify/index.ts';
import { exportRun } from './outputs/export.ts';
import type { ExportFormat } from './outputs/formats.ts';
import type { Observation } from './outputs/observations.ts';
import { settingsOf } from './scenario.ts';
import { distributionOf } from './fine-tune/distribution.ts';
import type { FineTunePlan, TunedSite } from './fine-tune/measure.ts';
import { renderReport, readUplot } from './report.ts';
import { writeModel } from '../client/reader/write-model.ts';
import { finishRunFolder } from './run-folder.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { writeWhole } from '../protocol/ports/files.ts';
import type { Setup } from './setup.ts';
import { summarise, type SummariseInit } from './summarise.ts';
import type { Summary } from './summary.ts';

/** Fine-tunes a model at every site. */
export type FineTuneSites = (
  weights: Float32Array,
) => Promise<{ readonly plan: FineTunePlan; readonly sites: readonly TunedSite[] }>;

export type FinishInit = Pick<
  Setup,
  | 'scenario'
  | 'given'
  | 'data'
  | 'statistics'
  | 'worldSummary'
  | 'spec'
  | 'run'
  | 'model'
  | 'auditor'
> &
  Omit<SummariseInit, 'modelHash' | 'parameters' | 'backend' | 'exported' | 'fineTuned'> & {
    /** The folder's name until the run is finished. */
    readonly partial: string;
    readonly store: BlobStore;
    /** The auditor's. */
    readonly gate: AccessGate;
    readonly final: ModelRef;
    readonly exports: readonly ExportFormat[];
    readonly observations: readonly Observation[];
    /** Of the finished model, flat; undefined where the scenario does not ask for it. */
    readonly fineTune: FineTuneSites | undefined;
    /** Milliseconds since 1970. */
    readonly now: number;
    /** Ends what still writes into the folder, before it gets its name. */
    readonly settle: () => Promise<void>;
  };

/** Writes everything and gives the folder its name. */
export const finishRun = async (
  init: FinishInit,
): Promise<{ readonly summary: Summary; readonly folder: string }> => {
  const { partial, spec, run, store, gate, final, model, data, statistics } = init;
  const cipher = await store.get(final.blob);
  const weights = await openModel({ run, model: final, cipher }, spec.model, gate);
  const topology =
    // tfjs cannot load a model without its frozen base, which is not exported.
    model.topology === undefined || model.base !== undefined
      ? undefined
      : (JSON.parse(model.topology) as Record<string, unknown>);
  await writeModel(partial, spec, weights, topology, {
    ...final,
    round: init.history.rounds.filter(({ attempt }) => attempt <= final.version).length,
  });
  const tuned = await init.fineTune?.(weights);
  const summary = summarise({
    ...init,
    fineTuned: tuned && distributionOf(tuned.plan, tuned.sites),
    modelHash: final.hash,
    parameters: weights.length,
    backend: model.backend,
    exported: topology !== undefined,
  });
  await writeWhole(join(partial, RUN_FILES.summary), `${JSON.stringify(summary, null, 2)}\n`);
  const { classNames, classes = 0 } = data.train;
  const names = classNames ?? Array.from({ length: classes }, (_, i) => String(i));
  await exportRun({
    folder: partial,
    formats: init.exports,
    summary,
    settings: settingsOf(init.given),
    statistics,
    classNames: names,
    observations: init.observations,
    fineTuned: tuned?.sites ?? [],
    now: init.now,
  });
  const page = renderReport({
    summary,
    statistics,
    classNames: names,
    observations: init.observations,
    uplot: await readUplot(),
  });
  await writeWhole(join(partial, RUN_FILES.report), page);
  await init.settle();
  for (const name of [RUN_FILES.checkpoint, RUN_FILES.participants, RUN_FILES.observations])
    await rm(join(partial, name), { recursive: true, force: true });
  return { summary, folder: await finishRunFolder(partial) };
};
