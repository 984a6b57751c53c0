/**
 * @module Rules of the groups in Cohort: which set they are drawn from, and by what. See
 * group-draw.ts for the draw before anybody registers. Source: specification of secure aggregation,
 * section 5.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { drawsInvited, groupSizeOf } from '../robust/groups.ts';
import type { SignedRecord } from '../records/records.ts';
import { cohortRoot, requireSortedIds } from '../secagg/index.ts';
import { localBeacon } from './beacon.ts';
import { groupingBefore, groupSeed } from './group-draw.ts';
import { groupingName, type Grouping } from './groups.ts';
import { finding, rulesOf, sameList, setOf, type Finding, type Rule } from './rule.ts';
import type { AttemptView } from './view.ts';

type OpenView = AttemptView & { readonly open: SignedRecord<'open'> };

const cohort = rulesOf('cohort');

/** Groups that this attempt draws, before anybody registers. */
const drawnFault = ({ spec, beacon, open }: OpenView, groups: Grouping): Finding => {
  const expected = groupingBefore(spec, beacon, open);
  if (expected === undefined) return 'the groups were not drawn from an earlier cohort';
  return sameList(groups.members, expected.members) && equalBytes(groups.beacon, expected.beacon)
    ? undefined
    : 'the groups are not those that were drawn before anybody registered';
};

/** Groups that are taken from an earlier attempt on the model. */
const keptFault = (
  { spec, beacon, open, previous }: OpenView,
  { attempt, members, beacon: drawnBy }: Grouping,
): Finding => {
  const { beacon: R, draw } = open.body;
  if (drawsInvited(spec) && draw !== undefined && draw.again === undefined)
    return 'an attempt that R draws takes the groups of an earlier one';
  // Of an attempt before the last commit the Open record had another beacon.
  if (attempt <= (previous?.attempt ?? 0)) return undefined;
  if (beacon === 'ledger' && (!drawsInvited(spec) || draw === undefined)) return undefined;
  const expected = drawsInvited(spec)
    ? groupSeed({ attempt, beacon: R })
    : localBeacon(cohortRoot(members), R);
  return equalBytes(drawnBy, expected) ? undefined : 'the groups were drawn by another beacon';
};

export const GROUPING_RULES: readonly Rule[] = [
  cohort({
    name: 'groups',
    says: 'The groups are those that the Open record gives before anybody registers, in earlier runs those of the frozen cohort; a repeated attempt takes those of an earlier one on the model.',
    code: 'not_drawn',
    needs: ['open'],
    check: (view, { attempt, body: { groups, members } }) => {
      const { spec, beacon, open } = view;
      if (groups === undefined) {
        if (!drawsInvited(spec)) return undefined;
        if (open.body.draw?.again !== undefined) return 'a repeated attempt draws its groups again';
        return groupingBefore(spec, beacon, open) === undefined
          ? undefined
          : 'the groups are drawn after the registrations';
      }
      if (groupSizeOf(spec) === undefined) return 'a cohort without groups names some';
      const unsorted = finding(() =>
        requireSortedIds(groups.members, 'record_malformed', 'groups.members'),
      );
      if (unsorted !== undefined) return unsorted;
      const known = setOf(groups.members);
      if (groups.attempt > attempt || !members.every((member) => known.has(toHex(member))))
        return 'the groups were not drawn from an earlier cohort of these members';
      return groups.attempt === attempt ? drawnFault(view, groups) : keptFault(view, groups);
    },
  }),
  cohort({
    name: 'groups-kept',
    says: 'The groups of a repeated attempt are taken from one that drew them on this model.',
    code: 'not_drawn',
    complete: true,
    check: ({ history }, { attempt, body: { groups } }) => {
      if (groups === undefined || groups.attempt === attempt || history === undefined)
        return undefined;
      return history.groupings?.get(groups.attempt) === groupingName(groups)
        ? undefined
        : `attempt ${groups.attempt} drew other groups, or none on this model`;
    },
  }),
];
