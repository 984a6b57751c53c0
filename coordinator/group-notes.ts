/**
 * @module Tells after each round in groups what their means say, and which members are suspected
 * over the rounds. Scores are kept in memory: they begin anew after a restart, decide nothing, and
 * any reader of the bundles can compute them.
 */
import type { RoundResult } from '../protocol/algorithm/round.ts';
import { toHex } from '../protocol/bytes.ts';
import { groupFacts, suspectsIn, withRound, type Scores } from '../protocol/robust/anomaly.ts';
import { livingGroups } from '../protocol/rules/groups.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Attempt, Progress } from './machine/index.ts';

/** Told of each finished sum; a repeated one of the same attempt counts once. */
export type NoteGroups = (attempt: Attempt, result: RoundResult) => void;

export const createGroupNotes = (
  spec: RunSpec,
  publish: (progress: Progress) => void,
): NoteGroups => {
  let scores: Scores = new Map();
  let last = 0;
  return ({ attempt, cohort, survivors }, { inGroups }) => {
    if (inGroups === undefined || !cohort || !survivors || attempt <= last) return;
    last = attempt;
    const members = livingGroups({ spec, cohort }, survivors.body.members).map(({ present }) =>
      present.map(toHex),
    );
    const facts = groupFacts(inGroups.means, inGroups.aggregate);
    scores = withRound(scores, members, facts);
    publish({
      type: 'groups',
      attempt,
      groups: facts.map((one, g) => ({ members: members[g] ?? [], ...one })),
      suspects: suspectsIn(scores),
    });
  };
};
