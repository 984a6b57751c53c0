/**
 * @module The spot check of a commit (secure-aggregation, section 2, step 8): whoever may open the bundle recomputes one leaf of
 * the sum S from the survivors' uploads, and the whole step from S to the next model. The rotation mixes across blocks, so a
 * block of S cannot be decoded alone; S itself is in the bundle, and decoding it whole is exact and cheap. A commit that changed
 * nothing, or that moved otherwise than S says, is always found; a wrong S is found with probability the share of its leaves
 * that are wrong.
 *
 * There is none without masks: the uploads are then encrypted to the coordinator and the auditors, and they alone can recompute.
 */
import { decodeBundle, type UnmaskingBundle } from '../aggregate/bundle.ts';
import { areLeavesOf, leafAt, LEAF_HASH_BYTES, chunkRoot, type Leaf } from '../aggregate/leaves.ts';
import { layoutOf, rotationSeed, stepRound, type RoundStep } from '../aggregate/round.ts';
import type { BlobRef } from '../blobs/blob-store.ts';
import { equalBytes, sha256 } from '../bytes.ts';
import { addInto, createLanes, pack, unpack, type RingLayout } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { leafHash } from '../merkle.ts';
import type { RunSpec } from '../run-spec.ts';
import { unmask, type Lanes, type MaskJob } from '../secagg/index.ts';
import { bundleJobs } from './bundle-jobs.ts';
import type { CommitEvidence } from './evidence.ts';
import { placesOf } from './lasting-ref.ts';
import { decryptModel } from './open-model.ts';
import type { CommitProof } from './commit-proof.ts';

/** Reads blobs of the round. What it throws is an outage, and never turned into a proof. */
export interface RoundReader {
  /** Bytes [start, end), unchecked, from the first of these places that gives them. */
  range(places: readonly BlobRef[], start: number, end: number): Promise<Uint8Array>;
  /** The whole, with the hash of its reference, from the first of these places that gives it. */
  whole(places: readonly BlobRef[]): Promise<Uint8Array>;
}

export interface SpotCheckInit {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  /** From `readEvidence`. */
  readonly evidence: CommitEvidence;
  /** The bundle in clear: its cipher has the hash that the commit names. */
  readonly bundle: Uint8Array;
  /** Weights of the model that the round started from, where they are known; else the bundle's key opens its blob. */
  readonly before?: Float32Array | undefined;
  /** Leaf to recompute, drawn by the checker: 0 to leafCount - 1. */
  readonly leaf: number;
  readonly reader: RoundReader;
  readonly signal?: AbortSignal | undefined;
}

export type SpotCheckResult =
  /** `after`: w_{t+1}, with the hash that the commit names. */
  | { readonly type: 'ok'; readonly after: Float32Array }
  | { readonly type: 'fabricated'; readonly proof: CommitProof };

/** Ends the check: the commit is wrong, and this shows it. */
class Fabricated extends Error {
  readonly fault: Pick<CommitProof, 'part' | 'reason' | 'expected' | 'got'>;
  constructor(part: CommitProof['part'], reason: string, expected?: Uint8Array, got?: Uint8Array) {
    super(reason);
    this.fault = {
      part,
      reason: reason.slice(0, 500),
      expected: expected ?? new Uint8Array(),
      got: got ?? new Uint8Array(),
    };
  }
}

/** Errors of `work` that its input causes show that the commit is wrong. @throws Fabricated; FloeError `aborted` */
const blamed = async <Result>(
  part: CommitProof['part'],
  work: () => Result | Promise<Result>,
): Promise<Result> => {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof FloeError) || thrown.code === 'aborted') throw thrown;
    throw new Fabricated(part, `${thrown.code}: ${thrown.message}`);
  }
};

const checkSum = (
  { commit, survivors, uploads }: CommitEvidence,
  layout: RingLayout,
  { sum, leaves }: UnmaskingBundle,
): void => {
  const { aggregate } = commit.body;
  if (sum.length !== layout.byteLength || aggregate.size !== layout.byteLength)
    throw new Fabricated('sum', `expected a sum of ${layout.byteLength} bytes, got ${sum.length}`);
  const hash = sha256(sum);
  if (!equalBytes(hash, aggregate.hash))
    throw new Fabricated('sum', 'the sum has another hash', aggregate.hash, hash);
  const root = chunkRoot(layout, sum);
  if (!equalBytes(root, aggregate.chunkRoot))
    throw new Fabricated('sum', 'the sum has another chunk root', aggregate.chunkRoot, root);
  if (leaves.length !== survivors.body.members.length)
    throw new Fabricated('leaves', `leaf hashes of ${leaves.length} uploads`);
  for (const [i, { body }] of uploads.entries())
    if (!areLeavesOf(layout, leaves[i] as Uint8Array, body.chunkRoot))
      throw new Fabricated('leaves', `the leaf hashes of survivor ${i} are not its upload's`);
};

