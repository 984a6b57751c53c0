/**
 * @module Rules of the draw, which stands in Open: the invited are those that R draws from the set
 * that the survivors of the last commit signed before R was known. A participant knows that set
 * from the records of the commit, which it is shown before the cohort; who is late or out it can
 * only bound, a verifier knows. Specification of secure aggregation, section 2.0.1.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { eligibleRoot } from '../records/records.ts';
import { requireSortedIds } from '../secagg/index.ts';
import { isBudgetSpent } from './budget.ts';
import { everSummed, isLate, isSuspended, mayRest, suspectsOf, suspendedBy } from './history.ts';
import { finding, rulesOf, setOf, type Rule } from './rule.ts';
import { drawFault, mostInvited } from './selection.ts';

const open = rulesOf('open');

const roots = new WeakMap<readonly Uint8Array[], Uint8Array>();

/** Of the list of one record, which every participant of a process meets, and again as evidence. */
const rootOf = (eligible: readonly Uint8Array[]): Uint8Array => {
  const root = roots.get(eligible) ?? eligibleRoot(eligible);
  roots.set(eligible, root);
  return root;
};

export const DRAW_RULES: readonly Rule[] = [
  open({
    name: 'draw',
    says: 'From the first commit on R draws the invited from the eligible set, or an attempt on the model is repeated; before it nothing is drawn.',
    code: 'not_drawn',
    check: ({ spec }, { attempt, body: { draw, model, beacon, invited } }) => {
      const wanted = model.version > 0;
      if (wanted !== (draw !== undefined))
        return wanted ? 'the invited are not drawn' : 'there is nothing to draw from yet';
      if (draw === undefined || draw.again !== undefined) return undefined;
      return drawFault(spec, { attempt, beacon }, draw, invited);
    },
  }),
  open({
    name: 'draw-lists',
    says: 'The lists of the draw are sorted, each key once; late and excluded keys are eligible, and no key is both.',
    code: 'record_malformed',
    check: (_view, { body: { draw } }) => {
      if (draw === undefined) return undefined;
      const known = setOf(draw.eligible);
      const out = setOf(draw.out);
      return (
        finding(() => {
          requireSortedIds(draw.eligible, 'record_malformed', 'eligible');
          requireSortedIds(draw.late, 'record_malformed', 'late');
          requireSortedIds(draw.out, 'record_malformed', 'out');
        }) ??
        ([...draw.late, ...draw.out].every((key) => known.has(toHex(key))) &&
        draw.late.every((key) => !out.has(toHex(key)))
          ? undefined
          : 'somebody is late or out who is not eligible, or both')
      );
    },
  }),
  open({
    name: 'eligible',
    says: 'The eligible set is the one that the survivors record of the commit names, and all its survivors are in it.',
    code: 'not_drawn',
    check: ({ lastSurvivors }, { body: { draw } }) => {
      if (draw === undefined || lastSurvivors === undefined) return undefined;
      const { eligible, members } = lastSurvivors.body;
      if (!equalBytes(eligible, rootOf(draw.eligible)))
        return 'the eligible set is not the one that was signed before R was known';
      const known = setOf(draw.eligible);
      return members.every((member) => known.has(toHex(member)))
        ? undefined
        : 'a survivor of the last commit is not in the eligible set';
    },
  }),
  open({
    name: 'passed-over',
    says: 'No more survivors of the last commit are late or out than the attempts since can have lost; right after it, none, but for those that can have spent their privacy budget.',
    code: 'not_drawn',
    check: ({ spec, lastSurvivors, previous }, { attempt, body: { draw } }) => {
      if (draw === undefined || lastSurvivors === undefined) return undefined;
      const most = (attempt - lastSurvivors.attempt - 1) * mostInvited(spec);
      const finished = setOf(lastSurvivors.body.members);
      // With privacy who is out may have spent its budget, once there were as many attempts: who
      // knows the history sees it.
      const mayBeSpent = spec.privacy !== undefined && attempt > spec.privacy.participations;
      const left = mayBeSpent ? draw.late : [...draw.late, ...draw.out];
      const passed = left.filter((key) => finished.has(toHex(key))).length;
      // A commit that has not moved the model leaves its members spent: they can only repeat it.
      const hasMoved =
        previous === undefined || !equalBytes(previous.body.model.hash, previous.body.step.before);
      const earliest = lastSurvivors.attempt + (hasMoved ? 1 : 0);
      if (draw.again !== undefined && draw.again < earliest)
        return 'it repeats an attempt before the last commit';
      return passed <= most
        ? undefined
        : `${passed} survivors of the last commit are passed over, expected at most ${most}`;
    },
  }),
  open({
    name: 'late',
    says: 'A member is late if it missed one of the latest attempts and has finished none since.',
    code: 'not_drawn',
    complete: true,
    check: ({ history }, { attempt, body: { draw } }) => {
      if (draw === undefined || history === undefined) return undefined;
      const late = setOf(draw.late);
      const out = setOf(draw.out);
      const wrong = draw.eligible
        .map(toHex)
        .find((key) => !out.has(key) && late.has(key) !== isLate(history, key, attempt));
      return wrong && `${wrong} is ${late.has(wrong) ? 'not late' : 'late'}`;
    },
  }),
  open({
    name: 'out',
    says: 'A member is out if it was named as a culprit, suspended or suspected, may be in a sum on the model, missed the attempt before, or has no privacy budget left; a repeated attempt has the same sharers.',
    code: 'not_drawn',
    complete: true,
    check: ({ spec, history }, { attempt, body: { draw, invited } }) => {
      if (draw === undefined || history === undefined) return undefined;
      const { culprits, summed } = history;
      const spent = everSummed(history);
      const suspects = suspectsOf(history);
      const wrong = draw.out
        .map(toHex)
        .find(
          (key) =>
            !culprits.has(key) &&
            !spent.has(key) &&
            !mayRest(history, key, attempt) &&
            !isSuspended(history, key, attempt) &&
            !isBudgetSpent(spec, history, key) &&
            !suspects.some((members) => members.has(key)),
        );
      if (wrong !== undefined) return `${wrong} is left out of the draw without a reason`;
      const again = draw.again === undefined ? undefined : (summed.get(draw.again) ?? new Set());
      return again === undefined || invited.every((key) => again.has(toHex(key)))
        ? undefined
        : 'somebody is invited who did not share in the attempt that is repeated';
    },
  }),
  rulesOf('abort')({
    name: 'suspended',
    says: 'The suspended members are those in every one of three implausible sums.',
    code: 'record_malformed',
    complete: true,
    check: ({ history, survivors }, { body: { code, suspended } }) => {
      if (history === undefined) return undefined;
      const expected = suspendedBy(history, survivors?.body.members ?? [], code);
      const named = (suspended ?? []).map(toHex);
      return named.join() === expected.join()
        ? undefined
        : `expected ${expected.length} suspended, got ${named.length}, or others`;
    },
  }),
];
