/**
 * @module Rules of Share, Sharers and Upload (Bonawitz et al. 2017, rounds 1 and 2).
 */
import { blocksOf } from '../algorithm/round.ts';
import { requireReaders } from '../model/key-envelopes.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { requireSortedIds } from '../secagg/index.ts';
import { finding, includes, rulesOf, sameList, setOf, type Rule } from './rule.ts';
import { livingGroups, quorumFault, topologyOf } from './groups.ts';
import { selectionFault } from './selection.ts';
import { contextOf, coverFault, isMasked, uploadBytesOf, type AttemptView } from './view.ts';

/** U1, or without masks the cohort: those who may upload. */
export const uploadersOf = (view: AttemptView): readonly Uint8Array[] =>
  (isMasked(view) ? view.sharers : view.cohort)?.body.members ?? [];

/** The rule that every record after the cohort is under. */
export const contextRule = (
  type: 'share' | 'sharers' | 'complaint' | 'upload' | 'survivors' | 'consistent' | 'unmask',
): Rule =>
  rulesOf(type)({
    name: 'context',
    says: 'The record is bound to the context of the attempt.',
    code: 'context_mismatch',
    needs: ['open', 'cohort'],
    check: (view, { body }) =>
      equalBytes(body.context, contextOf(view))
        ? undefined
        : 'the record is bound to another context',
  });

const share = rulesOf('share');
const SHARE: readonly Rule[] = [
  share({
    name: 'masked',
    says: 'Shares are made in masked runs only.',
    code: 'unexpected_frame',
    check: (view) => (isMasked(view) ? undefined : 'a run without masks has no shares'),
  }),
  share({
    name: 'member',
    says: 'Only members of the cohort share.',
    code: 'not_in_cohort',
    needs: ['cohort'],
    check: ({ cohort }, { author }) =>
      includes(cohort.body.members, author) ? undefined : 'its author is not in the cohort',
  }),
  contextRule('share'),
  share({
    name: 'entries',
    says: "There is one entry for each holder of the author's shares: each member of the cohort, or of its group.",
    code: 'share_invalid',
    needs: ['cohort'],
    check: (view, { author, body: { entries } }) => {
      const { members } = view.cohort.body;
      const index = members.findIndex((member) => equalBytes(member, author));
      const holders = topologyOf(view).holders[index]?.length ?? 0;
      return entries.size === holders
        ? undefined
        : `expected ${holders} entries, got ${entries.size}`;
    },
  }),
  share({
    name: 'check',
    says: 'The author has checked the commit that Open names, at a leaf of its sum.',
    code: 'record_malformed',
    needs: ['open'],
    check: ({ spec, open }, { body: { check } }) => {
      const { bundle } = open.body;
      if (bundle === undefined)
        return check === undefined ? undefined : 'a check where there is no commit to check';
      return check !== undefined &&
        equalBytes(check.commit, bundle.commit) &&
        check.leaf < blocksOf(spec)
        ? undefined
        : 'its author has not checked the newest commit';
    },
  }),
];

const sharers = rulesOf('sharers');
const SHARERS: readonly Rule[] = [
  sharers({
    name: 'masked',
    says: 'Sharers are named in masked runs only.',
    code: 'unexpected_frame',
    check: (view) => (isMasked(view) ? undefined : 'a run without masks has no sharers'),
  }),
  contextRule('sharers'),
  sharers({
    name: 'members',
    says: 'The sharers are sorted, each once, members of the cohort.',
    code: 'record_malformed',
    needs: ['cohort'],
    check: ({ cohort }, { body: { members } }) =>
      finding(() => requireSortedIds(members, 'record_malformed', 'sharers')) ??
      (members.every((member) => includes(cohort.body.members, member))
        ? undefined
        : 'a sharer is not in the cohort'),
  }),
  sharers({
    name: 'quorum',
    says: 'There are at least as many as the minimum cohort and the threshold; in groups, enough groups of at least their threshold.',
    code: 'not_enough_shares',
    needs: ['cohort'],
    check: (view, { body: { members } }) => {
      const living = livingGroups(view, members).flatMap(({ present }) => present);
      return quorumFault(view, members, 'sharers') ?? coverFault(view, living, members);
    },
  }),
  sharers({
    name: 'batch',
    says: 'Of a run in batches, the whole batch has shared.',
    code: 'batch_incomplete',
    check: ({ spec }, { body }) => selectionFault(spec, body.members, 'sharers'),
  }),
  sharers({
    name: 'shares',
    says: 'The record names the share record of each sharer, in order.',
    code: 'record_malformed',
    check: ({ shares }, { body }) =>
      sameList(
        body.shares,
        body.members.map((member) => shares.get(toHex(member))?.hash),
      )
        ? undefined
        : 'the sharers record names other shares',
  }),
  sharers({
    name: 'everybody',
    says: 'No recorded share is left out.',
    code: 'record_malformed',
    complete: true,
    check: ({ shares }, { body }) =>
      shares.size === body.members.length
        ? undefined
        : `${shares.size} shared, the record names ${body.members.length}`,
  }),
];

