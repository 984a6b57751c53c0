/**
 * @module A participant: one identity in one run, from the first login to the last commit. It keeps the session up (with
 * backoff), puts frames and finished work into one queue, and leaves the rounds to `round.ts`.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import type { AccessGate } from '../../protocol/access/access-gate.ts';
import type { BlobStore } from '../../protocol/blobs/blob-store.ts';
import { sleep, type Clock } from '../../protocol/clock.ts';
import type { Connection } from '../../protocol/connection.ts';
import { FloeError, toFloeError } from '../../protocol/errors.ts';
import { cryptoReady } from '../../protocol/identity.ts';
import { MAX_FRAME_BYTES, type ServerFrame } from '../../protocol/messages.ts';
import type { RandomSource } from '../../protocol/random.ts';
import { decodeRecordOf, type SignedRecord } from '../../protocol/records.ts';
import type { RunSpec } from '../../protocol/run-spec.ts';
import { decodeProof, fabricated } from '../../protocol/verify/commit-proof.ts';
import { matchManifest } from '../../protocol/tensors/index.ts';
import {
  admitRun,
  admitTraining,
  loweredFields,
  makeAdmission,
  type AdmissionInput,
  type AdmissionPolicy,
} from '../admission.ts';
import type { Keystore } from '../keystore/keystore.ts';
import type { Trainer } from '../trainer.ts';
import { backoffDelay, DEFAULT_BACKOFF, type Backoff } from './backoff.ts';
import { lineOf, type Log, type ParticipantEvent } from './events.ts';
import { loadMemory, type Memory } from './memory.ts';
import type { LedgerReader } from './ports.ts';
import { Rounds } from './round.ts';
import { logIn, type Expected, type Session } from './session.ts';
import type { Answers } from './spending.ts';

/** A port, or what opens it once it is known which run it is for. */
export type OnRun<Port> = Port | ((run: Uint8Array, spec: RunSpec) => Port | Promise<Port>);

export interface ParticipantOptions {
  /** Makes a fresh connection to the coordinator. */
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  readonly keystore: Keystore;
  /** Or what makes one once the specification is known. */
  readonly trainer: Trainer | ((spec: RunSpec) => Trainer | Promise<Trainer>);
  /** Each port, or what makes it once the specification is known: at the first login, again if that fails. */
  readonly store: OnRun<BlobStore>;
  readonly gate: OnRun<AccessGate>;
  /** Where cohorts and survivor sets are frozen, if the coordinator alone does not keep that. */
  readonly ledger?: OnRun<LedgerReader | undefined>;
  /**
   * Which survivor sets it answers for on one model (specification of secure aggregation, section 2.0). Default: `ledger` where
   * there is a ledger that the coordinator does not keep alone, else `strict`.
   */
  readonly answers?: Answers;
  readonly clock: Clock;
  /** A CSPRNG outside of simulations. */
  readonly random: RandomSource;
  /** What is known of the run beforehand; anything else is refused with `spec_mismatch`. */
  readonly expect?: Expected;
  /** What a run must offer, where not as the defaults say; a run that offers less is refused with `admission_refused`. */
  readonly require?: AdmissionInput;
  readonly backoff?: Backoff;
  /** Milliseconds a login may take. Default 20 s. */
  readonly loginTimeoutMs?: number;
  readonly log?: Log;
  readonly onEvent?: (event: ParticipantEvent) => void;
}

export interface Outcome {
  /** `stopped`: by the caller, before the end. */
  readonly type: 'finished' | 'stopped';
  readonly run: Uint8Array | undefined;
  readonly spec: RunSpec | undefined;
  /** The last commit this participant has seen: names the newest model and opens it. */
  readonly commit: SignedRecord<'commit'> | undefined;
}

/** A session that has lasted this long was a good one: the next loss begins with the shortest wait. */
const STABLE_MS = 10_000;
const LOGIN_TIMEOUT_MS = 20_000;

/** What is set up at the first login and stays. */
interface Joined {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly memory: Memory;
  readonly rounds: Rounds;
  readonly trainer: Trainer;
  readonly store: BlobStore;
  readonly gate: AccessGate;
  /** Its kind. */
  readonly ledger: string | undefined;
}

/**
 * The coordinator shows the last registration that this identity signed in the run.
 *
 * @throws FloeError `keystore_rolled_back` when the keystore does not know of it; `record_replayed` when it is another's
 */
