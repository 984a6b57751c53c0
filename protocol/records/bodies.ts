/**
 * @module What each record holds: the schemas of their bodies, with the limits of every size and
 * count in them.
 */
import * as v from 'valibot';
import { bytesUpTo, fixedBytes, integer } from '../wire/cbor.ts';
import { MAX_STALENESS, MOST_INVITED } from '../spec/bounds.ts';
import { MAX_COHORT } from '../spec/run-spec.ts';
import { metricName } from '../algorithm/metrics.ts';
import { ENCODING_LIMITS } from '../encoding/index.ts';

export const MAX_RECORD_BYTES = 1 << 20;
/** Survivor sets that one participant answers on one model, at most. */
export const MAX_ANSWERED = 16;
/** Identities that one draw takes from: an Open record lists them. */
export const MAX_ELIGIBLE = 10_000;
/**
 * Lies that one Abort shows, at most: of a cohort of 255, each has 171 shares and 255 leaves, and
 * all of them are 250 KiB.
 */
export const MAX_LIES = 8;

const hash = fixedBytes(32);
const key = fixedBytes(32);
const keys = v.pipe(v.array(key), v.maxLength(MAX_COHORT));
const hashes = v.pipe(v.array(hash), v.maxLength(MAX_COHORT));
const eligibleKeys = v.pipe(v.array(key), v.maxLength(MAX_ELIGIBLE));
const text = v.pipe(v.string(), v.maxLength(500));
const finite = v.pipe(v.number(), v.finite());
const positive = v.pipe(finite, v.gtValue(0));
/** A hybrid public key: X25519 and ML-KEM-768. */
export const publicKeysSchema = v.strictObject({
  x25519: fixedBytes(32),
  mlkem: fixedBytes(1184),
});

/** A blob as records name it. */
export const blobRefSchema = v.strictObject({
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  sha256: hash,
  size: integer(0, 2 ** 40),
});

/**
 * An encrypted model: the blob, the hash of the clear parameters, and the key wrapped for its
 * readers.
 */
export const modelRefSchema = v.strictObject({
  /**
   * The attempt whose commit made it, 0 for the initial model: `attempt` of the KeyPurpose that
   * blob and key are bound to.
   */
  version: integer(0, 100_000),
  blob: blobRefSchema,
  hash,
  /**
   * Of the state of the run's strategy, which lies behind the parameters; absent where it has none.
   */
  state: v.optional(hash),
  envelope: bytesUpTo(512 << 10),
});
export type ModelRef = v.InferOutput<typeof modelRefSchema>;

/** The Share record of whoever lied. */
const shareRecord = bytesUpTo(1024);
/** The hashes of all leaves of the entries of whoever lied, joined. */
const entryLeaves = bytesUpTo(32 * MAX_COHORT);
/**
 * From an entry to the root that its author signed: a hash for each level of a tree over the
 * largest cohort, joined.
 */
export const entryPathSchema = bytesUpTo(32 * 8);
/** Exactly t of them. @param length bytes of a share */
const shownShares = (length: number) =>
  v.pipe(
    v.array(v.strictObject({ share: fixedBytes(length), head: hash, other: hash })),
    v.maxLength(MAX_COHORT),
  );
/**
 * What shows that a survivor set cannot be opened because an author lied: see secagg/share-lie.ts.
 */
const lieSchema = v.variant('kind', [
  v.strictObject({
    kind: v.literal('self'),
    record: shareRecord,
    leaves: entryLeaves,
    shares: shownShares(65),
  }),
  v.strictObject({
    kind: v.literal('key'),
    record: shareRecord,
    leaves: entryLeaves,
    shares: shownShares(33),
  }),
  v.strictObject({
    kind: v.literal('pair'),
    record: shareRecord,
    recipient: key,
    entry: bytesUpTo(4096),
    path: entryPathSchema,
    secret: bytesUpTo(64),
  }),
]);
export type ShownLie = v.InferOutput<typeof lieSchema>;
export const liesSchema = v.pipe(v.array(lieSchema), v.minLength(1), v.maxLength(MAX_LIES));

