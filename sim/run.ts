/**
 * @module Runs a scenario: the production coordinator in this thread, the production participants in worker threads, a
 * directory for blobs, a file for the journal. What differs from production is the network, the clock and the randomness,
 * which all derive from one seed.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  createCoordinator,
  journalLedger,
  openJournal,
  type Journal,
  type Logger,
  type Progress,
} from '../coordinator/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { systemClock, type Clock } from '../protocol/clock.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { publicNetwork } from '../protocol/network.ts';
import { deriveSeed, seededRandom } from '../protocol/random.ts';
import type { ModelRef } from '../protocol/records.ts';
import { encodeRunSpec } from '../protocol/run-spec.ts';
import { withRetry } from '../protocol/sui/bounds.ts';
import { roundRoot } from '../protocol/transcript.ts';
import { planBaseline } from './baseline.ts';
import { scenarioClock } from './clock.ts';
import { createCrowds } from './crowds.ts';
import type { ScenarioEvent } from './events.ts';
import { formatDrops } from './faults.ts';
import { finishRun } from './finish.ts';
import { createHistory, type Bytes, type Committed, type History } from './history.ts';
import { formatPartition } from './partition.ts';
import { makeRunFolder, RUN_FILES, runName, writeRunStart, writeWhole } from './run-folder.ts';
import { dropsOf, type Scenario } from './scenario.ts';
import { GRACE_S, setUp, type Setup } from './setup.ts';
import type { Summary } from './summary.ts';
import {
  openCoordinatorPorts,
  openReaderPorts,
  startSubstrate,
  type NetworkLimits,
  type CoordinatorPorts,
  type Substrate,
} from './substrate.ts';
import { createSwitchboard } from './switchboard.ts';
import {
  createTimeline,
  steadyNow,
  timedGate,
  timedLedger,
  timedStore,
  type Timeline,
} from './timeline.ts';

export interface RunOptions {
  /** The folder that runs are kept in. Default `runs`. */
  readonly outDir?: string;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ScenarioEvent) => void;
  /** Names the folder; deadlines run on it too. */
  readonly clock?: Clock;
  readonly log?: Logger;
  /** How long the services of a network may take, where not as long as usual. */
  readonly limits?: NetworkLimits;
}

export interface RunResult {
  readonly summary: Summary;
  readonly folder: string;
}

/** A model whose blob or key cannot be had is asked for again, for more than a minute. */
const SCORE_RETRIES = 20;

/** When the clock leaps after a loss, in ms: twice, since the coordinator may see the loss a moment later. */
const LEAPS_AFTER = [20, 500];

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const commitOf = (journal: Journal, round: number): ModelRef => {
  for (const { record } of journal.roundEntries(round))
    if (record.type === 'commit') return record.body.model;
  throw new FloeError('internal', `round ${round} has no commit in the journal`);
};

/** Rejects once the signal fires. */
const abortedBy = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const fail = (): void => reject(new FloeError('aborted', 'The operation was cancelled.'));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });

type Ending = 'finished' | 'target';

interface Rounds {
  /** Resolves when the run is over, one way or the other. */
  readonly ending: Promise<Ending>;
  /** Resolves when every model has its score. */
  readonly scored: () => Promise<unknown>;
  readonly final: () => ModelRef;
  readonly bytes: () => Bytes;
  /** Starts the participants and resolves when all are on their way. */
  readonly start: () => Promise<void>;
  /** Nobody sends and nobody answers any more. */
  readonly stop: () => Promise<void>;
}