const checkOwnCounter = (
  self: Uint8Array,
  { register, run }: Session,
  { memory }: Joined,
): void => {
  if (register === undefined) return;
  const { author, run: of, body } = decodeRecordOf('register', register);
  if (!equalBytes(author, self) || !equalBytes(of, run))
    throw new FloeError(
      'record_replayed',
      'the registration that the coordinator shows is no own one',
    );
  const known = memory.run.registered?.counter ?? 0;
  if (body.counter > known)
    throw new FloeError(
      'keystore_rolled_back',
      `this identity has registered ${body.counter} times in the run, its keystore knows of ${known}`,
    );
};

/** Frames, and bytes of them, that may wait for their turn; a coordinator that sends more is cut off. */
const MAX_WAITING = 1024;
const MAX_WAITING_BYTES = 4 * MAX_FRAME_BYTES;

export class Participant {
  /** Settles when the run is over, the participant was stopped, or it cannot go on. */
  readonly finished: Promise<Outcome>;
  readonly #options: ParticipantOptions;
  readonly #admission: AdmissionPolicy;
  readonly #stop = new AbortController();
  readonly #end = Promise.withResolvers<Outcome>();
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  #waitingBytes = 0;
  #session: Session | undefined;
  #joined: Joined | undefined;
  /** The session got a record through or lasted: the next loss starts with a short wait again. */
  #useful = false;
  #loggedInAt: number | undefined;

  /** Begins at once. @throws FloeError `usage` for a requirement that makes no sense */
  constructor(options: ParticipantOptions) {
    this.#options = options;
    this.#admission = makeAdmission(options.require);
    this.finished = this.#end.promise;
    this.#run().catch((thrown: unknown) => this.#settle(toFloeError(thrown)));
  }

