/**
 * @module Starts and connects the parts of a scenario's rounds: coordinator, participants, the
 * network between them, and observers.
 */
import {
  createCoordinator,
  attemptEntries,
  type Journal,
  type Limits,
  type Logger,
  type Progress,
} from '../coordinator/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { systemClock, type Clock } from '../protocol/ports/clock.ts';
import { FloeError } from '../protocol/errors.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import type { ModelRef } from '../protocol/records/records.ts';
import { encodeRunSpec } from '../protocol/spec/run-spec.ts';
import { withRetry } from '../protocol/net/sui/bounds.ts';
import { memoryKeystore } from '../client/keystore/index.ts';
import { eventLoopTurn } from '../protocol/secagg/event-loop-turn.ts';
import { requirementsOf } from './admission.ts';
import { createCrowds, type CrowdsInit } from './participant-workers.ts';
import type { ScenarioEvent } from './events.ts';
import type { Bytes, History } from './history.ts';
import { createScores, watchedGate, type Scores } from './scores.ts';
import type { Setup } from './setup.ts';
import type { CoordinatorPorts, Substrate } from './substrate.ts';
import { createSwitchboard, type Switchboard } from './switchboard.ts';
import { openTime } from './virtual/simulated-time.ts';
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

/** Logins between two turns of the event loop. */
const AT_ONCE = 32;

const commitOf = async (journal: Journal, attempt: number): Promise<ModelRef> => {
  for (const { record } of await attemptEntries(journal, attempt))
    if (record.type === 'commit') return record.body.model;
  throw new FloeError('internal', `attempt ${attempt} has no commit in the journal`);
};

export interface Observers {
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly onEvent?: (event: ScenarioEvent) => void;
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
  },
): { readonly scores: Scores; readonly gate: AccessGate } => {
  const { history, timeline, log, onEvent, ending } = init;
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
  const watched = watchedGate(timedGate(ports.gate, timeline.note), scores.passed);
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

/** Bytes of frames, and of blobs in all threads. */
const countBytes = (frames: () => Bytes) => {
  const blobTraffic = new SharedArrayBuffer(16);
  const bytes = (): Bytes => {
    const [up = 0n, down = 0n] = new BigUint64Array(blobTraffic);
    return { up: frames().up + Number(up), down: frames().down + Number(down) };
  };
  return { blobTraffic, bytes };
};

/** Logs these in, in their order; the first invitation makes a participant. */
const layAsleep = async (
  indices: readonly number[],
  members: Setup['members'],
  switchboard: Switchboard,
  wake: (index: number) => void,
): Promise<void> => {
  for (const [i, index] of indices.entries()) {
    const member = members[index];
    if (member === undefined) throw new FloeError('internal', `no participant ${index}`);
    const { identity } = await memoryKeystore(member.keystoreSeed);
    switchboard.sleep(index, identity, () => wake(index));
    if (i % AT_ONCE === 0) await eventLoopTurn();
  }
};

const losesSome = ({ drops }: Setup['scenario']): boolean => Object.keys(drops).length > 0;

/** What the participants of all threads have in common, without the place of the run. */
const sharedOf = (
  { scenario, spec, data, world, model, own }: Setup,
  module: string | undefined,
): Omit<CrowdsInit['shared'], 'substrate' | 'blobTraffic'> => ({
  spec: encodeRunSpec(spec),
  require: requirementsOf(spec),
  train: data.train,
  world,
  strategyModules: scenario.strategyModules,
  backend: model.engine,
  module: own === undefined ? module : undefined,
  // Those that a scenario loses reconnect all together: they are all there from the start.
  asleep: !losesSome(scenario),
  hurry: losesSome(scenario) || scenario.participation.type !== 'uniform',
});

/** Connects coordinator, participants, network and observers. */
export const conduct = (
  setup: Setup,
  place: {
    readonly substrate: Substrate;
    readonly journal: Journal;
    readonly ports: CoordinatorPorts;
  },
  { history, timeline }: { readonly history: History; readonly timeline: Timeline },
  workers: number,
  { clock: base = systemClock, onEvent = () => undefined, log = silent, module }: Observers,
): Rounds => {
  const { scenario, master, members, spec, analyst } = setup;
  const { journal, substrate, ports } = place;
  const time = openTime(setup, base);
  const ending = Promise.withResolvers<'finished' | 'target'>();
  const { scores, gate } = watchScores(setup, place, { history, timeline, log, onEvent, ending });

  const observe = (progress: Progress): void => {
    history.note(progress, steadyNow(), bytes(), time.elapsed());
    if (progress.type === 'committed') {
      scores.add(progress);
      const noted = history.rounds.at(-1);
      if (noted !== undefined) onEvent({ type: 'round', round: noted, of: scenario.rounds });
    }
    if (progress.type === 'committed' || progress.type === 'aborted') {
      time.attemptOver(progress.type === 'aborted' ? progress : undefined);
      switchboard.roundOver();
    }
    if (progress.type === 'phase' || progress.type === 'aborted') onEvent(progress);
  };

  const coordinator = createCoordinator({
    spec,
    identity: setup.coordinator,
    sealingSecret: deriveSeed(master, 'coordinator-sealing'),
    store: timedStore(ports.store, timeline.note),
    staging: ports.staging && timedStaging(ports.staging, timeline.note),
    removal: ports.removal,
    gate,
    ledger: timedLedger(ports.ledger, timeline.note),
    journal,
    clock: time.clock,
    random: seededRandom(deriveSeed(master, 'coordinator-random')),
    startWith: time.startWith,
    limits: limitsFor(scenario.participants),
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
    random: seededRandom(deriveSeed(master, 'sleepers')),
    onFailure: ending.reject,
    onDrop: (index, phase, attempt) => {
      onEvent({ type: 'dropped', index, phase, attempt });
      time.lost();
    },
    onComplete: () => time.resume(),
    between: (index, connection) => time.between(index, connection),
  });
  const { blobTraffic, bytes } = countBytes(() => switchboard.traffic);
  const crowds = createCrowds({
    workers,
    members,
    shared: { ...sharedOf(setup, module), substrate, blobTraffic },
    connect: (index, give) => switchboard.connect(index, give),
    onEvent: (index, event) => {
      time.onEvent(index, event);
      onEvent({ type: 'participant', index, event });
    },
    note: timeline.note,
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
      await coordinator.start();
      await crowds.start();
      if (!losesSome(scenario)) await sleep(time.first);
      time.begin();
    },
    stop: async () => {
      time.stop();
      await crowds.end();
      await coordinator.stop();
    },
  };
};
