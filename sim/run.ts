/**
 * @module Runs a scenario: the production coordinator in this thread, the production participants in worker threads, a
 * directory for blobs, a file for the journal. What differs from production is the network, the clock and the randomness,
 * which all derive from one seed.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createCoordinator, journalLedger, openJournal } from '../coordinator/index.ts';
import type { Logger } from '../coordinator/index.ts';
import { sealedBoxGate } from '../protocol/access/sealed-box-gate.ts';
import { directoryStore } from '../protocol/blobs/directory.ts';
import { toHex } from '../protocol/bytes.ts';
import { systemClock, type Clock } from '../protocol/clock.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { identityFromSeed } from '../protocol/identity.ts';
import { deriveSeed, seededRandom } from '../protocol/random.ts';
import type { ModelRef } from '../protocol/records.ts';
import { encodeRunSpec, hashRunSpec, makeRunSpec, type RunSpec } from '../protocol/run-spec.ts';
import { roundRoot } from '../protocol/transcript.ts';
import { openModel } from '../protocol/verify/index.ts';
import type { AnalystCalls, AnalystData, BaselinePlan } from './analyst.ts';
import type { ModelDescription } from './describe.ts';
import { scenarioClock } from './clock.ts';
import { createCrowds } from './crowds.ts';
import { loadScenarioData, type ScenarioData } from './data.ts';
import type { ScenarioEvent } from './events.ts';
import { formatDrops } from './faults.ts';
import { createHistory, type Committed } from './history.ts';
import { dealRows, formatPartition, partitionStatistics } from './partition.ts';
import { readUplot, renderReport } from './report.ts';
import {
  finishRunFolder,
  makeRunFolder,
  RUN_FILES,
  runName,
  writeModel,
  writeRunStart,
  writeWhole,
} from './run-folder.ts';
import { dropsOf, masterSeed, minimumOf, type Scenario } from './scenario.ts';
import { summarise } from './summarise.ts';
import type { Summary } from './summary.ts';
import { createSwitchboard } from './switchboard.ts';
import { startThread } from './thread.ts';
import { keystoreKey } from './identities.ts';

export interface RunOptions {
  /** The folder that runs are kept in. Default `runs`. */
  readonly outDir?: string;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ScenarioEvent) => void;
  /** Names the folder; deadlines run on it too. */
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface RunResult {
  readonly summary: Summary;
  readonly folder: string;
}

/** Seconds a lost participant is waited for; the scenario's clock leaps over them. */
const GRACE_S = 1;
/** No phase of a simulation ends by its deadline unless something hangs. */
const PHASE_S = 24 * 3600;
/** Longest the baseline may train, in passes over the data: it is there to compare with, not to compete. */
const BASELINE_EPOCHS = 3;
const BASELINE_BATCH = 32;
const BASELINE_POINTS = 12;

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const specOf = (
  scenario: Scenario,
  master: Uint8Array,
  keys: { readonly coordinator: Uint8Array; readonly auditor: Uint8Array },
  model: ModelDescription,
): RunSpec =>
  makeRunSpec({
    id: deriveSeed(master, 'run').slice(0, 16),
    name: `simulation ${scenario.seed}`,
    coordinator: keys.coordinator,
    auditors: [keys.auditor],
    model: {
      architecture: model.architecture,
      tensors: [...model.tensors].map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
      ...(model.architecture === 'custom' ? { topology: model.topology } : {}),
    },
    rounds: scenario.rounds,
    cohort: { size: scenario.cohort, minimum: minimumOf(scenario) },
    training: {
      epochs: scenario.epochs,
      batchSize: scenario.batchSize,
      learningRate: scenario.learningRate,
    },
    encoding: { ring: scenario.ring, bits: scenario.bits, clipNorm: scenario.clipNorm },
    secagg: scenario.masked ? 'masked' : 'none',
    deadlines: {
      register: PHASE_S,
      share: PHASE_S,
      upload: PHASE_S,
      consistency: PHASE_S,
      unmask: PHASE_S,
      grace: GRACE_S,
    },
  });

