/**
 * @module The checkpoint of a simulation: where its journal stood at the last commit, and the sums
 * that no record holds. A run is resumed from it by taking the journal back to it, so the round
 * that was interrupted is repeated as the same attempt, and the run ends with the same model.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import type { JournalMark } from '../../coordinator/index.ts';
import { readOptional } from '../../protocol/ports/files.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { bytesUpTo, encodeCbor, integer } from '../../protocol/wire/cbor.ts';
import { decodeVersioned } from '../../protocol/wire/versioned.ts';

const MAX_BYTES = 1 << 30;
const MAX_COUNT = Number.MAX_SAFE_INTEGER;
const amount = v.pipe(v.number(), v.minValue(0));

const checkpointSchema = v.strictObject({
  v: v.literal(1),
  journal: v.strictObject({
    snapshot: v.strictObject({
      seq: integer(0, MAX_COUNT),
      time: amount,
      body: bytesUpTo(MAX_BYTES),
      attempt: v.optional(integer(1, MAX_COUNT)),
    }),
    attempt: integer(1, MAX_COUNT),
    end: integer(0, MAX_COUNT),
  }),
  aborted: integer(0, MAX_COUNT),
  phaseSeconds: v.record(v.string(), amount),
  seconds: amount,
  processorSeconds: amount,
  /** How often the run was resumed before. */
  resumed: integer(0, MAX_COUNT),
});

export interface Checkpoint {
  readonly journal: JournalMark;
  readonly aborted: number;
  readonly phaseSeconds: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly resumed: number;
}

/**
 * Replaces the checkpoint, whole. Synchronous: it is there before the next round begins.
 */
export const writeCheckpoint = (folder: string, { journal, ...sums }: Checkpoint): void => {
  const { attempt, ...snapshot } = journal.snapshot;
  const bytes = encodeCbor({
    v: 1,
    ...sums,
    journal: {
      ...journal,
      snapshot: { ...snapshot, ...(attempt === undefined ? {} : { attempt }) },
    },
  });
  const path = join(folder, RUN_FILES.checkpoint);
  writeFileSync(`${path}.tmp`, bytes);
  renameSync(`${path}.tmp`, path);
};

/**
 * Undefined where no round was committed. @throws FloeError `data_malformed`, `run_outdated`
 */
export const readCheckpoint = async (folder: string): Promise<Checkpoint | undefined> => {
  const bytes = await readOptional(join(folder, RUN_FILES.checkpoint), MAX_BYTES);
  if (bytes === undefined) return undefined;
  const version = { field: 'v', version: 1, what: 'the checkpoint of this simulation' };
  const {
    v: _,
    journal,
    ...sums
  } = decodeVersioned(checkpointSchema, version, bytes, 'data_malformed', MAX_BYTES);
  const { attempt, ...snapshot } = journal.snapshot;
  return { ...sums, journal: { ...journal, snapshot: { ...snapshot, attempt } } };
};
