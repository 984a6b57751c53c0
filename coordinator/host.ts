/**
 * @module The host: passes events to the machine and performs its effects. It writes ahead: an
 * event is in the journal before any of its effects leaves the process. After kill -9 at any point,
 * the host restores the state from the journal, repeats the work of the current phase (all of it is
 * idempotent), and sends the frames of the running attempt to each participant that reconnects.
 */
import { toHex } from '../protocol/bytes.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { signRecord } from '../protocol/records/records.ts';
import { uploadBytesOf } from '../protocol/rules/index.ts';
import { membersOf } from '../protocol/rules/selection.ts';
import { encodeRunSpec, hashRunSpec } from '../protocol/spec/run-spec.ts';
import { rebuildWatch } from './anomalies/rebuild.ts';
import { createAnomalyWatch } from './anomalies/watch.ts';
import { createGroupNotes } from './group-notes.ts';
import { createAggregation } from './aggregation.ts';
import { createAttemptKeys } from './attempt-keys.ts';
import type { Coordinator, CoordinatorInit, Outcome, TranscriptSource } from './coordinator.ts';
import { createWorkFaults } from './own-fault-counter.ts';
import { eventOf } from './frame-event.ts';
import { wholeTranscript } from './journal/history.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { errorFields, safeLogger, shortKey, type Logger } from './log.ts';
import type { Journal } from './journal/port.ts';
import { createLoop, type Loop } from './loop.ts';
import {
  ROUND_MACHINE,
  attemptOf,
  type MachineConfig,
  type Progress,
  type State,
} from './machine/index.ts';
import { mayBeSilent } from './machine/presence.ts';
import { createMetrics } from './metrics.ts';
import { createModelKeeper } from './model-keeper.ts';
import { createOutageNotes } from './outage-notes.ts';
import {
  createPublisher,
  createSweeper,
  createWorking,
  performEffects,
  type Working,
} from './perform-effects.ts';
import { createPresenceNotes, type PresenceNotes } from './presence-notes.ts';
import { createReceived } from './received-blobs.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { startRun } from './begin-run.ts';
import { createTold, outcomeOf, statusOf } from './status.ts';
import { PENDING_MS, watchCalls } from '../protocol/ports/hanging-calls.ts';
import { createRetention } from './retention.ts';
import { sweepUploads } from './sweep-staged-uploads.ts';
import { createUpkeep, type Upkeep } from './upkeep.ts';
import type { WorkContext } from './attempt-work.ts';

const configOf = ({ spec, identity, ledger, regroups }: CoordinatorInit): MachineConfig => {
  const run = hashRunSpec(spec);
  return {
    spec,
    run,
    coordinator: identity.publicKey,
    beacon: ledger.beacon,
    regroups: regroups ?? ledger.beacon === 'ledger',
    sign: (type, attempt, body) => signRecord(identity, type, run, attempt, body),
  };
};

/** The tools of a coordinator's work: models, keys of attempts, sums. */
const createTools = (
  init: CoordinatorInit,
  run: Uint8Array,
  publish: (progress: Progress) => void,
) => {
  const { spec, store, staging, gate, journal, random, sealingSecret, log } = init;
  const keeper = createModelKeeper({ spec, run, store, gate, sealingSecret });
  const attemptKeys = createAttemptKeys(journal.secrets, random);
  const received = createReceived();
  const anomalies = init.anomalies ?? createAnomalyWatch();
  const aggregation = createAggregation({
    spec,
    run,
    attemptKeys,
    store,
    staging,
    gate,
    keeper,
    received,
    anomalies,
    sealingSecret,
    noteGroups: createGroupNotes(spec, publish),
    log,
  });
  return { keeper, attemptKeys, aggregation, received, anomalies };
};

/** The context that a piece of work receives. */
const contextOf = (
  { spec, identity, ledger, clock, log }: CoordinatorInit,
  tools: ReturnType<typeof createTools>,
  own: {
    readonly run: Uint8Array;
    readonly upkeep: Upkeep;
    readonly loop: Loop;
    readonly onOutage: WorkContext['onOutage'];
    readonly signal: AbortSignal;
  },
): WorkContext => {
  const { run, upkeep, loop, onOutage, signal } = own;
  return {
    ...tools,
    spec,
    run,
    coordinator: identity.publicKey,
    ledger,
    clock,
    upkeep,
    log,
    signal,
    history: loop.history,
    state: () => loop.state,
    hold: (error) => loop.hold(error),
    onOutage,
  };
};

