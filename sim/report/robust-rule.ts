/**
 * @module The robust rule of a run in its summary and report: the name of the rule, what it bears,
 * and in groups what their sums said in each round.
 */
import * as v from 'valibot';
import type { Progress } from '../../coordinator/index.ts';
import { plural } from '../../protocol/plural.ts';
import { describeRobust } from '../../protocol/robust/describe.ts';
import { toleranceOf } from '../../protocol/robust/groups.ts';
import { tolerated } from '../../protocol/robust/rule.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const finite = v.pipe(v.number(), v.finite());

/** The rule of a run; absent where updates become their mean. */
export const ruleSchema = v.strictObject({
  /** As `--aggregation` names it. */
  name: v.string(),
  /** False updates that it must bear, and how many it can wherever they are. */
  byzantine: count,
  tolerated: count,
  bucketing: v.optional(count),
  mixing: v.optional(v.string()),
  /** Of a masked run: members of a group, at least, and the groups of a full cohort. */
  groupSize: v.optional(count),
  groups: v.optional(count),
  words: v.array(v.string()),
});
export type RuleSummary = v.InferOutput<typeof ruleSchema>;

/** What the groups of one round said; see `GroupFacts`. */
export const groupsSchema = v.strictObject({
  /** Groups whose sums were opened, and of these those that cannot be right. */
  opened: count,
  leftOut: count,
  /** Of the means that count, in the order of the groups. */
  norms: v.array(finite),
  cosines: v.array(finite),
  /** In standard deviations over the groups of the round. */
  deviations: v.array(finite),
  /** Members whose groups deviated more than chance so far, in hex; a hint, and no proof. */
  suspects: v.array(v.string()),
});
export type GroupsSummary = v.InferOutput<typeof groupsSchema>;

export const ruleIn = ({ robust, secagg, cohort }: RunSpec): { readonly rule?: RuleSummary } => {
  if (robust === undefined) return {};
  const { rule, byzantine, bucketing, mixing, groupSize } = robust;
  const inGroups =
    groupSize === undefined ? undefined : toleranceOf(robust, groupSize, cohort.size);
  return {
    rule: {
      name: rule.type,
      byzantine,
      tolerated: inGroups?.most ?? tolerated(robust, cohort.minimum),
      ...(bucketing === undefined ? {} : { bucketing }),
      ...(mixing === undefined ? {} : { mixing }),
      ...(inGroups === undefined ? {} : { groupSize, groups: inGroups.sizes.length }),
      words: [...describeRobust(robust, { secagg, cohort })],
    },
  };
};

/** @param progress that a coordinator publishes of each sum in groups */
export const groupsOfRound = ({
  groups,
  suspects,
}: Extract<Progress, { readonly type: 'groups' }>): GroupsSummary => ({
  opened: groups.length,
  leftOut: groups.filter(({ norm }) => norm === undefined).length,
  norms: groups.flatMap(({ norm }) => norm ?? []),
  cosines: groups.flatMap(({ cosine }) => cosine ?? []),
  deviations: groups.map(({ deviation }) => deviation),
  suspects: [...suspects],
});

/** The text of a line of the rule without its word at the start. */
const textOf = (line: string): string => line.replace(/^\S+\s+/u, '');

interface Shown {
  readonly rule?: RuleSummary | undefined;
  readonly history: readonly { readonly groups?: GroupsSummary | undefined }[];
}

/** The rows of the report; none without a rule. */
export const ruleRows = ({ rule, history }: Shown): readonly (readonly [string, string])[] => {
  if (rule === undefined) return [];
  const [first = rule.name, ...others] = rule.words;
  const rounds = history.flatMap(({ groups }) => groups ?? []);
  const leftOut = rounds.reduce((sum, groups) => sum + groups.leftOut, 0);
  const opened = rounds.reduce((sum, groups) => sum + groups.opened, 0);
  const suspects = rounds.at(-1)?.suspects ?? [];
  return [
    ['robust rule', textOf(first)],
    ...others.map((line) => [line.split(' ', 1)[0] ?? '', textOf(line)] as const),
    ...(rounds.length === 0
      ? []
      : ([
          ['groups left out', `${leftOut} of ${opened} sums in ${plural(rounds.length, 'round')}`],
          [
            'suspected, without proof',
            suspects.length === 0 ? 'nobody' : suspects.map((key) => key.slice(0, 12)).join(', '),
          ],
        ] as const)),
  ];
};
