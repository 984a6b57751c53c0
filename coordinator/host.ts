/**
 * @module The host: feeds the machine with events and performs what it asks. Write-ahead: an event is in the journal before
 * anything it causes leaves the process, so after kill -9 at any point the state is restored from the journal, the work of the
 * present phase is done again (all of it is idempotent), and whoever reconnects is sent the frames of the running round.
 */
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { cryptoReady } from '../protocol/ports/identity.ts';
import { firstBeacon } from '../protocol/rules/beacon.ts';
import { decodeRecord, signRecord, type SignedRecord } from '../protocol/records/records.ts';
import { membersOf } from '../protocol/rules/selection.ts';
import { uploadBytesOf } from '../protocol/rules/index.ts';
import { encodeRunSpec, hashRunSpec } from '../protocol/spec/run-spec.ts';
import { equalBytes, toHex } from '../protocol/bytes.ts';
import { genesis } from '../protocol/records/transcript.ts';
import { createAggregation } from './aggregation.ts';
import { createAttemptKeys } from './attempt-keys.ts';
import { firstContent } from './first-content.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { errorFields, progressFields, reportedText, safeLogger, shortKey } from './log.ts';
import { createLoop } from './loop.ts';
import { wholeTranscript } from './journal/history.ts';
import type { Coordinator, CoordinatorInit, Outcome, Status } from './coordinator.ts';
import {
  pendingWork,
  type Effect,
  type EventBody,
  type Hex,
  type MachineConfig,
  type Progress,
  type State,
  type Work,
} from './machine/index.ts';
import { mayBeSilent } from './machine/presence.ts';
import { goneAt } from './machine/state.ts';
import { createMetrics } from './metrics.ts';
import { createModelKeeper } from './model.ts';
import { createSessions, type SessionFrame } from './sessions.ts';
import { sweepUploads } from './sweep.ts';
import { createUpkeep } from './upkeep.ts';
import { doWork } from './work.ts';

