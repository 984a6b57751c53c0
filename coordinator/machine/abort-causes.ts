/**
 * @module The causes of failed attempts, as participants report them: counted by code. When the
 * same cause leaves too few members attempt after attempt, the run reacts. An outage
 * lengthens the pause, up to a limit, and the run names the service that it waits for. A failure
 * that every repeat must meet again ends the run with a named error: training is a function of
 * model, data and specification.
 */
import { ERRORS } from '../../protocol/error-catalogue.ts';
import { isErrorCode, type ErrorCode } from '../../protocol/errors.ts';
import { printable } from '../../protocol/printable.ts';
import type { Body } from '../../protocol/records/records.ts';
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, type MachineConfig } from './config.ts';
import { publish, send, type Step } from './effects.ts';
import type { EventOf } from './events.ts';
import { toHex } from '../../protocol/bytes.ts';
import {
  eligible,
  attemptOf,
  withChange,
  withEntry,
  type Hex,
  type Attempt,
  type State,
  type Streak,
} from './state.ts';

/** Consecutive attempts that fail for one cause, after which the run pauses or ends. */
export const STREAK = 3;
/**
 * The first pause for a cause that stops all members. It doubles with each further attempt, up to
 * the longest.
 */
export const FIRST_CAUSE_PAUSE_MS = LONGEST_PAUSE_MS;
export const LONGEST_CAUSE_PAUSE_MS = 10 * 60_000;
/** Reports of one participant in one attempt that change anything. */
const MAX_REPORTS = 8;

/**
 * Every repeat meets these again: the same model, data, seed and learning rate give the same
 * update.
 */
const HOPELESS: ReadonlySet<ErrorCode> = new Set([
  'update_not_finite',
  // A participant's own ledger does not fill up again.
  'privacy_budget_spent',
]);

/** A participant waits for something, and may still answer. */
export const applyReported = (state: State, event: EventOf<'reported'>): Step => {
  const same = { state, effects: [] };
  const attempt = attemptOf(state);
  const key = toHex(event.key);
  if (attempt === undefined || !attempt.invited.includes(key)) return same;
  const before = attempt.reports.get(key);
  const changes = (before?.changes ?? 0) + 1;
  if (before?.code === event.code || changes > MAX_REPORTS) return same;
  const reports = withEntry(attempt.reports, key, { code: event.code, changes });
  return { state: withChange(state, { reports }), effects: [] };
};

/** The participant continues: the service that it waited for has answered. */
export const withoutReport = (attempt: Attempt, key: Hex): Attempt => {
  if (!attempt.reports.has(key)) return attempt;
  const { changes } = attempt.reports.get(key) as { readonly changes: number };
  return { ...attempt, reports: withEntry(attempt.reports, key, { code: undefined, changes }) };
};

/**
 * The error code that each invited participant reports. An unknown code counts as `internal`,
 * because text of participants must not be repeated.
 */
const causesOf = (attempt: Attempt): ReadonlyMap<Hex, ErrorCode> =>
  new Map(
    attempt.invited.flatMap((key) => {
      const code = attempt.withdrawn.get(key) ?? attempt.reports.get(key)?.code;
      return code === undefined ? [] : [[key, isErrorCode(code) ? code : 'internal'] as const];
    }),
  );

export type Reported = NonNullable<Body<'abort'>['reported']>;

/** Counts by code; undefined without any report. */
export const reportedIn = (attempt: Attempt): Reported | undefined => {
  const counts = new Map<ErrorCode, number>();
  for (const code of causesOf(attempt).values()) counts.set(code, (counts.get(code) ?? 0) + 1);
  const list = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return list.length === 0 ? undefined : list.map(([code, count]) => ({ code, count }));
};

/**
 * The streak after this attempt. A cause counts if the members without it are fewer than the
 * minimum cohort. `everybody` is set if every eligible participant reports it.
 */
