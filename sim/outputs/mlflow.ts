/**
 * @module The file layout of MLflow's tracking store: `mlruns/<experiment>/<run>/` with
 * `meta.yaml`, a file for each parameter and tag, and for each metric a file with lines of
 * `timestamp value step`. `mlflow ui --backend-store-uri <folder>/mlruns` reads it; runs of one
 * experiment can be moved into one folder.
 */
import type { StoredScenario } from '../resume/stored-scenario.ts';
import type { Summary } from '../summary.ts';
import { endTimes, metricsOf } from './series.ts';

/** Files by their paths, with their contents. */
export type TextFiles = ReadonlyMap<string, string>;

const EXPERIMENT = '0';
/** Of MLflow's enumeration. */
const FINISHED = 3;
const SOURCE_LOCAL = 4;
/** Characters of a parameter that MLflow shows. */
const MAX_PARAMETER = 6000;

/** Names may have letters, digits, `_-. /` only. */
const safe = (name: string): string => name.replaceAll(/[^\w\-. /]/gu, '_').replaceAll('..', '_');

const yaml = (
  fields: Readonly<Record<string, string | number | null | readonly string[]>>,
): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join('');

export interface MlflowInit {
  readonly summary: Summary;
  readonly settings: StoredScenario['settings'];
  /** Milliseconds since 1970. */
  readonly began: number;
  readonly name: string;
  /** `file:` URL of the `mlruns` folder. */
  readonly root: string;
}

export const mlflowFiles = (init: MlflowInit): TextFiles => {
  const { summary, settings, began, name, root } = init;
  const files = new Map<string, string>();
  // MLflow's ids are 32 hex digits; the same run has the same.
  const id = summary.transcriptRoot.slice(0, 32);
  const ends = endTimes(summary.history);
  const ended = began + Math.round(summary.seconds * 1000);
  files.set(
    `${EXPERIMENT}/meta.yaml`,
    yaml({
      artifact_location: `${root}/${EXPERIMENT}`,
      creation_time: began,
      experiment_id: EXPERIMENT,
      last_update_time: ended,
      lifecycle_stage: 'active',
      name: 'Default',
    }),
  );
  const run = `${EXPERIMENT}/${id}`;
  files.set(
    `${run}/meta.yaml`,
    yaml({
      artifact_uri: `${root}/${run}/artifacts`,
      end_time: ended,
      entry_point_name: '',
      experiment_id: EXPERIMENT,
      lifecycle_stage: 'active',
      run_id: id,
      run_name: name,
      run_uuid: id,
      source_name: 'floe sim',
      source_type: SOURCE_LOCAL,
      source_version: '',
      start_time: began,
      status: FINISHED,
      tags: [],
      user_id: 'floe',
    }),
  );
  for (const [setting, value] of Object.entries(settings)) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    files.set(`${run}/params/${safe(setting)}`, text.slice(0, MAX_PARAMETER));
  }
  const tags = {
    'mlflow.runName': name,
    'mlflow.source.name': 'floe sim',
    'floe.run': summary.run,
    'floe.modelHash': summary.modelHash,
    'floe.status': summary.status,
  };
  for (const [tag, value] of Object.entries(tags)) files.set(`${run}/tags/${tag}`, value);
  const metrics = new Map<string, string[]>();
  for (const [i, round] of summary.history.entries()) {
    const time = began + Math.round((ends[i] ?? 0) * 1000);
    for (const [metric, value] of Object.entries(metricsOf(round))) {
      const lines = metrics.get(metric) ?? [];
      lines.push(`${time} ${value} ${round.version}\n`);
      metrics.set(metric, lines);
    }
  }
  for (const [metric, lines] of metrics)
    files.set(`${run}/metrics/${safe(metric)}`, lines.join(''));
  return files;
};