/** The examples a federated round trains on, and from that how much the baseline trains. */
const baselinePlan = (
  scenario: Scenario,
  data: ScenarioData,
): BaselinePlan & { readonly perRound: number } => {
  const perRound = (data.train.size / scenario.participants) * scenario.cohort * scenario.epochs;
  const epochs = Math.min(BASELINE_EPOCHS, (perRound * scenario.rounds) / data.train.size);
  const batchSize = Math.min(Math.max(BASELINE_BATCH, scenario.batchSize), data.train.size);
  return {
    epochs,
    batchSize,
    learningRate: scenario.learningRate,
    stretch: Math.max(batchSize, Math.ceil((epochs * data.train.size) / BASELINE_POINTS)),
    perRound,
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
  const { outDir = 'runs', signal, onEvent = () => undefined, log = silent } = options;
  const base = options.clock ?? systemClock;
  const started = performance.now();
  const master = masterSeed(scenario.seed);
  signal?.throwIfAborted();

  const data = await loadScenarioData(scenario.data, deriveSeed(master, 'data'));
  const rows = dealRows({
    partition: scenario.partition,
    labels: data.train.labels,
    size: data.train.size,
    classes: data.train.classes,
    participants: scenario.participants,
    seed: deriveSeed(master, 'partition'),
  });
  const statistics = partitionStatistics(rows, data.train.labels, data.train.classes);

  await using resources = new AsyncDisposableStack();
  const analystData: AnalystData = {
    train: data.train,
    test: data.test,
    model: scenario.model,
    backend: scenario.backend,
    initialSeed: deriveSeed(master, 'initial-weights'),
    baselineSeed: deriveSeed(master, 'baseline'),
  };
  const analyst = startThread<AnalystCalls>('analyst', analystData);
  resources.defer(async () => await analyst.end());
  const model = await analyst.call('describe', {});
  signal?.throwIfAborted();

  const coordinatorIdentity = await identityFromSeed(deriveSeed(master, 'coordinator'));
  const auditorSeed = deriveSeed(master, 'auditor');
  const auditor = await identityFromSeed(auditorSeed);
  const spec = specOf(
    scenario,
    master,
    { coordinator: coordinatorIdentity.publicKey, auditor: auditor.publicKey },
    model,
  );
  const run = hashRunSpec(spec);
  const partial = await makeRunFolder(outDir, runName(base.now(), scenario.seed));
  await writeRunStart(partial, spec, auditorSeed);
  const blobs = join(partial, RUN_FILES.blobs);
  const store = directoryStore(blobs);
  const journal = openJournal(join(partial, RUN_FILES.journal));
  // A simulation is started again, not resumed: its journal must be whole when it ends, not survive a power cut.
  journal.database.exec('PRAGMA synchronous = NORMAL');
  let journalOpen = true;
  resources.defer(() => {
    if (journalOpen) journal.close();
    journalOpen = false;
  });
  const ledger = journalLedger(journal);
  const gate = sealedBoxGate(coordinatorIdentity);
  await analyst.call('follow', { spec: encodeRunSpec(spec), blobs, auditor: auditorSeed });

  const members = await Promise.all(
    rows.map(async (own, index) => {
      const keystoreSeed = deriveSeed(master, 'participant', index);
      const key = await keystoreKey(keystoreSeed);
      return {
        index,
        rows: own,
        keystoreSeed,
        key,
        randomSeed: deriveSeed(master, 'random', index),
      };
    }),
  );
  const drops = dropsOf(scenario);
  const losesSome = Object.keys(drops).length > 0;
  const clock = scenarioClock(base);
  const history = createHistory();
  const workers = Math.min(scenario.workers ?? availableParallelism(), scenario.participants);
  const stop = new AbortController();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const scoring: Promise<unknown>[] = [];
  let last: { readonly version: number; readonly model: ModelRef } | undefined;
  let reached = false;

  const score = async (committed: Committed, ref: ModelRef): Promise<void> => {
    const result = await analyst.call('evaluate', { model: ref });
    history.score(committed.version, result);
    onEvent({ type: 'scored', version: committed.version, ...result });
    if (scenario.targetAccuracy !== undefined && result.testAccuracy >= scenario.targetAccuracy) {
      reached = true;
      stop.abort();
    }
  };

  const coordinator = await createCoordinator({
    spec,
    identity: coordinatorIdentity,
    store,
    gate,
    ledger,
    journal,
    clock,
    random: seededRandom(deriveSeed(master, 'coordinator-random')),
    initialModel: model.initialWeights,
    startWith: scenario.participants,
    allowList: members.map(({ key }) => key),
    limits: {
      connections: scenario.participants + 16,
      pendingLogins: scenario.participants + 16,
      loginTimeoutMs: 10 * 60_000,
    },
    log,
    onEvent: (progress) => {
      history.note(progress, performance.now(), bytes());
      if (progress.type === 'committed') {
        const commit = journal
          .roundEntries(progress.round)
          .find(({ record }) => record.type === 'commit')?.record;
        if (commit?.type !== 'commit')
          throw new FloeError('internal', `round ${progress.round} has no commit in the journal`);
        last = { version: progress.version, model: commit.body.model };
        scoring.push(score(progress, commit.body.model).catch(failure.reject));
        const noted = history.rounds.at(-1);
        if (noted !== undefined) onEvent({ type: 'round', round: noted, of: scenario.rounds });
      }
      if (progress.type === 'committed' || progress.type === 'aborted') {
        if (losesSome) clock.freeze();
        switchboard.roundOver();
      }
      if (progress.type === 'phase' || progress.type === 'aborted') onEvent(progress);
    },
  });
  const switchboard = createSwitchboard({
    accept: coordinator.accept,
    keys: members.map(({ key }) => toHex(key)),
    drops,
    seed: deriveSeed(master, 'faults'),
    onDrop: (index, phase, round) => {
      onEvent({ type: 'dropped', index, phase, round });
      // Twice: the coordinator may see the loss a moment later.
      for (const ms of [20, 500]) base.at(base.now() + ms, () => clock.leap(GRACE_S * 1100));
    },
    onComplete: () => clock.thaw(),
  });
  const blobTraffic = new SharedArrayBuffer(16);
  const bytes = (): { up: number; down: number } => {
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
      blobs,
      backend: scenario.backend,
      blobTraffic,
      hurry: losesSome,
    },
    connect: switchboard.connect,
    onEvent: (index, event) => onEvent({ type: 'participant', index, event }),
    onFailure: (error) => failure.reject(error),
  });
  resources.defer(async () => await crowds.end());
  onEvent({
    type: 'started',
    folder: partial,
    backend: model.backend,
    store: store.kind,
    gate: gate.kind,
    ledger: ledger.kind,
    masked: scenario.masked,
    data: { source: data.source, train: data.train.size, test: data.test.size },
    parameters: model.initialWeights.length,
    run: toHex(run),
    workers,
    partition: formatPartition(scenario.partition),
    statistics,
  });

  const interrupted = Promise.withResolvers<'interrupted'>();
  const onAbort = (): void => interrupted.resolve('interrupted');
  signal?.addEventListener('abort', onAbort, { once: true });
  stop.signal.addEventListener('abort', onAbort, { once: true });
  resources.defer(() => signal?.removeEventListener('abort', onAbort));
  const plan = baselinePlan(scenario, data);
  try {
    await coordinator.start();
    await Promise.race([crowds.start(), failure.promise, interrupted.promise]);
    const baseline = scenario.baseline ? analyst.call('baseline', plan) : undefined;
    baseline?.catch(failure.reject);
    const outcome = await Promise.race([
      coordinator.finished,
      interrupted.promise,
      failure.promise,
      crowds.failed,
      analyst.failed,
    ]);
    const seconds = (performance.now() - started) / 1000;
    await crowds.end();
    await coordinator.stop();
    signal?.throwIfAborted();
    await Promise.race([Promise.all(scoring), interrupted.promise, failure.promise]);
    if (last === undefined) throw new FloeError('round_aborted', 'no round was completed');
    onEvent({ type: 'finishing', baseline: baseline !== undefined });
    const trained = await Promise.race([baseline, failure.promise, abortedBy(signal)]);

    const transcript = journal.transcript();
    const root = roundRoot(
      journal.roundEntries(history.rounds.at(-1)?.round ?? 0),
      history.rounds.at(-1)?.round ?? 0,
    );
    journal.close();
    journalOpen = false;
    await writeWhole(join(partial, RUN_FILES.transcript), transcript);
    const cipher = await store.get(last.model.blob);
    const weights = await openModel(
      { run, model: last.model, cipher },
      spec.model,
      sealedBoxGate(auditor),
    );
    await writeModel(partial, spec, weights, JSON.parse(model.topology) as Record<string, unknown>);
    const summary = summarise({
      scenario,
      data,
      statistics,
      history,
      status: reached ? 'target' : outcome === 'interrupted' ? 'partial' : 'complete',
      run,
      modelHash: last.model.hash,
      transcriptRoot: root,
      parameters: weights.length,
      bytes: bytes(),
      seconds,
      backend: model.backend,
      workers,
      kinds: { store: store.kind, gate: gate.kind, ledger: ledger.kind },
      drops: formatDrops(drops),
      baseline: trained === undefined ? undefined : { plan, ...trained },
    });
    await writeWhole(join(partial, RUN_FILES.summary), `${JSON.stringify(summary, null, 2)}\n`);
    const page = renderReport({
      summary,
      statistics,
      classNames: classNamesOf(data),
      uplot: await readUplot(),
    });
    await writeWhole(join(partial, RUN_FILES.report), page);
    const folder = await finishRunFolder(partial);
    return { summary, folder };
  } catch (thrown) {
    await crowds.end();
    await coordinator.stop();
    // What was reached can still be verified and pulled.
    if (journalOpen) await writeWhole(join(partial, RUN_FILES.transcript), journal.transcript());
    if (signal?.aborted === true)
      throw new FloeError(
        'aborted',
        `stopped; what was reached is in ${partial}`,
        {},
        { cause: thrown },
      );
    throw toFloeError(thrown);
  }
};

/** Rejects once the signal fires. */
const abortedBy = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    const fail = (): void => reject(new FloeError('aborted', 'The operation was cancelled.'));
    if (signal?.aborted === true) fail();
    else signal?.addEventListener('abort', fail, { once: true });
  });

const classNamesOf = ({ train }: ScenarioData): readonly string[] =>
  train.classNames ?? Array.from({ length: train.classes ?? 0 }, (_, i) => String(i));
