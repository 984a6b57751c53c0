/**
 * @module Starts and connects the parts of a scenario's rounds: coordinator, participants, the
 * network between them, and observers.
 */
import {
  createCoordinator,
  attemptEntries,
  type AnomalyWatch,
  type Coordinator,
  type CoordinatorInit,
  type Journal,
  type Limits,
  type Logger,
  type Progress,
} from '../coordinator/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import type { ModelRef } from '../protocol/records/records.ts';
import { encodeRunSpec } from '../protocol/spec/run-spec.ts';
import { withRetry } from '../protocol/net/sui/bounds.ts';
import { countBytes } from './blob-traffic.ts';
import { layAsleep } from './lay-asleep.ts';
import { requirementsOf } from './admission.ts';
import { createCrowds, type Crowds, type CrowdsInit } from './participant-workers.ts';
import type { ScenarioEvent } from './events.ts';
import type { Bytes, History } from './history.ts';
import type { ParticipantObserver } from './outputs/participant-observer.ts';
import { bytesOf } from './resume/keeper.ts';
import { waitingLedger } from './resume/waiting-ledger.ts';
import type { Resumed } from './resume/reopen.ts';
import { createScores, watchedGate, type Scores } from './scores.ts';
import type { Setup } from './setup.ts';
import type { RoundSummary } from './summary.ts';
import type { CoordinatorPorts, Substrate } from './substrate.ts';
import { createSwitchboard } from './switchboard.ts';
import type { SimulatedTime } from './virtual/simulated-time.ts';
import {
  steadyNow,
  timed,
  timedGate,
  timedLedger,
  timedStaging,
  timedStore,
  type Timeline,
} from './timeline.ts';

/** A model whose blob or key cannot be had is asked for again, for more than a minute. */
const SCORE_RETRIES = 20;

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const commitOf = async (journal: Journal, attempt: number): Promise<ModelRef> => {
  for (const { record } of await attemptEntries(journal, attempt))
    if (record.type === 'commit') return record.body.model;
  throw new FloeError('internal', `attempt ${attempt} has no commit in the journal`);
};

export interface Observers {
  readonly log?: Logger;
  readonly onEvent?: (event: ScenarioEvent) => void;
  /** Sees each training, where an export asks for it. */
  readonly observations?: ParticipantObserver | undefined;
  /** URL of the simulation module, if any. */
  readonly module?: string | undefined;
}

export interface Rounds {
  /** Resolves when the run is over, one way or the other. */
  readonly ending: Promise<'finished' | 'target'>;
  /** Resolves when every model has its score. */
  readonly scored: () => Promise<unknown>;
  readonly final: () => ModelRef;
  readonly bytes: () => Bytes;
  /** Starts the participants and resolves when all are on their way. */
  readonly start: () => Promise<void>;
  /** Stops all parties. */
  readonly stop: () => Promise<void>;
}

/**
 * Scores by the analyst while the rounds continue, and the coordinator's gate, which waits for
 * them.
 */
const watchScores = (
  { scenario, analyst }: Pick<Setup, 'scenario' | 'analyst'>,
  { journal, ports }: { readonly journal: Journal; readonly ports: CoordinatorPorts },
  init: {
    readonly history: History;
    readonly timeline: Timeline;
    readonly log: Logger;
    readonly onEvent: (event: ScenarioEvent) => void;
    readonly ending: PromiseWithResolvers<'finished' | 'target'>;
    /** No model is given out before. */
    readonly complete: () => Promise<void>;
  },
): { readonly scores: Scores; readonly gate: AccessGate } => {
  const { history, timeline, log, onEvent, ending, complete } = init;
  const scores = createScores({
    targetAccuracy: scenario.targetAccuracy,
    modelOf: (attempt) => commitOf(journal, attempt),
    // Retries while a network temporarily withholds a blob.
    evaluate: (model) =>
      withRetry(
        { retries: SCORE_RETRIES, onRetry: ({ message }) => log.warn({}, `scoring: ${message}`) },
        () =>
          timed(timeline.note, 'scoring', () =>
            analyst.call('evaluate', { model, key: watched.keyOf(model.envelope) }),
          ),
      ),
    history,
    onEvent,
    onTarget: () => ending.resolve('target'),
    onFailure: ending.reject,
  });
  const watched = watchedGate(timedGate(ports.gate, timeline.note), async (version) => {
    await complete();
    await scores.passed(version);
  });
  return { scores, gate: watched.gate };
};

