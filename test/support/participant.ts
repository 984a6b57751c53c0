/**
 * @module A participant for the coordinator's tests, written straight from the contract over
 * protocol/: it keeps what it has sent, so that it survives reconnects and restarts of the
 * coordinator, and it can be told to misbehave.
 */
import { extrasOf } from '../../protocol/algorithm/metrics.ts';
import type { AccessGate } from '../../protocol/ports/access-gate.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { chunkRoot } from '../../protocol/encoding/leaves.ts';
import { encodingFor, encodingSeed, layoutOf, specAt } from '../../protocol/algorithm/round.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import { concatBytes, equalBytes, sha256, toHex } from '../../protocol/bytes.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { encodeUpdate, pack } from '../../protocol/encoding/index.ts';
import { encryptBlob } from '../../protocol/model/envelope.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { Identity } from '../../protocol/ports/identity.ts';
import {
  decodeServerFrame,
  encodeFrame,
  loginPayload,
  type ServerFrame,
} from '../../protocol/wire/messages.ts';
import { cipherStream, deriveSeed, type RandomSource } from '../../protocol/ports/random.ts';
import {
  decodeRecord,
  decodeRecordOf,
  signRecord,
  type Body,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { mostSummed } from '../../protocol/robust/groups.ts';
import { contextOf, graphOf } from '../../protocol/rules/index.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import {
  complaintSecret,
  createParty,
  deriveKeys,
  freezeCohort,
  holderPlace,
  makeShares,
  maskUpdate,
  memberOf,
  openEntry,
  pairSign,
  sealAnswer,
  selfMaskSeed,
  selfSecretOf,
  type Cohort,
  type Lanes,
  type OpenedEntry,
  type Party,
  type SharePair,
} from '../../protocol/secagg/index.ts';
import { openModel } from '../../protocol/verify/recompute.ts';
import { signedOf } from './entries.ts';

export type Step = 'register' | 'share' | 'upload' | 'consistent' | 'unmask';

/** What one round has left with the participant. */
interface Memory {
  readonly open: SignedRecord<'open'>;
  readonly sigma: Uint8Array;
  readonly seal: Uint8Array;
  readonly register: SignedRecord<'register'>;
  cohort?: {
    readonly record: SignedRecord<'cohort'>;
    readonly cohort: Cohort;
    readonly context: Uint8Array;
    readonly party: Party;
  };
  complaint?: SignedRecord<'complaint'>;
  selfSecret?: Uint8Array;
  own?: SharePair;
  share?: { readonly record: SignedRecord<'share'>; readonly entries: readonly Uint8Array[] };
  sharers?: readonly Uint8Array[];
  readonly held: Map<string, OpenedEntry>;
  upload?: SignedRecord<'upload'>;
  survivors?: SignedRecord<'survivors'>;
  consistent?: SignedRecord<'consistent'>;
  unmask?: SignedRecord<'unmask'>;
  answer?: Uint8Array;
}

export interface TestParticipantInit {
  readonly identity: Identity;
  readonly spec: RunSpec;
  readonly store: BlobStore;
  /** Sealed boxes where missing. */
  readonly gate?: AccessGate;
  readonly random: RandomSource;
  /** The local update; must be a function of its arguments for runs to be comparable. */
  readonly train: (model: Float32Array, attempt: number) => Float32Array;
  /** Closes its connection instead of taking this step, in the rounds that the predicate names. */
  readonly dropAt?: (step: Step, attempt: number) => boolean;
  /** Registers in this attempt as if it never had. */
  readonly forgets?: (attempt: number) => boolean;
  /** Changes what it is about to say. */
  readonly lie?: {
    readonly commitment?: boolean;
    readonly shares?: boolean;
    readonly upload?: boolean;
    /** Changes the encoded update before it is masked. */
    readonly lanes?: (lanes: Lanes) => void;
    /** Seals something else to the others; `true`: entries that do not open. */
    readonly entries?: true | ((entry: Uint8Array) => Uint8Array);
    /** Shares another sigma than its keys are made of, or commits to pair keys of another sigma. */
    readonly sigma?: 'shares' | 'pairs';
    /** Complains about an entry that is good. */
    readonly complaint?: boolean;
    /** Names another blob than the own one, with what goes with it; waits until there is one. */
    readonly claim?: () => Promise<Partial<Body<'upload'>>>;
  };
}

