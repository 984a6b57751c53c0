/**
 * @module The compact proof that a commit is wrong (secure-aggregation, section 2, step 8): which
 * part of it, at which leaf, what it claims and what the signed uploads give. Whoever may open the
 * bundle repeats the check at that leaf; the proof itself accuses nobody who has not signed.
 */
import * as v from 'valibot';
import { toHex } from '../bytes.ts';
import { bytesUpTo, decodeCbor, encodeCbor, fixedBytes, integer } from '../wire/cbor.ts';
import { FloeError } from '../errors.ts';
import { MAX_PROOF_BYTES } from '../spec/run-spec.ts';

const proofSchema = v.strictObject({
  v: v.literal(1),
  /** Hash of the commit record. */
  commit: fixedBytes(32),
  attempt: integer(1, 100_000),
  /**
   * `bundle`: it does not decode. `sum`: the leaf hashes of S do not give the committed root.
   * `leaves`: those of an upload do not give its chunk root, or its extra lanes are others.
   * `secret`: a secret is missing or not the one committed to. `upload`: one that counts has not
   * the chunk root it says. `leaf`: a leaf of S is not that of the uploads. `model`: a key in the
   * bundle does not open the model before or after the attempt. `step`: S gives another model,
   * state, weight or metrics.
   */
  part: v.picklist(['bundle', 'sum', 'leaves', 'secret', 'upload', 'leaf', 'model', 'step']),
  leaf: integer(0, 2 ** 16),
  /** Hashes, where two differ; else empty. */
  expected: bytesUpTo(32),
  got: bytesUpTo(32),
  reason: v.pipe(v.string(), v.maxLength(500)),
});

export type CommitProof = Readonly<Omit<v.InferOutput<typeof proofSchema>, 'v'>>;

export const encodeProof = (proof: CommitProof): Uint8Array => {
  const { commit, attempt, part, leaf, expected, got, reason } = proof;
  return encodeCbor({ v: 1, commit, attempt, part, leaf, expected, got, reason });
};

/** @throws FloeError `record_malformed` */
export const decodeProof = (bytes: Uint8Array): CommitProof => {
  const { v: _, ...proof } = decodeCbor(proofSchema, bytes, 'record_malformed', MAX_PROOF_BYTES);
  return proof;
};

/** One line for people. */
export const describeProof = ({
  attempt,
  part,
  leaf,
  reason,
  expected,
  got,
}: CommitProof): string => {
  const hashes =
    expected.length === 0
      ? ''
      : ` (expected ${toHex(expected).slice(0, 16)}, got ${toHex(got).slice(0, 16)})`;
  return `the commit of attempt ${attempt} is fabricated, checked at leaf ${leaf}: ${part}: ${reason}${hashes}`;
};

/** The error that a participant stops with. */
export const fabricated = (proof: CommitProof): FloeError =>
  new FloeError('commit_fabricated', describeProof(proof), {
    attempt: proof.attempt,
    leaf: proof.leaf,
    part: proof.part,
  });
