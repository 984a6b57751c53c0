/**
 * @module The public view of a run: its status, its outcome once it has ended, and the participants
 * that have not yet learned of the end.
 */
import { FloeError } from '../protocol/errors.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { AnomalyWatch } from './anomalies/watch.ts';
import type { Outcome, Status } from './coordinator.ts';
import { reportedText } from './log.ts';
import type { Loop } from './loop.ts';
import { attemptOf, type Hex, type MachineConfig, type State } from './machine/index.ts';
import { goneAt } from './machine/state.ts';
import type { Sessions } from './sessions.ts';
import { plural } from '../protocol/plural.ts';

/** Of the attempt before this one, where it was aborted. */
const lastAbortOf = ({ closing }: State): Status['lastAbort'] =>
  closing?.type !== 'abort'
    ? undefined
    : {
        attempt: closing.attempt,
        code: closing.body.code,
        reported: reportedText(closing.body.reported),
      };

/** Records the participants that have been sent the end of the run. */
export interface Told {
  note(to: readonly Hex[] | 'everyone'): void;
  /** Participants lost so shortly before the end that they may still come back to hear of it. */
  untold(): number;
}

export const createTold = (config: MachineConfig, loop: Pick<Loop, 'state' | 'now'>): Told => {
  const told = new Set<Hex>();
  return {
    note: (to) => {
      const here = [...loop.state.participants].filter(([, { present }]) => present);
      for (const key of to === 'everyone' ? here.map(([name]) => name) : to) told.add(key);
    },
    untold: () => {
      const { state } = loop;
      const now = loop.now();
      return [...state.participants.keys()].filter(
        (key) => !told.has(key) && (goneAt(config, state, key) ?? Infinity) > now,
      ).length;
    },
  };
};

export const statusOf = (
  { spec: { rounds } }: { readonly spec: RunSpec },
  { state, held }: Pick<Loop, 'state' | 'held'>,
  sessions: Pick<Sessions, 'loggedIn' | 'connections'>,
  told: Told,
  anomalies: Pick<AnomalyWatch, 'status'>,
  running: boolean,
): Status => {
  const { phase } = state;
  const attempt = attemptOf(state);
  const { recent: commits, ...report } = anomalies.status();
  const reason = phase.type === 'waiting' ? (phase.reason ?? phase.pause) : undefined;
  return {
    running,
    phase: phase.type,
    waitingFor: held === undefined ? reason : `${held.code}: ${held.message}`,
    failure: state.failure,
    lastAbort: lastAbortOf(state),
    attempt: state.attempt,
    committed: state.committed,
    rounds,
    failures: state.failures,
    loggedIn: sessions.loggedIn,
    connections: sessions.connections,
    untold: phase.type === 'finished' ? told.untold() : 0,
    modelHash: state.model?.hash,
    members: attempt?.members.length,
    uploads: attempt?.uploads.size,
    commits,
    anomalies: report,
  };
};

/** How the run ended: the outcome, or the failure it ended with; undefined while it is not over. */
export const outcomeOf = ({ rounds }: RunSpec, state: State): Outcome | FloeError | undefined => {
  const { phase, model, failure, committed, attempt } = state;
  if (phase.type !== 'finished' || model === undefined) return undefined;
  return failure === undefined
    ? { rounds: committed, attempts: attempt, model }
    : new FloeError(
        failure,
        `the run has ended after ${committed} of ${plural(rounds, 'round')} and ${plural(attempt, 'attempt')}`,
      );
};