export const streakAfter = (
  { spec }: MachineConfig,
  state: State,
  attempt: Attempt,
): Streak | undefined => {
  const causes = causesOf(attempt);
  const asked = attempt.members.length > 0 ? attempt.members : attempt.invited;
  const by = new Map<ErrorCode, Hex[]>();
  for (const key of asked) {
    const code = causes.get(key);
    if (code !== undefined) by.set(code, [...(by.get(code) ?? []), key]);
  }
  const found = [...by].find(([, keys]) => asked.length - keys.length < spec.cohort.minimum);
  // A participant that leaves by its policy reports no outage.
  if (found === undefined || OWN_RULES.has(found[0])) return undefined;
  const [code, keys] = found;
  const everybody = eligible(state).every((key) => keys.includes(key));
  const detail = sameDetail(attempt, keys);
  const same = detail === undefined ? {} : { detail };
  const { streak } = state;
  return streak?.code === code
    ? { code, attempts: streak.attempts + 1, everybody: streak.everybody && everybody, ...same }
    : { code, attempts: 1, everybody, ...same };
};

/** The trainer error that all of these participants report, if it is the same. */
const sameDetail = ({ details }: Attempt, keys: readonly Hex[]): string | undefined => {
  const said = new Set(keys.map((key) => details.get(key)));
  const [detail] = said;
  return said.size === 1 && detail !== undefined ? printable(detail) : undefined;
};

/** `update_already_spent` is handled separately, see spending.ts. */
const OWN_RULES: ReadonlySet<ErrorCode> = new Set([
  'update_already_spent',
  'admission_refused',
  'phase_closed',
]);

/** Whether no repeat can help. */
export const isHopeless = (streak: Streak | undefined): streak is Streak =>
  streak !== undefined &&
  streak.attempts >= STREAK &&
  streak.everybody &&
  HOPELESS.has(streak.code);

export interface Pause {
  readonly milliseconds: number;
  /** The cause of the pause, once it has stopped nearly all members in enough attempts. */
  readonly reason?: string;
}

/** Of the newest attempt: members that report the code, among those that were asked. */
export interface Met {
  readonly members: number;
  readonly asked: number;
}

export const metIn = (attempt: Attempt, code: ErrorCode): Met => {
  const causes = causesOf(attempt);
  const asked = attempt.members.length > 0 ? attempt.members : attempt.invited;
  return {
    members: asked.filter((key) => causes.get(key) === code).length,
    asked: asked.length,
  };
};

const sameError = ({ detail }: Streak, { members }: Met): string => {
  if (detail === undefined) return '';
  const [whose, where] =
    members === 1
      ? ['Its trainer throws an error', 'that participant, see its output']
      : [
          `The trainers of these ${members} all throw the same error`,
          'the participants, see the output of one of them',
        ];
  return `${whose} ("${detail}", its class and a fingerprint): it is in the trainer or the data of ${where} for its text. `;
};

/** How long the next attempt waits. @param attempt the newest, which failed */
export const pauseAfter = (
  failures: number,
  streak: Streak | undefined,
  attempt: Attempt,
): Pause => {
  if (streak === undefined || streak.attempts < STREAK)
    return {
      milliseconds: Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 30)),
    };
  const { attempts, code } = streak;
  const met = metIn(attempt, code);
  const at =
    met.members === met.asked
      ? `all ${met.asked} members`
      : `${met.members} of ${met.asked} members`;
  const milliseconds = Math.min(
    LONGEST_CAUSE_PAUSE_MS,
    FIRST_CAUSE_PAUSE_MS * 2 ** Math.min(attempts - STREAK, 30),
  );
  return {
    milliseconds,
    reason:
      `${attempts} attempts in a row failed for ${code}, the last at ${at}: ${ERRORS[code].meaning} ${sameError(streak, met)}` +
      `${ERRORS[code].remedy} The run resumes in ${milliseconds / 1000} s, or at once when the coordinator is started again`,
  };
};

/** The run cannot continue: it ends with a named error, which is sent to all participants. */
export const endRun = (state: State, now: number, failure: ErrorCode): Step => ({
  state: { ...state, phase: { type: 'finished', since: now }, failure },
  effects: [
    send('everyone', { type: 'finished', rounds: state.committed, failure }),
    publish({ type: 'finished', rounds: state.committed, failure }),
  ],
});
