/**
 * @module The spot check of a commit (secure-aggregation, section 2, step 8): a reader of the
 * bundle recomputes one random block of the sum S from the survivors' uploads, the decoded mean and
 * the step of the model and of the strategy's state in that block, and the totals of S from its
 * extra lanes. A wrong total is always found; a wrong S or a wrong model with a probability that is
 * the share of blocks that are wrong.
 *
 * There is none without masks: the uploads are then encrypted to the coordinator and the auditors,
 * and they alone can recompute.
 */
import { decodeBundle, isSumOf, type UnmaskingBundle } from './bundle.ts';
import {
  areLeavesOf,
  blockLeaf,
  extrasLeaf,
  LEAF_HASH_BYTES,
  type Leaf,
} from '../encoding/leaves.ts';
import {
  blocksOf,
  checkBlock,
  layoutOf,
  finishRound,
  leavesOfCheck,
  encodingSeed,
  sameTotals,
  specAt,
  stateTensorsOf,
} from '../algorithm/round.ts';
import type { BlobRef } from '../ports/blob-store.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { addInto, createLanes, pack, unpack, type RingLayout } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { leafHash } from '../records/merkle.ts';
import { livingGroups } from '../rules/groups.ts';
import type { ModelRef } from '../records/records.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { unmask, type Lanes, type MaskJob } from '../secagg/index.ts';
import { bundleJobs } from './bundle-masks.ts';
import type { CommitEvidence } from './evidence.ts';
import { placesOf } from './lasting-ref.ts';
import { decryptModel, type ModelContent } from '../model/open-model.ts';
import type { CommitProof } from './commit-proof.ts';

/** Reads blobs of the attempt. What it throws is an outage, and never turned into a proof. */
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
  /**
   * The model that the attempt started from, with its state, where it is known; else the bundle's
   * key opens its blob.
   */
  readonly before?: ModelContent | undefined;
  /** Block to recompute, drawn by the checker: 0 to blocks - 1. */
  readonly leaf: number;
  readonly reader: RoundReader;
  readonly signal?: AbortSignal | undefined;
}

export type SpotCheckResult =
  /** `after`: w_{t+1} and the state, with the hashes that the commit names. */
  | { readonly type: 'ok'; readonly after: ModelContent }
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

/**
 * Errors of `work` that its input causes show that the commit is wrong. @throws Fabricated;
 * FloeError `aborted`
 */
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

/**
 * The leaf hashes of the sum and of the uploads, and the uploads' extra lanes, are those that were
 * signed.
 */
const checkHashes = (
  { spec, commit, survivors, uploads }: CommitEvidence,
  layout: RingLayout,
  bundle: UnmaskingBundle,
): void => {
  if (!isSumOf(spec, layout, bundle, commit.body.aggregate))
    throw new Fabricated('sum', 'the leaf hashes are not those of the committed sum');
  if (bundle.uploads.length !== survivors.body.members.length)
    throw new Fabricated('leaves', `leaf hashes of ${bundle.uploads.length} uploads`);
  for (const [i, { body }] of uploads.entries()) {
    const { leaves, extras } = bundle.uploads[i] as UnmaskingBundle['uploads'][number];
    if (!areLeavesOf(layout, leaves, body.chunkRoot))
      throw new Fabricated('leaves', `the leaf hashes of survivor ${i} are not its upload's`);
    if (!equalBytes(leafHash(extras), hashAt(leaves, layout.blocks)))
      throw new Fabricated('leaves', `the extra lanes of survivor ${i} are not its upload's`);
  }
};

const NOTHING = new Uint8Array();

const hashAt = (joined: Uint8Array, index: number): Uint8Array =>
  joined.subarray(index * LEAF_HASH_BYTES, (index + 1) * LEAF_HASH_BYTES);

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
  // A store that gives other bytes is no proof; the whole has the hash that its author signed, or
  // the reader throws.
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

/** One sum of the attempt: of the cohort, or of one of its groups with survivors. */
interface CheckedSum {
  readonly jobs: readonly MaskJob[];
  /** Places of its members among the survivors. */
  readonly places: readonly number[];
  /** The hash that the commit names for this leaf. */
  readonly claimed: (leaf: Leaf) => Uint8Array;
  readonly name: string;
}

