/**
 * @module `history.jsonl`: a line for each committed round and each score, written as they come. A
 * line that a kill cut short is ignored.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { readOptional, writeWhole } from '../../protocol/ports/files.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { roundSchema, type RoundSummary } from '../summary.ts';

const lineSchema = v.variant('type', [
  v.strictObject({ type: v.literal('round'), ...roundSchema.entries }),
  v.looseObject({ type: v.literal('score'), version: v.number(), testLoss: v.number() }),
]);
export type HistoryLine = v.InferOutput<typeof lineSchema>;

const textOf = (line: HistoryLine): string => `${JSON.stringify(line)}\n`;

/** Synchronous: the line is in the file before the next round begins. */
export const appendHistory = (folder: string, line: HistoryLine): void =>
  appendFileSync(join(folder, RUN_FILES.history), textOf(line));

const parsed = (text: string): HistoryLine | undefined => {
  try {
    return v.parse(lineSchema, JSON.parse(text));
  } catch {
    return undefined;
  }
};

/** The rounds with their scores, in order. */
export const roundsOf = (lines: readonly HistoryLine[]): readonly RoundSummary[] => {
  const rounds = new Map<number, RoundSummary>();
  for (const line of lines) {
    const { type, ...fields } = line;
    if (type === 'round') rounds.set(line.version, fields as RoundSummary);
    const round = rounds.get(line.version);
    if (type === 'score' && round !== undefined) rounds.set(line.version, { ...round, ...fields });
  }
  return [...rounds.values()].toSorted((a, b) => a.version - b.version);
};

/** All lines up to the first that is not whole. */
export const readHistory = async (folder: string): Promise<readonly HistoryLine[]> => {
  const bytes = await readOptional(join(folder, RUN_FILES.history));
  const lines: HistoryLine[] = [];
  for (const text of new TextDecoder().decode(bytes).split('\n')) {
    const line = parsed(text);
    if (line === undefined) break;
    lines.push(line);
  }
  return lines;
};

/** Replaces the file with these lines. */
export const writeHistory = (folder: string, lines: readonly HistoryLine[]): Promise<void> =>
  writeWhole(join(folder, RUN_FILES.history), lines.map(textOf).join(''));
