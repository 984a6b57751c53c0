/**
 * @module One participant's rounds: what it does for each frame of the coordinator. Frames and finished work come one at a
 * time; training, the store and the masks run beside them. Whatever is sent was saved before, so a frame that comes again
 * (after a reconnect or a restart on either side) gets the same bytes again. Source: Bonawitz et al. 2017.
 */
import { leavesOf } from '../../protocol/aggregate/round.ts';
import { equalBytes, sha256, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { encodeFrame, type ServerFrame } from '../../protocol/messages.ts';
import {
  decodeRecord,
  decodeRecordOf,
  signRecord,
  type SignedRecord,
} from '../../protocol/records.ts';
import { randomBelow } from '../../protocol/random.ts';
import { registeredBy, withRecord } from '../../protocol/rules/index.ts';
import { openGuard, recordUpload, type Party } from '../../protocol/secagg/index.ts';
import { encodeProof, fabricated, type CommitProof } from '../../protocol/verify/commit-proof.ts';
import { cohortRefusal } from '../admission.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import { Beside } from './beside.ts';
import * as checks from './checks.ts';
import { checkEvidence } from './evidence.ts';
import { guardOf, liveOf, openedView, shareRecordOf, type Live } from './live.ts';
import type { Memory } from './memory.ts';
import type { RoundPorts } from './ports.ts';
import * as spending from './spending.ts';
import * as steps from './steps.ts';

/** After this many broken rules a coordinator gets no more answers. */
export const MAX_VIOLATIONS = 3;

export class Rounds {
  readonly #ports: RoundPorts;
  readonly #memory: Memory;
  readonly #masked: boolean;
  #live: Live | undefined;
  #violations = 0;
  readonly #beside: Beside;

  constructor(ports: RoundPorts, memory: Memory) {
    this.#ports = ports;
    this.#memory = memory;
    this.#masked = ports.view.spec.secagg === 'masked';
    this.#beside = new Beside(
      ports,
      (live) => live === this.#live,
      (error, whose) => (whose === 'own' ? this.#withdraw(error) : this.#violation(error)),
    );
    const round = memory.run.round;
    // The record was checked before it was saved.
    if (round !== undefined) this.#live = liveOf(openedView(ports.view, round.open, memory.commit));
  }

  /**
   * Does what a frame asks for.
   *
   * @throws FloeError when the coordinator has broken its {@link MAX_VIOLATIONS}th rule
   */
  async handle(frame: ServerFrame | FloeError): Promise<void> {
    try {
      if (frame instanceof FloeError) throw frame;
      await this.#dispatch(frame);
    } catch (thrown) {
      if (!(thrown instanceof FloeError)) throw thrown;
      // A ledger that does not answer is nobody's lie.
      // What was spent before is nobody's either: the coordinator cannot know all of it.
      if (thrown.code === 'ledger_unavailable' || thrown.code === 'update_already_spent')
        await this.#withdraw(thrown);
      else await this.#violation(thrown);
    }
  }

  /** Cancels the work that runs beside the frames; what was saved stays. */
  stop(): void {
    this.#live?.stop.abort();
    this.#live = undefined;
  }

  /** The run is over: no attempt goes on, and the secrets of one that was in progress are erased. */
  async over(): Promise<void> {
    this.stop();
    if (this.#memory.run.round !== undefined) await this.#memory.end(undefined);
  }

  #dispatch(frame: ServerFrame): Promise<void> | void {
    switch (frame.type) {
      case 'record':
        return this.#onRecord(frame.record);
      case 'evidence':
        return this.#onEvidence(frame);
      case 'cohort':
        return this.#onCohort(frame);
      case 'sharers':
        return this.#onSharers(frame);
      case 'consistency':
        return this.#onConsistency(frame);
      case 'ack':
        this.#live?.acked.add(toHex(frame.hash));
        return;
      case 'error':
        this.#ports.emit({ type: 'refused', code: frame.code, message: frame.message });
        return;
      case 'challenge':
      case 'welcome':
      case 'finished':
        throw new FloeError('unexpected_frame', `${frame.type} does not belong here`);
    }
  }

  #onRecord(bytes: Uint8Array): Promise<void> {
    const record = decodeRecord(bytes);
    checks.checkCoordinatorRecord(this.#ports.view, record);
    switch (record.type) {
      case 'open':
        return this.#onOpen(record);
      case 'survivors':
        return this.#onSurvivors(record);
      case 'commit':
        return this.#onCommit(record);
      case 'abort':
        return this.#onAbort(record);
      case 'register':
      case 'cohort':
      case 'share':
      case 'sharers':
      case 'complaint':
      case 'upload':
      case 'consistent':
      case 'unmask':
        break;
    }
    throw new FloeError('unexpected_frame', `a ${record.type} record does not come alone`);
  }

  /** The round in progress, if the record belongs to it. */
  #liveFor(record: SignedRecord): Live | undefined {
    checks.checkCoordinatorRecord(this.#ports.view, record);
    if (record.round === this.#live?.open.round) return this.#live;
    const { last } = this.#memory.run;
    if (last !== undefined && record.round < last.round)
      throw new FloeError(
        'record_replayed',
        `a ${record.type} record of round ${record.round} came after round ${last.round} began`,
      );
    // The coordinator may have missed that this participant gave the round up.
    if (record.round === last?.round && last.withdrawn !== undefined)
      this.#sendWithdrawal(record.round, last.withdrawn);
    return undefined;
  }

  async #onOpen(open: SignedRecord<'open'>): Promise<void> {
    const { view, own } = this.#ports;
    const { last } = this.#memory.run;
    if (last?.round === open.round) {
      if (!equalBytes(last.open, open.hash))
        throw new FloeError('record_conflict', `round ${open.round} was opened twice, differently`);
      if (this.#liveFor(open) !== undefined) this.#sendRecord(this.#round().register);
      return;
    }
    const newest = Math.max(last?.round ?? 0, this.#memory.commit?.round ?? 0);
    if (open.round <= newest)
      throw new FloeError(
        'record_replayed',
        `round ${open.round} was opened after round ${newest} had been`,
      );
    const opened = checks.checkOpen(view, open, this.#memory.commit);
    if (!open.body.invited.some((key) => equalBytes(key, view.self))) return;
    this.#live?.stop.abort();
    if (this.#masked && !(await this.#mayRegister(open))) return;
    const answered = this.#masked
      ? spending.statedNames(this.#memory.run, open.body.model.hash)
      : [];
    const { registered } = this.#memory.run;
    const { sigma, seal, register } = steps.makeRegister(view, own, open, registered, answered);
    await this.#memory.begin(
      { round: open.round, open: open.bytes, sigma, seal, register: register.bytes },
      open.hash,
      registeredBy(register),
    );
    this.#live = liveOf(opened);
    this.#sendRecord(register.bytes);
    this.#ports.emit({ type: 'registered', round: open.round });
  }

  /** Whether an answer can come of this attempt; if not, it sits out before anything of it is made. */
  async #mayRegister(open: SignedRecord<'open'>): Promise<boolean> {
    const { view, answers, emit } = this.#ports;
    try {
      spending.checkRegister(view, answers, this.#memory.run, open.body);
      return true;
    } catch (thrown) {
      if (!(thrown instanceof FloeError) || thrown.code !== 'update_already_spent') throw thrown;
      this.stop();
      await this.#memory.end(undefined);
      this.#sendWithdrawal(open.round, thrown.code);
      emit({ type: 'withdrawn', round: open.round, error: thrown });
      return false;
    }
  }

  async #onCohort(frame: Extract<ServerFrame, { type: 'cohort' }>): Promise<void> {
    const { view, ledger, admission } = this.#ports;
    const record = decodeRecordOf('cohort', frame.record);
    const live = this.#liveFor(record);
    if (live === undefined) return;
    let round = this.#round();
    if (round.cohort !== undefined && !equalBytes(round.cohort, record.hash))
      throw new FloeError('record_conflict', 'a second, different cohort in one round');
    if (live.cohort === undefined) {
      const facts =
        ledger === undefined
          ? {}
          : { cohort: (await ledger.readCohort(view.run, record.round)) ?? null };
      // Of a cohort that was accepted before a restart the registrations are remembered already.
      const isNew = round.cohort === undefined;
      const lastRegisterOf = (key: string) =>
        isNew ? this.#memory.lastRegisterOf(key) : undefined;
      const opened = { ...live.opened, lastRegisterOf };
      const checked = checks.checkCohort(view, opened, round.register, frame, record, facts);
      const refusal = cohortRefusal(admission, view.spec, record.body.members, view.self);
      if (refusal !== undefined) return this.#withdraw(refusal);
      const standings = spending.standingsOf(frame.registers);
      const { model } = live.open.body;
      // A vector that is made already was checked before.
      if (this.#masked && round.vector === undefined)
        spending.checkUpload(view, this.#ports.answers, this.#memory.run, model.hash, standings);
      live.standings = standings;
      if (round.guard === undefined) {
        const { context } = checked;
        const guard = openGuard({ run: view.run, round: record.round, context, self: view.self });
        const registers = [...checked.view.registers.values()];
        round = await this.#memory.joinCohort(
          { cohort: record.hash, guard: guardOf(guard) },
          registers,
        );
      }
      live.cohort = checked;
      live.view = checked.view;
      const cohort = checked.cohort.members.length;
      this.#ports.emit({ type: 'joined', round: record.round, cohort });
    }
    if (this.#mustCheck(live)) return this.#check(live);
    return this.#afterCheck(live);
  }

  #onEvidence({ records }: Extract<ServerFrame, { type: 'evidence' }>): void {
    const live = this.#live;
    // Sent again after a reconnect, and to members of earlier rounds that sit this one out.
    if (live === undefined || live.evidence !== undefined) return;
    live.evidence = checkEvidence(this.#ports.view, live.open, records);
  }

  /** Whether the round starts from a commit that this participant has not checked yet. */
  #mustCheck({ open }: Live): boolean {
    const { bundle } = open.body;
    const { checked } = this.#memory.run;
    return bundle !== undefined && !(checked && equalBytes(checked.commit, bundle.commit));
  }

  /** Checks the commit beside the frames; whoever found it wrong does nothing more in this run. */
  #check(live: Live): void {
    const { evidence, open, busy } = live;
    if (busy.has('check')) return;
    if (evidence === undefined)
      throw new FloeError('unexpected_frame', 'the cohort came before the evidence of the commit');
    const { view, own, clock, emit } = this.#ports;
    const leaf = randomBelow(own.random, leavesOf(view.spec));
    const started = clock.now();
    this.#beside.start(live, 'check', {
      work: (signal) => this.#beside.check(open, evidence, leaf, signal),
      done: async (result) => {
        if (result.type === 'fabricated') return this.#accuse(result.proof);
        const { commit } = evidence;
        await this.#memory.note({ checked: { commit: commit.hash, leaf } });
        live.weights = result.after;
        const milliseconds = clock.now() - started;
        emit({ type: 'checked', round: open.round, commit: commit.round, leaf, milliseconds });
        await this.#afterCheck(live);
      },
    });
  }

  /** Keeps the proof, tells the coordinator and the user, and stops. @throws FloeError `commit_fabricated` */
  async #accuse(proof: CommitProof): Promise<never> {
    const encoded = encodeProof(proof);
    const error = fabricated(proof);
    const round = this.#live?.open.round ?? 0;
    this.stop();
    await this.#memory.note({ proof: encoded });
    await this.#memory.end(error.code);
    this.#ports.send(encodeFrame({ type: 'withdraw', round, code: error.code, proof: encoded }));
    this.#ports.emit({ type: 'fabricated', round, proof, error });
    throw error;
  }

  /** What follows the cohort: training, and the shares. */
  async #afterCheck(live: Live): Promise<void> {
    const { view, own } = this.#ports;
    const { cohort } = live;
    if (cohort === undefined) return;
    this.#train(live);
    if (!this.#masked) return this.#makeVector(live);
    let round = this.#round();
    if (round.sharing === undefined) {
      const party = this.#party(live, cohort);
      const check = live.open.body.bundle && this.#memory.run.checked;
      const sharing = await steps.makeSharing(view, own, party, live.open.round, check);
      round = await this.#memory.add({ sharing });
    }
    this.#ports.send(round.sharing!.frame);
  }

  async #onSharers(frame: Extract<ServerFrame, { type: 'sharers' }>): Promise<void> {
    const record = decodeRecordOf('sharers', frame.record);
    const live = this.#liveFor(record);
    if (live === undefined) return;
    let round = this.#round();
    if (!this.#masked || live.cohort === undefined || round.sharing === undefined)
      return this.#withdraw(new FloeError('unexpected_frame', 'sharers came before the shares'));
    if (round.sharers !== undefined && !equalBytes(round.sharers, record.hash))
      throw new FloeError('record_conflict', 'a second, different set of sharers in one round');
    if (live.sharers === undefined) {
      const own = shareRecordOf(round.sharing.frame);
      const checked = checks.checkSharers(this.#ports.view, live.cohort, own, frame, record);
      if (round.sharers === undefined) round = await this.#memory.add({ sharers: record.hash });
      live.sharers = checked;
      live.view = checked.view;
    }
    if (round.opened === undefined && round.complaint === undefined)
      round = await this.#openInbox(live, live.cohort, live.sharers);
    // A bad entry is proven before anything masked with its author leaves.
    if (round.complaint !== undefined) return this.#sendRecord(round.complaint);
    await this.#makeVector(live);
  }

  async #onSurvivors(record: SignedRecord<'survivors'>): Promise<void> {
    const { view, own, ledger } = this.#ports;
    const live = this.#liveFor(record);
    if (live === undefined) return;
    const round = this.#round();
    if (live.cohort === undefined || (this.#masked && live.sharers === undefined))
      return this.#withdraw(new FloeError('unexpected_frame', 'survivors came before the cohort'));
    const { members, rejected, hash } = record.body;
    const upload = round.upload === undefined ? undefined : decodeRecordOf('upload', round.upload);
    const isSelf = (key: Uint8Array): boolean => equalBytes(key, view.self);
    const refused = rejected.find(({ member }) => isSelf(member));
    const counted = upload !== undefined && live.acked.has(toHex(upload.hash));
    if (!members.some(isSelf) && (refused !== undefined || !counted))
      // Too late or refused: the others go on, and this participant has nothing to answer.
      return this.#withdraw(
        new FloeError('phase_closed', refused?.code ?? 'the upload came too late'),
      );
    if (upload === undefined)
      throw new FloeError('survivors_inconsistent', 'a survivor without an upload of its own');
    const earlier =
      round.consistent === undefined
        ? live.survivors?.body.hash
        : decodeRecordOf('consistent', round.consistent).body.survivors;
    if (earlier !== undefined && !equalBytes(earlier, hash))
      throw new FloeError('survivors_inconsistent', 'a second, different survivor set in a round');
    const facts =
      ledger === undefined
        ? {}
        : { survivors: (await ledger.readSurvivors(view.run, record.round)) ?? null };
    live.view = checks.checkSurvivors(view, live.view, upload.hash, record, facts);
    live.survivors = record;
    if (!this.#masked) return;
    const { context } = live.cohort;
    const signed = { context, survivors: hash };
    const { consistent } =
      round.consistent === undefined
        ? await this.#memory.add({
            consistent: signRecord(own.identity, 'consistent', view.run, record.round, signed)
              .bytes,
          })
        : round;
    this.#sendRecord(consistent!);
  }

  async #onConsistency(frame: Extract<ServerFrame, { type: 'consistency' }>): Promise<void> {
    const live = this.#live;
    if (live === undefined) return;
    const { cohort, sharers, survivors, standings, open } = live;
    const { guard, ...round } = this.#round();
    if (!cohort || !sharers || !survivors || !standings || !guard || !round.upload)
      return this.#withdraw(
        new FloeError('unexpected_frame', 'consistency came before the survivors'),
      );
    checks.checkConsistency(live.view, cohort.threshold, frame);
    if (round.unmask !== undefined) return this.#sendRecord(round.unmask);
    const { view, own, answers, ledger } = this.#ports;
    const { members } = survivors.body;
    await spending.checkAnswer(view, answers, this.#memory.run, ledger, {
      open,
      standings,
      survivors: members,
    });
    const answer = await steps.makeAnswer(
      view,
      own,
      { ...round, guard, ownUpload: round.vector!.sha256 },
      live.open,
      cohort,
      sharers,
      survivors,
    );
    await this.#memory.add(
      { guard: guardOf(answer.guard), unmask: answer.record.bytes },
      spending.answeredFor(this.#memory.run, open.body.model.hash, survivors.round, members),
    );
    this.#sendRecord(answer.record.bytes);
    const { survivors: alive, dropped } = answer;
    this.#ports.emit({ type: 'unmasked', round: survivors.round, survivors: alive, dropped });
  }

  async #onCommit(commit: SignedRecord<'commit'>): Promise<void> {
    const known = this.#memory.commit;
    if (known !== undefined && equalBytes(known.hash, commit.hash)) return;
    if (known !== undefined && commit.round <= known.round)
      throw new FloeError(
        'record_replayed',
        `a commit of round ${commit.round} came after that of round ${known.round}`,
      );
    const live = this.#live?.open.round === commit.round ? this.#live : undefined;
    checks.checkCommit(this.#ports.view, commit, live?.view);
    await this.#memory.commitTo(commit);
    if (this.#memory.run.round === undefined) this.stop();
    const { weight, metrics, model } = commit.body;
    this.#ports.emit({ type: 'committed', round: commit.round, weight, metrics, model });
  }

  async #onAbort(record: SignedRecord<'abort'>): Promise<void> {
    const live = this.#live;
    if (live?.open.round !== record.round) return;
    const { unmask, upload } = this.#round();
    const own = this.#masked ? unmask : upload;
    const view = own === undefined ? live.view : withRecord(live.view, decodeRecord(own));
    const { code, reason, answered } = record.body;
    const proven = await checks.checkAbort(view, record);
    this.stop();
    if (proven.length > 0)
      await this.#memory.add({}, spending.withCulprits(this.#memory.run, proven));
    await this.#memory.end(undefined);
    this.#ports.emit({ type: 'aborted', round: record.round, code, reason, answered });
  }

  /** Fetches the model and trains, beside the frames; nothing happens where a vector was made already. */
  #train(live: Live): void {
    if (this.#round().vector !== undefined || live.trained !== undefined) return;
    const { emit } = this.#ports;
    const { round } = live.open;
    this.#beside.start(live, 'training', {
      work: (signal) =>
        this.#beside.train(live.open, live.weights, signal, (done, total) => {
          if (this.#live === live) emit({ type: 'training', round, done, total });
        }),
      done: async (trained) => {
        live.trained = trained;
        delete live.weights;
        const { examples, lossSum, correct } = trained.result;
        const { milliseconds } = trained;
        emit({ type: 'trained', round, examples, lossSum, correct, milliseconds });
        await this.#makeVector(live);
      },
    });
  }

  /** Masks and packs once training and sharers are there, saves the bytes, and goes on to the upload. */
  async #makeVector(live: Live): Promise<void> {
    const { sharing, opened, vector: made } = this.#round();
    if (made !== undefined) return this.#upload(live);
    const { cohort, sharers, trained, open } = live;
    if (!cohort || !trained || (this.#masked && !(sharers && sharing && opened))) return;
    const { view, own, gate, keystore } = this.#ports;
    this.#beside.start(live, 'vector', {
      work: (signal) =>
        steps.makeVector(view, own, {
          open,
          checked: cohort,
          masks: sharing && opened ? { selfSecret: sharing.selfSecret, opened } : undefined,
          before: trained.before,
          trained: trained.result,
          gate,
          signal,
        }),
      done: async ({ bytes, chunkRoot, envelope }) => {
        const hash = sha256(bytes);
        const guard = recordUpload(
          this.#round().guard!,
          {
            context: cohort.context,
            hash,
            sharers: (sharers?.record ?? cohort.record).body.members,
          },
          { minimum: view.spec.cohort.minimum, threshold: cohort.threshold },
        );
        const vector = {
          sha256: hash,
          size: bytes.length,
          chunkRoot,
          ...(envelope === undefined ? {} : { envelope }),
        };
        await keystore.saveVector(view.run, bytes);
        await this.#memory.add(
          { guard: guardOf(guard), vector },
          this.#masked ? spending.uploadedIn(this.#memory.run, open.body.model.hash, cohort) : {},
        );
        delete live.trained;
        await this.#upload(live);
      },
    });
  }

  /** Puts the saved bytes, and no others, into the store, and says so. */
  async #upload(live: Live): Promise<void> {
    const { upload, vector } = this.#round();
    if (upload !== undefined) return this.#sendRecord(upload);
    const { cohort } = live;
    if (cohort === undefined || vector === undefined) return;
    const { view, own, emit } = this.#ports;
    const { round } = live.open;
    this.#beside.start(live, 'upload', {
      work: (signal) => this.#beside.upload(vector, signal),
      done: async (blob) => {
        const { context } = cohort;
        const { chunkRoot, envelope } = vector;
        const record = signRecord(own.identity, 'upload', view.run, round, {
          context,
          blob: { id: blob.id, sha256: blob.sha256, size: blob.size },
          chunkRoot,
          ...(envelope === undefined ? {} : { envelope }),
          ...(this.#masked ? {} : { entropy: steps.beaconEntropy(view, own, round) }),
        });
        await this.#memory.add({ upload: record.bytes });
        this.#sendRecord(record.bytes);
        emit({ type: 'uploaded', round, bytes: blob.size });
      },
    });
  }

  #party(live: Live, cohort: checks.CheckedCohort): Party {
    live.party ??= steps.makeParty(this.#ports.view, this.#round(), cohort);
    return live.party;
  }

  /** Opens what the others sealed to this participant; saves it, or the complaint over the first entry that is bad. */
  async #openInbox(
    live: Live,
    cohort: checks.CheckedCohort,
    sharers: checks.CheckedSharers,
  ): Promise<RoundMemory> {
    const { view, own, warn, emit } = this.#ports;
    const { opened, bad } = await steps.openInbox(this.#party(live, cohort), sharers);
    if (bad === undefined) return this.#memory.add({ opened: [...opened] });
    const complaint = steps.makeComplaint(view, own, this.#round(), cohort, bad);
    const accused = toHex(bad.item.author);
    warn(`the entry of ${accused} is bad, which a complaint proves: ${bad.error.message}`);
    const round = await this.#memory.add({ complaint: complaint.bytes });
    emit({ type: 'complained', round: complaint.round, accused, kind: bad.kind });
    return round;
  }

  async #withdraw(error: FloeError): Promise<void> {
    const live = this.#live;
    if (live === undefined) return;
    const { round } = live.open;
    this.stop();
    await this.#memory.end(error.code);
    this.#sendWithdrawal(round, error.code);
    this.#ports.emit({ type: 'withdrawn', round, error });
  }

  async #violation(error: FloeError): Promise<void> {
    this.#violations += 1;
    const round = this.#live?.open.round ?? this.#memory.run.last?.round ?? 0;
    this.#ports.emit({ type: 'violation', round, error, count: this.#violations });
    await this.#withdraw(error);
    if (this.#violations >= MAX_VIOLATIONS) throw error;
  }

  #round(): RoundMemory {
    const { round } = this.#memory.run;
    if (round === undefined) throw new Error('no round is in progress');
    return round;
  }

  #sendRecord(record: Uint8Array): void {
    this.#ports.send(encodeFrame({ type: 'record', record }));
  }

  #sendWithdrawal(round: number, code: string): void {
    this.#ports.send(encodeFrame({ type: 'withdraw', round, code }));
  }
}
