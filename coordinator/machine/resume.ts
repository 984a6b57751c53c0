/**
 * @module Resuming: the work that the current phase waits for, and the frames that a participant
 * needs after its login. Both are functions of the state alone, so a crash of either side loses
 * nothing.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { finishWork, registerWork } from './attempt-end.ts';
import { isBuffered } from './buffer.ts';
import { judgeWork, unjudged } from './complaint.ts';
import type { MachineConfig } from './config.ts';
import { send, type Effect, type OutgoingFrame, type Work } from './effects.ts';
import { sendEvidence } from './evidence.ts';
import { freezeCohortWork, sendCohort } from './register.ts';
import { sendSharers } from './share.ts';
import { attemptOf, survivorsOf, type Hex, type State } from './state.ts';
import { sendConsistency } from './unmask.ts';
import { freezeSurvivorsWork } from './upload.ts';
import { wrapModel } from './between-attempts.ts';

/** The work in progress; every piece of it may have been done before and is idempotent. */
export const pendingWork = (state: State): readonly Work[] => {
  const { phase } = state;
  switch (phase.type) {
    case 'opening':
      return [wrapModel(state, phase.attempt) ?? []].flat();
    case 'freezing-cohort':
      return [freezeCohortWork(phase.attempt)];
    case 'upload': {
      const { attempt } = phase;
      return [
        ...unjudged(attempt).map((record) => judgeWork(attempt, record)),
        ...[...attempt.uploads.values()]
          .filter(({ status }) => status !== 'rejected')
          .map(({ record }) => ({ type: 'fold', attempt: attempt.attempt, record }) as const),
      ];
    }
    case 'freezing-survivors':
      return [freezeSurvivorsWork(phase.attempt)];
    case 'finishing':
      return [finishWork(phase.attempt)];
    case 'registering':
      return [registerWork(phase.attempt)];
    default:
      return [];
  }
};

const framesOf = (effects: readonly Effect[]): OutgoingFrame[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.frame] : []));

/** The frames that a participant needs after its login, in order. */
export const syncFrames = (config: MachineConfig, state: State, key: Hex): OutgoingFrame[] => {
  const { phase, closing } = state;
  const attempt = attemptOf(state);
  const proofs = state.proofs.map(({ bytes }) => ({ type: 'record', record: bytes }) as const);
  const isAmongThem = state.proofs.some(({ hash }) => closing && equalBytes(hash, closing.hash));
  if (attempt === undefined)
    return [
      ...proofs,
      ...(closing === undefined || isAmongThem
        ? []
        : [{ type: 'record', record: closing.bytes } as const]),
      ...(phase.type === 'finished'
        ? [
            {
              type: 'finished',
              rounds: state.committed,
              ...(state.failure === undefined ? {} : { failure: state.failure }),
            } as const,
          ]
        : []),
    ];
  // Before the cohort is frozen the invited take part, from then on its members.
  const takesPart = attempt.cohort === undefined ? attempt.invited : attempt.members;
  if (attempt.open === undefined || !takesPart.includes(key)) return proofs;
  const effects: Effect[] = [send([key], { type: 'record', record: attempt.open.bytes })];
  if (attempt.cohort !== undefined || isBuffered(config))
    effects.push(...sendEvidence(state, [key]));
  effects.push(...sendCohort(attempt, [key]));
  if (attempt.shares.has(key)) effects.push(...sendSharers(config, attempt, key));
  if (attempt.survivors !== undefined && survivorsOf(attempt).includes(key)) {
    effects.push(send([key], { type: 'record', record: attempt.survivors.bytes }));
    if (config.spec.secagg === 'masked' && phase.type !== 'consistency')
      effects.push(sendConsistency(attempt, [key]));
  }
  return [...proofs, ...framesOf(effects)];
};
