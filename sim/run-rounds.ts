/**
 * @module The rounds of a scenario: coordinator, participants, the network between them and whoever
 * watches, connected with each other and started.
 */
import {
  createCoordinator,
  roundEntries,
  type Journal,
  type Limits,
  type Logger,
  type Progress,
} from '../coordinator/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { systemClock, type Clock } from '../protocol/ports/clock.ts';
import { FloeError } from '../protocol/errors.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import type { ModelRef } from '../protocol/records/records.ts';
import { encodeRunSpec } from '../protocol/spec/run-spec.ts';
import { withRetry } from '../protocol/net/sui/bounds.ts';
import { requirementsOf } from './admission.ts';
import { scenarioClock } from './clock.ts';
import { createCrowds } from './participant-workers.ts';
import type { ScenarioEvent } from './events.ts';
import type { Bytes, Committed, History } from './history.ts';
import type { Setup } from './setup.ts';
import type { CoordinatorPorts, Substrate } from './substrate.ts';
import { createSwitchboard } from './switchboard.ts';
import { timedGate, timedLedger, timedStaging, timedStore, type Timeline } from './timeline.ts';

/** A model whose blob or key cannot be had is asked for again, for more than a minute. */
const SCORE_RETRIES = 20;

/**
 * When the clock leaps after a loss, in ms: twice, since the coordinator may see the loss a moment
 * later.
 */
const LEAPS_AFTER = [20, 500];

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const commitOf = async (journal: Journal, round: number): Promise<ModelRef> => {
  for (const { record } of await roundEntries(journal, round))
    if (record.type === 'commit') return record.body.model;
  throw new FloeError('internal', `round ${round} has no commit in the journal`);
};

export interface Observers {
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly onEvent?: (event: ScenarioEvent) => void;
  /** URL of the simulation module, where there is one. */
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
  /** Nobody sends and nobody answers any more. */
  readonly stop: () => Promise<void>;
}

/** The scores of the committed models, by the analyst, while the rounds continue. */
const createScores = (
  { scenario: { targetAccuracy }, analyst }: Pick<Setup, 'scenario' | 'analyst'>,
  init: {
    readonly journal: Journal;
    readonly history: History;
    readonly log: Logger;
    readonly onEvent: (event: ScenarioEvent) => void;
    /** Resolves with `target` once a model has reached the accuracy that the scenario aims at. */
    readonly ending: PromiseWithResolvers<'finished' | 'target'>;
  },
) => {
  const { journal, history, log, onEvent, ending } = init;
  const scoring: Promise<unknown>[] = [];
  let final: ModelRef | undefined;

  const score = async (committed: Committed): Promise<void> => {
    const model = await commitOf(journal, committed.round);
    final = final === undefined || final.version < model.version ? model : final;
    // No round waits for a score: what a network withholds for a while is asked for again.
    const result = await withRetry(
      { retries: SCORE_RETRIES, onRetry: ({ message }) => log.warn({}, `scoring: ${message}`) },
      () => analyst.call('evaluate', { model }),
    );
    history.score(committed.version, result);
    onEvent({ type: 'scored', version: committed.version, ...result });
    if (targetAccuracy !== undefined && result.testAccuracy >= targetAccuracy)
      ending.resolve('target');
  };

  return {
    add: (committed: Committed): void => {
      scoring.push(score(committed).catch(ending.reject));
    },
    /** Resolves when every model has its score. */
    all: () => Promise.all(scoring),
    /** The newest model. @throws FloeError `round_aborted` where there is none */
    final: (): ModelRef => {
      if (final === undefined) throw new FloeError('round_aborted', 'no round was completed');
      return final;
    },
  };
};

/** All participants of a scenario log in at once, on a machine that may be slow. */
const limitsFor = (participants: number): Partial<Limits> => ({
  connections: participants + 16,
  pendingLogins: participants + 16,
  loginTimeoutMs: 10 * 60_000,
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
  const { scenario, master, members, spec, analyst, data } = setup;
  const { journal, substrate, ports } = place;
  const { drops } = scenario;
  const losesSome = Object.keys(drops).length > 0;
  const clock = scenarioClock(base);
  const ending = Promise.withResolvers<'finished' | 'target'>();
  const scores = createScores(setup, { journal, history, log, onEvent, ending });

  const observe = (progress: Progress): void => {
    history.note(progress, performance.now(), bytes());
    if (progress.type === 'committed') {
      scores.add(progress);
      const noted = history.rounds.at(-1);
      if (noted !== undefined) onEvent({ type: 'round', round: noted, of: scenario.rounds });
    }
    if (progress.type === 'committed' || progress.type === 'aborted') {
      // Who is invited next must not depend on how fast the lost ones reconnect: time waits for
      // them.
      if (losesSome) clock.freeze();
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
    gate: timedGate(ports.gate, timeline.note),
    ledger: timedLedger(ports.ledger, timeline.note),
    journal,
    clock,
    random: seededRandom(deriveSeed(master, 'coordinator-random')),
    startWith: scenario.participants,
    limits: limitsFor(scenario.participants),
    log,
    onEvent: observe,
  });
  const switchboard = createSwitchboard({
    accept: (connection) => coordinator.accept(connection),
    keys: members.map(({ key }) => toHex(key)),
    drops,
    seed: deriveSeed(master, 'faults'),
    onDrop: (index, phase, round) => {
      onEvent({ type: 'dropped', index, phase, round });
      for (const ms of LEAPS_AFTER)
        base.at(base.now() + ms, () => clock.leap(scenario.grace * 1100));
    },
    onComplete: () => clock.thaw(),
  });
  const blobTraffic = new SharedArrayBuffer(16);
  const bytes = (): Bytes => {
    const [up = 0n, down = 0n] = new BigUint64Array(blobTraffic);
    return {
      up: switchboard.traffic.up + Number(up),
      down: switchboard.traffic.down + Number(down),
    };
  };
  const crowds = createCrowds({
    workers,
    members,
    shared: {
      spec: encodeRunSpec(spec),
      require: requirementsOf(spec),
      train: data.train,
      substrate,
      strategyModules: scenario.strategyModules,
      backend: scenario.backend,
      module: setup.own === undefined ? module : undefined,
      blobTraffic,
      hurry: losesSome,
    },
    connect: (index, give) => switchboard.connect(index, give),
    onEvent: (index, event) => onEvent({ type: 'participant', index, event }),
    note: timeline.note,
    own: setup.own,
    onFailure: ending.reject,
  });
  crowds.failed.catch(ending.reject);
  analyst.failed.catch(ending.reject);
  coordinator.finished.then(() => ending.resolve('finished'), ending.reject);
  // It may fail before anybody waits for it.
  ending.promise.catch(() => undefined);
  return {
    ending: ending.promise,
    scored: scores.all,
    final: scores.final,
    bytes,
    start: async () => {
      await coordinator.start();
      await crowds.start();
    },
    stop: async () => {
      await crowds.end();
      await coordinator.stop();
    },
  };
};