/** All participants of a scenario log in at once, on a machine that may be slow. */
const limitsFor = (participants: number): Partial<Limits> => ({
  connections: participants + 16,
  pendingLogins: participants + 16,
  loginTimeoutMs: 10 * 60_000,
  // By virtual time, in which a round may take no time at all.
  framesPerSecond: 1e6,
  frameBurst: 1e6,
  frameBytesPerSecond: 2 ** 40,
  frameBytesBurst: 2 ** 40,
});

/** With what they know from the part before, and other draws than those that they made there. */
const membersFrom = (members: Setup['members'], from: Resumed | undefined): Setup['members'] =>
  from === undefined
    ? members
    : members.map((member) => ({
        ...member,
        randomSeed: deriveSeed(member.randomSeed, 'resumed', from.resumed + 1),
        before: {
          attempt: from.journal.attempt,
          registered: from.registered.get(toHex(member.key)),
        },
      }));

/** The committed rounds without a score, and the last, whose model may be the final one. */
const unscored = (from: Resumed | undefined): readonly RoundSummary[] =>
  (from?.rounds ?? []).filter(
    ({ testLoss }, i, rounds) => testLoss === undefined || i === rounds.length - 1,
  );

/** Starts the parts. @param login logs everybody in; whether all of them are there after it */
const startAll = async (
  from: Resumed | undefined,
  parts: {
    readonly time: Pick<SimulatedTime, 'pause' | 'resume' | 'begin'>;
    readonly coordinator: Pick<Coordinator, 'start'>;
    readonly scores: Scores;
    readonly crowds: Pick<Crowds, 'start'>;
  },
  login: () => Promise<boolean>,
): Promise<void> => {
  const { time, coordinator, scores, crowds } = parts;
  // Paused, because the speed of the logins must not decide who is missing.
  if (from !== undefined) time.pause();
  await coordinator.start();
  for (const round of unscored(from)) scores.add(round);
  await crowds.start();
  if ((await login()) && from !== undefined) time.resume();
  time.begin();
};

/** What the coordinator's progress means to the history, the scores and the network. */
const observer =
  (
    parts: {
      readonly history: History;
      readonly scores: Scores;
      readonly bytes: () => Bytes;
      readonly time: Pick<SimulatedTime, 'elapsed'>;
      readonly onEvent: (event: ScenarioEvent) => void;
      readonly roundOver: (progress: Progress) => void;
    },
    rounds: number,
  ) =>
  (progress: Progress): void => {
    const { history, scores, bytes, time, onEvent, roundOver } = parts;
    history.note(progress, steadyNow(), bytes(), time.elapsed());
    if (progress.type === 'committed') {
      scores.add(progress);
      const noted = history.rounds.at(-1);
      if (noted !== undefined) onEvent({ type: 'round', round: noted, of: rounds });
    }
    if (progress.type === 'committed' || progress.type === 'aborted') roundOver(progress);
    if (progress.type === 'phase' || progress.type === 'aborted') onEvent(progress);
  };

export interface RoundsPlace {
  readonly substrate: Substrate;
  readonly journal: Journal;
  readonly ports: CoordinatorPorts;
  readonly time: SimulatedTime;
  readonly anomalies: AnomalyWatch;
  /** Resolves once the newest commit is kept: the ledger takes nothing before. */
  readonly settled: () => Promise<void>;
  /** What an earlier part of the run has reached. */
  readonly from: Resumed | undefined;
  /** Where participants keep what no record holds. */
  readonly kept: string | undefined;
}

const losesSome = ({ drops }: Setup['scenario']): boolean => Object.keys(drops).length > 0;

/** What the participants of all threads have in common, without the place of the run. */
const sharedOf = (
  { scenario, spec, data, world, model, own }: Setup,
  { module, observations }: Pick<Observers, 'module' | 'observations'>,
): Omit<CrowdsInit['shared'], 'substrate' | 'blobTraffic' | 'kept'> => ({
  spec: encodeRunSpec(spec),
  require: requirementsOf(spec),
  train: data.train,
  world,
  strategyModules: scenario.strategyModules,
  backend: model.engine,
  module: own === undefined ? module : undefined,
  observe: observations !== undefined,
  // Those that a scenario loses reconnect all together: they are all there from the start.
  asleep: !losesSome(scenario),
  hurry: losesSome(scenario) || scenario.participation.type !== 'uniform',
});

