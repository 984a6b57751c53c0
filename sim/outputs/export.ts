/**
 * @module Writes the results of a run in the forms that other tools read, into its folder.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FloeError } from '../../protocol/errors.ts';
import { PARTIAL } from '../../protocol/ports/run-folder.ts';
import { storageError } from '../../protocol/storage-errors.ts';
import type { PartitionStatistics } from '../../client/data/partition.ts';
import type { TunedSite } from '../fine-tune/measure.ts';
import type { StoredScenario } from '../resume/stored-scenario.ts';
import type { Summary } from '../summary.ts';
import { csvOf } from './csv.ts';
import { mlflowFiles } from './mlflow.ts';
import type { ExportFormat } from './formats.ts';
import type { Observation } from './observations.ts';
import {
  classesTable,
  fineTuneTable,
  jsonLines,
  participantsTable,
  roundsTable,
} from './tables.ts';
import { tensorboardFile, tensorboardName } from './tensorboard.ts';

export interface ExportInit {
  /** The folder of the run; it may have its final name later. */
  readonly folder: string;
  readonly formats: readonly ExportFormat[];
  readonly summary: Summary;
  readonly settings: StoredScenario['settings'];
  readonly statistics: PartitionStatistics;
  readonly classNames: readonly string[];
  readonly observations: readonly Observation[];
  /** The sites that were fine-tuned after the run. */
  readonly fineTuned: readonly TunedSite[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

type Files = readonly (readonly [path: string, content: string | Uint8Array])[];

const filesOf = (format: ExportFormat, init: ExportInit): Files => {
  const { summary, folder, now } = init;
  const began = now - Math.round(summary.seconds * 1000);
  const finished = folder.endsWith(PARTIAL) ? folder.slice(0, -PARTIAL.length) : folder;
  switch (format) {
    case 'csv':
    case 'jsonl': {
      const classes = classesTable(init.statistics, init.classNames);
      const tables = [
        roundsTable(summary.history),
        participantsTable(init.observations),
        ...(classes === undefined ? [] : [classes]),
        ...(init.fineTuned.length === 0 ? [] : [fineTuneTable(init.fineTuned)]),
      ];
      return tables.map((table) => [
        `metrics/${table.name}.${format}`,
        format === 'csv' ? csvOf(table.head, table.rows) : jsonLines(table),
      ]);
    }
    case 'tensorboard': {
      const seconds = began / 1000;
      return [[`tensorboard/${tensorboardName(seconds)}`, tensorboardFile(summary, seconds)]];
    }
    case 'mlflow': {
      const root = pathToFileURL(resolve(finished, 'mlruns')).href;
      const { settings } = init;
      const files = mlflowFiles({ summary, settings, began, name: basename(finished), root });
      return [...files].map(([path, text]) => [`mlruns/${path}`, text]);
    }
  }
};

/** @throws FloeError `storage_full`, `storage_read_only`, `store_unavailable` */
export const exportRun = async (init: ExportInit): Promise<void> => {
  try {
    for (const format of init.formats)
      for (const [path, content] of filesOf(format, init)) {
        const own = join(init.folder, path);
        await mkdir(dirname(own), { recursive: true });
        await writeFile(own, content);
      }
  } catch (cause) {
    const { message } = cause as Error;
    throw (
      storageError(cause, init.folder) ??
      new FloeError('store_unavailable', `${init.folder}: ${message}`, {}, { cause })
    );
  }
};