export class TestParticipant {
  readonly identity: Identity;
  readonly errors: { code: string; message: string }[] = [];
  readonly closings: SignedRecord<'commit' | 'abort'>[] = [];
  readonly acks = new Set<string>();
  finished = false;
  closed: { code: number; reason: string } | undefined;
  /** Chain of what is being handled, so that frames are handled in order. */
  tail: Promise<void> = Promise.resolve();
  readonly #init: TestParticipantInit;
  readonly #run: Uint8Array;
  readonly #rounds = new Map<number, Memory>();
  #connection: Connection | undefined;
  #welcome = false;
  #nonce: Uint8Array = new Uint8Array(32);

  constructor(init: TestParticipantInit) {
    this.#init = init;
    this.identity = init.identity;
    this.#run = hashRunSpec(init.spec);
  }

  connect(connection: Connection): void {
    this.#connection = connection;
    this.closed = undefined;
    this.#welcome = false;
    this.#nonce = this.#init.random(32);
    connection.receive({
      message: (bytes) => {
        this.tail = this.tail.then(() => this.#handle(decodeServerFrame(bytes), connection));
      },
      close: (code, reason) => {
        this.closed = { code, reason };
        if (this.#connection === connection) this.#connection = undefined;
      },
    });
    connection.send(
      encodeFrame({ type: 'hello', key: this.identity.publicKey, nonce: this.#nonce }),
    );
  }

  disconnect(): void {
    this.#connection?.close(1000, 'bye');
  }

  /**
   * Sends a frame as it is. What an earlier session asked for waits until this one has asked again.
   */
  #send(frame: Parameters<typeof encodeFrame>[0]): void {
    if (this.#welcome) this.#connection?.send(encodeFrame(frame));
  }

  raw(bytes: Uint8Array): void {
    this.#connection?.send(bytes);
  }

  sign<Type extends RecordType>(type: Type, attempt: number, body: Body<Type>): SignedRecord<Type> {
    return signRecord(this.identity, type, this.#run, attempt, body);
  }

  withdraw(attempt: number): void {
    this.#send({ type: 'withdraw', attempt, code: 'trainer_failed' });
  }

  sent(attempt: number): Memory | undefined {
    return this.#rounds.get(attempt);
  }

  #drops(step: Step, attempt: number): boolean {
    if (this.#init.dropAt?.(step, attempt) !== true) return false;
    this.disconnect();
    return true;
  }

  async #handle(frame: ServerFrame, connection: Connection): Promise<void> {
    if (connection !== this.#connection) return;
    switch (frame.type) {
      case 'challenge': {
        const payload = loginPayload({
          clientNonce: this.#nonce,
          serverNonce: frame.nonce,
          client: this.identity.publicKey,
          coordinator: frame.coordinator,
          run: frame.run,
        });
        const signature = this.identity.sign('login', payload);
        return connection.send(encodeFrame({ type: 'login', signature }));
      }
      case 'record':
        return this.#record(decodeRecord(frame.record));
      case 'cohort':
        return this.#cohort(frame.record, frame.registers);
      case 'sharers':
        return this.#sharers(frame.record, frame.inbox);
      case 'consistency':
        return this.#consistency(frame.records);
      case 'error':
        this.errors.push({ code: frame.code, message: frame.message });
        return;
      case 'ack':
        this.acks.add(toHex(frame.hash));
        return;
      case 'finished':
        this.finished = true;
        return;
      case 'welcome':
        this.#welcome = true;
        return;
      case 'evidence':
    }
  }

  async #record(record: SignedRecord): Promise<void> {
    if (record.type === 'open') this.#open(record);
    else if (record.type === 'survivors') this.#survivors(record);
    else if (record.type === 'commit' || record.type === 'abort') this.closings.push(record);
  }

  #open(open: SignedRecord<'open'>): void {
    let memory = this.#rounds.get(open.attempt);
    if (memory === undefined) {
      const sigma = this.#init.random(32);
      const forgets = this.#init.forgets?.(open.attempt) === true;
      const before = forgets ? undefined : [...this.#rounds.values()].at(-1)?.register;
      const seal = this.#init.random(32);
      const register = this.sign('register', open.attempt, {
        open: open.hash,
        counter: (before?.body.counter ?? 0) + 1,
        ...(before === undefined ? {} : { previous: before.hash }),
        mask: deriveKeys(sigma, 'mask').public,
        seal: deriveKeys(seal, 'seal').public,
      });
      memory = { open, sigma, seal, register, held: new Map() };
      this.#rounds.set(open.attempt, memory);
    }
    if (this.#drops('register', open.attempt)) return;
    this.#send({ type: 'record', record: memory.register.bytes });
  }

  async #cohort(bytes: Uint8Array, registers: readonly Uint8Array[]): Promise<void> {
    const record = decodeRecordOf('cohort', bytes);
    const memory = this.#rounds.get(record.attempt);
    if (memory === undefined) throw new Error('a cohort without an open record');
    const cohort = freezeCohort(
      registers.map((one) => {
        const { author, body } = decodeRecordOf('register', one);
        return { id: author, mask: body.mask, seal: body.seal };
      }),
      record.body.beacon,
      { graph: graphOf({ spec: this.#init.spec, cohort: record }) },
    );
    const { open } = memory;
    const context = contextOf({ run: this.#run, attempt: record.attempt, open, cohort: record });
    const { sigma, seal } = memory;
    const self = this.identity.publicKey;
    memory.cohort ??= {
      record,
      cohort,
      context,
      party: createParty({ context, cohort, self, sigma, seal }),
    };
    if (this.#init.spec.secagg === 'none') return this.#upload(memory);
    if (memory.share === undefined) {
      memory.selfSecret = selfSecretOf(this.#init.random(32), this.#entropy(record.attempt));
      const { message, own } = await this.#makeShares(memory.cohort.party, memory.selfSecret);
      memory.own = own;
      const commitment =
        this.#init.lie?.commitment === true ? new Uint8Array(32) : message.commitment;
      const { entries: lie } = this.#init.lie ?? {};
      const broken = (entry: Uint8Array): Uint8Array =>
        entry.length > 70 ? entry.with(entry.length - 70, entry[entry.length - 70]! ^ 1) : entry;
      const entries =
        lie === undefined ? message.entries : message.entries.map(lie === true ? broken : lie);
      memory.share = {
        entries,
        record: this.sign('share', record.attempt, {
          context,
          commitment,
          entries: signedOf(context, self, entries),
          ...(memory.open.body.bundle === undefined
            ? {}
            : { check: { commit: memory.open.body.bundle.commit, leaf: 0 } }),
        }),
      };
    }
    if (this.#drops('share', record.attempt)) return;
    const { entries } = memory.share;
    this.#send({ type: 'share', record: memory.share.record.bytes, entries: [...entries] });
  }

  async #makeShares(party: Party, selfSecret: Uint8Array): ReturnType<typeof makeShares> {
    const { random, lie } = this.#init;
    const made = await makeShares({ party, selfSecret, random });
    if (lie?.sigma === undefined) return made;
    const other = { ...party, sigma: new Uint8Array(32).fill(7) };
    const lied = await makeShares({ party: other, selfSecret, random });
    if (lie.sigma === 'shares') return lied;
    const isLower = (entry: Uint8Array): boolean => entry.length > 2000;
    const entries = made.message.entries.map((entry, i) =>
      isLower(entry)
        ? concatBytes(lied.message.entries[i]!.subarray(0, 1152), entry.subarray(1152))
        : entry,
    );
    return { ...made, message: { ...made.message, entries } };
  }

  async #sharers(
    bytes: Uint8Array,
    inbox: Extract<ServerFrame, { readonly type: 'sharers' }>['inbox'],
  ): Promise<void> {
    const record = decodeRecordOf('sharers', bytes);
    const memory = this.#rounds.get(record.attempt);
    if (memory?.cohort === undefined) throw new Error('sharers without a cohort');
    memory.sharers = record.body.members;
    for (const item of inbox) {
      const share = decodeRecordOf('share', item.record);
      const { author } = share;
      if (equalBytes(author, this.identity.publicKey)) continue;
      const { context, party, cohort } = memory.cohort;
      if (holderPlace(cohort, author, this.identity.publicKey) === undefined) continue;
      try {
        memory.held.set(toHex(author), await openEntry(party, author, item.entry));
      } catch (thrown) {
        if (!(thrown instanceof FloeError) || thrown.code !== 'share_invalid') throw thrown;
        memory.complaint ??= this.sign('complaint', record.attempt, {
          context,
          accused: author,
          share: share.hash,
          kind: 'sealed',
          entry: item.entry,
          path: item.path,
          secret: complaintSecret(
            'sealed',
            memory,
            memberOf(memory.cohort.cohort, author).seal.raw,
          ),
        });
        return this.#send({ type: 'record', record: memory.complaint.bytes });
      }
    }
    if (this.#init.lie?.complaint === true) {
      const [item] = inbox.filter(
        ({ record: one }) =>
          !equalBytes(decodeRecordOf('share', one).author, this.identity.publicKey),
      );
      const share = decodeRecordOf('share', item!.record);
      const { context, cohort } = memory.cohort;
      memory.complaint ??= this.sign('complaint', record.attempt, {
        context,
        accused: share.author,
        share: share.hash,
        kind: 'sealed',
        entry: item!.entry,
        path: item!.path,
        secret: complaintSecret('sealed', memory, memberOf(cohort, share.author).seal.raw),
      });
      return this.#send({ type: 'record', record: memory.complaint.bytes });
    }
    return this.#upload(memory);
  }

  /** Its part of the next beacon. */
  #entropy(attempt: number): Uint8Array {
    return sha256(this.identity.publicKey, new Uint8Array([attempt]));
  }

  async #upload(memory: Memory): Promise<void> {
    const { spec, store, random, train } = this.#init;
    const { attempt } = memory.open;
    if (memory.upload === undefined && memory.cohort !== undefined) {
      const { cohort, context, record } = memory.cohort;
      const { model } = memory.open.body;
      const cipher = await store.get(model.blob);
      const gate = this.#init.gate ?? sealedBoxGate(this.identity);
      const flat = await openModel({ run: this.#run, model, cipher }, spec.model, gate);
      const n = cohort.members.length;
      const { lanes, layout } = encodeUpdate({
        delta: train(flat, attempt),
        examples: 10,
        metrics: [1.5, 7].slice(0, spec.metrics.length),
        extras: extrasOf(spec.metrics),
        spec: encodingFor(specAt(spec, memory.open.body), n, memory.open.body.meanExamples),
        n: mostSummed(spec, n),
        rotationSeed: encodingSeed(spec, {
          attempt,
          beacon: memory.open.body.beacon,
          modelHash: model.hash,
          cohortRoot: record.body.root,
        }),
        // The rounding must not depend on how often the coordinator was restarted.
        random:
          spec.privacy === undefined
            ? (length) => new Uint8Array(length).fill(127)
            : // A bounded rounding is drawn until it is within its bound.
              cipherStream(deriveSeed(this.identity.publicKey, attempt)),
      });
      this.#init.lie?.lanes?.(lanes as Lanes);
      if (spec.secagg === 'masked')
        await maskUpdate({
          lanes: lanes as Lanes,
          modulusBits: layout.modulusBits,
          selfSeed: selfMaskSeed(
            context,
            this.identity.publicKey,
            memory.selfSecret ?? new Uint8Array(),
          ),
          pairs: [...memory.held.values()].map(({ author, seed }) => ({
            seed,
            sign: pairSign(this.identity.publicKey, author),
          })),
        });
      const packed = pack(lanes, layout.modulusBits);
      memory.upload = await this.#put(memory, context, packed, gate, random);
    }
    if (memory.upload === undefined || this.#drops('upload', attempt)) return;
    this.#send({ type: 'record', record: memory.upload.bytes });
  }

  async #put(
    memory: Memory,
    context: Uint8Array,
    packed: Uint8Array,
    gate: ReturnType<typeof sealedBoxGate>,
    random: RandomSource,
  ): Promise<SignedRecord<'upload'>> {
    const { spec, store, lie } = this.#init;
    const { attempt } = memory.open;
    let bytes = packed;
    let envelope: Uint8Array | undefined;
    if (spec.secagg === 'none') {
      const key = random(32);
      const purpose = { run: this.#run, attempt, role: 'update' } as const;
      bytes = await encryptBlob(key, purpose, packed);
      envelope = await gate.wrap(key, purpose, [spec.coordinator, ...spec.auditors]);
    }
    const ref = await store.put(bytes);
    const layout = layoutOf(
      spec,
      memory.cohort?.cohort.members.length ?? 0,
      memory.open.body.meanExamples,
    );
    return this.sign('upload', attempt, {
      context,
      blob: { id: ref.id, sha256: ref.sha256, size: ref.size },
      chunkRoot: lie?.upload === true ? new Uint8Array(32) : chunkRoot(layout, bytes),
      ...(envelope === undefined ? {} : { envelope, entropy: this.#entropy(attempt) }),
      ...(await lie?.claim?.()),
    });
  }

  #survivors(record: SignedRecord<'survivors'>): void {
    const memory = this.#rounds.get(record.attempt);
    if (memory === undefined || this.#init.spec.secagg === 'none') return;
    memory.survivors = record;
    memory.consistent ??= this.sign('consistent', record.attempt, {
      context: record.body.context,
      survivors: record.body.hash,
    });
    if (this.#drops('consistent', record.attempt)) return;
    this.#send({ type: 'record', record: memory.consistent.bytes });
  }

  async #consistency(records: readonly Uint8Array[]): Promise<void> {
    const [first] = records;
    if (first === undefined) return;
    const { attempt } = decodeRecordOf('consistent', first);
    const memory = this.#rounds.get(attempt);
    if (memory?.survivors === undefined || memory.sharers === undefined) return;
    const alive = new Set(memory.survivors.body.members.map(toHex));
    if (memory.unmask === undefined) {
      const shares = memory.sharers.flatMap((member) => {
        const hex = toHex(member);
        const pair = hex === toHex(this.identity.publicKey) ? memory.own : memory.held.get(hex);
        if (pair === undefined) return [];
        const kind = alive.has(hex) ? ('self' as const) : ('key' as const);
        const share =
          this.#init.lie?.shares === true ? pair[kind].map((byte) => byte ^ 9) : pair[kind];
        return [{ author: member, kind, share }];
      });
      const answer = await sealAnswer({
        to: memory.open.body.key,
        context: memory.survivors.body.context,
        author: this.identity.publicKey,
        shares,
        random: this.#init.random,
      });
      memory.answer = answer;
      memory.unmask = this.sign('unmask', attempt, {
        context: memory.survivors.body.context,
        survivors: memory.survivors.body.hash,
        answer: sha256(answer),
      });
    }
    if (this.#drops('unmask', attempt)) return;
    this.#send({ type: 'unmask', record: memory.unmask.bytes, answer: memory.answer! });
  }
}
