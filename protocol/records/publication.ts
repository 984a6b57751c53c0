/**
 * @module What verification of a run needs: its specification and its transcript as public blobs,
 * so that whoever knows the run's object on chain needs nothing of the coordinator's to verify it,
 * and besides a key nothing to open its models. Both are signed or hashed already; the envelopes of
 * the models' keys are in the transcript.
 */
import * as v from 'valibot';
import type { BlobOptions, BlobRef, BlobStore } from '../ports/blob-store.ts';
import { concatBytes, equalBytes, toHex } from '../bytes.ts';
import { bytesUpTo, decodeCbor, encodeCbor } from '../wire/cbor.ts';
import { FloeError } from '../errors.ts';
import { blobRefSchema } from './records.ts';
import { decodeRunSpec, encodeRunSpec, hashRunSpec, type RunSpec } from '../spec/run-spec.ts';
import { decodeTranscript, encodeEntry } from './transcript.ts';

/** The run up to and with a committed round, and where that can be read. */
export interface Publication {
  readonly attempt: number;
  readonly blob: BlobRef;
}

/** Where a run's publications are written down, each attempt's once. */
export interface PublicationLedger {
  readPublication(attempt: number): Promise<BlobRef | undefined>;
  /**
   * @throws FloeError `already_frozen` when another one of this attempt stands,
   * `ledger_unavailable`
   */
  recordPublication(publication: Publication): Promise<void>;
}

/**
 * Transcript bytes in one blob, and the fewest to which they are cut where the store holds no blob
 * of that size.
 */
const PART_BYTES = 32 << 20;
const LEAST_PART_BYTES = 64 << 10;
const MAX_SPEC_BYTES = 4 << 20;
const MAX_PART_BYTES = 40 << 20;
const MAX_TRANSCRIPT_BYTES = 2 ** 31 - 1;

/** Sizes of the blobs of a publication of so many bytes. */
export const publicationSizes = (bytes: number): number[] =>
  Array.from({ length: Math.max(1, Math.ceil(bytes / PART_BYTES)) }, (_, at) =>
    Math.min(PART_BYTES, bytes - at * PART_BYTES),
  );

/**
 * A transcript too long for one blob is a chain of them, in order; only the first holds the
 * specification.
 */
const partSchema = v.strictObject({
  v: v.literal(1),
  spec: v.optional(bytesUpTo(MAX_SPEC_BYTES)),
  transcript: bytesUpTo(MAX_PART_BYTES),
  next: v.optional(blobRefSchema),
});

/**
 * The transcript to the end of its last committed round: the same bytes whenever the coordinator is
 * asked.
 */
const committedPart = (
  run: Uint8Array,
  transcript: Uint8Array,
): { readonly attempt: number; readonly bytes: Uint8Array } | undefined => {
  const { entries } = decodeTranscript(run, transcript);
  const last = entries.findLastIndex(({ record }) => record.type === 'commit');
  const attempt = entries[last]?.record.attempt;
  if (attempt === undefined) return undefined;
  return { attempt, bytes: concatBytes(...entries.slice(0, last + 1).map(encodeEntry)) };
};

/** Stores the parts from the end, since each names the one after it. @returns the first */
const storeParts = async (
  spec: RunSpec,
  bytes: Uint8Array,
  store: BlobStore,
  options: BlobOptions,
  partBytes: number,
): Promise<BlobRef> => {
  let next: BlobRef | undefined;
  try {
    for (let at = Math.ceil(bytes.length / partBytes) - 1; at >= 0; at -= 1) {
      const encoded = encodeCbor({
        v: 1,
        spec: at === 0 ? encodeRunSpec(spec) : undefined,
        transcript: bytes.slice(at * partBytes, (at + 1) * partBytes),
        next,
      });
      const { id, sha256, size } = await store.put(encoded, options);
      next = { id, sha256, size };
    }
  } catch (thrown) {
    const isTooLarge = thrown instanceof FloeError && thrown.code === 'blob_too_large';
    if (!isTooLarge || partBytes <= LEAST_PART_BYTES) throw thrown;
    return storeParts(spec, bytes, store, options, Math.ceil(partBytes / 4));
  }
  return next as BlobRef;
};

/**
 * Publishes the run as far as it is committed. What was published of the same attempt before is
 * neither stored nor paid again.
 * @param init.partBytes most transcript bytes in one blob; fewer where the store holds no blob of
 * that size
 * @returns undefined before the first commit
 * @throws FloeError what store and ledger throw
 */
export const publishRun = async (init: {
  readonly spec: RunSpec;
  readonly transcript: Uint8Array;
  readonly store: BlobStore;
  readonly ledger: PublicationLedger;
  readonly partBytes?: number;
  /**
   * Waits until every blob that the records name is in its lasting place, where they are staged.
   */
  readonly settle?: (options: BlobOptions) => Promise<void>;
  readonly signal?: AbortSignal;
}): Promise<Publication | undefined> => {
  const { spec, store, ledger, signal } = init;
  const part = committedPart(hashRunSpec(spec), init.transcript);
  if (part === undefined) return undefined;
  const { attempt, bytes } = part;
  const standing = await ledger.readPublication(attempt);
  if (standing !== undefined) return { attempt, blob: standing };
  // What the records name must be there before they are.
  const options = signal === undefined ? {} : { signal };
  await init.settle?.(options);
  const blob = await storeParts(spec, bytes, store, options, init.partBytes ?? PART_BYTES);
  await ledger.recordPublication({ attempt, blob });
  return { attempt, blob };
};

/**
 * Reads a publication. The transcript's links and signatures are whoever uses it to check.
 * @param run hash of the specification that is expected, 32 bytes
 * @throws FloeError `data_malformed`, `spec_mismatch`, `spec_invalid`, what the store throws
 */
export const readPublication = async (
  blob: BlobRef,
  run: Uint8Array,
  store: BlobStore,
  options?: BlobOptions,
): Promise<{ readonly spec: RunSpec; readonly transcript: Uint8Array }> => {
  const chunks: Uint8Array[] = [];
  let spec: RunSpec | undefined;
  let size = 0;
  for (let ref: BlobRef | undefined = blob; ref !== undefined;) {
    if (ref.size > MAX_PART_BYTES)
      throw new FloeError(
        'data_malformed',
        `the publication's blob ${ref.id} has ${ref.size} bytes, expected at most ${MAX_PART_BYTES}`,
      );
    // Each part names the next.
    const bytes = await store.get(ref, options);
    const part = decodeCbor(partSchema, bytes, 'data_malformed', MAX_PART_BYTES);
    if (spec === undefined) {
      if (part.spec === undefined)
        throw new FloeError('data_malformed', `the blob ${ref.id} is not the first of its run`);
      spec = decodeRunSpec(part.spec);
      const hash = hashRunSpec(spec);
      if (!equalBytes(hash, run))
        throw new FloeError(
          'spec_mismatch',
          `the chain names the run ${toHex(run)}, the blob ${ref.id} holds ${toHex(hash)}`,
        );
    }
    size += part.transcript.length;
    if (size > MAX_TRANSCRIPT_BYTES || part.transcript.length === 0)
      throw new FloeError('data_malformed', `the transcript from ${blob.id} has no possible size`);
    chunks.push(part.transcript);
    ref = part.next;
  }
  return { spec: spec as RunSpec, transcript: concatBytes(...chunks) };
};
