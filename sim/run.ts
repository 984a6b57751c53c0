/**
 * @module Runs a scenario: the production coordinator in this thread, the production participants
 * in worker threads, a directory for blobs, a file for the journal. Only network, clock and
 * randomness differ from production; all three derive from one seed.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  attemptEntries,
  createAnomalyWatch,
  openJournal,
  wholeTranscript,
  type Journal,
  type Logger,
} from '../coordinator/index.ts';
import { describeLocal } from '../protocol/algorithm/local-tensors.ts';
import { toHex } from '../protocol/bytes.ts';
import { systemClock, type Clock } from '../protocol/ports/clock.ts';
import { describePrivacy } from '../protocol/algorithm/privacy.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { publicNetwork } from '../protocol/net/config.ts';
import { encodeRunSpec } from '../protocol/spec/run-spec.ts';
import { parameterCount } from '../protocol/model/index.ts';
import { attemptRoot } from '../protocol/records/transcript.ts';
import { planBaseline } from './baseline.ts';
import { planFineTune } from './fine-tune/plan.ts';
import { shareCurve } from './curves/register.ts';
import { conduct, type RoundsPlace } from './run-rounds.ts';
import type { ScenarioEvent } from './events.ts';
import { formatDrops } from './faults.ts';
import { finishRun, type FineTuneSites } from './finish.ts';
import { createHistory } from './history.ts';
import { bytesOf, createKeeper } from './resume/keeper.ts';
import { partialFolder, reopen, type Resumed } from './resume/reopen.ts';
import {
  requireSame,
  requireUnbuffered,
  storedScenario,
  writeScenario,
} from './resume/stored-scenario.ts';
import type { ExportFormat } from './outputs/formats.ts';
import { answerNote, observing } from './outputs/open-observer.ts';
import { formatPartition } from '../client/data/partition.ts';
import { makeRunFolder, runName, writeRunStart } from './run-folder.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { writeWhole } from '../protocol/ports/files.ts';
import type { Scenario } from './scenario.ts';
import { setUp, type Setup, type TaskOptions } from './setup.ts';
import { processorSeconds } from './summarise.ts';
import type { Summary } from './summary.ts';
import {
  openCoordinatorPorts,
  openReaderPorts,
  startSubstrate,
  type NetworkLimits,
  type CoordinatorPorts,
  type RunningSubstrate,
  type Substrate,
} from './substrate.ts';
import { isVirtual } from './virtual/is-virtual.ts';
import { openTime } from './virtual/simulated-time.ts';
import { createTimeline, steadyNow, timed } from './timeline.ts';

export interface RunOptions extends TaskOptions {
  /** The folder that runs are kept in. Default `runs`. */
  readonly outDir?: string;
  /** Names the folder of the run. Default: by the time and the seed. */
  readonly folderName?: string;
  /** The folder of an interrupted run of the same scenario, which continues. Not on a network. */
  readonly resume?: string;
  /** Forms in which the results are written at the end, into the run's folder. */
  readonly exports?: readonly ExportFormat[];
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

/** Rejects once the signal fires. */
const abortedBy = (signal: AbortSignal): Promise<never> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const fail = (): void => reject(new FloeError('aborted', 'The operation was cancelled.'));
  if (signal.aborted) fail();
  else signal.addEventListener('abort', fail, { once: true });
  // It may fire while nobody waits for it.
  promise.catch(() => undefined);
  return promise;
};

/** Where a run lies: its folder, and what its blobs, keys and freezes rest on. */
interface Place {
  /** The folder's name until the run is finished. */
  readonly partial: string;
  readonly journal: Journal;
  /** What an earlier part of the run has reached. */
  readonly from: Resumed | undefined;
  /** Where participants keep what no record holds. */
  readonly kept: string | undefined;
  readonly running: RunningSubstrate;
  readonly substrate: Substrate;
  readonly ports: CoordinatorPorts;
}

/** A new folder, or that of an interrupted run, taken back to its last commit. */
const openFolder = async (
  { scenario, spec }: Setup,
  { outDir = 'runs', folderName, resume, clock = systemClock }: RunOptions,
): Promise<Pick<Place, 'partial' | 'from'>> => {
  if (resume === undefined) {
    const named = folderName ?? runName(clock.now(), scenario.seed);
    return { partial: await makeRunFolder(outDir, named), from: undefined };
  }
  requireUnbuffered(scenario, resume);
  const partial = await partialFolder(resume);
  await requireSame(scenario, partial);
  const from = await reopen(partial, spec);
  if (from !== undefined && isVirtual(scenario) && from.virtual === undefined)
    throw new FloeError(
      'run_outdated',
      `${resume} was begun by an earlier version of floe, which did not keep its virtual time: begin the run anew`,
    );
  return { partial, from };
};

