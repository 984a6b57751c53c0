/**
 * @module Resuming: the work that the current phase waits for, and the frames that a participant
 * needs after its login. Both are functions of the state alone, so a crash of either side loses
 * nothing.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { finishWork, registerWork } from './attempt-end.ts';
import { judgeWork, unjudged } from './complaint.ts';
import type { MachineConfig } from './config.ts';
import { send, type Effect, type OutgoingFrame, type Work } from './effects.ts';
import { sendEvidence } from './evidence.ts';
import { freezeCohortWork, sendCohort } from './register.ts';
import { sendSharers } from './share.ts';
import { roundOf, survivorsOf, type Hex, type State } from './state.ts';
import { sendConsistency } from './unmask.ts';
import { freezeSurvivorsWork } from './upload.ts';
import { wrapModel } from './between-attempts.ts';

/** The work in progress; every piece of it may have been done before and is idempotent. */
export const pendingWork = (state: State): readonly Work[] => {
  const { phase } = state;
  switch (phase.type) {
    case 'opening':
      return [wrapModel(state, phase.round) ?? []].flat();
    case 'freezing-cohort':
      return [freezeCohortWork(phase.round)];
    case 'upload': {
      const { round } = phase;
      return [
        ...unjudged(round).map((record) => judgeWork(round, record)),
        ...[...round.uploads.values()]
          .filter(({ status }) => status !== 'rejected')
          .map(({ record }) => ({ type: 'fold', round: round.round, record }) as const),
      ];
    }
    case 'freezing-survivors':
      return [freezeSurvivorsWork(phase.round)];
    case 'finishing':
      return [finishWork(phase.round)];
    case 'registering':
      return [registerWork(phase.round)];
    default:
      return [];
  }
};

const framesOf = (effects: readonly Effect[]): OutgoingFrame[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.frame] : []));

/** The frames that a participant needs after its login, in order. */
export const syncFrames = (config: MachineConfig, state: State, key: Hex): OutgoingFrame[] => {
  const { phase, closing } = state;
  const round = roundOf(state);
  const proofs = state.proofs.map(({ bytes }) => ({ type: 'record', record: bytes }) as const);
  const isAmongThem = state.proofs.some(({ hash }) => closing && equalBytes(hash, closing.hash));
  if (round === undefined)
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
  const takesPart = round.cohort === undefined ? round.invited : round.members;
  if (round.open === undefined || !takesPart.includes(key)) return proofs;
  const effects: Effect[] = [send([key], { type: 'record', record: round.open.bytes })];
  if (round.cohort !== undefined) effects.push(...sendEvidence(state, [key]));
  effects.push(...sendCohort(round, [key]));
  if (round.shares.has(key)) effects.push(...sendSharers(round, key));
  if (round.survivors !== undefined && survivorsOf(round).includes(key)) {
    effects.push(send([key], { type: 'record', record: round.survivors.bytes }));
    if (config.spec.secagg === 'masked' && phase.type !== 'consistency')
      effects.push(sendConsistency(round, [key]));
  }
  return [...proofs, ...framesOf(effects)];
};
