/**
 * @module A participant: one identity in one run, from the first login to the last commit. It keeps
 * the session up (with backoff), puts frames and results of works into one queue
 * (`turn-queue.ts`), and leaves the attempts to the machine (`../machine`) and its host.
 */
import { correctionOf } from '../../../protocol/algorithm/registry.ts';
import type { AccessGate } from '../../../protocol/ports/access-gate.ts';
import type { BlobStore } from '../../../protocol/ports/blob-store.ts';
import { sleep } from '../../../protocol/ports/clock.ts';
import { FloeError, toFloeError, type ErrorCode } from '../../../protocol/errors.ts';
import { cryptoReady } from '../../../protocol/ports/identity.ts';
import { encodeFrame, type ServerFrame } from '../../../protocol/wire/messages.ts';
import { BUFFER_ON_CHAIN } from '../../../protocol/spec/buffer-in-spec.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import { decodeProof, fabricated } from '../../../protocol/verify/commit-proof.ts';
import type { SignedRecord } from '../../../protocol/records/records.ts';
import { eventLoopTurn } from '../../../protocol/secagg/event-loop-turn.ts';
import { requireBase } from '../../../protocol/model/base.ts';
import { matchManifest, storedAs } from '../../../protocol/model/index.ts';
import { admitRun, admitTraining, makeAdmission, type AdmissionPolicy } from '../../admission.ts';
import { loweredFields } from '../../lowered-requirements.ts';
import { requireCorrections, requireSteps, type Trainer } from '../../trainer.ts';
import { backoffDelay, DEFAULT_BACKOFF } from './backoff.ts';
import { nearest } from '../machine/withdrawal.ts';
import { ATTEMPT_MACHINE, type Event } from '../machine/index.ts';
import { compareClocks } from './clocks.ts';
import {
  faultsOfGate,
  faultsOfKeystore,
  faultsOfLedger,
  faultsOfStore,
  faultsOfTrainer,
} from './port-faults.ts';
import { openPorts, portWatcher } from './hanging-ports.ts';
import { lineOf, type ParticipantEvent } from '../events.ts';
import { requireAnyBudget, totalBudget } from './privacy-budget.ts';
import { openKeeper } from './secrets.ts';
import { EMPTY_RUN } from '../../keystore/keystore.ts';
import type { Outcome, ParticipantOptions } from '../options.ts';
import { createHost, type Host } from './host.ts';
import { logIn, type Expected, type Session } from './session.ts';
import { createTurns, type Turns } from './turn-queue.ts';

/**
 * A session that has lasted this long was a good one: the next loss begins with the shortest wait.
 */
const STABLE_MS = 10_000;
const LOGIN_TIMEOUT_MS = 20_000;
/** How often it is looked whether frames have left. */
const FLUSH_MS = 20;
const PATIENCE_MS = 5 * 60_000;
const FIRST_LOGIN_MS = 10 * 60_000;

/**
 * What no login cures once a participant has joined: its own keystore, what it has proven, the end.
 */
const ENDS_A_RUN: ReadonlySet<ErrorCode> = new Set([
  'keystore_rolled_back',
  'commit_fabricated',
  'run_finished',
]);

/** What is set up at the first login and stays. */
interface Joined {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly host: Host;
  readonly trainer: Trainer;
  readonly store: BlobStore;
  readonly gate: AccessGate;
  /** Its kind. */
  readonly ledger: string | undefined;
  /** The ledger's clock, where it has one. */
  readonly time: (() => Promise<number>) | undefined;
}

export class Participant {
  /** Settles when the run is over, the participant was stopped, or it cannot continue. */
  readonly finished: Promise<Outcome>;
  readonly #options: ParticipantOptions;
  readonly #admission: AdmissionPolicy;
  readonly #stop = new AbortController();
  readonly #end = Promise.withResolvers<Outcome>();
  readonly #turns: Turns;
  #session: Session | undefined;
  #joined: Joined | undefined;
  /** The session got a record through or lasted: the next loss starts with a short wait again. */
  #useful = false;
  #loggedInAt: number | undefined;