/** The anomaly report of a run that was started again. */
const rebuildAnomalies = async (
  { spec, journal, log, anomalies: known }: CoordinatorInit,
  { keeper, anomalies }: ReturnType<typeof createTools>,
  loop: Pick<Loop, 'state'>,
  signal: AbortSignal,
): Promise<void> => {
  // A caller's own watch has what the caller has kept.
  if (known !== undefined) return;
  await rebuildWatch(
    {
      spec,
      journal,
      read: async (model) => (await keeper.readOld(model, signal)).weights,
      state: () => loop.state,
      log,
      signal,
    },
    anomalies,
  );
};

/** Keeps the blobs of the run paid for, and monitors its balance. */
const createKeeping = (
  { spec, staging, treasury, clock, log, onUpkeep }: CoordinatorInit,
  { upkeepMs }: Limits,
  state: () => State,
): Upkeep =>
  createUpkeep({
    leases: staging,
    treasury,
    clock,
    everyMs: upkeepMs,
    rounds: spec.rounds,
    state,
    log,
    onEvent: onUpkeep,
  });

/** The sessions, whose frames become events. */
const createListener = (
  { spec, identity, clock, random, log }: CoordinatorInit,
  own: {
    readonly config: MachineConfig;
    readonly specBytes: Uint8Array;
    readonly limits: Limits;
    readonly loop: Loop;
    readonly notes: PresenceNotes;
  },
): Sessions => {
  const { loop, limits, specBytes, notes } = own;
  return createSessions({
    identity,
    run: own.config.run,
    specBytes,
    clock,
    random,
    limits,
    members: membersOf(spec),
    mayBeSilent: (key) => mayBeSilent(own.config, loop.state, key),
    lastRegister: (key) => loop.state.registered.get(key)?.bytes,
    log,
    onJoin: (key) => {
      loop.dispatch({ type: 'joined', key });
      notes.joined(key);
    },
    onLeave: (key, reason) => {
      loop.dispatch({ type: 'left', key });
      notes.left(key, reason);
    },
    onRefused: (key, remote, error) => notes.refused(key, remote, error),
    onFrame: (key, frame) => {
      if (frame.type === 'withdraw' && frame.proof !== undefined)
        log.error(
          { participant: shortKey(toHex(key)), proof: toHex(frame.proof) },
          'a participant says that a commit is wrong, with this proof',
        );
      loop.checkRoom();
      loop.dispatch(eventOf(key, frame));
    },
  });
};

/** Who is here of those that the next attempt waits for; undefined once the run is over. */
const presentOf = (
  { spec: { cohort } }: Pick<CoordinatorInit, 'spec'>,
  { phase, attempt }: State,
  startWith: number,
  here: number,
  { aborted }: AbortSignal,
) =>
  aborted || phase.type === 'finished'
    ? undefined
    : { here, needed: attempt === 0 ? startWith : cohort.size };

const transcriptOf = (journal: Journal, loop: Loop): TranscriptSource => ({
  get size() {
    return loop.history.size;
  },
  read: (start, end) => journal.transcript(start, end),
  startOf: (attempt) => journal.startOf(attempt),
  whole: async () => wholeTranscript(journal),
});

/** Lets others read the journal of a run that is over. */
const shareJournal = async (journal: Journal, log: Logger): Promise<void> => {
  try {
    await journal.share?.();
  } catch (thrown) {
    log.warn(errorFields(toFloeError(thrown)), 'the journal stays locked until this process ends');
  }
};

/** With ports that say when they hang. */
const watching = (given: CoordinatorInit, say: (reason: string) => void): CoordinatorInit => {
  const { store, gate, ledger, clock, log } = given;
  const watched = <Port extends object>(name: string, port: Port): Port =>
    watchCalls(port, clock, (method) =>
      say(`the ${name} has not answered ${method} for ${PENDING_MS / 1000} s`),
    );
  return {
    ...given,
    store: watched('store', store),
    gate: watched('gate', gate),
    ledger: watched('ledger', ledger),
    log: safeLogger(log),
  };
};

const promiseOutcome = (log: Logger): PromiseWithResolvers<Outcome> => {
  const finished = Promise.withResolvers<Outcome>();
  // A caller that does not await the outcome must not be ended by an unhandled rejection.
  finished.promise.catch((thrown: unknown) =>
    log.info({ reason: toFloeError(thrown).message }, 'the run ended without an outcome'),
  );
  return finished;
};

/** What is under way ends. */
const stillOf = async (
  loop: Pick<Loop, 'drained'>,
  working: Pick<Working, 'settled'>,
): Promise<void> => {
  await loop.drained();
  await working.settled();
};

/** Until neither events nor work are left: each may bring the other. */
const restOf = async (
  loop: Pick<Loop, 'drained' | 'busy'>,
  working: Pick<Working, 'settled' | 'busy'>,
): Promise<void> => {
  while (loop.busy || working.busy) await stillOf(loop, working);
};