const sumsOf = (
  { spec, cohort, survivors }: CommitEvidence,
  bundle: UnmaskingBundle,
  jobs: readonly (readonly MaskJob[])[],
): readonly CheckedSum[] => {
  const { members } = survivors.body;
  return livingGroups({ spec, cohort }, members).map(({ group }, i) => {
    const packed = bundle.groups?.[i];
    return {
      jobs: jobs[i] ?? [],
      places: [...members.keys()].filter((at) => group.keys.has(toHex(members[at]!))),
      claimed: (leaf) =>
        packed === undefined
          ? hashAt(bundle.sum, leaf.index)
          : leafHash(packed.subarray(leaf.start, leaf.end)),
      name: packed === undefined ? 'the sum' : `the sum of group ${group.index}`,
    };
  });
};

/**
 * The lanes of one leaf of a sum, from the same leaf of every upload; it has the committed hash.
 *
 * @param all the leaf of every upload, in the order of the survivors
 */
const sumLeaf = async (
  layout: RingLayout,
  leaf: Leaf,
  all: readonly Uint8Array[],
  { jobs, places, claimed: claimedOf, name }: CheckedSum,
  signal: AbortSignal | undefined,
): Promise<Lanes> => {
  const parts = places.map((at) => all[at]!);
  const { modulusBits } = layout;
  const lanes = createLanes(leaf.lanes, modulusBits) as Lanes;
  await blamed('upload', () => {
    for (const part of parts) addInto(lanes, unpack(part, modulusBits, leaf.lanes), modulusBits);
  });
  await unmask(lanes, jobs, modulusBits, { signal, laneOffset: leaf.lane });
  const got = leafHash(pack(lanes, modulusBits));
  const claimed = claimedOf(leaf);
  if (!equalBytes(got, claimed))
    throw new Fabricated(
      'leaf',
      `leaf ${leaf.index} of ${name} is not that of the uploads`,
      claimed,
      got,
    );
  return lanes;
};

const blockLeaves = (init: SpotCheckInit, { uploads }: UnmaskingBundle, leaf: Leaf) =>
  Promise.all(
    uploads.map(({ leaves }, i) => readUploadLeaf(init, i, leaf, hashAt(leaves, leaf.index))),
  );

/** A model of the attempt, opened with a key of the bundle. */
const openWith = async (
  { run, spec, reader }: SpotCheckInit,
  model: ModelRef,
  key: Uint8Array,
): Promise<ModelContent> => {
  const cipher = await reader.whole([model.blob]);
  const stateTensors = stateTensorsOf(spec);
  return blamed('model', () => decryptModel({ run, model, cipher, key, stateTensors }, spec.model));
};

/**
 * In groups the whole step is repeated from their sums: a rule such as Krum compares whole vectors.
 * The sums have the committed hashes, and one leaf of each is that of the uploads.
 */
const checkGroupStep = async (
  { spec, evidence }: SpotCheckInit,
  layout: RingLayout,
  models: { readonly before: ModelContent; readonly after: ModelContent },
  { groups = [] }: UnmaskingBundle,
  sums: readonly CheckedSum[],
): Promise<void> => {
  const { open, cohort, survivors, commit } = evidence;
  const { modulusBits, lanes } = layout;
  const { model, meanExamples, beacon } = open.body;
  const result = await blamed('step', () =>
    finishRound({
      spec: specAt(spec, open.body),
      n: cohort.body.members.length,
      survivors: survivors.body.members.length,
      lanes: createLanes(0, modulusBits),
      groups: groups.map((packed, i) => ({
        lanes: unpack(packed, modulusBits, lanes) as Lanes,
        survivors: sums[i]!.places.length,
      })),
      before: models.before,
      meanExamples,
      rotationSeed: encodingSeed(spec, {
        attempt: commit.attempt,
        modelHash: model.hash,
        cohortRoot: cohort.body.root,
        beacon,
      }),
    }),
  );
  if (!sameTotals(result, commit.body))
    throw new Fabricated('step', 'the sums of the groups give another weight or other metrics');
  const { hash, state } = commit.body.model;
  if (!equalBytes(result.afterHash, hash))
    throw new Fabricated(
      'step',
      'the sums of the groups give another model',
      result.afterHash,
      hash,
    );
  if (!equalBytes(result.stateHash ?? NOTHING, state ?? NOTHING))
    throw new Fabricated('step', 'the sums of the groups give another state of the strategy');
};

