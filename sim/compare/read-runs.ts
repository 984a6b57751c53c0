/**
 * @module Reads finished simulations for comparison: their summaries and their settings.
 */
import { existsSync } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as v from 'valibot';
import { FloeError } from '../../protocol/errors.ts';
import { readOptional } from '../../protocol/ports/files.ts';
import { PARTIAL, resolveRunFolder } from '../../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { readScenario } from '../resume/stored-scenario.ts';
import { folderOfPoint, folderOfRun, SWEEP_FILE } from '../sweep/sweep-folder.ts';
import { summarySchema, type Summary } from '../summary.ts';

export interface ComparedRun {
  /** Tells it from the others. */
  readonly name: string;
  readonly folder: string;
  readonly summary: Summary;
  /** As text, by name. */
  readonly settings: Readonly<Record<string, string>>;
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

/** The runs of a sweep are all called `run`: the folder around it names the point. */
const nameOf = (folder: string): string => {
  const own = basename(folder);
  return own === 'run' ? basename(dirname(folder)) : own;
};

/**
 * The finished runs in the folder of a sweep, in the order of their names; another path stands for
 * itself. @throws FloeError `file_not_found` for a sweep in which no run is finished
 */
export const runFoldersOf = async (path: string): Promise<readonly string[]> => {
  const points = folderOfPoint(path, '');
  if (!existsSync(join(path, SWEEP_FILE)) || !existsSync(points)) return [path];
  const names = (await readdir(points)).toSorted();
  const runs = names.map((name) => folderOfRun(path, name));
  const finished = runs.filter((run) => existsSync(join(run, RUN_FILES.summary)));
  if (finished.length === 0)
    throw new FloeError('file_not_found', `no finished run in the sweep ${path}`);
  return finished;
};

/** @throws FloeError `file_not_found`, `run_unfinished`, `data_malformed` */
export const readComparedRun = async (path: string): Promise<ComparedRun> => {
  const folder = await resolveRunFolder(path);
  const file = join(folder, RUN_FILES.summary);
  const bytes = await readOptional(file);
  if (bytes === undefined && folder.endsWith(PARTIAL))
    throw new FloeError(
      'run_unfinished',
      `${folder} is a simulation that has not finished: leave it out, or wait for its end`,
    );
  if (bytes === undefined)
    throw new FloeError('file_not_found', `no ${RUN_FILES.summary} in ${folder}`);
  let summary: Summary;
  try {
    summary = v.parse(summarySchema, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new FloeError('data_malformed', `${file} is not the summary of a run`, {}, { cause });
  }
  const { settings, substrate } = await readScenario(folder);
  const shown: Record<string, string> = { substrate };
  for (const [name, value] of Object.entries(settings)) shown[name] = textOf(value);
  // `latest` is a link: it says nothing of the run.
  return { name: nameOf(await realpath(folder)), folder, summary, settings: shown };
};

/** Names that come twice get a number. */
export const distinctNames = (runs: readonly ComparedRun[]): readonly ComparedRun[] => {
  const seen = new Map<string, number>();
  return runs.map((run) => {
    const count = (seen.get(run.name) ?? 0) + 1;
    seen.set(run.name, count);
    return count === 1 ? run : { ...run, name: `${run.name} (${count})` };
  });
};
