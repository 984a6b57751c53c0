/**
 * @module The folder of a sweep: `sweep.json`, which says what it is, a folder for each point, and
 * the tables. A point counts as finished once its run has its final name and a whole summary.
 */
import { isDeepStrictEqual } from 'node:util';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { FloeError } from '../../protocol/errors.ts';
import { readOptional, writeWhole } from '../../protocol/ports/files.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { summarySchema, type Summary } from '../summary.ts';
import { RUN_NAME } from './point-messages.ts';

export const SWEEP_FILE = 'sweep.json';
export const TABLES = {
  rows: 'table.csv',
  groups: 'over-seeds.csv',
  costs: 'costs.csv',
  json: 'table.json',
  map: 'map.html',
} as const;

const sweepSchema = v.strictObject({
  format: v.literal('floe/sweep/v1'),
  /** Settings that all points have. */
  base: v.record(v.string(), v.unknown()),
  /** As given: `seed=1..5`. */
  over: v.array(v.string()),
  module: v.optional(v.string()),
  target: v.optional(v.number()),
});
export type SweepDefinition = v.InferOutput<typeof sweepSchema>;

/** As JSON keeps it, so that what is read again is equal. */
const plain = (definition: SweepDefinition): unknown => JSON.parse(JSON.stringify(definition));

export const folderOfPoint = (folder: string, name: string): string => join(folder, 'points', name);

export const folderOfRun = (folder: string, name: string): string =>
  join(folderOfPoint(folder, name), RUN_NAME);

/** @throws FloeError `file_not_found`, `data_malformed` */
export const readSweep = async (folder: string): Promise<SweepDefinition> => {
  const path = join(folder, SWEEP_FILE);
  const bytes = await readOptional(path);
  if (bytes === undefined) throw new FloeError('file_not_found', `no ${SWEEP_FILE} in ${folder}`);
  try {
    return v.parse(sweepSchema, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new FloeError('data_malformed', `${path} is not a sweep`, {}, { cause });
  }
};

/** Makes the folder, or finds the same sweep in it. @throws FloeError `usage` for another one */
export const openSweep = async (folder: string, definition: SweepDefinition): Promise<void> => {
  await mkdir(folder, { recursive: true });
  const path = join(folder, SWEEP_FILE);
  if ((await readOptional(path)) === undefined)
    await writeWhole(path, `${JSON.stringify(definition, null, 2)}\n`);
  else if (!isDeepStrictEqual(plain(await readSweep(folder)), plain(definition)))
    throw new FloeError(
      'usage',
      `${folder} holds a sweep of other settings: expected another --out, or its own settings`,
    );
};

/** The summary of a finished point; undefined where the run is not over or it is not whole. */
export const finishedPoint = async (folder: string, name: string): Promise<Summary | undefined> => {
  const bytes = await readOptional(join(folderOfRun(folder, name), RUN_FILES.summary));
  if (bytes === undefined) return undefined;
  try {
    return v.parse(summarySchema, JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
};
