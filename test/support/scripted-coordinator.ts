/**
 * A coordinator for tests of the participant: it keeps the contract step by step, and every step can be left out, repeated or
 * replaced by a forged one. It has no deadlines and no journal; the real one is in coordinator/.
 */
import { encodeBundle } from '../../protocol/aggregate/bundle.ts';
import { createFold, finishRound, layoutOf, rotationSeed } from '../../protocol/aggregate/round.ts';
import { sealedBoxGate } from '../../protocol/access/sealed-box-gate.ts';
import type { KeyPurpose } from '../../protocol/access/access-gate.ts';
import type { BlobRef } from '../../protocol/blobs/blob-store.ts';
import { memoryStore } from '../../protocol/blobs/memory.ts';
import { equalBytes, fromHex, sha256, toHex } from '../../protocol/bytes.ts';
import type { Connection } from '../../protocol/connection.ts';
import { decryptBlob, encryptBlob } from '../../protocol/envelope.ts';
import { identityFromSeed, verifySignature, type Identity } from '../../protocol/identity.ts';
import { cohortEntropy, localBeacon } from '../../protocol/ledger/beacon.ts';
import {
  decodeClientFrame,
  encodeFrame,
  loginPayload,
  type ClientFrame,
  type ServerFrame,
} from '../../protocol/messages.ts';
import { seededRandom } from '../../protocol/random.ts';
import {
  decodeRecord,
  signRecord,
  sortKeys,
  survivorsHash,
  type Body,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records.ts';
import { encodeRunSpec, hashRunSpec, makeRunSpec, type RunSpec } from '../../protocol/run-spec.ts';
import {
  cohortRoot,
  decodeAnswer,
  freezeCohort,
  recover,
  roundContext,
  threshold,
  unmask,
  type Lanes,
} from '../../protocol/secagg/index.ts';
import { encodeSafetensors, hashModel } from '../../protocol/tensors/index.ts';

type OfType<Type extends RecordType> = SignedRecord<Type>;
type Sent = Extract<ServerFrame, { type: string }>;
type Unversioned<Frame> = Frame extends unknown ? Omit<Frame, 'v'> : never;

interface Round {
  readonly number: number;
  readonly open: OfType<'open'>;
  cohort?: OfType<'cohort'>;
  registers: OfType<'register'>[];
  context?: Uint8Array;
  sharers?: OfType<'sharers'>;
  shares: OfType<'share'>[];
  survivors?: OfType<'survivors'>;
}

export const TENSORS = [
  { name: 'dense/kernel', shape: [6, 5], dtype: 'float32' },
  { name: 'dense/bias', shape: [5], dtype: 'float32' },
] as const;

export class ScriptedCoordinator {
  readonly identity: Identity;
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly store = memoryStore();
  weights = new Float32Array(35).map((_, i) => Math.sin(i));
  version = 0;
  round: Round | undefined;
  /** Every frame a participant sent, by its key. */
  readonly frames = new Map<string, ClientFrame[]>();
  readonly #sessions = new Map<string, Connection>();
  /** What was sent to each member in this round: sent again when it comes back. */
  readonly #outbox = new Map<string, Uint8Array[]>();
  /** Whether records are acknowledged. */
  acks = true;
  readonly #random = seededRandom(new Uint8Array(32).fill(77));
  #waiters: (() => void)[] = [];
  /** The blob and the key of each model that was published. */
  readonly #models = new Map<string, { readonly key: Uint8Array; readonly blob: BlobRef }>();

  constructor(identity: Identity, spec: RunSpec) {
    this.identity = identity;
    this.spec = spec;
    this.run = hashRunSpec(spec);
  }

  static async create(
    overrides: Omit<Parameters<typeof makeRunSpec>[0], 'id' | 'coordinator' | 'model'> = {},
  ): Promise<ScriptedCoordinator> {
    const identity = await identityFromSeed(new Uint8Array(32).fill(200));
    const spec = makeRunSpec({
      id: new Uint8Array(16).fill(5),
      coordinator: identity.publicKey,
      model: {
        architecture: 'custom',
        tensors: TENSORS.map((t) => ({ ...t, shape: [...t.shape] })),
      },
      cohort: { size: 5, minimum: 3, overSelect: 1 },
      ...overrides,
    });
    return new ScriptedCoordinator(identity, spec);
  }

  /** The other side's connection goes in here. */
  accept(connection: Connection): void {
    let key: Uint8Array | undefined;
    let loggedIn = false;
    const nonce = this.#random(32);
    connection.receive({
      message: (bytes) => {
        const frame = decodeClientFrame(bytes);
        if (frame.type === 'hello') {
          key = frame.key;
          const payload = this.#payload(frame.nonce, nonce, key);
          payloadOf = payload;
          connection.send(
            encodeFrame({
              type: 'challenge',
              coordinator: this.identity.publicKey,
              run: this.run,
              nonce,
              signature: this.identity.sign('challenge', payload),
            }),
          );
        } else if (frame.type === 'login') {
          if (!verifySignature('login', payloadOf!, frame.signature, key!))
            throw new Error('the login does not verify');
          loggedIn = true;
          this.#sessions.set(toHex(key!), connection);
          connection.send(encodeFrame({ type: 'welcome', spec: encodeRunSpec(this.spec) }));
          for (const again of this.#outbox.get(toHex(key!)) ?? []) connection.send(again);
          this.#wake();
        } else if (loggedIn) this.#take(key!, frame, connection);
        else throw new Error(`${frame.type} before the login`);
      },
      close: () => {
        if (key && this.#sessions.get(toHex(key)) === connection) this.#sessions.delete(toHex(key));
        this.#wake();
      },
    });
    let payloadOf: Uint8Array | undefined;
  }

  #payload(clientNonce: Uint8Array, serverNonce: Uint8Array, client: Uint8Array): Uint8Array {
    const { run } = this;
    const coordinator = this.identity.publicKey;
    return loginPayload({ clientNonce, serverNonce, client, coordinator, run });
  }

  #take(key: Uint8Array, frame: ClientFrame, connection: Connection): void {
    const list = this.frames.get(toHex(key)) ?? [];
    list.push(frame);
    this.frames.set(toHex(key), list);
    if (this.acks && (frame.type === 'record' || frame.type === 'share'))
      connection.send(encodeFrame({ type: 'ack', hash: decodeRecord(frame.record).hash }));
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Waits until the condition holds; it is looked at after every frame. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const late = AbortSignal.timeout(20_000);
    while (!condition()) {
      if (late.aborted) throw new Error(`never happened: ${what}`);
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
        late.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  get keys(): Uint8Array[] {
    return sortKeys([...this.#sessions.keys()].map((hex) => fromHex(hex)));
  }

  loggedIn(count: number): Promise<void> {
    return this.until(() => this.#sessions.size >= count, `${count} logins`);
  }

  /** Drops somebody's connection. */
  drop(key: Uint8Array, code = 1006, reason = ''): void {
    this.#sessions.get(toHex(key))?.close(code, reason);
  }

  send(to: readonly Uint8Array[], frame: Unversioned<Sent>): void {
    const bytes = encodeFrame(frame);
    for (const key of to) {
      const hex = toHex(key);
      this.#outbox.set(hex, [...(this.#outbox.get(hex) ?? []), bytes]);
      this.#sessions.get(hex)?.send(bytes);
    }
  }

  sign<Type extends RecordType>(type: Type, round: number, body: Body<Type>): OfType<Type> {
    return signRecord(this.identity, type, this.run, round, body);
  }

  /** All records of a type that this member sent in this round, distinct, in order. */
  recordsOf<Type extends RecordType>(key: Uint8Array, type: Type): OfType<Type>[] {
    const found = new Map<string, OfType<Type>>();
    for (const frame of this.frames.get(toHex(key)) ?? []) {
      if (frame.type !== 'record' && frame.type !== 'share') continue;
      const record = decodeRecord(frame.record);
      if (record.type === type && record.round === this.round?.number)
        found.set(toHex(record.hash), record as OfType<Type>);
    }
    return [...found.values()];
  }

  async collect<Type extends RecordType>(
    from: readonly Uint8Array[],
    type: Type,
  ): Promise<OfType<Type>[]> {
    const latest = (): (OfType<Type> | undefined)[] =>
      from.map((key) => this.recordsOf(key, type).at(-1));
    await this.until(() => !latest().includes(undefined), `${type} records of ${from.length}`);
    return latest() as OfType<Type>[];
  }

  withdrew(key: Uint8Array): Extract<ClientFrame, { type: 'withdraw' }> | undefined {
    return this.frames
      .get(toHex(key))
      ?.findLast((frame) => frame.type === 'withdraw' && frame.round === this.round?.number) as
      Extract<ClientFrame, { type: 'withdraw' }> | undefined;
  }

  async withdrawal(key: Uint8Array): Promise<string> {
    await this.until(() => this.withdrew(key) !== undefined, 'a withdrawal');
    return this.withdrew(key)!.code;
  }

  async #store(purpose: KeyPurpose, file: Uint8Array) {
    const key = this.#random(32);
    return { key, blob: await this.store.put(await encryptBlob(key, purpose, file)) };
  }

  async modelRef(
    readers: readonly Uint8Array[],
    weights = this.weights,
  ): Promise<Body<'open'>['model']> {
    const purpose = { run: this.run, round: this.version, role: 'model' } as const;
    const hash = hashModel(this.spec.model, weights);
    const name = `${this.version}/${toHex(hash)}`;
    const file = encodeSafetensors(this.spec.model, weights);
    const { key, blob } = this.#models.get(name) ?? (await this.#store(purpose, file));
    this.#models.set(name, { key, blob });
    return {
      version: this.version,
      blob: { ...blob },
      hash,
      envelope: await sealedBoxGate(this.identity).wrap(key, purpose, readers),
    };
  }

  async open(
    change: (body: Body<'open'>) => Body<'open'> = (body) => body,
    number = (this.round?.number ?? 0) + 1,
  ): Promise<OfType<'open'>> {
    const invited = this.keys;
    const model = await this.modelRef(invited);
    const open = this.sign('open', number, change({ model, config: this.run, invited }));
    this.round = { number, open, registers: [], shares: [] };
    this.#outbox.clear();
    this.send(invited, { type: 'record', record: open.bytes });
    return open;
  }

  cohortBody(registers: readonly OfType<'register'>[]): Body<'cohort'> {
    const members = registers.map(({ author }) => author);
    const root = cohortRoot(members);
    const entropy = cohortEntropy(registers.map(({ body }) => body.nonce));
    return {
      members,
      registers: registers.map(({ hash }) => hash),
      root,
      beacon: localBeacon(root, entropy),
      threshold: this.spec.secagg === 'masked' ? threshold(members.length) : 0,
      receipt: 'journal',
    };
  }

  async cohort(
    members: readonly Uint8Array[],
    change: (body: Body<'cohort'>) => Body<'cohort'> = (body) => body,
    registersSent?: readonly Uint8Array[],
  ): Promise<OfType<'cohort'>> {
    const round = this.round!;
    round.registers = await this.collect(members, 'register');
    const cohort = this.sign('cohort', round.number, change(this.cohortBody(round.registers)));
    round.cohort = cohort;
    round.context = roundContext({
      runHash: this.run,
      round: round.number,
      modelHash: round.open.body.model.hash,
      configHash: round.open.body.config,
      cohortRoot: cohort.body.root,
      beacon: cohort.body.beacon,
    });
    const registers = registersSent ?? round.registers.map(({ bytes }) => bytes);
    this.send(members, { type: 'cohort', record: cohort.bytes, registers: [...registers] });
    return cohort;
  }

  entriesOf(key: Uint8Array): readonly Uint8Array[] {
    const frame = this.frames.get(toHex(key))!.findLast((item) => item.type === 'share');
    return (frame as Extract<ClientFrame, { type: 'share' }>).entries;
  }

  async sharers(
    members: readonly Uint8Array[],
    change: (body: Body<'sharers'>) => Body<'sharers'> = (body) => body,
    changeEntry: (entry: Uint8Array, author: Uint8Array) => Uint8Array = (entry) => entry,
  ): Promise<OfType<'sharers'>> {
    const round = this.round!;
    round.shares = await this.collect(members, 'share');
    const shares = round.shares.map(({ hash }) => hash);
    const body = change({ context: round.context!, members: [...members], shares });
    const sharers = this.sign('sharers', round.number, body);
    round.sharers = sharers;
    for (const member of members) {
      const index = round.cohort!.body.members.findIndex((key) => equalBytes(key, member));
      const inbox = round.shares.map((share) => ({
        record: share.bytes,
        entry: equalBytes(share.author, member)
          ? new Uint8Array(0)
          : changeEntry(this.entriesOf(share.author)[index]!, share.author),
      }));
      this.send([member], { type: 'sharers', record: sharers.bytes, inbox });
    }
    return sharers;
  }

  async survivors(
    members: readonly Uint8Array[],
    change: (body: Body<'survivors'>) => Body<'survivors'> = (body) => body,
    to = members,
  ): Promise<OfType<'survivors'>> {
    const round = this.round!;
    const uploads = (await this.collect(members, 'upload')).map(({ hash }) => hash);
    const context = round.context!;
    const among = (round.sharers ?? round.cohort)!.body.members;
    const rejected = among
      .filter((key) => !members.some((member) => equalBytes(member, key)))
      .map((member) => ({ member, code: 'phase_closed' }));
    const body = { context, members: [...members], uploads, rejected, receipt: 'journal' };
    const hash = survivorsHash(context, members, uploads);
    const survivors = this.sign('survivors', round.number, change({ ...body, hash }));
    round.survivors = survivors;
    this.send(to, { type: 'record', record: survivors.bytes });
    return survivors;
  }

  async consistency(members: readonly Uint8Array[], to = members): Promise<void> {
    const records = (await this.collect(members, 'consistent')).map(({ bytes }) => bytes);
    this.send(to, { type: 'consistency', records });
  }

  /** Sends a member that comes back only the first `count` frames of the round again. */
  rewind(key: Uint8Array, count: number): void {
    const hex = toHex(key);
    this.#outbox.set(hex, (this.#outbox.get(hex) ?? []).slice(0, count));
  }

  /** Commits to any model: nothing of it follows from the sum but what `claims` leaves as it is. */
  async commitTo(
    after: Float32Array,
    claims: Partial<Body<'commit'>> = {},
  ): Promise<OfType<'commit'>> {
    const round = this.round!;
    const before = round.open.body.model.hash;
    this.weights = after.slice();
    this.version = round.number;
    const model = await this.modelRef(this.keys);
    const nothing = new Uint8Array(32);
    const commit = this.sign('commit', round.number, {
      survivors: round.survivors!.body.hash,
      aggregate: {
        hash: nothing,
        chunkRoot: nothing,
        size: layoutOf(this.spec, round.cohort!.body.members.length).byteLength,
      },
      bundle: { blob: { ...(await this.store.put(nothing)) }, envelope: new Uint8Array(0) },
      step: { optimiser: 'fedavg', learningRate: 1, before, after: model.hash },
      weight: round.survivors!.body.members.length,
      metrics: { lossSum: 0, correct: 0, clipped: 0 },
      model,
      ...claims,
    });
    this.send(this.keys, { type: 'record', record: commit.bytes });
    return commit;
  }

  /** The lanes of the sum, without masks. */
  async sum(answering: readonly Uint8Array[]): Promise<Lanes> {
    const round = this.round!;
    const { members } = round.survivors!.body;
    const layout = layoutOf(this.spec, round.cohort!.body.members.length);
    const fold = createFold(layout);
    const uploads = await this.collect(members, 'upload');
    for (const { body } of uploads) {
      let bytes = await this.store.get(body.blob);
      if (body.envelope !== undefined) {
        const purpose = { run: this.run, round: round.number, role: 'update' } as const;
        const key = await sealedBoxGate(this.identity).unwrap(body.envelope, purpose);
        bytes = await decryptBlob(key, purpose, bytes);
      }
      fold.add(bytes);
    }
    const lanes = fold.lanes as Lanes;
    if (this.spec.secagg === 'none') return lanes;
    const answers = (await this.collect(answering, 'unmask')).map(({ author, body }) => ({
      sender: author,
      shares: decodeAnswer(this.identity.openSealed(body.answer)),
    }));
    const cohort = freezeCohort(
      round.registers.map(({ author, body }) => ({
        id: author,
        keys: { x25519: body.x25519, mlkem: body.mlkem },
      })),
    );
    const shares = round.shares.map(({ author, body }) => ({
      author,
      commitment: body.commitment,
      entries: this.entriesOf(author),
    }));
    const view = { context: round.context!, cohort, shares, survivors: members };
    const result = await recover(view, answers);
    if (result.type === 'failed' || result.badShares.length > 0)
      throw new Error(`the recovery failed: ${JSON.stringify(result)}`);
    await unmask(lanes, result.jobs, layout.modulusBits);
    return lanes;
  }

  async commit(answering: readonly Uint8Array[]): Promise<OfType<'commit'>> {
    const round = this.round!;
    const n = round.cohort!.body.members.length;
    const { survivors } = round;
    const { root, beacon } = round.cohort!.body;
    const before = this.weights;
    const modelHash = round.open.body.model.hash;
    const result = finishRound({
      spec: this.spec,
      n,
      survivors: survivors!.body.members.length,
      lanes: await this.sum(answering),
      before,
      rotationSeed: rotationSeed({ round: round.number, modelHash, cohortRoot: root, beacon }),
    });
    this.weights = result.after as Float32Array<ArrayBuffer>;
    this.version = round.number;
    const blob = await this.store.put(encodeBundle({ secrets: [], shares: [] }));
    const commit = this.sign('commit', round.number, {
      survivors: survivors!.body.hash,
      aggregate: result.aggregate,
      bundle: { blob: { ...blob }, envelope: new Uint8Array(0) },
      step: { optimiser: 'fedavg', learningRate: 1, before: modelHash, after: result.afterHash },
      weight: result.weight,
      metrics: result.metrics,
      model: await this.modelRef(this.keys),
    });
    this.send(this.keys, { type: 'record', record: commit.bytes });
    return commit;
  }

  abort(code = 'cohort_too_small'): void {
    const record = this.sign('abort', this.round!.number, { code, reason: 'test', culprits: [] });
    this.send(this.keys, { type: 'record', record: record.bytes });
  }

  /** An undisturbed round. `gone` drop out before their upload. */
  async playRound(gone: readonly Uint8Array[] = []): Promise<OfType<'commit'>> {
    const members = this.keys;
    const staying = members.filter((key) => !gone.some((other) => equalBytes(other, key)));
    await this.open();
    await this.cohort(members);
    if (this.spec.secagg === 'masked') await this.sharers(members);
    await this.survivors(staying);
    if (this.spec.secagg === 'masked') await this.consistency(staying);
    return this.commit(staying);
  }

  finish(): void {
    this.send(this.keys, { type: 'finished', rounds: this.version });
  }
}

export const hashOf = (bytes: Uint8Array): string => toHex(sha256(bytes));
