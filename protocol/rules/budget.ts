/**
 * @module The privacy budget of a member in a run: every attempt in which its update may be in a
 * sum spends one participation, whatever became of the attempt. A member without any left is not
 * invited again. With correlated noise every attempt of the run counts: see noise-streams.ts.
 */
import { toHex } from '../bytes.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { isCorrelated } from './noise-streams.ts';
import { rulesOf, type Rule } from './rule.ts';
import type { RunHistory } from './run-history.ts';
import { uploadersOf } from './sharing.ts';
import type { AttemptView } from './view.ts';

/** Participations by member, after one more attempt; the same map without privacy. */
export const spentAfter = (
  released: RunHistory['released'],
  view: AttemptView,
): RunHistory['released'] => {
  const begun = view.spec.secagg === 'masked' ? view.sharers : view.cohort;
  if (view.spec.privacy === undefined || begun === undefined) return released;
  const next = new Map(released);
  for (const key of uploadersOf(view).map(toHex))
    // Correlated noise of an attempt depends on all attempts before it: they are counted too.
    next.set(key, isCorrelated(view.spec) ? view.attempt : (next.get(key) ?? 0) + 1);
  return next;
};

/** Whether a member has no participation left. @param key in hex */
export const isBudgetSpent = (
  { privacy }: Pick<RunSpec, 'privacy'>,
  { released }: Pick<RunHistory, 'released'>,
  key: string,
): boolean => privacy !== undefined && (released.get(key) ?? 0) >= privacy.participations;

export const BUDGET_RULES: readonly Rule[] = [
  rulesOf('open')({
    name: 'privacy-budget',
    says: 'With differential privacy no member is invited that was in as many attempts as the specification allows.',
    code: 'privacy_budget_spent',
    complete: true,
    check: ({ spec, history }, { body: { invited } }) => {
      if (history === undefined) return undefined;
      const over = invited.map(toHex).find((key) => isBudgetSpent(spec, history, key));
      return over && `${over} is invited, and has no participation left`;
    },
  }),
];
