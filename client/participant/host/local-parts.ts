/**
 * @module What stays at this site, under local statistics (FedBN, Li et al. 2021) and of local
 * layers (FedPer, Arivazhagan et al. 2019): their values from round to round and over restarts. A
 * model trains from the values that the training on the model before it left. An attempt that is
 * repeated on a model trains from the same values again, so that it trains the same update; so both
 * are kept.
 */
import * as v from 'valibot';
import { partsFor } from '../../../protocol/algorithm/round.ts';
import { FloeError } from '../../../protocol/errors.ts';
import {
  float32FromBytes,
  float32ToBytes,
  parameterCount,
  put,
  take,
} from '../../../protocol/model/index.ts';
import { sizeOf } from '../../../protocol/model/parts.ts';
import { MAX_ATTEMPT, hashRunSpec, type RunSpec } from '../../../protocol/spec/run-spec.ts';
import { bytesUpTo, decodeCbor, encodeCbor, integer } from '../../../protocol/wire/cbor.ts';
import type { Keystore } from '../../keystore/keystore.ts';

type LocalKeystore = Pick<Keystore, 'saveLocal' | 'loadLocal'>;

/** Bytes around the values. */
const ENVELOPE = 128;

interface Kept {
  /** Of the model that was trained on last. */
  readonly version: number;
  /** Values before and after that training, in the order of the flat vector. */
  readonly before: Float32Array;
  readonly after: Float32Array;
}

const encodeKept = ({ version, before, after }: Kept): Uint8Array =>
  encodeCbor({ v: 1, version, before: float32ToBytes(before), after: float32ToBytes(after) });

/** @throws FloeError `data_malformed` unless it has `size` values before and after */
const decodeKept = (bytes: Uint8Array, size: number): Kept => {
  const values = v.pipe(bytesUpTo(4 * size), v.length(4 * size));
  const schema = v.strictObject({
    v: v.literal(1),
    version: integer(0, MAX_ATTEMPT),
    before: values,
    after: values,
  });
  const found = decodeCbor(schema, bytes, 'data_malformed', 8 * size + ENVELOPE);
  const [before, after] = [new Float32Array(size), new Float32Array(size)];
  float32FromBytes(found.before, before);
  float32FromBytes(found.after, after);
  return { version: found.version, before, after };
};

const load = async (
  keystore: LocalKeystore,
  spec: RunSpec,
  size: number,
): Promise<Kept | undefined> => {
  const bytes = await keystore.loadLocal(hashRunSpec(spec), 'layers');
  return bytes && decodeKept(bytes, size);
};

export interface LocalParts {
  /**
   * Writes this site's values into the weights of a model, in place.
   * @param version of the model
   */
  enter(version: number, weights: Float32Array): Promise<void>;
  /**
   * Keeps the values after training; durable once it resolves.
   * @throws FloeError `tensor_mismatch`, `update_not_finite`
   */
  keep(version: number, trained: Float32Array): Promise<void>;
}

/** Undefined for a run without local statistics or layers. */
export const localParts = (spec: RunSpec, keystore: LocalKeystore): LocalParts | undefined => {
  const { local } = partsFor(spec);
  const size = sizeOf(local);
  if (size === 0) return undefined;
  const length = parameterCount(spec.model);
  let begun: Float32Array | undefined;
  return {
    enter: async (version, weights) => {
      const kept = await load(keystore, spec, size);
      if (kept !== undefined)
        put(weights, local, kept.version === version ? kept.before : kept.after);
      begun = take(weights, local).slice();
    },
    keep: async (version, trained) => {
      if (begun === undefined) throw new Error('local values are kept before they are entered');
      if (trained.length !== length)
        throw new FloeError(
          'tensor_mismatch',
          `expected ${length} trained weights, got ${trained.length}`,
        );
      const after = take(trained, local);
      const index = after.findIndex((value) => !Number.isFinite(value));
      if (index !== -1)
        throw new FloeError('update_not_finite', `local value ${index} is not finite`, { index });
      const kept = encodeKept({ version, before: begun, after });
      await keystore.saveLocal(hashRunSpec(spec), 'layers', kept);
    },
  };
};

/**
 * A site's own model: the run's, with the values that this site trained for itself.
 *
 * @param weights of a model of the run, such as `pull` gives; not changed
 * @throws FloeError `usage` for a run without local statistics or layers, `file_not_found` where
 * the keystore holds no values of this run
 */
export const personalModel = async (
  keystore: LocalKeystore,
  spec: RunSpec,
  weights: Float32Array,
): Promise<Float32Array> => {
  const { local } = partsFor(spec);
  if (local.length === 0)
    throw new FloeError(
      'usage',
      'expected a run with local statistics or local layers, got neither',
    );
  const kept = await load(keystore, spec, sizeOf(local));
  if (kept === undefined)
    throw new FloeError('file_not_found', 'the keystore holds no local values of this run');
  const own = weights.slice();
  put(own, local, kept.after);
  return own;
};
