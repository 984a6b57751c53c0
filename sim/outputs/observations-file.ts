/**
 * @module `observations.jsonl`: what the simulator saw of single participants, kept while a run
 * with exports may be resumed.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { readOptional, writeWhole } from '../../protocol/ports/files.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import type { Observation } from './observations.ts';

const observationSchema = v.looseObject({ attempt: v.number(), participant: v.number() });

const textOf = (rows: readonly Observation[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('');

export const appendObservations = (folder: string, rows: readonly Observation[]): void =>
  appendFileSync(join(folder, RUN_FILES.observations), textOf(rows));

/** Takes the file back to an attempt. @returns what it holds then */
export const rewindObservations = async (
  folder: string,
  attempt: number,
): Promise<readonly Observation[]> => {
  const path = join(folder, RUN_FILES.observations);
  const bytes = await readOptional(path);
  if (bytes === undefined) return [];
  const kept: Observation[] = [];
  for (const line of new TextDecoder().decode(bytes).split('\n')) {
    try {
      const row = v.parse(observationSchema, JSON.parse(line));
      if (row.attempt <= attempt) kept.push(row);
    } catch {
      // A line that a kill cut short is the last one.
      break;
    }
  }
  await writeWhole(path, textOf(kept));
  return kept;
};
