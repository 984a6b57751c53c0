/**
 * @module The update of a buffered run on disk, encrypted like the rest of the keystore: from the
 * end of its training until it is encoded or too old. The machine's memory names the model that it
 * was trained on (`ahead`), and no longer does in the very write that has the vector made of it: no
 * restart finds an update that may be in a sum. Kept is the difference to that model, which is all
 * that an encoding reads.
 */
import * as v from 'valibot';
import { partsFor } from '../../../protocol/algorithm/round.ts';
import { trainableOf } from '../../../protocol/algorithm/segments.ts';
import { equalBytes } from '../../../protocol/bytes.ts';
import { ENCODING_LIMITS } from '../../../protocol/encoding/index.ts';
import {
  float32FromBytes,
  float32ToBytes,
  parameterCount,
  put,
  take,
} from '../../../protocol/model/index.ts';
import { MAX_ATTEMPT, type RunSpec } from '../../../protocol/spec/run-spec.ts';
import {
  bytesUpTo,
  decodeCbor,
  encodeCbor,
  fixedBytes,
  integer,
} from '../../../protocol/wire/cbor.ts';
import type { Keystore, RunMemory } from '../../keystore/keystore.ts';
import type { Trained } from './trained.ts';

/** What the memory says of the update. */
type Named = NonNullable<RunMemory['ahead']>;

const finite = v.pipe(v.number(), v.finite());

/** Bytes around the values. */
const ENVELOPE = 16 << 10;

const schemaOf = (size: number) =>
  v.strictObject({
    v: v.literal(1),
    attempt: integer(1, MAX_ATTEMPT),
    base: fixedBytes(32),
    delta: v.pipe(bytesUpTo(4 * size), v.length(4 * size)),
    examples: integer(0, 2 ** 40),
    lossSum: finite,
    correct: finite,
    metrics: v.pipe(
      v.array(v.strictObject({ name: v.pipe(v.string(), v.maxLength(64)), value: finite })),
      v.maxLength(ENCODING_LIMITS.metrics),
    ),
    learningRate: finite,
  });

/**
 * Writes the update that was trained; durable once it resolves.
 *
 * @throws FloeError of the keystore
 */
export const keepUpdate = async (
  keystore: Pick<Keystore, 'saveLocal'>,
  { spec, run }: { readonly spec: RunSpec; readonly run: Uint8Array },
  { attempt, hash }: Pick<Named, 'attempt' | 'hash'>,
  { before, result, member }: Trained,
): Promise<void> => {
  const { trainable } = partsFor(spec);
  const delta = take(result.weights, trainable).slice();
  const from = take(before, trainable);
  for (let i = 0; i < delta.length; i += 1) delta[i] = delta[i]! - from[i]!;
  const { examples, lossSum, correct, metrics = {} } = result;
  const bytes = encodeCbor({
    v: 1,
    attempt,
    base: hash,
    delta: float32ToBytes(delta),
    examples,
    lossSum,
    correct,
    metrics: Object.entries(metrics).map(([name, value]) => ({ name, value })),
    learningRate: member.learningRate,
  });
  await keystore.saveLocal(run, 'update', bytes);
};

/**
 * The update that the memory names, as if it had just been trained on a model of zeros; undefined
 * where there is none, or another one: a crash came between two writes.
 *
 * @throws FloeError `decryption_failed`, `data_malformed`
 */
export const readUpdate = async (
  keystore: Pick<Keystore, 'loadLocal'>,
  { spec, run }: { readonly spec: RunSpec; readonly run: Uint8Array },
  { attempt, hash }: Named,
): Promise<Trained | undefined> => {
  const bytes = await keystore.loadLocal(run, 'update');
  if (bytes === undefined) return undefined;
  const size = trainableOf(spec);
  const kept = decodeCbor(schemaOf(size), bytes, 'data_malformed', 4 * size + ENVELOPE);
  if (kept.attempt !== attempt || !equalBytes(kept.base, hash)) return undefined;
  const delta = new Float32Array(size);
  float32FromBytes(kept.delta, delta);
  const weights = new Float32Array(parameterCount(spec.model));
  put(weights, partsFor(spec).trainable, delta);
  const { examples, lossSum, correct, learningRate } = kept;
  const metrics = Object.fromEntries(kept.metrics.map(({ name, value }) => [name, value]));
  return {
    before: new Float32Array(weights.length),
    result: { weights, examples, lossSum, correct, metrics },
    // A buffered run has no strategy whose participants read its state, nor error feedback.
    member: { state: [], kept: [], learningRate, residual: undefined },
    milliseconds: 0,
  };
};