const complaint = rulesOf('complaint');
const COMPLAINT: readonly Rule[] = [
  contextRule('complaint'),
  complaint({
    name: 'author',
    says: 'Only sharers complain.',
    code: 'not_in_cohort',
    needs: ['sharers'],
    check: ({ sharers: { body } }, { author }) =>
      includes(body.members, author) ? undefined : 'its author is not among the sharers',
  }),
  complaint({
    name: 'share',
    says: 'The complaint names the share record of another sharer.',
    code: 'complaint_invalid',
    needs: ['sharers'],
    check: ({ shares }, { author, body }) => {
      const accused = shares.get(toHex(body.accused));
      return accused !== undefined &&
        equalBytes(accused.hash, body.share) &&
        !equalBytes(author, body.accused)
        ? undefined
        : 'the complaint is not about a share of this attempt';
    },
  }),
];

const upload = rulesOf('upload');
const UPLOAD: readonly Rule[] = [
  contextRule('upload'),
  upload({
    name: 'author',
    says: 'Only sharers upload; without masks, members of the cohort.',
    code: 'not_in_cohort',
    needs: ['cohort'],
    check: (view, { author }) => {
      const known = !isMasked(view) || view.sharers !== undefined;
      return !known || includes(uploadersOf(view), author)
        ? undefined
        : 'its author is not among those whose shares arrived';
    },
  }),
  upload({
    name: 'size',
    says: 'The blob has the size that the encoding and the cohort give.',
    code: 'upload_mismatch',
    needs: ['open', 'cohort'],
    check: (view, { body }) => {
      const { open, cohort } = view;
      const { length } = cohort.body.members;
      const expected = uploadBytesOf(view, length, open.body.meanExamples);
      return body.blob.size === expected
        ? undefined
        : `expected a blob of ${expected} bytes, got ${body.blob.size}`;
    },
  }),
  upload({
    name: 'envelope',
    says: 'An envelope comes with an upload exactly when the run is not masked.',
    code: 'upload_mismatch',
    check: (view, { body }) =>
      isMasked(view) === (body.envelope === undefined)
        ? undefined
        : 'an envelope goes with an upload exactly when the run is not masked',
  }),
  upload({
    name: 'readers',
    says: 'Coordinator and every auditor are readers of an upload that is not masked.',
    code: 'reader_left_out',
    check: ({ spec }, { attempt, body: { envelope } }) =>
      envelope === undefined
        ? undefined
        : finding(() =>
            requireReaders(envelope, {
              spec,
              purpose: { attempt, role: 'update' },
              members: [],
              cohortOf: attempt,
            }),
          ),
  }),
  upload({
    name: 'entropy',
    says: 'Beacon entropy comes with an upload exactly when the run is not masked.',
    code: 'upload_mismatch',
    check: (view, { body }) =>
      isMasked(view) === (body.entropy === undefined)
        ? undefined
        : 'entropy goes with an upload exactly when the run is not masked',
  }),
  upload({
    name: 'own-blob',
    says: 'No two uploads name the same bytes or the same chunk root.',
    code: 'record_conflict',
    check: ({ uploads }, { author, body }) => {
      const twin = [...uploads.values()].find(
        (other) =>
          !equalBytes(other.author, author) &&
          (equalBytes(other.body.blob.sha256, body.blob.sha256) ||
            equalBytes(other.body.chunkRoot, body.chunkRoot)),
      );
      return twin === undefined ? undefined : 'another upload of this attempt has the same bytes';
    },
  }),
];

export const SHARING_RULES: readonly Rule[] = [...SHARE, ...SHARERS, ...COMPLAINT, ...UPLOAD];

/** Members that are in `members` and not in `without`, in order. */
export const missingFrom = (
  members: readonly Uint8Array[],
  without: readonly Uint8Array[],
): readonly Uint8Array[] => {
  const known = setOf(without);
  return members.filter((member) => !known.has(toHex(member)));
};