export const createCoordinator = (init: CoordinatorInit): Coordinator => {
  const { spec, identity, journal, ledger, clock, store, gate, random } = init;
  const log = safeLogger(init.log);
  const limits: Limits = { ...DEFAULT_LIMITS, ...init.limits };
  const startWith = init.startWith ?? spec.cohort.size;
  const run = hashRunSpec(spec);
  const specBytes = encodeRunSpec(spec);
  const config: MachineConfig = {
    spec,
    run,
    coordinator: identity.publicKey,
    regroups: init.regroups ?? ledger.beacon === 'ledger',
    sign: (type, round, body) => signRecord(identity, type, run, round, body),
  };
  const stopping = new AbortController();
  const stopped = new Promise<undefined>((resolve) =>
    stopping.signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  );
  const finished = Promise.withResolvers<Outcome>();
  // Who does not wait for the outcome must not be killed by it.
  finished.promise.catch((thrown: unknown) =>
    log.info({ reason: toFloeError(thrown).message }, 'the run ended without an outcome'),
  );

  const working = new Set<Promise<void>>();
  let sweeping: Promise<void> = Promise.resolve();
  /** Who has been sent `finished`. */
  const told = new Set<Hex>();

  const metrics = createMetrics({
    status: () => status(),
    journalEvents: () => loop.history.events,
    upkeep: () => upkeep.status(),
  });
  const upkeep = createUpkeep({
    store,
    treasury: init.treasury,
    clock,
    everyMs: limits.upkeepMs,
    rounds: spec.rounds,
    state: () => loop.state,
    log,
    onEvent: init.onUpkeep,
  });
  const keeper = createModelKeeper({ spec, run, store, gate, sealingSecret: init.sealingSecret });
  const attemptKeys = createAttemptKeys(journal.secrets, random);
  const aggregation = createAggregation({ spec, run, attemptKeys, store, gate, keeper, log });
  const loop = createLoop({
    config,
    journal,
    clock,
    log,
    signal: stopping.signal,
    perform: (effects) => {
      for (const effect of effects) performEffect(effect);
      if (effects.some((effect) => effect.type === 'append' && endsAttempt(effect.record))) sweep();
      settle();
    },
    // Of no attempt but the one in progress is the secret kept.
    tidy: ({ round }) => attemptKeys.keepOnly(round?.round),
    onHold: ({ code, message, remedy }) =>
      publish({ type: 'waiting', reason: `${code}: ${message}. ${remedy}` }),
    onFailure: (thrown) => fail(thrown),
  });
  const dispatch = (body: EventBody): void => loop.dispatch(body);
  const sessions = createSessions({
    identity,
    run,
    specBytes,
    clock,
    random,
    limits,
    members: membersOf(spec),
    mayBeSilent: (key) => mayBeSilent(loop.state, key),
    lastRegister: (key) => loop.state.registered.get(key)?.bytes,
    log,
    onJoin: (key) => dispatch({ type: 'joined', key }),
    onLeave: (key) => dispatch({ type: 'left', key }),
    onFrame: (key, frame) => {
      if (frame.type === 'withdraw' && frame.proof !== undefined)
        log.error(
          { participant: shortKey(toHex(key)), proof: toHex(frame.proof) },
          'a participant says that a commit is wrong, with this proof',
        );
      loop.checkRoom();
      dispatch(eventOf(key, frame));
    },
  });

  const status = (): Status => {
    const { state, held } = loop;
    const { phase } = state;
    const reason = phase.type === 'waiting' ? (phase.reason ?? phase.pause) : undefined;
    return {
      running: !stopping.signal.aborted,
      phase: phase.type,
      waitingFor: held === undefined ? reason : `${held.code}: ${held.message}`,
      failure: state.failure,
      lastAbort: lastAbortOf(state),
      round: state.attempt,
      committed: state.committed,
      rounds: spec.rounds,
      failures: state.failures,
      loggedIn: sessions.loggedIn,
      connections: sessions.connections,
      untold: phase.type === 'finished' ? untold() : 0,
      modelHash: state.model?.hash,
    };
  };

  /** The run cannot go on: nothing more is acknowledged. */
  const fail = (thrown: unknown): void => {
    const error = toFloeError(thrown);
    log.error(errorFields(error), 'the coordinator stops');
    finished.reject(error);
    halt();
  };

  const halt = (): void => {
    stopping.abort();
    loop.stop();
    upkeep.stop();
    sessions.stop();
  };

  const publish = (progress: Progress): void => {
    metrics.observe(progress);
    log.info(progressFields(progress), progress.type);
    try {
      init.onEvent?.(progress);
    } catch (thrown) {
      log.error({ reason: toFloeError(thrown).message }, 'onEvent threw');
    }
  };

  const startWork = (work: Work): void => {
    const context = {
      spec,
      run,
      coordinator: identity.publicKey,
      ledger,
      history: loop.history,
      clock,
      keeper,
      attemptKeys,
      aggregation,
      upkeep,
      log,
      state: () => loop.state,
      hold: (error: FloeError) => loop.hold(error),
      signal: stopping.signal,
    };
    // A store or ledger that never answers must not keep the coordinator from stopping.
    const task = Promise.race([doWork(context, work), stopped])
      .then((event) => event && dispatch(event))
      .catch((thrown: unknown) => (stopping.signal.aborted ? undefined : fail(thrown)))
      .finally(() => working.delete(task));
    working.add(task);
  };

  /** One at a time; what fails is done again when the next attempt ends. */
  const sweep = (): void => {
    sweeping = sweeping
      .then(() => sweepUploads(journal, store, loop.state))
      .catch((thrown: unknown) =>
        log.warn(errorFields(toFloeError(thrown)), 'uploads that are of no use stay for now'),
      );
  };

  const noteRefusal = ({ to, frame }: Effect & { type: 'send' }): void => {
    if (frame.type !== 'error' || to === 'everyone') return;
    const participant = shortKey(to[0] ?? '');
    log.warn({ participant, code: frame.code, reason: frame.message }, 'refused');
  };

  const noteTold = (to: readonly Hex[] | 'everyone'): void => {
    const here = [...loop.state.participants].filter(([, { present }]) => present);
    for (const key of to === 'everyone' ? here.map(([name]) => name) : to) told.add(key);
  };

  /** Participants lost so shortly before the end that they may still come back to hear of it. */
  const untold = (): number => {
    const { state } = loop;
    const now = loop.now();
    return [...state.participants.keys()].filter(
      (key) => !told.has(key) && (goneAt(config, state, key) ?? Infinity) > now,
    ).length;
  };

  const performEffect = (effect: Effect): void => {
    switch (effect.type) {
      case 'append':
        return;
      case 'send':
        if (effect.frame.type === 'error') noteRefusal(effect);
        if (effect.frame.type === 'finished') noteTold(effect.to);
        return sessions.send(effect.to, effect.frame);
      case 'work':
        return startWork(effect.work);
      case 'publish':
        return publish(effect.progress);
    }
  };

  const settle = (): void => {
    const { state } = loop;
    if (state.phase.type !== 'finished' || state.model === undefined) return;
    const { failure, committed, attempt } = state;
    if (failure !== undefined) {
      const message = `the run has ended after ${committed} of ${spec.rounds} rounds and ${attempt} attempts`;
      finished.reject(new FloeError(failure, message));
      return;
    }
    finished.resolve({
      rounds: state.committed,
      attempts: state.attempt,
      model: state.model,
    });
  };

  const publishInitial = async (): Promise<void> => {
    const readers = [identity.publicKey, ...spec.auditors];
    const first = keeper.prepare(firstContent(init), 0);
    await loop.persist(async () => {
      const model = await keeper.publish(first, readers, stopping.signal);
      dispatch({ type: 'started', model, beacon: firstBeacon(identity, spec.id), startWith });
    });
    await loop.drained();
  };

  /** Version 0 in the ledger; the same again after a crash. */
  const registerInitial = async (): Promise<void> => {
    const { state } = loop;
    if (state.attempt > 0 || state.model === undefined) return;
    const { hash: modelHash, state: stateHash, blob } = state.model;
    const version = { run, round: 0, modelHash, stateHash, blob, transcriptRoot: genesis(run) };
    const object = spec.parent?.object;
    await ledger.registerModel(
      version,
      object === undefined ? {} : { parent: `0x${toHex(object)}` },
    );
  };

  return {
    accept: (connection) => sessions.accept(connection),
    start: async () => {
      await cryptoReady;
      if (!equalBytes(identity.publicKey, spec.coordinator))
        throw new FloeError('spec_invalid', 'the specification names another coordinator');
      if (spec.access !== undefined && !gate.policies)
        throw new FloeError(
          'spec_invalid',
          `access.models: expected a gate with policies on chain, got ${gate.kind}`,
        );
      const replayed = await loop.open();
      const { phase, model } = loop.state;
      if (model !== undefined) {
        log.info({ replayed, phase: phase.type }, 'resumed');
        dispatch({ type: 'resumed', startWith });
        await loop.drained();
        // A phase that the restart itself began has started its own work.
        if (loop.state.phase.type === phase.type) pendingWork(loop.state).forEach(startWork);
      } else await publishInitial();
      await loop.persist(registerInitial);
      upkeep.start();
      settle();
    },
    stop: async () => {
      halt();
      finished.reject(new FloeError('aborted', 'The coordinator was stopped.'));
      await loop.drained();
      await Promise.allSettled(working);
      await sweeping;
    },
    finished: finished.promise,
    status,
    spec,
    specBytes,
    run,
    publicKey: identity.publicKey,
    limits,
    uploadLimit: Math.min(limits.blobBytes, uploadBytesOf({ spec }, spec.cohort.size)),
    metrics,
    clock,
    transcript: {
      get size() {
        return loop.history.size;
      },
      read: (start, end) => journal.transcript(start, end),
      startOf: (round) => journal.startOf(round),
      whole: async () => wholeTranscript(journal),
    },
    blobRef: (id) => journal.blobRef(id),
    isMember: (key) => loop.state.round?.members.includes(key) === true,
  };
};

/** Of the attempt before this one, where it was aborted. */
const lastAbortOf = ({ closing }: State): Status['lastAbort'] =>
  closing?.type !== 'abort'
    ? undefined
    : {
        round: closing.round,
        code: closing.body.code,
        reported: reportedText(closing.body.reported),
      };

const endsAttempt = ({ type }: SignedRecord): boolean => type === 'commit' || type === 'abort';

/** A participant's frame as an event. @throws FloeError `record_malformed`, `signature_invalid`, `unexpected_frame` */
const eventOf = (key: Uint8Array, frame: SessionFrame): EventBody => {
  switch (frame.type) {
    case 'report':
      return { type: 'reported', key, round: frame.round, code: frame.code };
    case 'withdraw':
      return { type: 'withdrawn', key, round: frame.round, code: frame.code.slice(0, 100) };
    case 'record':
      return { type: 'record', from: key, record: decodeRecord(frame.record), entries: [] };
    case 'unmask':
      return {
        type: 'record',
        from: key,
        record: decodeRecord(frame.record),
        entries: [frame.answer],
      };
    case 'share':
      return {
        type: 'record',
        from: key,
        record: decodeRecord(frame.record),
        entries: frame.entries,
      };
  }
};
