/**
 * @module Rules of Survivors (Bonawitz et al. 2017, round 2): the set whose sum is opened, or in
 * groups the sets.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { isErrorCode } from '../errors.ts';
import { groupSizeOf } from '../robust/groups.ts';
import { dataCommitment, survivorsHash, type SignedRecord } from '../records/records.ts';
import { requireSortedIds } from '../secagg/index.ts';
import { groupsOf, inGroup, livingGroups, quorumFault } from './groups.ts';
import { finding, includes, rulesOf, sameList, setOf, type Rule } from './rule.ts';
import { selectionFault } from './selection.ts';
import { contextRule, missingFrom, uploadersOf } from './sharing.ts';
import { coverFault, type AttemptView } from './view.ts';

/** The sharers of the groups that are summed: their secrets are opened, and no others. */
export const summedSharers = (
  view: AttemptView & { readonly cohort: SignedRecord<'cohort'> },
  survivors: readonly Uint8Array[],
): readonly Uint8Array[] => {
  const sharers = view.sharers?.body.members ?? survivors;
  return livingGroups(view, survivors).flatMap(({ group }) => inGroup(group, sharers));
};

const survivors = rulesOf('survivors');
export const SURVIVORS_RULES: readonly Rule[] = [
  survivors({
    name: 'complaint',
    says: 'An attempt in which a complaint is recorded ends: no survivors are named.',
    code: 'complaint_invalid',
    complete: true,
    check: ({ complaints }) =>
      complaints.size === 0 ? undefined : 'the attempt continues after a complaint',
  }),
  contextRule('survivors'),
  survivors({
    name: 'members',
    says: 'The survivors are sorted, each once, among the sharers (without masks, the cohort).',
    code: 'survivors_inconsistent',
    needs: ['cohort'],
    check: (view, { body: { members } }) =>
      finding(() => requireSortedIds(members, 'survivors_inconsistent', 'survivors')) ??
      (members.every((member) => includes(uploadersOf(view), member))
        ? undefined
        : 'a survivor is not among those whose shares arrived'),
  }),
  survivors({
    name: 'rejected',
    says: 'No survivor is also listed as rejected, and every rejected member is a sharer.',
    code: 'both_secrets_requested',
    needs: ['cohort'],
    check: (view, { body: { members, rejected } }) => {
      const alive = setOf(members);
      const refused = rejected.map(({ member }) => toHex(member));
      if (refused.some((member) => alive.has(member)))
        return 'a peer is listed as survivor and as rejected';
      const known = setOf(uploadersOf(view));
      return new Set(refused).size === refused.length && refused.every((key) => known.has(key))
        ? undefined
        : 'a peer is rejected twice, or was not among those who may upload';
    },
  }),
  survivors({
    name: 'reasons',
    says: 'Each rejection has a code of the catalogue.',
    code: 'record_malformed',
    check: (_view, { body: { rejected } }) => {
      const unknown = rejected.find(({ code }) => !isErrorCode(code));
      return unknown && `a peer is rejected for "${unknown.code}", which is no reason`;
    },
  }),
  survivors({
    name: 'quorum',
    says: 'There are at least as many as the minimum cohort and the threshold; in groups, enough groups of at least their threshold.',
    code: 'cohort_too_small',
    needs: ['cohort'],
    check: (view, { body: { members } }) =>
      quorumFault(view, members, 'survivors') ??
      coverFault(view, summedSharers(view, members), members),
  }),
  survivors({
    name: 'groups',
    says: 'A group of which too few survive has no survivors, and its members are rejected for that only where without it too few would be left.',
    code: 'survivors_inconsistent',
    needs: ['cohort'],
    check: (view, { body: { members, rejected } }) => {
      if (groupSizeOf(view.spec) === undefined) return undefined;
      const faulty = new Set(
        rejected
          .filter(({ code }) => code !== 'group_too_small')
          .map(({ member }) => toHex(member)),
      );
      for (const group of groupsOf(view)) {
        const alive = inGroup(group, members).length;
        const sharing = inGroup(group, uploadersOf(view));
        const left = sharing.filter((key) => !faulty.has(toHex(key))).length;
        if (alive > 0 && alive < group.least)
          return `${alive} of a group survive, its sum needs ${group.least}`;
        if (alive !== (left < group.least ? 0 : left))
          return `a group of ${sharing.length} sharers has ${left} without a fault of their own, and ${alive} survive`;
      }
      return undefined;
    },
  }),
  survivors({
    name: 'batch',
    says: 'Of a run in batches, the whole batch survives.',
    code: 'batch_incomplete',
    check: ({ spec }, { body }) => selectionFault(spec, body.members, 'survivors'),
  }),
  survivors({
    name: 'accounted',
    says: 'Every member that may upload is either a survivor or rejected with a reason.',
    code: 'survivors_inconsistent',
    needs: ['cohort'],
    check: (view, { body: { members, rejected } }) => {
      const left = missingFrom(uploadersOf(view), members).length;
      return left === rejected.length
        ? undefined
        : `${left} are not survivors, ${rejected.length} are rejected with a reason`;
    },
  }),
  survivors({
    name: 'hash',
    says: 'The hash is that of context, members, uploads and the eligible set.',
    code: 'survivors_inconsistent',
    check: (_view, { body }) =>
      body.uploads.length === body.members.length && equalBytes(body.hash, survivorsHash(body))
        ? undefined
        : 'the hash is not that of the survivor set',
  }),
  survivors({
    name: 'uploads',
    says: 'The record names the upload record of each survivor, in order.',
    code: 'survivors_inconsistent',
    complete: true,
    check: ({ uploads }, { body }) =>
      sameList(
        body.uploads,
        body.members.map((member) => uploads.get(toHex(member))?.hash),
      )
        ? undefined
        : 'the survivors record names other uploads',
  }),
  survivors({
    name: 'ledger',
    says: 'The ledger holds this survivor set and its data commitment.',
    code: 'survivors_inconsistent',
    check: ({ ledger }, { body }) => {
      if (ledger.survivors === undefined) return undefined;
      if (ledger.survivors === null || !equalBytes(ledger.survivors.hash, body.hash))
        return 'the ledger holds another survivor set';
      return equalBytes(ledger.survivors.dataCommitment, dataCommitment(body.uploads))
        ? undefined
        : 'the ledger holds another data commitment';
    },
  }),
];
