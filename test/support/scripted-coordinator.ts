/**
 * A coordinator for tests of the participant: it keeps the contract step by step, and every step
 * can be left out, repeated or replaced by a forged one. It has no deadlines and no journal; the
 * real one is in coordinator/.
 */
import { FIRST_MEAN_EXAMPLES } from '../../protocol/encoding/index.ts';
import { hashStrategy, strategyOf } from '../../protocol/algorithm/registry.ts';
import { initialState, stateHashOf, stateTensors } from '../../protocol/algorithm/state.ts';
import { encodeVersion } from '../../protocol/model/open-model.ts';
import {
  EMPTY_BUNDLE,
  encodeBundle,
  entropiesOf,
  type UnmaskingBundle,
} from '../../protocol/verify/bundle.ts';
import { extrasLeaf, joinHashes, leafHashes } from '../../protocol/encoding/leaves.ts';
import { createFold, encodingSeed, finishRound, layoutOf } from '../../protocol/algorithm/round.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { KeyPurpose } from '../../protocol/ports/access-gate.ts';
import type { BlobRef } from '../../protocol/ports/blob-store.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { equalBytes, fromHex, sha256, toHex } from '../../protocol/bytes.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { decryptBlob, encryptBlob } from '../../protocol/model/envelope.ts';
import { identityFromSeed, verifySignature, type Identity } from '../../protocol/ports/identity.ts';
import { firstBeacon, localBeacon, nextBeacon } from '../../protocol/rules/beacon.ts';
import {
  decodeClientFrame,
  encodeFrame,
  loginPayload,
  type ClientFrame,
  type ServerFrame,
} from '../../protocol/wire/messages.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import {
  decodeRecord,
  eligibleRoot,
  signRecord,
  sortKeys,
  survivorsHash,
  type Body,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { contextOf } from '../../protocol/rules/index.ts';
import { drawnBy, type Draw } from '../../protocol/rules/selection.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import {
  encodeRunSpec,
  hashRunSpec,
  makeRunSpec,
  type RunSpec,
} from '../../protocol/spec/run-spec.ts';
import {
  cohortRoot,
  deriveKeys,
  freezeCohort,
  shownPairs,
  openAnswer,
  recover,
  threshold,
  unmask,
  type Lanes,
  type AttemptKeyPairs,
} from '../../protocol/secagg/index.ts';
import { hashModel, parameterCount } from '../../protocol/model/index.ts';
import { pathOf } from './entries.ts';

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
  eligible?: readonly Uint8Array[];
}

/** What a coordinator may sign other than the truth, from the sum on. Each gets the honest one. */
export interface Fabrication {
  /** Of the encoding: whoever chooses it chooses the coordinates that travel. */
  readonly seed?: Uint8Array;
  /** Takes the step with this strategy, or with other parameters of the run's. */
  readonly strategy?: RunSpec['strategy'];
  /** S, before the step. */
  readonly lanes?: (lanes: Lanes) => Lanes;
  /** The new model's weights. */
  readonly after?: (after: Float32Array, before: Float32Array) => Float32Array;
  /** The new state of the strategy. */
  readonly state?: (state: Float32Array, before: Float32Array) => Float32Array;
  readonly bundle?: (bundle: UnmaskingBundle) => UnmaskingBundle;
  readonly body?: (body: Body<'commit'>) => Body<'commit'>;
}

/** How a commit names the strategy of a run. */
export const stepName = ({ strategy }: RunSpec) => ({
  strategy: strategy.name,
  parameters: hashStrategy(strategy),
});

export const TENSORS = [
  { name: 'dense/kernel', shape: [6, 5], dtype: 'float32' },
  { name: 'dense/bias', shape: [5], dtype: 'float32' },
] as const;

