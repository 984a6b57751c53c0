/**
 * @module The real coordinator with real clients, in memory: what outsiders, readers and lying
 * participants attack.
 */
import {
  joinRun,
  memoryKeystore,
  functionTrainer,
  type Keystore,
  type Participant,
  type ParticipantEvent,
  type ParticipantOptions,
} from '../../client/index.ts';
import {
  memoryJournal,
  type Coordinator,
  type CoordinatorInit,
  type Journal,
  type Progress,
} from '../../coordinator/index.ts';
import type { SealedEntries } from '../../coordinator/journal/port.ts';
import { decodeEntries } from '../../coordinator/machine/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { decodeBundle, type UnmaskingBundle } from '../../protocol/verify/bundle.ts';
import { equalBytes, joinBytes, utf8 } from '../../protocol/bytes.ts';
import { systemClock, type Clock } from '../../protocol/ports/clock.ts';
import { decryptBlob } from '../../protocol/model/envelope.ts';
import type { Identity } from '../../protocol/ports/identity.ts';
import { cipherStream, deriveSeed, systemRandom } from '../../protocol/ports/random.ts';
import type { Body, RecordType, SignedRecord } from '../../protocol/records/records.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import {
  decodeTranscript,
  encodeStored,
  type TranscriptEntry,
} from '../../protocol/records/transcript.ts';
import { openModel } from '../../protocol/verify/index.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { connectionPair } from '../support/connection.ts';
import type { TestParticipantInit } from '../support/participant.ts';
import { connect, createStage, testSpec, type Stage } from '../support/run.ts';

/** A clock that runs `factor` times as fast, so that pauses between attempts are not waited for. */
export const fastClock = (factor = 50): Clock => {
  const start = Date.now();
  const now = (): number => start + (Date.now() - start) * factor;
  return {
    now,
    monotonic: () => systemClock.monotonic() * factor,
    at: (at, callback) => systemClock.after(Math.max(0, at - now()) / factor, callback),
    after: (ms, callback) => systemClock.after(ms / factor, callback),
  };
};

/** Time enough for honest clients on a busy machine, where the clock runs fifty times as fast. */
export const PATIENT = {
  register: 500,
  share: 500,
  upload: 500,
  uploadFloor: 500,
  consistency: 500,
  unmask: 500,
  grace: 0,
};

