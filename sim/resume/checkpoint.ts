/**
 * @module The checkpoint of a simulation: where its journal stood at the last commit, and the sums
 * that no record holds. A run is resumed from it by taking the journal back to it, so the round
 * that was interrupted is repeated as the same attempt, and the run ends with the same model.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import type { AnomalyMark, JournalMark } from '../../coordinator/index.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { readOptional } from '../../protocol/ports/files.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { float32FromBytes, float32ToBytes } from '../../protocol/model/floats.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { bytesUpTo, encodeCbor, integer } from '../../protocol/wire/cbor.ts';
import { decodeVersioned } from '../../protocol/wire/versioned.ts';
import { seal, unseal } from './sealed.ts';

const MAX_BYTES = 1 << 30;
const MAX_COUNT = Number.MAX_SAFE_INTEGER;
const MAX_PARTICIPANTS = 10_000;
const amount = v.pipe(v.number(), v.minValue(0));

/** float32, little-endian, encrypted for the auditor: a step is as good as a model. */
const vector = bytesUpTo(MAX_BYTES);
/** Of the last ten rounds. */
const recent = v.pipe(v.array(v.number()), v.maxLength(10));

/** Of participants. */
const numbers = v.pipe(v.array(integer(0, MAX_COUNT)), v.maxLength(MAX_PARTICIPANTS));

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
  anomalies: v.optional(
    v.strictObject({
      previous: v.optional(vector),
      mean: v.optional(vector),
      norms: recent,
      cosines: recent,
      jumps: recent,
      loss: v.optional(v.number()),
    }),
  ),
  virtual: v.optional(
    v.strictObject({
      start: amount,
      elapsed: amount,
      draws: integer(1, MAX_COUNT),
      late: numbers,
      lost: numbers,
    }),
  ),
});

/** Where virtual time stood. */
export interface VirtualMark {
  /** Milliseconds since 1970 at which the simulation began. */
  readonly start: number;
  /** Ms of virtual time since then. */
  readonly elapsed: number;
  /** Draws of presence so far. */
  readonly draws: number;
  /** Participants whose presence changes at this very moment, and has not yet. */
  readonly late: readonly number[];
  /** Participants that the scenario had cut off in the attempt that committed. */
  readonly lost: readonly number[];
}

export interface Checkpoint {
  readonly journal: JournalMark;
  readonly aborted: number;
  readonly phaseSeconds: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly resumed: number;
  readonly virtual?: VirtualMark | undefined;
  readonly anomalies?: AnomalyMark | undefined;
}

/** Only the auditor opens models, and its key is in the folder from the start. */
const keyOf = (folder: string): Uint8Array => {
  const path = join(folder, RUN_FILES.auditor);
  try {
    return deriveSeed(fromHex(readFileSync(path, 'utf8').trim()), 'checkpoint');
  } catch (cause) {
    throw new FloeError('data_malformed', `${path} is no seed in hex`, {}, { cause });
  }
};

const plainMark = ({ previous, mean, loss, ...series }: AnomalyMark, key: Uint8Array) => ({
  norms: [...series.norms],
  cosines: [...series.cosines],
  jumps: [...series.jumps],
  ...(previous === undefined ? {} : { previous: seal(key, float32ToBytes(previous)) }),
  ...(mean === undefined ? {} : { mean: seal(key, float32ToBytes(mean)) }),
  ...(loss === undefined ? {} : { loss }),
});

const floatsOf = (sealed: Uint8Array, key: Uint8Array): Float32Array => {
  const bytes = unseal(key, sealed, RUN_FILES.checkpoint);
  const values = new Float32Array(bytes.length / 4);
  float32FromBytes(bytes, values);
  return values;
};

type StoredMark = NonNullable<v.InferOutput<typeof checkpointSchema>['anomalies']>;

const markOf = ({ previous, mean, loss, ...series }: StoredMark, key: Uint8Array): AnomalyMark => ({
  ...series,
  ...(previous === undefined ? {} : { previous: floatsOf(previous, key) }),
  ...(mean === undefined ? {} : { mean: floatsOf(mean, key) }),
  ...(loss === undefined ? {} : { loss }),
});

/**
 * Replaces the checkpoint, whole. Synchronous: it is there before the next round begins.
 */
export const writeCheckpoint = (folder: string, { journal, ...sums }: Checkpoint): void => {
  const { attempt, ...snapshot } = journal.snapshot;
  const { virtual, anomalies, ...plain } = sums;
  const bytes = encodeCbor({
    v: 1,
    ...plain,
    ...(virtual === undefined
      ? {}
      : { virtual: { ...virtual, late: [...virtual.late], lost: [...virtual.lost] } }),
    ...(anomalies === undefined ? {} : { anomalies: plainMark(anomalies, keyOf(folder)) }),
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
    anomalies,
    ...sums
  } = decodeVersioned(checkpointSchema, version, bytes, 'data_malformed', MAX_BYTES);
  const { attempt, ...snapshot } = journal.snapshot;
  return {
    ...sums,
    journal: { ...journal, snapshot: { ...snapshot, attempt } },
    ...(anomalies === undefined ? {} : { anomalies: markOf(anomalies, keyOf(folder)) }),
  };
};
