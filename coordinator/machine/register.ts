/**
 * @module Register and the freezing of the cohort (Bonawitz et al. 2017, round 0).
 */
import { fromHex } from '../../protocol/bytes.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import { leastCohort } from '../../protocol/robust/groups.ts';
import { contextOf, quorumFault, thresholdOf } from '../../protocol/rules/index.ts';
import type { Grouping } from '../../protocol/rules/groups.ts';
import { streamFault } from '../../protocol/rules/noise-streams.ts';
import { cohortRoot } from '../../protocol/secagg/index.ts';
import { abort } from './attempt-end.ts';
import { isBuffered, leastRegistered } from './buffer.ts';
import { WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { append, send, startWork, type Effect, type Step, type Work } from './effects.ts';
import type { EventOf } from './events.ts';
import { sendEvidence } from './evidence.ts';
import { enter } from './phases.ts';
import { withCohort } from './places.ts';
import { groupingFor } from './kept-groups.ts';
import { fitting } from './spending.ts';
import { tooFewCode } from './quorum.ts';
import { viewOf } from './rules-view.ts';
import { isMasked, type Frozen, type Hex, type Opened, type Attempt, type State } from './state.ts';

/** The registrations of the cohort, in the order of its members. */
export const cohortRegisters = (attempt: Attempt): SignedRecord<'register'>[] =>
  attempt.members.flatMap((key) => attempt.registers.get(key) ?? []);

export const freezeCohortWork = (attempt: Opened): Work => {
  const members = attempt.members.map(fromHex);
  return {
    type: 'freeze-cohort',
    attempt: attempt.attempt,
    root: cohortRoot(members),
    members,
    entropy: attempt.open.body.beacon,
  };
};

/** Why too few groups can be summed of those who have registered; undefined where enough can. */
const registeredFault = (
  { spec }: MachineConfig,
  groups: Grouping,
  registered: readonly Hex[],
): string | undefined => {
  const members = registered.map(fromHex);
  const cohort = { body: { members, beacon: groups.beacon, groups } };
  return quorumFault({ spec, cohort }, members, 'registrations');
};

export const closeRegister = (
  config: MachineConfig,
  state: State,
  attempt: Opened,
  now: number,
): Step => {
  const { members, spent } = attempt.isGroup
    ? { members: [...attempt.registers.keys()].toSorted(), spent: [] }
    : fitting(config, state, attempt);
  const grouping = groupingFor(config, state, { ...attempt, members });
  const isDrawn = grouping !== undefined;
  const minimum = Math.max(leastRegistered(config, attempt), leastCohort(config.spec, isDrawn));
  if (members.length < minimum)
    return abort(
      config,
      { ...state, sitting: new Set([...state.sitting, ...spent]) },
      now,
      tooFewCode(config),
      `expected at least ${minimum} registrations that can be summed, got ${members.length}`,
      [],
    );
  const short = isDrawn ? registeredFault(config, grouping, members) : undefined;
  if (short !== undefined) return abort(config, state, now, tooFewCode(config), short, []);
  const streams = streamFault(
    viewOf(config, state, attempt),
    members.map(fromHex),
    'registrations',
  );
  if (streams !== undefined) return abort(config, state, now, 'noise_streams_broken', streams, []);
  const frozen: Opened = { ...attempt, members };
  const entered = enter(
    { ...state, sitting: new Set([...state.sitting, ...spent]) },
    { type: 'freezing-cohort', since: now, deadline: now + WORK_LIMIT_MS, attempt: frozen },
  );
  return {
    state: entered.state,
    effects: [...entered.effects, startWork(freezeCohortWork(frozen))],
  };
};

/** The cohort frame, alike for all members. */
export const sendCohort = (attempt: Attempt, to: readonly Hex[]): Effect[] =>
  attempt.cohort === undefined
    ? []
    : [
        send(to, {
          type: 'cohort',
          record: attempt.cohort.bytes,
          registers: cohortRegisters(attempt).map(({ bytes }) => bytes),
        }),
      ];

export const applyCohortFrozen = (
  config: MachineConfig,
  state: State,
  event: EventOf<'cohort-frozen'>,
): Step => {
  const { phase } = state;
  if (phase.type !== 'freezing-cohort') return { state, effects: [] };
  const { attempt } = phase;
  const members = attempt.members.map(fromHex);
  const root = cohortRoot(members);
  const { beacon, receipt } = event;
  const groups = groupingFor(config, state, attempt);
  const drawn = { members, beacon, ...(groups === undefined ? {} : { groups }) };
  const cohort = config.sign('cohort', attempt.attempt, {
    ...drawn,
    registers: cohortRegisters(attempt).map(({ hash }) => hash),
    root,
    threshold: thresholdOf({ spec: config.spec, cohort: { body: drawn } }),
    receipt,
  });
  const context = contextOf({
    run: config.run,
    attempt: attempt.attempt,
    open: attempt.open,
    cohort,
  });
  const frozen: Frozen = { ...attempt, cohort, context };
  const type = isMasked(config) ? 'share' : 'upload';
  const deadline = event.time + config.spec.deadlines[type] * 1000;
  const entered = enter(
    { ...state, places: withCohort(state.places, frozen.members) },
    { type, since: event.time, deadline, attempt: frozen },
  );
  return {
    state: entered.state,
    effects: [
      append(cohort),
      ...entered.effects,
      // Members of a buffered run have it already: they checked the commit before they trained.
      ...(isBuffered(config) ? [] : sendEvidence(state, frozen.members)),
      ...sendCohort(frozen, frozen.members),
    ],
  };
};