  /** Begins at once. @throws FloeError `usage` for a requirement that makes no sense */
  constructor(options: ParticipantOptions) {
    this.#options = options;
    this.#admission = makeAdmission(options.require);
    this.#turns = createTurns(this.#stop.signal, (error) => this.#settle(error));
    this.finished = this.#end.promise;
    this.#run().catch((thrown: unknown) => this.#settle(toFloeError(thrown)));
  }

  /** The last commit this participant has seen. */
  get commit(): SignedRecord<'commit'> | undefined {
    return this.#joined?.host.state.commit;
  }

  /** The specification, once it has logged in. */
  get spec(): RunSpec | undefined {
    return this.#joined?.spec;
  }

  /** What it reads models with, once it has logged in. */
  get ports(): { readonly store: BlobStore; readonly gate: AccessGate } | undefined {
    return this.#joined;
  }

  /**
   * Leaves; what was saved stays, and a participant with the same keystore continues. Resolves once
   * nothing is written any more.
   */
  async stop(): Promise<void> {
    this.#settle('stopped');
    this.#session?.close();
    await this.#turns.idle();
  }

  async #run(): Promise<void> {
    const { clock, random, backoff = DEFAULT_BACKOFF } = this.#options;
    const { firstLoginMs = FIRST_LOGIN_MS } = this.#options;
    const started = clock.monotonic();
    await cryptoReady;
    const lowered = loweredFields(this.#admission);
    if (lowered.length > 0) this.#emit({ type: 'admission', lowered });
    let said: string | undefined;
    for (let tries = 1; ; tries += 1) {
      this.#loggedInAt = undefined;
      this.#useful = false;
      const error = await this.#live();
      if (this.#stop.signal.aborted) return;
      // Nobody was ever there: the address is wrong, or the user wants to know.
      if (this.#joined === undefined && clock.monotonic() - started > firstLoginMs) throw error;
      if (this.#loggedInAt !== undefined && clock.monotonic() - this.#loggedInAt >= STABLE_MS)
        this.#useful = true;
      if (this.#useful) tries = 1;
      const delayMs = backoffDelay(backoff, tries, random);
      const isFirst = this.#loggedInAt !== undefined || error.code !== said;
      said = error.code;
      this.#emit({ type: 'reconnecting', tries, delayMs, isFirst, error });
      await sleep(clock, delayMs, this.#stop.signal);
    }
  }

  /**
   * One session, from connecting to its end. Returns why it ended. @throws FloeError what no other
   * attempt would cure
   */
  async #live(): Promise<FloeError> {
    const { connect, keystore, clock, random, loginTimeoutMs = LOGIN_TIMEOUT_MS } = this.#options;
    // Frames may come before what handles them is set up.
    let early: (readonly [ServerFrame | FloeError, number])[] | undefined = [];
    let session: Session;
    try {
      const connection = await connect(this.#stop.signal);
      session = await logIn(connection, {
        identity: keystore.identity,
        expect: this.#expected(),
        clock,
        random,
        timeoutMs: loginTimeoutMs,
        signal: this.#stop.signal,
        onFrame: (frame, size) => {
          if (!this.#admit(size)) return;
          if (early === undefined) this.#take(frame, size);
          else early.push([frame, size]);
        },
      });
    } catch (thrown) {
      const error = toFloeError(thrown, 'connection_lost');
      if (this.#isFinal(error)) throw error;
      return error;
    }
    if (this.#stop.signal.aborted) session.close();
    else {
      this.#session = session;
      try {
        this.#joined ??= await this.#join(session);
      } catch (thrown) {
        const error = toFloeError(thrown);
        this.#session = undefined;
        for (const [, size] of early) this.#turns.release(size);
        session.close(error);
        if (this.#isFinal(error)) throw error;
        return error;
      }
      this.#loggedInAt = clock.monotonic();
      this.#post({ type: 'logged-in', remote: session.remote, register: session.register });
      void this.#compareClocks(session, this.#joined);
      for (const [frame, size] of early) this.#take(frame, size);
      early = undefined;
    }
    const error = await session.over;
    this.#session = undefined;
    return error;
  }

  /**
   * Whether another login cannot help. Before the first one the user is told at once what does not
   * fit; after it whoever answers at the address, refuses or breaks off is waited out, since the
   * run may stand all the same.
   */
  #isFinal({ code, retryable }: FloeError): boolean {
    if (this.#joined !== undefined) return ENDS_A_RUN.has(code);
    return !retryable && code !== 'login_refused';
  }

  /** After the first login the run is what it was then, whoever answers at the address. */
  #expected(): Expected {
    if (this.#joined === undefined) return this.#options.expect ?? {};
    return { coordinator: this.#joined.spec.coordinator, run: this.#joined.run };
  }

  /**
   * @throws FloeError `admission_refused` before anything but the login was sent, and what opening
   * a port throws
   */
  async #join({ spec, run }: Session): Promise<Joined> {
    admitRun(this.#admission, spec, this.#options.keystore.identity.publicKey);
    await requireAnyBudget(this.#options.keystore, run, spec, totalBudget(this.#admission));
    const { clock, random, noise, backoff = DEFAULT_BACKOFF } = this.#options;
    const { patienceMs = PATIENCE_MS } = this.#options;
    const keystore = faultsOfKeystore(this.#options.keystore);
    const { store, gate, ledger } = await openPorts(this.#options, run, spec, {
      clock,
      onWaiting: (error) => this.#emit({ type: 'waiting', attempt: 0, error, port: error.port }),
      onOver: (port, milliseconds) =>
        this.#emit({ type: 'answers-again', attempt: 0, port, milliseconds }),
    });
    const { identity, trainingSecret } = keystore;
    const keeper = await openKeeper(keystore, { spec, run }, EMPTY_RUN);
    const { proof } = keeper.loaded;
    if (proof !== undefined) throw fabricated(decodeProof(proof));
    if (spec.buffer !== undefined && ledger !== undefined)
      throw new FloeError('spec_invalid', BUFFER_ON_CHAIN);
    const answers = this.#options.answers ?? {
      policy: ledger === undefined ? 'strict' : 'ledger',
    };
    if (answers.policy === 'ledger' && ledger === undefined)
      throw new FloeError('usage', 'policy `ledger` needs a public ledger, and this run has none');
    // Last of all: a login that fails before is repeated, and would make another one.
    const trainer =
      typeof this.#options.trainer === 'function'
        ? await this.#options.trainer(spec)
        : this.#options.trainer;
    try {
      // Without its base an adapted model has other tensors: this error says why.
      requireBase(spec.model.base, trainer.base);
      matchManifest(spec.model, storedAs(spec.model, trainer.manifest));
      requireCorrections(trainer, correctionOf(spec));
      requireSteps(trainer, spec.training.localSteps);
      admitTraining(this.#admission, spec, trainer.examples);
      // Left while the trainer was made: nobody else would dispose of it.
      if (this.#stop.signal.aborted) throw new FloeError('aborted', 'The run was left.');
    } catch (thrown) {
      // It may hold a thread, and nothing else refers to it.
      if (typeof this.#options.trainer === 'function') trainer.dispose();
      throw thrown;
    }
    const self = identity.publicKey;
    const beacon = ledger === undefined || ledger.beacon === 'members' ? 'members' : 'ledger';
    const view = { spec, run, self, beacon } as const;
    const watch = portWatcher('until the coordinator ends the attempt', {
      clock,
      onWaiting: (error) => this.#post({ type: 'outage', attempt: nearest(host.state), error }),
      onOver: (port, milliseconds) =>
        this.#post({ type: 'outage-over', attempt: nearest(host.state), port, milliseconds }),
    });
    const host: Host = createHost({
      machine: this.#options.machine ?? ATTEMPT_MACHINE,
      config: { view, admission: this.#admission, answers, hasLedger: ledger !== undefined },
      keeper,
      ports: {
        view,
        own: { identity, trainingSecret, random, noise },
        keystore,
        trainer: faultsOfTrainer(trainer),
        store: faultsOfStore(watch('store', store)),
        gate: faultsOfGate(watch('gate', gate)),
        total: totalBudget(this.#admission),
        ledger: ledger && faultsOfLedger(watch('ledger', ledger)),
        clock,
        backoff,
        patienceMs,
        sent: (signal) => this.#sent(signal),
      },
      signal: this.#stop.signal,
      post: (event) => this.#post(event),
      send: (frame) => this.#session?.sendBytes(encodeFrame(frame)),
      sendBytes: (frame) => this.#session?.sendBytes(frame),
      announce: (remote) => this.#announce(remote),
      disconnect: (error) => this.#session?.close(error),
      end: (how) => this.#settle(how),
      emit: (event) => this.#emit(event),
      warn: (message) => this.#options.log?.('warn', message),
    });
    const time = ledger?.time && (async () => ledger.time?.() as Promise<number>);
    return { spec, run, host, trainer, store, gate, ledger: ledger?.kind, time };
  }

  async #sent(signal: AbortSignal): Promise<void> {
    await eventLoopTurn();
    while (!signal.aborted && (this.#session?.bufferedBytes ?? 0) > 0)
      await sleep(this.#options.clock, FLUSH_MS, signal);
  }

  async #compareClocks({ clock }: Session, { time }: Joined): Promise<void> {
    const skew = await compareClocks(this.#options.clock, clock, time);
    this.#post({ type: 'clocks', skew });
  }

  #announce(remote: string): void {
    if (this.#joined === undefined) return;
    const { run, spec, trainer, store, gate, ledger } = this.#joined;
    const { keystore } = this.#options;
    this.#emit({
      type: 'connected',
      remote,
      run,
      spec,
      address: keystore.identity.address,
      backend: trainer.backend,
      examples: trainer.examples,
      store: store.kind,
      gate: gate.kind,
      ledger,
      keystore: keystore.kind,
    });
  }

  /** Whether a frame may wait for its turn; where too much does, the session ends. */
  #admit(size: number): boolean {
    const error = this.#turns.admit(size);
    if (error !== undefined) this.#session?.close(error);
    return error === undefined;
  }

  #take(frame: ServerFrame | FloeError, size: number): void {
    if (!(frame instanceof FloeError) && frame.type === 'ack') this.#useful = true;
    const event: Event =
      frame instanceof FloeError ? { type: 'bad-frame', error: frame } : { type: 'frame', frame };
    this.#post(event, size);
  }

  /** Takes an event after all that came before it. @param size of the frame that it came in */
  #post(event: Event, size?: number): void {
    this.#turns.enqueue(async () => {
      if (size !== undefined) this.#turns.release(size);
      await this.#joined?.host.take(event);
    });
  }

  #settle(how: FloeError | 'finished' | 'stopped'): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#joined?.host.stop();
    // One that the caller made is the caller's to dispose of.
    if (typeof this.#options.trainer === 'function') this.#joined?.trainer.dispose();
    if (how instanceof FloeError) this.#session?.close(how);
    else if (how === 'stopped' || this.#options.staysToTheEnd !== true) this.#session?.close();
    const { run, spec, host } = this.#joined ?? {};
    if (how instanceof FloeError && how.code !== 'run_finished') this.#end.reject(how);
    else
      this.#end.resolve({
        type: how === 'stopped' ? how : 'finished',
        run,
        spec,
        commit: host?.state.commit,
      });
  }

  #emit(event: ParticipantEvent): void {
    const { log, onEvent } = this.#options;
    const line = lineOf(event);
    if (line !== undefined) log?.(...line);
    onEvent?.(event);
  }
}

/** Takes part in a run; see {@link Participant}. */
export const joinRun = (options: ParticipantOptions): Participant => new Participant(options);