export const createCoordinator = (given: CoordinatorInit): Coordinator => {
  const init = watching(given, (reason) =>
    publish({ type: 'waiting', reason: `attempt ${loop.state.attempt} waits: ${reason}` }),
  );
  const { spec, identity, journal, clock, log, machine = ROUND_MACHINE } = init;
  const limits: Limits = { ...DEFAULT_LIMITS, ...init.limits };
  const startWith = init.startWith ?? spec.cohort.size;
  const config = configOf(init);
  const { run } = config;
  const specBytes = encodeRunSpec(spec);
  const stopping = new AbortController();
  const { signal } = stopping;
  const finished = promiseOutcome(log);

  const halt = (): void => {
    stopping.abort();
    loop.stop();
    upkeep.stop();
    sessions.stop();
  };
  /** The run cannot continue: nothing more is acknowledged. */
  const fail = (thrown: unknown): void => {
    const error = toFloeError(thrown);
    log.error(errorFields(error), 'the coordinator stops');
    finished.reject(error);
    halt();
  };
  const settle = (): void => {
    const outcome = outcomeOf(spec, loop.state);
    // Verification of the run need not wait until this process has ended.
    if (outcome !== undefined) void shareJournal(journal, log);
    if (outcome instanceof FloeError) finished.reject(outcome);
    else if (outcome !== undefined) finished.resolve(outcome);
  };
  const status = () => statusOf(init, loop, sessions, told, tools.anomalies, !signal.aborted);

  const tools = createTools(init, run, (progress) => publish(progress));
  const metrics = createMetrics({
    status,
    journalEvents: () => loop.history.events,
    upkeep: () => upkeep.status(),
  });
  const faults = createWorkFaults(spec.cohort.minimum);
  const publish = createPublisher(metrics, log, tools.anomalies, (progress) => {
    if (progress.type === 'committed') faults.forget();
    init.onEvent?.(progress);
  });
  const onOutage = createOutageNotes((reason) => publish({ type: 'waiting', reason }));
  const upkeep = createKeeping(init, limits, () => loop.state);
  const loop = createLoop({
    machine,
    config,
    journal,
    clock,
    log,
    signal,
    perform: (effects) => {
      performEffects(
        { sessions, told, log, publish, startWork: working.start, onEnded: sweeper.start },
        effects,
      );
      settle();
    },
    // Of no attempt but the one in progress is the secret kept.
    tidy: (state) => tools.attemptKeys.keepOnly(attemptOf(state)?.attempt),
    onHold: ({ code, message, remedy }) =>
      publish({ type: 'waiting', reason: `${code}: ${message}. ${remedy}` }),
    onFailure: fail,
  });
  const told = createTold(config, loop);
  const retention = createRetention(journal, init.removal, spec.retention?.rounds);
  const sweeper = createSweeper(async () => {
    await sweepUploads(journal, init.removal, loop.state);
    await retention.sweep(loop.state);
  }, log);
  const working = createWorking({
    context: () => contextOf(init, tools, { run, upkeep, loop, onOutage, signal }),
    dispatch: (body) => loop.dispatch(body),
    faults,
    fail,
    signal,
  });
  const here = () => presentOf(init, loop.state, startWith, sessions.loggedIn, signal);
  const notes = createPresenceNotes(clock, here, (presence) => init.onPresence?.(presence));
  const sessions = createListener(init, { config, specBytes, limits, loop, notes });

  return {
    accept: (connection) => sessions.accept(connection),
    start: async () => {
      const work = { startWork: working.start, keeper: tools.keeper };
      await startRun({ ...init, ...work, run, machine, startWith, loop, signal });
      working.beside(rebuildAnomalies(init, tools, loop, signal));
      upkeep.start();
      settle();
    },
    idle: () => restOf(loop, working),
    drained: () => loop.drained(),
    stop: async () => {
      halt();
      finished.reject(new FloeError('aborted', 'The coordinator was stopped.'));
      await stillOf(loop, working);
      await sweeper.settled();
    },
    finished: finished.promise,
    status,
    spec,
    specBytes,
    run,
    limits,
    metrics,
    clock,
    publicKey: identity.publicKey,
    uploadLimit: Math.min(limits.blobBytes, uploadBytesOf({ spec }, spec.cohort.size, 1)),
    transcript: transcriptOf(journal, loop),
    blobRef: (id) => journal.blobRef(id),
    received: tools.received,
    loggedInByAddress: () => sessions.loggedInByAddress(),
    isMember: (key) => attemptOf(loop.state)?.members.includes(key) === true,
  };
};