const openPlace = async (
  setup: Setup,
  options: RunOptions,
  resources: AsyncDisposableStack,
): Promise<Place> => {
  const { scenario, spec, coordinator, auditorSeed, analyst, own } = setup;
  const { onEvent, limits = {}, module, map, exports = [] } = options;
  const { partial, from } = await openFolder(setup, options);
  await writeRunStart(partial, spec, auditorSeed);
  const ownTask = own !== undefined || options.task !== undefined;
  await writeScenario(partial, storedScenario(setup.given, { module, map, ownTask, exports }));
  if (options.resume !== undefined)
    onEvent?.({ type: 'resumed', rounds: from?.rounds.length ?? 0 });
  // A simulation is resumed after a crash of its process: it need not survive a power cut.
  const journal = await openJournal(join(partial, RUN_FILES.journal), { synced: false });
  resources.defer(() => journal.close());
  const running = await startSubstrate(scenario, partial, limits, from?.journal.attempt);
  const { substrate } = running;
  resources.defer(() => running.stop(false));
  if (substrate.type !== 'local') shareCurve();
  await analyst.call('follow', { spec: encodeRunSpec(spec), substrate, auditor: auditorSeed });
  const ports = await openCoordinatorPorts(substrate, {
    spec,
    folder: partial,
    identity: coordinator,
    journal,
    warn: (message) => onEvent?.({ type: 'warning', message }),
  });
  resources.defer(() => ports.close());
  if (substrate.type !== 'local') {
    const { rpcUrl, walrus, floe } = publicNetwork(substrate.network);
    onEvent?.({
      type: 'network',
      own: substrate.type === 'devnet',
      rpcUrl,
      aggregatorUrl: walrus.aggregatorUrl,
      packageId: floe?.packageId,
      coordinator: coordinator.address,
    });
  }
  const kept = join(partial, RUN_FILES.participants);
  return { partial, journal, from, kept, running, substrate, ports };
};

/** The history of a run and what keeps it. @param started when this part began, ms */
const keeping = (
  { partial, from, running }: Place,
  { time, anomalies }: Pick<RoundsPlace, 'time' | 'anomalies'>,
  started: number,
  onFailure: (thrown: unknown) => void,
) => {
  const timeline = createTimeline();
  const noteSums = (first: number, last: number) => timeline.note('aggregation', first, last);
  const earlier = from && { ...from, bytes: bytesOf(from.rounds), now: steadyNow() };
  const history = createHistory(noteSums, earlier);
  const here = (): number => (performance.now() - started) / 1000;
  const keeper = createKeeper({
    folder: partial,
    from,
    history,
    seconds: here,
    virtual: () => time.mark(),
    anomalies: () => anomalies.mark(),
    pin: running.pin,
    onFailure,
    processorSeconds,
  });
  return { timeline, history, keeper, seconds: () => (from?.seconds ?? 0) + here() };
};

type Listener = (event: ScenarioEvent) => void;

const inOrder =
  (listeners: readonly (Listener | undefined)[]): Listener =>
  (event) => {
    for (const listen of listeners) listen?.(event);
  };

const keepTranscript = async ({ partial, journal }: Place): Promise<Uint8Array> => {
  const transcript = await wholeTranscript(journal);
  await writeWhole(join(partial, RUN_FILES.transcript), transcript);
  return transcript;
};

/**
 * Keeps the result so far: it can be verified and pulled, also by others after the run was stopped.
 */
const keepReached = async (
  place: Place,
  signal: AbortSignal,
  onEvent: (event: ScenarioEvent) => void,
): Promise<void> => {
  const transcript = await keepTranscript(place);
  if (!signal.aborted) return;
  try {
    await place.ports.publish(transcript);
  } catch (failure) {
    const message = `the run was not published: ${toFloeError(failure).message}`;
    onEvent({ type: 'warning', message });
  }
};

/** At the sites of the scenario, by the analyst; undefined where it does not ask for it. */
const fineTuning = (setup: Setup, cancelled: Promise<never>): FineTuneSites | undefined => {
  const plan = planFineTune(setup);
  if (plan === undefined) return undefined;
  return async (weights) => ({
    plan,
    sites: await Promise.race([setup.analyst.call('fineTune', { weights, plan }), cancelled]),
  });
};

type Kinds = Readonly<Record<'store' | 'gate' | 'ledger', string>>;

const startedEvent = (
  setup: Setup,
  partial: string,
  workers: number,
  kinds: Kinds,
): ScenarioEvent => {
  const { scenario, spec, data, model } = setup;
  return {
    type: 'started',
    folder: partial,
    backend: model.backend,
    ...kinds,
    masked: scenario.mask,
    privacy: describePrivacy(spec),
    data: {
      source: data.source,
      train: data.train.size,
      test: data.test.size,
      contract: data.contract,
      notes: data.notes ?? [],
    },
    task: spec.training.task?.type,
    model: setup.modelName,
    parameters: parameterCount(spec.model),
    run: toHex(setup.run),
    workers,
    partition: formatPartition(scenario.partition),
    statistics: setup.statistics,
    world: setup.worldSummary,
  };
};