export class ScriptedCoordinator {
  readonly identity: Identity;
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly store = memoryStore();
  weights: Float32Array;
  /** Of the strategy. */
  state: Float32Array;
  version = 0;
  /** R of the next attempt. */
  beacon: Uint8Array;
  meanExamples = FIRST_MEAN_EXAMPLES;
  committed = 0;
  /** What R draws the next cohort from: fixed with the survivors of the last commit. */
  eligible: readonly Uint8Array[] = [];
  /** Others that it says were here when a set was fixed. */
  waiting: readonly Uint8Array[] = [];
  /** What the last sum opened. */
  #entropies: readonly Uint8Array[] = [];
  attempt: Round | undefined;
  /** The records of the attempt that made the newest commit, and the key of its bundle. */
  last: { commit: OfType<'commit'>; records: Uint8Array[]; key: Uint8Array } | undefined;
  #modelKey: Uint8Array = new Uint8Array(32);
  /** Every frame a participant sent, by its key. */
  readonly frames = new Map<string, ClientFrame[]>();
  readonly #sessions = new Map<string, Connection>();
  /** What was sent to each member in this attempt: sent again when it comes back. */
  readonly #outbox = new Map<string, Uint8Array[]>();
  /**
   * What is shown as its last registration to who logs in; an honest coordinator shows the real
   * one.
   */
  readonly shown = new Map<string, Uint8Array>();
  /** What its clock shows, ms. */
  now: () => number = Date.now;
  /** Whether records are acknowledged. */
  acks = true;
  readonly #random = seededRandom(new Uint8Array(32).fill(77));
  #waiters: (() => void)[] = [];
  #asked = false;
  /** The blob and the key of each model that was published. */
  readonly #models = new Map<string, { readonly key: Uint8Array; readonly blob: BlobRef }>();

  constructor(identity: Identity, spec: RunSpec) {
    this.identity = identity;
    this.spec = spec;
    this.run = hashRunSpec(spec);
    this.beacon = firstBeacon(identity, spec.id);
    this.weights =
      spec.parent === undefined
        ? initialModel(spec.model)
        : new Float32Array(parameterCount(spec.model));
    this.state = initialState(strategyOf(spec), parameterCount(spec.model));
  }