  /** The last commit this participant has seen. */
  get commit(): SignedRecord<'commit'> | undefined {
    return this.#joined?.memory.commit;
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
   * Leaves; what was saved stays, and a participant with the same keystore goes on. Resolves once nothing is written any
   * more.
   */
  async stop(): Promise<void> {
    this.#settle('stopped');
    await this.#queue;
  }

  async #run(): Promise<void> {
    const { clock, random, backoff = DEFAULT_BACKOFF } = this.#options;
    await cryptoReady;
    const lowered = loweredFields(this.#admission);
    if (lowered.length > 0) this.#emit({ type: 'admission', lowered });
    for (let attempt = 1; ; attempt += 1) {
      this.#loggedInAt = undefined;
      this.#useful = false;
      const error = await this.#attempt();
      if (this.#stop.signal.aborted) return;
      if (this.#loggedInAt !== undefined && clock.now() - this.#loggedInAt >= STABLE_MS)
        this.#useful = true;
      if (this.#useful) attempt = 1;
      const delayMs = backoffDelay(backoff, attempt, random);
      this.#emit({ type: 'reconnecting', attempt, delayMs, error });
      await sleep(clock, delayMs, this.#stop.signal);
    }
  }

  /** One session, from connecting to its end. Returns why it ended. @throws FloeError what no other attempt would cure */
  async #attempt(): Promise<FloeError> {
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
      if (!error.retryable) throw error;
      return error;
    }
    if (this.#stop.signal.aborted) session.close();
    else {
      this.#session = session;
      try {
        this.#joined ??= await this.#join(session);
        checkOwnCounter(keystore.identity.publicKey, session, this.#joined);
      } catch (thrown) {
        const error = toFloeError(thrown);
        this.#session = undefined;
        for (const [, size] of early) this.#release(size);
        session.close(error);
        if (!error.retryable) throw error;
        return error;
      }
      this.#loggedInAt = clock.now();
      this.#announce(session, this.#joined);
      for (const [frame, size] of early) this.#take(frame, size);
      early = undefined;
    }
    const error = await session.over;
    this.#session = undefined;
    return error;
  }

  /** After the first login the run is what it was then, whoever answers at the address. */
  #expected(): Expected {
    if (this.#joined === undefined) return this.#options.expect ?? {};
    return { coordinator: this.#joined.spec.coordinator, run: this.#joined.run };
  }

  /** @throws FloeError `admission_refused` before anything but the login was sent, and what opening a port throws */
  async #join({ spec, run }: Session): Promise<Joined> {
    admitRun(this.#admission, spec, this.#options.keystore.identity.publicKey);
    const { keystore, clock, random, backoff = DEFAULT_BACKOFF } = this.#options;
    const open = async <Port extends object | undefined>(port: OnRun<Port>): Promise<Port> =>
      typeof port === 'function' ? port(run, spec) : port;
    const store = await open(this.#options.store);
    const gate = await open(this.#options.gate);
    const ledger = await open(this.#options.ledger);
    const { identity, trainingSecret } = keystore;
    const memory = await loadMemory(keystore, run);
    if (memory.run.proof !== undefined) throw fabricated(decodeProof(memory.run.proof));
    // Last of all: a login that fails before is repeated, and would make another one.
    const trainer =
      typeof this.#options.trainer === 'function'
        ? await this.#options.trainer(spec)
        : this.#options.trainer;
    matchManifest(spec.model, trainer.manifest);
    admitTraining(this.#admission, spec, trainer.examples);
    const self = identity.publicKey;
    const beacon = ledger === undefined || ledger.beacon === 'members' ? 'members' : 'ledger';
    const answers = this.#options.answers ?? {
      policy: ledger === undefined ? 'strict' : 'ledger',
    };
    if (answers.policy === 'ledger' && ledger === undefined)
      throw new FloeError('usage', 'policy `ledger` needs a public ledger, and this run has none');
    const rounds = new Rounds(
      {
        view: { spec, run, self, beacon },
        admission: this.#admission,
        own: { identity, trainingSecret, random },
        keystore,
        trainer,
        store,
        gate,
        ledger,
        answers,
        clock,
        backoff,
        send: (frame) => this.#session?.sendBytes(frame),
        emit: (event) => this.#emit(event),
        warn: (message) => this.#options.log?.('warn', message),
        enqueue: (work) => this.#enqueue(work),
      },
      memory,
    );
    return { spec, run, memory, rounds, trainer, store, gate, ledger: ledger?.kind };
  }

  #announce({ remote }: Session, { run, spec, trainer, store, gate, ledger }: Joined): void {
    const { keystore } = this.#options;
    this.#emit({
      type: 'connected',
      remote,
      run,
      spec,
      address: keystore.identity.address,
      backend: trainer.backend,
      store: store.kind,
      gate: gate.kind,
      ledger,
      keystore: keystore.kind,
    });
  }

  /** Whether a frame may wait for its turn; where too much does, the session ends. */
  #admit(size: number): boolean {
    this.#waiting += 1;
    this.#waitingBytes += size;
    if (this.#waiting <= MAX_WAITING && this.#waitingBytes <= MAX_WAITING_BYTES) return true;
    this.#release(size);
    const waiting = `${this.#waiting} frames of ${this.#waitingBytes} bytes are waiting`;
    this.#session?.close(new FloeError('rate_limited', waiting));
    return false;
  }

  #release(size: number): void {
    this.#waiting -= 1;
    this.#waitingBytes -= size;
  }

  #take(frame: ServerFrame | FloeError, size: number): void {
    if (!(frame instanceof FloeError) && frame.type === 'ack') this.#useful = true;
    this.#enqueue(async () => {
      this.#release(size);
      if (frame instanceof FloeError || frame.type !== 'finished')
        await this.#joined?.rounds.handle(frame);
      else {
        await this.#joined?.rounds.over();
        this.#emit({ type: 'finished', rounds: frame.rounds });
        this.#settle('finished');
      }
    });
  }

  #enqueue(work: () => Promise<void>): void {
    this.#queue = this.#afterwards(this.#queue, work);
  }

  async #afterwards(earlier: Promise<void>, work: () => Promise<void>): Promise<void> {
    await earlier;
    if (this.#stop.signal.aborted) return;
    try {
      await work();
    } catch (thrown) {
      this.#settle(toFloeError(thrown));
    }
  }

  #settle(how: FloeError | 'finished' | 'stopped'): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#joined?.rounds.stop();
    // One that the caller made is the caller's to dispose of.
    if (typeof this.#options.trainer === 'function') this.#joined?.trainer.dispose();
    this.#session?.close(how instanceof FloeError ? how : undefined);
    const { run, spec, memory } = this.#joined ?? {};
    if (how instanceof FloeError && how.code !== 'run_finished') this.#end.reject(how);
    else
      this.#end.resolve({
        type: how === 'stopped' ? how : 'finished',
        run,
        spec,
        commit: memory?.commit,
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