/**
 * Runs a scenario to its end and leaves a folder with everything about it.
 *
 * @throws FloeError `usage`, `data_malformed`, `backend_unavailable`, `aborted` (the folder then
 * ends in `.partial`)
 */
export const runScenario = async (
  scenario: Scenario,
  options: RunOptions = {},
): Promise<RunResult> => {
  const { onEvent: tell = () => undefined, clock = systemClock } = options;
  const { signal = new AbortController().signal } = options;
  const started = performance.now();
  signal.throwIfAborted();
  await using resources = new AsyncDisposableStack();
  const setup = await setUp(scenario, resources, clock.now(), options);
  signal.throwIfAborted();
  const { spec, data, analyst } = setup;
  tell({ type: 'starting' });
  const place = await openPlace(setup, options, resources);
  const { partial, journal, from, running, substrate, ports } = place;
  const observations = await observing(place, setup, options.exports, () => time.elapsed());
  const time = openTime(setup, clock, {
    from: from?.virtual,
    onAnswer: observations && answerNote(observations),
  });
  const anomalies = createAnomalyWatch(from?.anomalies);
  const carried = { time, anomalies };
  const failure = Promise.withResolvers<never>();
  const {
    timeline,
    history,
    keeper,
    seconds: secondsSo,
  } = keeping(place, carried, started, failure.reject);
  const onEvent = inOrder([observations?.onEvent, keeper.onEvent, tell]);
  const workers =
    setup.own === undefined
      ? Math.min(scenario.workers ?? availableParallelism(), scenario.participants)
      : 1;
  const isKept = scenario.substrate.type !== 'network' && scenario.buffer === undefined;
  const watched = {
    ...place,
    ...carried,
    settled: keeper.settled,
    journal: isKept ? keeper.watched(journal) : journal,
  };
  const rounds = conduct(setup, watched, { history, timeline }, workers, {
    ...options,
    onEvent,
    observations,
  });
  const kinds = { store: ports.store.kind, gate: ports.gate.kind, ledger: ports.ledger.kind };
  onEvent(startedEvent(setup, partial, workers, kinds));
  const local = describeLocal(spec);
  if (local !== undefined)
    onEvent({ type: 'warning', message: `${local}, and the scores are of that model` });
  let closed = false;
  const cancelled = Promise.race([abortedBy(signal), failure.promise]);
  cancelled.catch(() => undefined);
  const plan = planBaseline(scenario, data);
  try {
    await Promise.race([rounds.start(), rounds.ending, cancelled]);
    const firstRound = steadyNow();
    const baseline = scenario.baseline
      ? timed(timeline.note, 'baseline', () => analyst.call('baseline', plan))
      : undefined;
    baseline?.catch(() => undefined);
    const ending = await Promise.race([rounds.ending, cancelled]);
    const seconds = secondsSo();
    const activities = timeline.shares(firstRound, steadyNow());
    await rounds.stop();
    await ports.staging?.settle({ signal });
    onEvent({ type: 'finishing', baseline: baseline !== undefined });
    await Promise.race([rounds.scored(), cancelled]);
    const trained = await Promise.race([baseline, cancelled]);
    const last = history.rounds.at(-1)?.attempt ?? 0;
    const transcriptRoot = attemptRoot(await attemptEntries(journal, last), last);
    const final = rounds.final();
    const publication = await ports.publish(await keepTranscript(place));
    await journal.close();
    closed = true;
    const reader = await openReaderPorts(substrate, spec, setup.auditor);
    resources.defer(() => reader.close());
    return await finishRun({
      ...setup,
      partial,
      store: ports.store,
      gate: await reader.gateFor(setup.auditor),
      final,
      history,
      status: ending === 'target' ? 'target' : 'complete',
      transcriptRoot,
      bytes: rounds.bytes(),
      seconds,
      earlier: from,
      activities,
      workers,
      kinds,
      exports: options.exports ?? [],
      observations: observations?.all() ?? [],
      fineTune: fineTuning(setup, cancelled),
      now: clock.now(),
      drops: formatDrops(scenario.drops),
      baseline: trained === undefined ? undefined : { plan, ...trained },
      published: {
        blob: final.blob.id,
        object: await ports.modelObject(final.version),
        runObject: await ports.runObject(),
        transcript: publication?.blob.id,
      },
      settle: () => running.stop(true),
    });
  } catch (thrown) {
    await rounds.stop();
    if (!closed) await keepReached(place, signal, onEvent);
    if (!signal.aborted) throw toFloeError(thrown);
    const message = `the partial run is in ${partial}`;
    const details = isKept ? { resume: partial } : {};
    throw new FloeError('aborted', message, details, { cause: thrown });
  }
};