  static async create(
    overrides: Omit<Parameters<typeof makeRunSpec>[0], 'id' | 'coordinator' | 'model'> = {},
    tensors: RunSpec['model']['tensors'] = TENSORS.map((t) => ({ ...t, shape: [...t.shape] })),
  ): Promise<ScriptedCoordinator> {
    const identity = await identityFromSeed(new Uint8Array(32).fill(200));
    const spec = makeRunSpec({
      id: new Uint8Array(16).fill(5),
      coordinator: identity.publicKey,
      model: { architecture: 'custom', tensors },
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
          const register = this.shown.get(toHex(key!));
          connection.send(
            encodeFrame({
              type: 'welcome',
              time: Math.round(this.now()),
              spec: encodeRunSpec(this.spec),
              ...(register === undefined ? {} : { register }),
            }),
          );
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
    if (this.acks && 'record' in frame)
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

  /** What was sent in this attempt is not sent again to who comes back. */
  forget(): void {
    this.#outbox.clear();
  }

  sign<Type extends RecordType>(type: Type, attempt: number, body: Body<Type>): OfType<Type> {
    return signRecord(this.identity, type, this.run, attempt, body);
  }

  /** A member signs something else than it has sent: it and the coordinator collude. */
  forge<Type extends RecordType>(member: Identity, type: Type, body: Body<Type>): OfType<Type> {
    const record = signRecord(member, type, this.run, this.attempt!.number, body);
    const frames = this.frames.get(toHex(member.publicKey)) ?? [];
    const frame: ClientFrame =
      type === 'share'
        ? {
            v: 3,
            type: 'share',
            record: record.bytes,
            entries: [...this.entriesOf(member.publicKey)],
          }
        : { v: 3, type: 'record', record: record.bytes };
    this.frames.set(toHex(member.publicKey), [...frames, frame]);
    return record;
  }

  /** All records of a type that this member sent in this attempt, distinct, in order. */
  recordsOf<Type extends RecordType>(key: Uint8Array, type: Type): OfType<Type>[] {
    const found = new Map<string, OfType<Type>>();
    for (const frame of this.frames.get(toHex(key)) ?? []) {
      if (!('record' in frame)) continue;
      const record = decodeRecord(frame.record);
      if (record.type === type && record.attempt === this.attempt?.number)
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

  /** The first of the attempt, as a coordinator takes it: it may be said again. */
  withdrew(key: Uint8Array): Extract<ClientFrame, { type: 'withdraw' }> | undefined {
    return this.frames
      .get(toHex(key))
      ?.find((frame) => frame.type === 'withdraw' && frame.attempt === this.attempt?.number) as
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

  /** Also for those who must always be able to read. */
  #wrap(key: Uint8Array, purpose: KeyPurpose, readers: readonly Uint8Array[]): Promise<Uint8Array> {
    const all = [this.identity.publicKey, ...this.spec.auditors, ...readers];
    const once = new Map(all.map((reader) => [toHex(reader), reader]));
    return sealedBoxGate(this.identity).wrap(key, purpose, [...once.values()]);
  }

  async modelRef(
    readers: readonly Uint8Array[],
    weights = this.weights,
  ): Promise<Body<'open'>['model']> {
    const purpose = { run: this.run, attempt: this.version, role: 'model' } as const;
    const hash = hashModel(this.spec.model, weights);
    const { state } = this;
    const chosen = strategyOf(this.spec);
    const stateHash = stateHashOf(chosen, parameterCount(this.spec.model), state);
    const name = `${this.version}/${toHex(hash)}/${stateHash === undefined ? '' : toHex(stateHash)}`;
    const tensors = stateTensors(chosen, parameterCount(this.spec.model));
    const file = encodeVersion(this.spec.model, tensors, { weights, state });
    const { key, blob } = this.#models.get(name) ?? (await this.#store(purpose, file));
    this.#models.set(name, { key, blob });
    this.#modelKey = key;
    return {
      version: this.version,
      blob: { ...blob },
      hash,
      ...(stateHash === undefined ? {} : { state: stateHash }),
      envelope: await this.#wrap(key, purpose, readers),
    };
  }

  /** Its key pair of an attempt. */
  answerKeys(attempt: number): AttemptKeyPairs {
    return deriveKeys(new Uint8Array(32).fill(attempt), 'answer');
  }

  /** What it says of a draw: who is not among these of the eligible cannot take part. */
  drawFor(invited = this.eligible): Draw {
    const wanted = new Set(invited.map(toHex));
    const out = this.eligible.filter((key) => !wanted.has(toHex(key)));
    return { eligible: [...this.eligible], late: [], out };
  }

  /**
   * Whom R draws for an attempt, and in a closed run who else is here; before the first commit, who
   * is here.
   */
  drawn(attempt: number): readonly Uint8Array[] {
    if (this.version === 0) return this.keys;
    const { spec, beacon } = this;
    const { must, places } = drawnBy(spec, { attempt, beacon }, this.drawFor());
    if (spec.members.type === 'open') return must;
    const taken = new Set(must.map(toHex));
    const others = this.keys.filter((key) => !taken.has(toHex(key)));
    return sortKeys([...must, ...others.slice(0, places)]);
  }

  async open(
    change: (body: Body<'open'>) => Body<'open'> = (body) => body,
    number = (this.attempt?.number ?? 0) + 1,
    wanted?: readonly Uint8Array[],
  ): Promise<OfType<'open'>> {
    const invited = wanted ?? this.drawn(number);
    const model = await this.modelRef(invited);
    const key = this.answerKeys(number).public;
    const bundle = this.last && {
      commit: this.last.commit.hash,
      envelope: await this.#wrapBundle(this.last.key, this.last.commit.attempt, invited),
    };
    const open = this.sign(
      'open',
      number,
      change({
        model,
        beacon: this.beacon,
        meanExamples: this.meanExamples,
        committed: this.committed,
        invited: [...invited],
        ...(this.version === 0 ? {} : { draw: this.drawFor(wanted) }),
        key,
        ...(bundle === undefined ? {} : { bundle }),
      }),
    );
    this.attempt = { number, open, registers: [], shares: [] };
    this.#asked = this.spec.secagg === 'none';
    this.#outbox.clear();
    this.send(invited, { type: 'record', record: open.bytes });
    // Members of a buffered run check the commit before they train.
    if (this.spec.buffer !== undefined) this.#sendEvidence(invited);
    return open;
  }

  cohortBody(registers: readonly OfType<'register'>[]): Body<'cohort'> {
    const members = registers.map(({ author }) => author);
    const root = cohortRoot(members);
    return {
      members,
      registers: registers.map(({ hash }) => hash),
      root,
      beacon: localBeacon(root, this.attempt!.open.body.beacon),
      threshold: this.spec.secagg === 'masked' ? threshold(members.length) : 0,
      receipt: 'journal',
    };
  }

  async cohort(
    members: readonly Uint8Array[],
    change: (body: Body<'cohort'>) => Body<'cohort'> = (body) => body,
    registersSent?: readonly Uint8Array[],
  ): Promise<OfType<'cohort'>> {
    const attempt = this.attempt!;
    attempt.registers = await this.collect(members, 'register');
    const cohort = this.sign('cohort', attempt.number, change(this.cohortBody(attempt.registers)));
    attempt.cohort = cohort;
    attempt.context = contextOf({
      run: this.run,
      attempt: attempt.number,
      open: attempt.open,
      cohort,
    });
    this.#sendEvidence(members);
    const registers = registersSent ?? attempt.registers.map(({ bytes }) => bytes);
    this.send(members, { type: 'cohort', record: cohort.bytes, registers: [...registers] });
    return cohort;
  }

  #wrapBundle(key: Uint8Array, attempt: number, readers: readonly Uint8Array[]) {
    const purpose = { run: this.run, attempt, role: 'bundle' } as const;
    return this.#wrap(key, purpose, readers);
  }

  #sendEvidence(to: readonly Uint8Array[]): void {
    if (this.last !== undefined)
      this.send(to, { type: 'evidence', records: [...this.last.records] });
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
    const attempt = this.attempt!;
    attempt.shares = await this.collect(members, 'share');
    const shares = attempt.shares.map(({ hash }) => hash);
    const body = change({ context: attempt.context!, members: [...members], shares });
    const sharers = this.sign('sharers', attempt.number, body);
    attempt.sharers = sharers;
    for (const member of members) {
      const index = attempt.cohort!.body.members.findIndex((key) => equalBytes(key, member));
      const inbox = attempt.shares.map(({ bytes: record, author }) => {
        if (equalBytes(author, member))
          return { record, entry: new Uint8Array(0), path: new Uint8Array(0) };
        const entries = this.entriesOf(author);
        return {
          record,
          entry: changeEntry(entries[index]!, author),
          path: pathOf(attempt.context!, author, entries, index),
        };
      });
      this.send([member], { type: 'sharers', record: sharers.bytes, inbox });
    }
    return sharers;
  }

  async survivors(
    members: readonly Uint8Array[],
    change: (body: Body<'survivors'>) => Body<'survivors'> = (body) => body,
    to = members,
  ): Promise<OfType<'survivors'>> {
    const attempt = this.attempt!;
    const uploads = (await this.collect(members, 'upload')).map(({ hash }) => hash);
    const context = attempt.context!;
    const among = (attempt.sharers ?? attempt.cohort)!.body.members;
    const rejected = among
      .filter((key) => !members.some((member) => equalBytes(member, key)))
      .map((member) => ({ member, code: 'phase_closed' }));
    const may = new Map(
      [...this.keys, ...this.waiting, ...members].map((key) => [toHex(key), key]),
    );
    attempt.eligible = sortKeys([...may.values()]);
    const eligible = eligibleRoot(attempt.eligible);
    const frozen = { context, members: [...members], uploads, eligible };
    const body = { ...frozen, rejected, receipt: 'journal', hash: survivorsHash(frozen) };
    const survivors = this.sign('survivors', attempt.number, change(body));
    attempt.survivors = survivors;
    this.send(to, { type: 'record', record: survivors.bytes });
    return survivors;
  }

  async consistency(members: readonly Uint8Array[], to = members): Promise<void> {
    const records = (await this.collect(members, 'consistent')).map(({ bytes }) => bytes);
    this.#asked = true;
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
    const attempt = this.attempt!;
    const before = attempt.open.body.model.hash;
    this.weights = after.slice();
    this.version = attempt.number;
    const model = await this.modelRef(this.keys);
    const nothing = new Uint8Array(32);
    const key = this.#random(32);
    const purpose = { run: this.run, attempt: attempt.number, role: 'bundle' } as const;
    const blob = await this.store.put(await encryptBlob(key, purpose, encodeBundle(EMPTY_BUNDLE)));
    const commit = this.sign('commit', attempt.number, {
      survivors: attempt.survivors!.body.hash,
      aggregate: {
        chunkRoot: nothing,
        size: layoutOf(
          this.spec,
          attempt.cohort!.body.members.length,
          attempt.open.body.meanExamples,
        ).byteLength,
      },
      bundle: {
        blob: { ...blob },
        envelope: await this.#wrapBundle(key, attempt.number, this.keys),
      },
      step: { ...stepName(this.spec), before, after: model.hash },
      weight: attempt.survivors!.body.members.length,
      examples: attempt.survivors!.body.members.length,
      meanExamples: 1,
      clipped: 0,
      metrics: this.spec.metrics.map(({ name }) => ({ name, sum: 0 })),
      beacon: nextBeacon(attempt.open.body.beacon, this.#entropies),
      model,
      ...claims,
    });
    this.beacon = commit.body.beacon;
    this.meanExamples = commit.body.meanExamples;
    this.committed += 1;
    this.eligible = attempt.eligible ?? [];
    if (this.spec.secagg === 'masked')
      this.last = { commit, key, records: await this.#records(attempt, commit) };
    this.send(this.keys, { type: 'record', record: commit.bytes });
    return commit;
  }

  /** The sealed answer that a member sent beside its last unmask record. */
  answerOf(key: Uint8Array): Uint8Array {
    const frame = this.frames.get(toHex(key))!.findLast((item) => item.type === 'unmask');
    return (frame as Extract<ClientFrame, { type: 'unmask' }>).answer;
  }

  /** The lanes of the sum, without masks. */
  async sum(
    answering: readonly Uint8Array[],
  ): Promise<{ lanes: Lanes; bundle: Omit<UnmaskingBundle, 'sum' | 'keys'> }> {
    const attempt = this.attempt!;
    const { members } = attempt.survivors!.body;
    const layout = layoutOf(
      this.spec,
      attempt.cohort!.body.members.length,
      attempt.open.body.meanExamples,
    );
    const fold = createFold(layout);
    const uploads = await this.collect(members, 'upload');
    const leaves: UnmaskingBundle['uploads'] = [];
    for (const { body } of uploads) {
      let bytes = await this.store.get(body.blob);
      if (body.envelope !== undefined) {
        const purpose = { run: this.run, attempt: attempt.number, role: 'update' } as const;
        const key = await sealedBoxGate(this.identity).unwrap(body.envelope, purpose);
        bytes = await decryptBlob(key, purpose, bytes);
      }
      fold.add(bytes);
      leaves.push({
        leaves: joinHashes(leafHashes(layout, bytes)),
        extras: bytes.slice(extrasLeaf(layout, bytes.length).start),
      });
    }
    const lanes = fold.lanes as Lanes;
    if (this.spec.secagg === 'none') {
      this.#entropies = uploads.flatMap(({ body }) => body.entropy ?? []);
      return { lanes, bundle: EMPTY_BUNDLE };
    }
    const keys = this.answerKeys(attempt.number);
    const answers = await Promise.all(
      (await this.collect(answering, 'unmask')).map(async ({ author }) => ({
        sender: author,
        shares: await openAnswer(keys, attempt.context!, author, this.answerOf(author)),
      })),
    );
    const cohort = freezeCohort(
      attempt.registers.map(({ author, body }) => ({
        id: author,
        mask: body.mask,
        seal: body.seal,
      })),
      attempt.cohort!.body.beacon,
    );
    const shares = attempt.shares.map(({ author, body }) => ({
      author,
      commitment: body.commitment,
      entries: this.entriesOf(author),
    }));
    const view = { context: attempt.context!, cohort, shares, survivors: members };
    const result = await recover(view, answers);
    if (result.type === 'failed' || result.badShares.length > 0)
      throw new Error(`the recovery failed: ${JSON.stringify(result)}`);
    await unmask(lanes, result.jobs, layout.modulusBits);
    this.#entropies = entropiesOf(members, [...result.secrets]);
    const bundle = {
      secrets: result.secrets.map((secret) => ({ ...secret })),
      pairs: shownPairs(view).map((pair) => ({ ...pair })),
      uploads: leaves,
    };
    return { lanes, bundle };
  }

  /** @param lie what it signs other than the truth */
  async commit(answering: readonly Uint8Array[], lie: Fabrication = {}): Promise<OfType<'commit'>> {
    const same = <Value>(value: Value): Value => value;
    const attempt = this.attempt!;
    const n = attempt.cohort!.body.members.length;
    const { survivors } = attempt;
    const { root } = attempt.cohort!.body;
    const before = { weights: this.weights, state: this.state };
    const modelHash = attempt.open.body.model.hash;
    const { lanes, bundle: opened } = await this.sum(answering);
    const result = finishRound({
      spec: { ...this.spec, strategy: lie.strategy ?? this.spec.strategy },
      n,
      survivors: survivors!.body.members.length,
      lanes: (lie.lanes ?? same)(lanes),
      before,
      meanExamples: attempt.open.body.meanExamples,
      rotationSeed:
        lie.seed ??
        encodingSeed(this.spec, {
          attempt: attempt.number,
          modelHash,
          cohortRoot: root,
          beacon: attempt.open.body.beacon,
        }),
    });
    const masked = this.spec.secagg === 'masked';
    const keyBefore = this.#modelKey;
    const { weights, state } = result.after;
    this.weights = lie.after?.(weights, before.weights) ?? weights;
    this.state = lie.state?.(state, before.state) ?? state;
    this.version = attempt.number;
    const model = await this.modelRef([...attempt.cohort!.body.members, ...this.keys]);
    const bundle = masked
      ? {
          ...opened,
          sum: joinHashes(result.sumLeaves),
          keys: { before: keyBefore, after: this.#modelKey },
        }
      : EMPTY_BUNDLE;
    const key = this.#random(32);
    const purpose = { run: this.run, attempt: attempt.number, role: 'bundle' } as const;
    const plain = encodeBundle((lie.bundle ?? same)(bundle));
    const blob = await this.store.put(await encryptBlob(key, purpose, plain));
    const body: Body<'commit'> = {
      survivors: survivors!.body.hash,
      aggregate: result.aggregate,
      bundle: {
        blob: { ...blob },
        envelope: await this.#wrapBundle(key, attempt.number, [
          ...attempt.cohort!.body.members,
          ...this.keys,
        ]),
      },
      step: {
        ...stepName(this.spec),
        before: modelHash,
        after: hashModel(this.spec.model, this.weights),
      },
      weight: result.weight,
      examples: result.examples,
      meanExamples: result.meanExamples,
      clipped: result.clipped,
      metrics: [...result.metrics],
      beacon: nextBeacon(attempt.open.body.beacon, this.#entropies),
      model,
    };
    const commit = this.sign('commit', attempt.number, (lie.body ?? same)(body));
    this.beacon = commit.body.beacon;
    this.meanExamples = commit.body.meanExamples;
    this.committed += 1;
    this.eligible = attempt.eligible ?? [];
    if (masked) this.last = { commit, key, records: await this.#records(attempt, commit) };
    this.send(this.keys, { type: 'record', record: commit.bytes });
    return commit;
  }

  async #records(attempt: Round, commit: OfType<'commit'>): Promise<Uint8Array[]> {
    const { members } = attempt.survivors!.body;
    const uploads = await this.collect(members, 'upload');
    const signed = members.flatMap((key) => this.recordsOf(key, 'consistent').slice(-1));
    return [
      attempt.open,
      ...attempt.registers,
      attempt.cohort!,
      ...attempt.shares,
      attempt.sharers!,
      ...uploads,
      attempt.survivors!,
      ...signed,
      commit,
    ].map(({ bytes }) => bytes);
  }

  /** @param answered whether it owns up to knowing the sum; default: the truth */
  abort(
    code = 'cohort_too_small',
    culprits: readonly Uint8Array[] = [],
    complaint?: Uint8Array,
    answered = this.#asked,
    lies?: Body<'abort'>['lies'],
  ): void {
    const record = this.sign('abort', this.attempt!.number, {
      code,
      reason: 'test',
      culprits: [...culprits],
      answered,
      ...(complaint === undefined ? {} : { complaint }),
      ...(lies === undefined ? {} : { lies }),
    });
    this.send(this.keys, { type: 'record', record: record.bytes });
  }

  /** An undisturbed round. `gone` drop out before their upload. */
  async playRound(
    gone: readonly Uint8Array[] = [],
    lie: Fabrication = {},
  ): Promise<OfType<'commit'>> {
    const members = this.keys;
    const staying = members.filter((key) => !gone.some((other) => equalBytes(other, key)));
    await this.open();
    await this.cohort(members);
    if (this.spec.secagg === 'masked') await this.sharers(members);
    await this.survivors(staying);
    if (this.spec.secagg === 'masked') await this.consistency(staying);
    return this.commit(staying, lie);
  }

  finish(): void {
    this.send(this.keys, { type: 'finished', rounds: this.version });
  }
}

export const hashOf = (bytes: Uint8Array): string => toHex(sha256(bytes));
