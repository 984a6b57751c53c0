/**
 * @module Complaints (specification, step 3): a member proves that an entry sealed to it is
 * invalid. The host judges the complaint, as a function of signed records. The attempt then ends
 * before any upload counts, and the lying member is not invited again.
 */
import { toHex } from '../../protocol/bytes.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import { abort } from './attempt-end.ts';
import type { MachineConfig } from './config.ts';
import { append, refusal, type Step, type Work } from './effects.ts';
import type { EventOf } from './events.ts';
import { withChange, withEntry, type Hex, type Attempt, type State } from './state.ts';

/** The complaints that are not judged yet. */
export const unjudged = (attempt: Attempt): readonly SignedRecord<'complaint'>[] =>
  [...attempt.complaints.values()].flatMap(({ record, judged }) => (judged ? [] : [record]));

export const judgeWork = (attempt: Attempt, record: SignedRecord<'complaint'>): Work => ({
  type: 'judge-complaint',
  attempt: attempt.attempt,
  record,
});

export const applyJudged = (
  config: MachineConfig,
  state: State,
  event: EventOf<'complaint-judged'>,
): Step => {
  const { phase } = state;
  if (phase.type !== 'upload') return { state, effects: [] };
  const { attempt } = phase;
  const complainer: Hex = toHex(event.member);
  const complaint = attempt.complaints.get(complainer);
  if (complaint === undefined) return { state, effects: [] };
  const { record } = complaint;
  if (event.verdict === 'invalid') {
    const complaints = withEntry(attempt.complaints, complainer, { record, judged: true });
    return {
      state: withChange(state, { complaints }),
      effects: [
        refusal(complainer, 'complaint_invalid', 'the complaint proves nothing', record.hash),
      ],
    };
  }
  const upheld = event.verdict === 'author';
  const culprit = upheld ? toHex(record.body.accused) : complainer;
  const ended = abort(
    config,
    state,
    event.time,
    upheld ? 'complaint_upheld' : 'complaint_unfounded',
    upheld ? 'a sealed share is bad' : 'a complaint is about a good share',
    [culprit],
    { complaint: record.bytes },
  );
  return { state: ended.state, effects: [append(record), ...ended.effects] };
};