/** Connects coordinator, participants, network and observers. */
const conduct = (
  setup: Setup,
  folder: {
    readonly substrate: Substrate;
    readonly journal: Journal;
    readonly ports: CoordinatorPorts;
  },
  { history, timeline }: { readonly history: History; readonly timeline: Timeline },
  workers: number,
  { clock: base = systemClock, onEvent = () => undefined, log = silent }: RunOptions,
): Rounds => {
  const { scenario, master, members, spec, analyst, data } = setup;
  const { journal, substrate, ports } = folder;
  const drops = dropsOf(scenario);
  const losesSome = Object.keys(drops).length > 0;
  const clock = scenarioClock(base);
  const ending = Promise.withResolvers<Ending>();
  const scoring: Promise<unknown>[] = [];
  let final: ModelRef | undefined;

  const score = async (committed: Committed, model: ModelRef): Promise<void> => {
    // No round waits for a score: what a network withholds for a while is asked for again.
    const result = await withRetry(
      { retries: SCORE_RETRIES, onRetry: ({ message }) => log.warn({}, `scoring: ${message}`) },
      () => analyst.call('evaluate', { model }),
    );
    history.score(committed.version, result);
    onEvent({ type: 'scored', version: committed.version, ...result });
    const { targetAccuracy } = scenario;
    if (targetAccuracy !== undefined && result.testAccuracy >= targetAccuracy)
      ending.resolve('target');
  };

  const observe = (progress: Progress): void => {
    history.note(progress, performance.now(), bytes());
    if (progress.type === 'committed') {
      final = commitOf(journal, progress.round);
      scoring.push(score(progress, final).catch(ending.reject));
      const noted = history.rounds.at(-1);
      if (noted !== undefined) onEvent({ type: 'round', round: noted, of: scenario.rounds });
    }
    if (progress.type === 'committed' || progress.type === 'aborted') {
      // Who is invited next must not depend on how fast the lost ones reconnect: time waits for them.
      if (losesSome) clock.freeze();
      switchboard.roundOver();
    }
    if (progress.type === 'phase' || progress.type === 'aborted') onEvent(progress);
  };

  const coordinator = createCoordinator({
    spec,
    identity: setup.coordinator,
    store: timedStore(ports.store, timeline.note),
    gate: timedGate(ports.gate, timeline.note),
    ledger: timedLedger(ports.ledger, timeline.note),
    journal,
    clock,
    random: seededRandom(deriveSeed(master, 'coordinator-random')),
    initialModel: setup.model.initialWeights,
    startWith: scenario.participants,
    allowList: members.map(({ key }) => key),
    limits: {
      connections: scenario.participants + 16,
      pendingLogins: scenario.participants + 16,
      loginTimeoutMs: 10 * 60_000,
    },
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
      for (const ms of LEAPS_AFTER) base.at(base.now() + ms, () => clock.leap(GRACE_S * 1100));
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
      train: data.train,
      substrate,
      backend: scenario.backend,
      blobTraffic,
      hurry: losesSome,
    },
    connect: (index, give) => switchboard.connect(index, give),
    onEvent: (index, event) => onEvent({ type: 'participant', index, event }),
    note: timeline.note,
    onFailure: ending.reject,
  });
  crowds.failed.catch(ending.reject);
  analyst.failed.catch(ending.reject);
  coordinator.finished.then(() => ending.resolve('finished'), ending.reject);
  // It may fail before anybody waits for it.
  ending.promise.catch(() => undefined);
  return {
    ending: ending.promise,
    scored: () => Promise.all(scoring),
    final: () => {
      if (final === undefined) throw new FloeError('round_aborted', 'no round was completed');
      return final;
    },
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

/**
 * Runs a scenario to its end and leaves a folder with everything about it.
 *
 * @throws FloeError `usage`, `data_malformed`, `backend_unavailable`, `aborted` (the folder then ends in `.partial`)
 */
export const runScenario = async (
  scenario: Scenario,
  options: RunOptions = {},
): Promise<RunResult> => {
  const { outDir = 'runs', onEvent = () => undefined, clock = systemClock } = options;
  const { signal = new AbortController().signal } = options;
  const started = performance.now();
  signal.throwIfAborted();
  await using resources = new AsyncDisposableStack();
  const setup = await setUp(scenario, resources, clock.now());
  signal.throwIfAborted();

  const { spec, run, data, statistics, model, analyst, auditorSeed } = setup;
  const partial = await makeRunFolder(outDir, runName(clock.now(), scenario.seed));
  await writeRunStart(partial, spec, auditorSeed);
  const journal = openJournal(join(partial, RUN_FILES.journal));
  // A simulation is started again, not resumed: its journal must be whole when it ends, not survive a power cut.
  journal.database.exec('PRAGMA synchronous = NORMAL');
  resources.adopt(journal, (open) => {
    if (open.database.isOpen) open.close();
  });
  const running = await startSubstrate(scenario, partial, options.limits ?? {});
  const { substrate } = running;
  resources.defer(() => running.stop());
  await analyst.call('follow', { spec: encodeRunSpec(spec), substrate, auditor: auditorSeed });
  const ports = await openCoordinatorPorts(substrate, {
    spec,
    run,
    folder: partial,
    identity: setup.coordinator,
    localLedger: () => journalLedger(journal),
    warn: (message) => options.log?.warn({}, message),
  });
  resources.defer(() => ports.close());
  if (substrate.type !== 'local') {
    const { rpcUrl, walrus, floe } = publicNetwork(substrate.network);
    onEvent({
      type: 'network',
      own: substrate.type === 'devnet',
      rpcUrl,
      aggregatorUrl: walrus.aggregatorUrl,
      packageId: floe?.packageId,
      coordinator: setup.coordinator.address,
    });
  }

  const history = createHistory();
  const timeline = createTimeline();
  const workers = Math.min(scenario.workers ?? availableParallelism(), scenario.participants);
  const observers = { history, timeline };
  const rounds = conduct(setup, { substrate, journal, ports }, observers, workers, options);
  const kinds = { store: ports.store.kind, gate: ports.gate.kind, ledger: ports.ledger.kind };
  onEvent({
    type: 'started',
    folder: partial,
    backend: model.backend,
    ...kinds,
    masked: scenario.masked,
    data: { source: data.source, train: data.train.size, test: data.test.size },
    parameters: model.initialWeights.length,
    run: toHex(run),
    workers,
    partition: formatPartition(scenario.partition),
    statistics,
  });

  const publishReached = async (transcript: Uint8Array): Promise<void> => {
    try {
      await ports.publish(transcript);
    } catch (failure) {
      options.log?.warn({}, `the run was not published: ${toFloeError(failure).message}`);
    }
  };
  const cancelled = abortedBy(signal);
  cancelled.catch(() => undefined);
  const plan = planBaseline(scenario, data);
  try {
    await Promise.race([rounds.start(), rounds.ending, cancelled]);
    const firstRound = steadyNow();
    const baseline = scenario.baseline ? analyst.call('baseline', plan) : undefined;
    baseline?.catch(() => undefined);
    const ending = await Promise.race([rounds.ending, cancelled]);
    const seconds = (performance.now() - started) / 1000;
    const activities = timeline.shares(firstRound, steadyNow());
    await rounds.stop();
    await ports.store.settle?.({ signal });
    onEvent({ type: 'finishing', baseline: baseline !== undefined });
    await Promise.race([rounds.scored(), cancelled]);
    const trained = await Promise.race([baseline, cancelled]);
    const transcript = journal.transcript();
    const last = history.rounds.at(-1)?.round ?? 0;
    const transcriptRoot = roundRoot(journal.roundEntries(last), last);
    journal.close();
    const final = rounds.final();
    const publication = await ports.publish(transcript);
    const reader = await openReaderPorts(substrate, spec, setup.auditor);
    onEvent({
      type: 'published',
      version: final.version,
      blob: final.blob.id,
      object: await ports.modelObject(final.version),
      publication: publication?.blob.id,
    });
    return await finishRun({
      ...setup,
      partial,
      store: ports.store,
      gate: await reader.gateFor(setup.auditor),
      final,
      transcript,
      history,
      status: ending === 'target' ? 'target' : 'complete',
      transcriptRoot,
      bytes: rounds.bytes(),
      seconds,
      activities,
      workers,
      kinds,
      drops: formatDrops(dropsOf(scenario)),
      baseline: trained === undefined ? undefined : { plan, ...trained },
      settle: () => running.stop(),
    });
  } catch (thrown) {
    await rounds.stop();
    // What was reached can still be verified and pulled.
    const reached = journal.database.isOpen ? journal.transcript() : undefined;
    if (reached !== undefined) await writeWhole(join(partial, RUN_FILES.transcript), reached);
    if (!signal.aborted) throw toFloeError(thrown);
    if (reached !== undefined) await publishReached(reached);
    const message = `stopped; what was reached is in ${partial}`;
    throw new FloeError('aborted', message, {}, { cause: thrown });
  }
};