/** Waits for what may take a second or two. @throws when it does not come true */
export const eventually = async (condition: () => boolean, what: string): Promise<void> => {
  const late = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > late) throw new Error(`it did not come to pass: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

export interface Client {
  readonly name: string;
  readonly keystore: Keystore;
  readonly key: Uint8Array;
  readonly participant: Participant;
  readonly events: ParticipantEvent[];
  /** The true update: the same in every round. */
  readonly update: Float32Array;
}

export interface RealRun {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly stage: Stage;
  coordinator: Coordinator;
  readonly progress: readonly Progress[];
  /** An honest client, or one whose own trainer lies. */
  join(name: string, options?: ClientOptions): Promise<Client>;
  /** A client that was changed to lie. */
  liar(name: string, over: Partial<TestParticipantInit>): ReturnType<Stage['participant']>;
  /** What anyone can fetch, while the run continues. */
  entries(): readonly TranscriptEntry[];
  records<Type extends RecordType>(type: Type): SignedRecord<Type>[];
  /** What the journal holds beside a record while its attempt lasts: somebody kept a copy. */
  sealedBeside(record: SignedRecord): readonly Uint8Array[];
  /** Waits for that many commits. */
  committed(count: number): Promise<void>;
  /** Waits for that many attempts that failed. */
  aborted(count: number): Promise<Extract<Progress, { type: 'aborted' }>[]>;
  stop(): Promise<void>;
}

export interface ClientOptions extends Partial<Omit<ParticipantOptions, 'keystore'>> {
  readonly keystore?: Keystore;
  readonly update?: Float32Array;
  readonly examples?: number;
  readonly correct?: number;
  /**
   * Training does not end before this; where it never settles, shares are sent and nothing is
   * uploaded.
   */
  readonly after?: Promise<void>;
}

export const keystoreNamed = (name: string): Promise<Keystore> =>
  memoryKeystore(deriveSeed(utf8(name), 'attacks'));

/** An update of norm 0.5. */
export const updateOf = (name: string, dimension: number): Float32Array => {
  const bytes = cipherStream(deriveSeed(utf8(name), 'update'))(dimension);
  const raw = Float32Array.from(bytes, (byte) => byte - 127.5);
  const length = Math.hypot(...raw);
  return raw.map((value) => (0.5 * value) / length);
};

export const never = (): Promise<never> => new Promise(() => undefined);

export const realRun = async (
  over: Parameters<typeof testSpec>[0] = {},
  init: Partial<CoordinatorInit> = {},
): Promise<RealRun> => {
  const spec = await testSpec(over);
  const run = hashRunSpec(spec);
  const kept = init.journal ?? memoryJournal();
  const written: Uint8Array[] = [];
  const sealed: SealedEntries[] = [];
  const journal: Journal = {
    ...kept,
    write: async (batch) => {
      await kept.write(batch);
      written.push(...batch.records.map(encodeStored));
      sealed.push(...batch.sealed);
    },
  };
  const { clock, journal: _journal, ...rest } = init;
  const stage = await createStage(spec, { journal, ...(clock === undefined ? {} : { clock }) });
  const clients: Client[] = [];
  const liars: Awaited<ReturnType<Stage['participant']>>[] = [];
  const dimension = 20;
  const self: RealRun = {
    spec,
    run,
    stage,
    coordinator: stage.create({ ...rest, ...(clock === undefined ? {} : { clock }) }),
    progress: stage.progress,
    join: async (name, options = {}) => {
      const { update = updateOf(name, dimension), examples = 10, correct = 1, after } = options;
      const keystore = options.keystore ?? (await keystoreNamed(name));
      const events: ParticipantEvent[] = [];
      const participant = joinRun({
        connect: async () => {
          const [server, client] = connectionPair(name);
          self.coordinator.accept(server);
          return client;
        },
        trainer: functionTrainer({
          manifest: spec.model,
          train: async ({ weights }) => {
            await after;
            return {
              weights: weights.map((value, i) => value + update[i]!),
              examples,
              lossSum: 1,
              correct,
            };
          },
        }),
        store: stage.store,
        gate: sealedBoxGate(keystore.identity),
        clock: systemClock,
        random: systemRandom,
        backoff: { baseMs: 10, maxMs: 50 },
        require: TEST_ADMISSION,
        ...options,
        keystore,
        onEvent: (event) => events.push(event),
      });
      participant.finished.catch(() => undefined);
      const key = keystore.identity.publicKey;
      const client = { name, keystore, key, participant, events, update };
      clients.push(client);
      return client;
    },
    liar: async (name, change) => {
      const one = await stage.participant(name, change);
      liars.push(one);
      connect(self.coordinator, one);
      return one;
    },
    entries: () => decodeTranscript(run, joinBytes(written)).entries,
    sealedBeside: ({ hash }) =>
      decodeEntries(sealed.find(({ share }) => equalBytes(share, hash))!.bytes),
    records: (type) => recordsIn(self.entries(), type),
    committed: (count) =>
      eventually(() => self.coordinator.status().committed >= count, `${count} commits`),
    aborted: async (count) => {
      const all = () => stage.progress.filter((event) => event.type === 'aborted');
      await eventually(() => all().length >= count, `${count} failed attempts`);
      return all();
    },
    stop: async () => {
      await Promise.all(clients.map(({ participant }) => participant.stop()));
      for (const one of liars) one.disconnect();
      await self.coordinator.stop();
    },
  };
  await self.coordinator.start();
  self.coordinator.finished.catch(() => undefined);
  return self;
};

export const recordsIn = <Type extends RecordType>(
  entries: readonly TranscriptEntry[],
  type: Type,
): SignedRecord<Type>[] =>
  entries.flatMap(({ record }) => (record.type === type ? [record as SignedRecord<Type>] : []));

/** The parameters that a reader finds behind a reference. */
export const readModel = async (
  { run, stage, spec }: RealRun,
  model: Body<'open'>['model'],
  reader: Identity,
): Promise<Float32Array> =>
  openModel(
    { run, model, cipher: await stage.store.get(model.blob) },
    spec.model,
    sealedBoxGate(reader),
  );

/** The unmasking bundle of a commit, as a reader opens it. */
export const readBundle = async (
  { run, stage }: RealRun,
  { attempt, body }: SignedRecord<'commit'>,
  reader: Identity,
): Promise<UnmaskingBundle> => {
  const purpose = { run, attempt, role: 'bundle' } as const;
  const key = await sealedBoxGate(reader).unwrap(body.bundle.envelope, purpose);
  return decodeBundle(await decryptBlob(key, purpose, await stage.store.get(body.bundle.blob)));
};

/** What the first commit changed in the model, in the eyes of a reader. */
export const stepOfRound = async (run: RealRun, reader: Identity): Promise<Float32Array> => {
  const [commit] = run.records('commit');
  const [open] = run.records('open');
  const after = await readModel(run, commit!.body.model, reader);
  const before = await readModel(run, open!.body.model, run.stage.coordinatorIdentity);
  return after.map((value, i) => value - before[i]!);
};