const checkStep = async (
  { spec, evidence, leaf }: SpotCheckInit,
  models: { readonly before: ModelContent; readonly after: ModelContent },
  sum: { readonly leaves: readonly Lanes[]; readonly extras: Lanes },
): Promise<void> => {
  const { open, cohort, survivors, commit } = evidence;
  const { root: cohortRoot, members } = cohort.body;
  const modelHash = open.body.model.hash;
  const result = await blamed('step', () =>
    checkBlock({
      spec: specAt(spec, open.body),
      n: members.length,
      survivors: survivors.body.members.length,
      ...models,
      ...sum,
      meanExamples: open.body.meanExamples,
      block: leaf,
      rotationSeed: encodingSeed(spec, {
        attempt: commit.attempt,
        modelHash,
        cohortRoot,
        beacon: open.body.beacon,
      }),
    }),
  );
  if (!sameTotals(result, commit.body))
    throw new Fabricated('step', 'the sum gives another weight or other metrics');
  if (result.differs !== -1)
    throw new Fabricated(
      'step',
      `the sum gives another value of parameter ${result.differs}, or of the state there`,
    );
};

/**
 * Checks a commit at one block.
 *
 * @throws FloeError what the reader throws, `aborted`: the check could not be carried out, which
 * says nothing about the commit
 * @throws FloeError `record_malformed` for a block that the sum does not have
 */
export const spotCheck = async (init: SpotCheckInit): Promise<SpotCheckResult> => {
  const { spec, evidence, leaf, signal } = init;
  const { open, cohort } = evidence;
  const layout = layoutOf(spec, cohort.body.members.length, open.body.meanExamples);
  const most = blocksOf(spec) - 1;
  if (!(leaf <= most))
    throw new FloeError('record_malformed', `expected a block of 0 to ${most}, got ${leaf}`);
  const blocks = leavesOfCheck(layout, leaf).map((index) => blockLeaf(layout, index));
  const extras = extrasLeaf(layout);
  try {
    const bundle = await blamed('bundle', () => decodeBundle(init.bundle));
    checkHashes(evidence, layout, bundle);
    const found = await blamed('secret', () => bundleJobs(evidence, bundle, signal));
    if (found.type === 'wrong') throw new Fabricated('secret', found.reason);
    const sums = sumsOf(evidence, bundle, found.jobs);
    const { keys } = bundle;
    const [parts, before, after] = await Promise.all([
      Promise.all(blocks.map((block) => blockLeaves(init, bundle, block))),
      init.before ?? openWith(init, evidence.open.body.model, keys.before),
      openWith(init, evidence.commit.body.model, keys.after),
    ]);
    const tails = bundle.uploads.map((upload) => upload.extras);
    const leafOf = (at: Leaf, all: readonly Uint8Array[]): Promise<readonly Lanes[]> =>
      Promise.all(sums.map((sum) => sumLeaf(layout, at, all, sum, signal)));
    const leaves = await Promise.all(blocks.map((block, i) => leafOf(block, parts[i]!)));
    const tail = await leafOf(extras, tails);
    if (bundle.groups === undefined)
      await checkStep(
        init,
        { before, after },
        {
          leaves: leaves.map(([lanes]) => lanes!),
          extras: tail[0]!,
        },
      );
    else await checkGroupStep(init, layout, { before, after }, bundle, sums);
    return { type: 'ok', after };
  } catch (thrown) {
    if (!(thrown instanceof Fabricated)) throw thrown;
    const { commit } = evidence;
    return {
      type: 'fabricated',
      proof: { commit: commit.hash, attempt: commit.attempt, leaf, ...thrown.fault },
    };
  }
};
