/**
 * @module What a participant carries from round to round beside its identity: float32 vectors, such
 * as the control variate of SCAFFOLD. They move on with the commits that its own updates are in,
 * and with nothing else. An attempt proposes the next values before its update leaves. They count
 * once the participant has seen the survivor set with its update and the commit of that attempt;
 * an attempt that is repeated, aborted, or summed without this participant starts from the values
 * before. Both are kept in one write, so a crash at any point gives one or the other.
 *
 * A participant that was away for the commit and for a later one cannot know whether it was in the
 * sum: it continues with the values before.
 */
import * as v from 'valibot';
import { FloeError } from '../../../protocol/errors.ts';
import { float32FromBytes, float32ToBytes } from '../../../protocol/model/index.ts';
import { MAX_ATTEMPT } from '../../../protocol/spec/run-spec.ts';
import { bytesUpTo, decodeCbor, encodeCbor, integer } from '../../../protocol/wire/cbor.ts';
import type { Keystore, LocalPart } from '../../keystore/keystore.ts';

/** Bytes around the values. */
const ENVELOPE = 128;

interface Kept {
  /** Of the commits up to now. */
  readonly settled: Float32Array;
  /** Counts instead once that attempt is committed with the own update in its sum. */
  readonly proposed: { readonly attempt: number; readonly values: Float32Array };
}

const encodeKept = ({ settled, proposed }: Kept): Uint8Array =>
  encodeCbor({
    v: 1,
    settled: float32ToBytes(settled),
    attempt: proposed.attempt,
    proposed: float32ToBytes(proposed.values),
  });

/** @throws FloeError `data_malformed` unless it has `size` values twice */
const decodeKept = (bytes: Uint8Array, size: number): Kept => {
  const values = v.pipe(bytesUpTo(4 * size), v.length(4 * size));
  const schema = v.strictObject({
    v: v.literal(1),
    settled: values,
    attempt: integer(1, MAX_ATTEMPT),
    proposed: values,
  });
  const found = decodeCbor(schema, bytes, 'data_malformed', 8 * size + ENVELOPE);
  const floats = (from: Uint8Array): Float32Array => {
    const to = new Float32Array(size);
    float32FromBytes(from, to);
    return to;
  };
  return {
    settled: floats(found.settled),
    proposed: { attempt: found.attempt, values: floats(found.proposed) },
  };
};

export interface SiteState {
  /**
   * The values that an attempt starts from; zeros before the first commit with an own update.
   *
   * @param summedIn the newest attempt that is known to have been committed with the own update in
   *   its sum
   * @throws FloeError `decryption_failed`, `data_malformed`
   */
  read(summedIn: number | undefined): Promise<Float32Array>;
  /**
   * Keeps what counts once `attempt` is committed with the own update in its sum. Durable once it
   * resolves, which is before the update leaves. Again for the same attempt it replaces the values.
   *
   * @param before what {@link read} gave for this attempt
   * @throws FloeError `update_not_finite`; those of the keystore
   */
  propose(attempt: number, before: Float32Array, values: Float32Array): Promise<void>;
}

export interface SiteStateInit {
  readonly keystore: Pick<Keystore, 'saveLocal' | 'loadLocal'>;
  readonly run: Uint8Array;
  readonly part: LocalPart;
  /** Values, over all vectors. */
  readonly size: number;
}

/** The values of one part of a run. */
export const createSiteState = ({ keystore, run, part, size }: SiteStateInit): SiteState => ({
  read: async (summedIn) => {
    const bytes = await keystore.loadLocal(run, part);
    if (bytes === undefined) return new Float32Array(size);
    const { settled, proposed } = decodeKept(bytes, size);
    return proposed.attempt === summedIn ? proposed.values : settled;
  },
  propose: async (attempt, before, values) => {
    const index = values.findIndex((value) => !Number.isFinite(value));
    if (index !== -1)
      throw new FloeError('update_not_finite', `value ${index} to carry on is not finite`, {
        index,
      });
    await keystore.saveLocal(
      run,
      part,
      encodeKept({ settled: before, proposed: { attempt, values } }),
    );
  },
});