/** The production coordinator, on the clock of the scenario. */
const coordinatorOf = (
  { scenario, spec, coordinator: identity, master }: Setup,
  { journal, ports, time, anomalies, settled }: RoundsPlace,
  {
    note,
    ...init
  }: Pick<CoordinatorInit, 'gate' | 'random' | 'log' | 'onEvent'> & Pick<Timeline, 'note'>,
): Coordinator =>
  createCoordinator({
    ...init,
    spec,
    identity,
    sealingSecret: deriveSeed(master, 'coordinator-sealing'),
    store: timedStore(ports.store, note),
    staging: ports.staging && timedStaging(ports.staging, note),
    removal: ports.removal,
    ledger: timedLedger(waitingLedger(ports.ledger, settled), note),
    journal,
    clock: time.clock,
    startWith: time.startWith,
    anomalies,
    // No time passes while they log in.
    reconnectMs: 0,
    limits: limitsFor(scenario.participants),
  });

/** Connects coordinator, participants, network and observers. */
export const conduct = (
  setup: Setup,
  place: RoundsPlace,
  { history, timeline }: { readonly history: History; readonly timeline: Timeline },
  workers: number,
  { onEvent = () => undefined, log = silent, ...others }: Observers,
): Rounds => {
  const { scenario, master, members, spec, analyst } = setup;
  const { substrate, from, kept, time } = place;
  // Other draws than those of the part before: no secret is used twice.
  const drawn = from === undefined ? master : deriveSeed(master, 'resumed', from.resumed + 1);
  const ending = Promise.withResolvers<'finished' | 'target'>();
  const { scores, gate } = watchScores(setup, place, {
    history,
    timeline,
    log,
    onEvent,
    ending,
    complete: () => complete,
  });

  const roundOver = (progress: Progress): void => {
    time.attemptOver(progress.type === 'aborted' ? progress : undefined);
    switchboard.roundOver();
  };
  const observe = observer(
    { history, scores, time, bytes: () => bytes(), onEvent, roundOver },
    scenario.rounds,
  );

  const coordinator = coordinatorOf(setup, place, {
    gate,
    note: timeline.note,
    random: seededRandom(deriveSeed(drawn, 'coordinator-random')),
    log,
    onEvent: observe,
  });
  const switchboard = createSwitchboard({
    accept: (connection) => coordinator.accept(connection),
    keys: members.map(({ key }) => toHex(key)),
    drops: scenario.drops,
    seed: deriveSeed(master, 'faults'),
    coordinator: setup.coordinator,
    spec: encodeRunSpec(spec),
    run: setup.run,
    clock: time.clock,
    random: seededRandom(deriveSeed(drawn, 'sleepers')),
    onFailure: ending.reject,
    onDrop: (index, phase, attempt) => {
      onEvent({ type: 'dropped', index, phase, attempt });
      time.lost();
    },
    onComplete: () => time.resume(),
    between: (index, connection) => time.between(index, connection),
    returning: time.returning,
  });
  const { blobTraffic, bytes } = countBytes(
    () => switchboard.traffic,
    from && bytesOf(from.rounds),
  );
  const comeBack = async (): Promise<void> => {
    if (from === undefined || time.elapsed() === undefined) return;
    await time.complete;
    await coordinator.drained();
    switchboard.returned();
  };
  const complete = comeBack();
  const crowds = createCrowds({
    workers,
    members: membersFrom(members, from),
    shared: { ...sharedOf(setup, others), substrate, kept, blobTraffic },
    connect: (index, give) => switchboard.connect(index, give),
    onEvent: (index, event) => {
      time.onEvent(index, event);
      onEvent({ type: 'participant', index, event });
    },
    note: timeline.note,
    onTrained: (index, seen) => others.observations?.trained(index, seen),
    own: setup.own,
    onFailure: ending.reject,
  });
  const sleep = (indices: readonly number[]): Promise<void> =>
    layAsleep(indices, members, switchboard, (index) => crowds.wake(index));
  crowds.failed.catch(ending.reject);
  analyst.failed.catch(ending.reject);
  const finish = async (): Promise<void> => {
    time.stop();
    // The last round may be the one that reaches it.
    if (scenario.targetAccuracy !== undefined) await scores.all();
    ending.resolve('finished');
  };
  coordinator.finished.then(finish, ending.reject);
  // May reject before it is awaited.
  ending.promise.catch(() => undefined);
  return {
    ending: ending.promise,
    scored: scores.all,
    final: scores.final,
    bytes,
    start: async () => {
      time.prepare({
        switchboard,
        idle: () => coordinator.idle(),
        layAsleep: (index) => void sleep([index]).catch(ending.reject),
        onFailure: ending.reject,
        onWarning: (message) => onEvent({ type: 'warning', message }),
      });
      await startAll(from, { time, coordinator, scores, crowds }, async () => {
        if (losesSome(scenario)) return false;
        await sleep(time.first);
        return true;
      });
    },
    stop: async () => {
      time.stop();
      await crowds.end();
      await coordinator.stop();
    },
  };
};