/** One leaf of one upload, with the hash that its author signed. */
const readUploadLeaf = async (
  { evidence, reader }: SpotCheckInit,
  survivor: number,
  { start, end }: Leaf,
  expected: Uint8Array,
): Promise<Uint8Array> => {
  const upload = evidence.uploads[survivor] as CommitEvidence['uploads'][number];
  const places = placesOf(evidence.commit, evidence.survivors, upload);
  const bytes = await reader.range(places, start, end);
  if (equalBytes(leafHash(bytes), expected)) return bytes;
  // A store that gives other bytes is no proof; the whole has the hash that its author signed, or the reader throws.
  const whole = (await reader.whole(places)).subarray(start, end);
  const got = leafHash(whole);
  if (equalBytes(got, expected)) return whole;
  throw new Fabricated(
    'upload',
    `the upload of survivor ${survivor} counts and has another chunk root than it says`,
    expected,
    got,
  );
};

const checkLeaf = async (
  init: SpotCheckInit,
  layout: RingLayout,
  { sum, leaves }: UnmaskingBundle,
  jobs: readonly MaskJob[],
): Promise<void> => {
  const leaf = leafAt(layout, init.leaf);
  const parts = await Promise.all(
    leaves.map((hashes, i) => {
      const at = leaf.index * LEAF_HASH_BYTES;
      return readUploadLeaf(init, i, leaf, hashes.subarray(at, at + LEAF_HASH_BYTES));
    }),
  );
  const { modulusBits } = layout;
  const lanes = createLanes(leaf.lanes, modulusBits) as Lanes;
  await blamed('upload', () => {
    for (const part of parts) addInto(lanes, unpack(part, modulusBits, leaf.lanes), modulusBits);
  });
  await unmask(lanes, jobs, modulusBits, { signal: init.signal, laneOffset: leaf.lane });
  const got = pack(lanes, modulusBits);
  const claimed = sum.subarray(leaf.start, leaf.end);
  if (!equalBytes(got, claimed))
    throw new Fabricated(
      'leaf',
      `leaf ${leaf.index} of the sum is not that of the uploads`,
      leafHash(claimed),
      leafHash(got),
    );
};

const weightsBefore = async (
  { before, evidence, run, spec, reader }: SpotCheckInit,
  { modelKey }: UnmaskingBundle,
): Promise<Float32Array> => {
  if (before !== undefined) return before;
  const { model } = evidence.open.body;
  const cipher = await reader.whole([model.blob]);
  return blamed('model', () => decryptModel({ run, model, cipher, key: modelKey }, spec.model));
};

const checkStep = async (
  { spec, evidence }: SpotCheckInit,
  layout: RingLayout,
  { sum }: UnmaskingBundle,
  before: Float32Array,
): Promise<RoundStep> => {
  const { open, cohort, survivors, commit } = evidence;
  const { root: cohortRoot, members } = cohort.body;
  const modelHash = open.body.model.hash;
  const result = await blamed('step', () =>
    stepRound({
      spec,
      n: members.length,
      survivors: survivors.body.members.length,
      lanes: unpack(sum, layout.modulusBits, layout.lanes),
      before,
      rotationSeed: rotationSeed({ round: commit.round, modelHash, cohortRoot }),
    }),
  );
  const { model, weight, metrics } = commit.body;
  if (!equalBytes(result.afterHash, model.hash))
    throw new Fabricated(
      'step',
      'the sum gives another model than the committed one',
      model.hash,
      result.afterHash,
    );
  const same =
    result.weight === weight &&
    (['lossSum', 'correct', 'clipped'] as const).every(
      (name) => result.metrics[name] === metrics[name],
    );
  if (!same) throw new Fabricated('step', 'the sum gives another weight or other metrics');
  return result;
};

/**
 * Checks a commit at one leaf.
 *
 * @throws FloeError what the reader throws, `aborted`: the check could not be carried out, which says nothing about the commit
 * @throws FloeError `record_malformed` for a leaf that the sum does not have
 */
export const spotCheck = async (init: SpotCheckInit): Promise<SpotCheckResult> => {
  const { spec, evidence, leaf, signal } = init;
  const layout = layoutOf(spec, evidence.cohort.body.members.length);
  leafAt(layout, leaf);
  try {
    const bundle = await blamed('bundle', () => decodeBundle(init.bundle));
    checkSum(evidence, layout, bundle);
    const found = await blamed('secret', () => bundleJobs(evidence, bundle, signal));
    if (found.type === 'wrong') throw new Fabricated('secret', found.reason);
    await checkLeaf(init, layout, bundle, found.jobs);
    const before = await weightsBefore(init, bundle);
    const { after } = await checkStep(init, layout, bundle, before);
    return { type: 'ok', after };
  } catch (thrown) {
    if (!(thrown instanceof Fabricated)) throw thrown;
    const { commit } = evidence;
    return {
      type: 'fabricated',
      proof: { commit: commit.hash, round: commit.round, leaf, ...thrown.fault },
    };
  }
};