export const bodySchemas = {
  /** Coordinator: an attempt begins with this model; the invited may register. */
  open: v.strictObject({
    model: modelRefSchema,
    /** R: `beacon` of the last commit. See ledger/beacon.ts. */
    beacon: hash,
    /**
     * Mean of the capped example counts of the last commit, which the scale of the weighted share
     * follows from; 5 before the first: see encoding/weight-scale.ts.
     */
    meanExamples: integer(1, ENCODING_LIMITS.weight),
    /** Where the clip norm is adaptive: C of the attempt, from the last commit. */
    clipNorm: v.optional(positive),
    /** Commits of the run before this attempt, which tries the round after them. */
    committed: integer(0, 100_000),
    invited: v.pipe(v.array(key), v.maxLength(MOST_INVITED)),
    /**
     * After the first commit: what R draws the invited from; see rules/selection.ts. All lists are
     * sorted.
     */
    draw: v.optional(
      v.strictObject({
        /** The set whose Merkle root stands in the survivors record of the last commit. */
        eligible: eligibleKeys,
        /** Of these, who has missed earlier attempts and is drawn after the others. */
        late: eligibleKeys,
        /**
         * Of these, who cannot take part: named as culprits, perhaps summed on this model, or
         * missing just before.
         */
        out: eligibleKeys,
        /**
         * Instead of a draw, an attempt on this model is repeated with its sharers or some of them:
         * its number.
         */
        again: v.optional(integer(1, 100_000)),
      }),
    ),
    /**
     * Masked runs, after the first commit: the newest commit, and the key of its bundle for this
     * attempt's cohort, which checks it.
     */
    bundle: v.optional(v.strictObject({ commit: hash, envelope: bytesUpTo(512 << 10) })),
    /** Of this attempt; its secret is erased afterwards. Answers are sealed to it. */
    key: publicKeysSchema,
  }),
  /**
   * Participant: fresh public keys of this attempt, independent of each other: for masks, and for
   * the shares sealed to it.
   */
  register: v.strictObject({
    open: hash,
    /**
     * One more than in the registration before of this identity in this run, and its hash: an old
     * keystore shows.
     */
    counter: integer(1, 2 ** 40),
    previous: v.optional(hash),
    mask: publicKeysSchema,
    seal: publicKeysSchema,
    /**
     * Names of the survivor sets that the author has answered on this model, see `setName`; absent
     * when there are none.
     */
    answered: v.optional(v.pipe(v.array(hash), v.minLength(1), v.maxLength(MAX_ANSWERED))),
    /**
     * With correlated noise: digest of the sums that the author's stream is in. See
     * rules/noise-streams.ts.
     */
    stream: v.optional(hash),
    /**
     * In a buffered run: the model that the author's update was trained on, and how many commits
     * came after it. See rules/buffered.ts.
     */
    base: v.optional(
      v.strictObject({
        version: integer(0, 100_000),
        staleness: integer(0, MAX_STALENESS),
      }),
    ),
  }),
  /**
   * Coordinator: the cohort, frozen in the ledger, with the registrations it is made of. `members`
   * is sorted.
   */
  cohort: v.strictObject({
    members: keys,
    registers: hashes,
    root: hash,
    beacon: hash,
    threshold: integer(0, MAX_COHORT),
    receipt: text,
    /**
     * In groups: what they are drawn from, and by what. Of this attempt, the members of the groups
     * that Open invites, absent ones included; of an earlier attempt on its model where it repeats
     * that. See rules/group-draw.ts.
     */
    groups: v.optional(
      v.strictObject({ attempt: integer(1, 100_000), members: keys, beacon: hash }),
    ),
  }),
  /**
   * Participant: commitment to the self secret, and the Merkle root over the sealed entries, one
   * for each holder of its shares, itself included: see secagg/entry-tree.ts. An entry is hashed as
   * SHA-256 of `floe/secagg/entry/v1`, the SHA-256 of all but the last 64 bytes, and these, which
   * are the commitments to the two shares.
   */
  share: v.strictObject({
    context: hash,
    commitment: hash,
    entries: v.strictObject({ root: hash, size: integer(0, MAX_COHORT) }),
    /**
     * The spot check that the author made of the commit in `open.bundle`: at which leaf. Missing
     * where that is.
     */
    check: v.optional(v.strictObject({ commit: hash, leaf: integer(0, 2 ** 16) })),
  }),
  /**
   * Coordinator: whose shares arrived; the masks are made over this set. `members` is sorted,
   * `shares` are the record hashes.
   */
  sharers: v.strictObject({ context: hash, members: keys, shares: hashes }),
  /**
   * Participant: the entry that the accused signed for it is bad, and what shows that: see
   * secagg/complaint.ts.
   */
  complaint: v.strictObject({
    context: hash,
    accused: key,
    /** The accused's share record. */
    share: hash,
    kind: v.picklist(['sealed', 'pair']),
    entry: bytesUpTo(4096),
    /** From the entry to the root in the accused's share record. */
    path: entryPathSchema,
    secret: bytesUpTo(160),
  }),
  /**
   * Participant: the masked vector, in the blob store. Without masks the vector is encrypted and
   * `envelope` holds its key.
   */
  upload: v.strictObject({
    context: hash,
    blob: blobRefSchema,
    chunkRoot: hash,
    envelope: v.optional(bytesUpTo(64 << 10)),
    /** Without masks: its part of the next beacon, which the answers open in a masked run. */
    entropy: v.optional(hash),
  }),
  /**
   * Coordinator: members whose uploads count, frozen in the ledger; excluded members are
   * listed with the reason.
   */
  survivors: v.strictObject({
    context: hash,
    members: keys,
    uploads: hashes,
    /**
     * Merkle root of the sorted identities that the next R draws from: fixed before the answers
     * make R known.
     */
    eligible: hash,
    hash,
    rejected: v.pipe(v.array(v.strictObject({ member: key, code: text })), v.maxLength(MAX_COHORT)),
    receipt: text,
  }),
  /** Participant: has seen this survivor set (consistency round of Bonawitz 2017). */
  consistent: v.strictObject({ context: hash, survivors: hash }),
  /**
   * Participant: SHA-256 of its answer, the shares sealed to the coordinator's key of this attempt.
   * The answer itself travels next to the record: it has n shares, and nobody can open it once the
   * attempt is over.
   */
  unmask: v.strictObject({ context: hash, survivors: hash, answer: hash }),
  /**
   * Coordinator: the sum, the gated material that opens it, the step of the strategy, the new
   * model.
   */
  commit: v.strictObject({
    survivors: hash,
    aggregate: v.strictObject({ chunkRoot: hash, size: integer(0, 2 ** 40) }),
    bundle: v.strictObject({ blob: blobRefSchema, envelope: bytesUpTo(512 << 10) }),
    /** `parameters`: hash of the strategy with its parameters, see `hashStrategy`. */
    step: v.strictObject({ strategy: text, parameters: hash, before: hash, after: hash }),
    /** Sum of what the survivors' updates count for in the mean. */
    weight: finite,
    /** Sum of their capped example counts, and ceil(examples / survivors). */
    examples: finite,
    meanExamples: integer(1, ENCODING_LIMITS.weight),
    /** How many of the survivors' updates were clipped. */
    clipped: integer(0, MAX_COHORT),
    /**
     * Where the clip norm is adaptive: the share of the survivors' updates within it, noisy with
     * privacy, and C of the next attempts. See privacy/adaptive-clipping.ts.
     */
    clip: v.optional(v.strictObject({ within: finite, next: positive })),
    /** Sums over the survivors, in the order of the specification. */
    metrics: v.pipe(
      v.array(v.strictObject({ name: metricName, sum: finite })),
      v.maxLength(ENCODING_LIMITS.metrics),
    ),
    /**
     * Of central noise: the key of its draws, 32 bytes, for the coordinator and the auditors, who
     * read single updates anyway. See algorithm/central-noise.ts.
     */
    noise: v.optional(v.strictObject({ envelope: bytesUpTo(64 << 10) })),
    /** R of the next attempts, from what this commit opened. */
    beacon: hash,
    model: modelRefSchema,
    /**
     * Where the survivors' uploads are kept permanently, in the order of `survivors.uploads`; where
     * they were put if missing.
     */
    archive: v.optional(
      v.pipe(v.array(v.pipe(v.string(), v.maxLength(200))), v.maxLength(MAX_COHORT)),
    ),
  }),
  /**
   * Coordinator: the attempt ends without a commit. `answered`: members were asked to unmask, or
   * have uploaded in the clear, so the coordinator may know the sum; otherwise nothing was
   * revealed.
   */
  abort: v.strictObject({
    code: text,
    reason: text,
    culprits: keys,
    answered: v.boolean(),
    /** Members of all three implausible sums, ascending: not drawn for some time. */
    suspended: v.optional(v.pipe(keys, v.minLength(1))),
    /** Where a complaint ended it: the complaint record, so that everybody can judge it. */
    complaint: v.optional(bytesUpTo(8 << 10)),
    /**
     * Where false commitments ended it: against each culprit, in order, what shows that it lied.
     */
    lies: v.optional(liesSchema),
    /**
     * What participants reported to have stopped them, counted by code; ascending. They have not
     * signed it.
     */
    reported: v.optional(
      v.pipe(
        v.array(
          v.strictObject({
            code: v.pipe(v.string(), v.maxLength(60)),
            count: integer(1, 4 * MAX_COHORT),
          }),
        ),
        v.minLength(1),
        v.maxLength(256),
      ),
    ),
  }),
} as const;
