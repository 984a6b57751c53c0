/**
 * @module Where a participant stands in its run: the attempt in progress, what is remembered, and
 * how it leaves an attempt. The steps of a round (joining, checking, sharing, uploading, answering,
 * ending) work on it, one frame at a time.
 */
import { FloeError } from '../../protocol/errors.ts';
import { createOwnFaults, isOwnFault } from '../../protocol/own-faults.ts';
import { Breach } from '../../protocol/rules/breach.ts';
import { encodeFrame } from '../../protocol/wire/messages.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import { Beside } from './background-work.ts';
import * as checks from './checks.ts';
import { judge, PortFault, type Verdict } from './fault.ts';
import { detailOf } from './trainer-fault.ts';
import { liveOf, openedView, type Live } from './current-attempt.ts';
import type { Memory } from './run-memory.ts';
import type { RoundPorts } from './ports.ts';

/** After this many breaches, each proven by a signed record, a coordinator gets no more answers. */
export const MAX_BREACHES = 3;

export class Progress {
  readonly ports: RoundPorts;
  readonly memory: Memory;
  readonly masked: boolean;
  readonly beside: Beside;
  /** The attempt in progress, if this participant is in one. */
  live: Live | undefined;
  /** Attempts that this program itself failed in. */
  readonly ownFaults = createOwnFaults();
  /** The attempt whose Open record is being answered. */
  opening: number | undefined;
  #breaches = 0;

  constructor(ports: RoundPorts, memory: Memory) {
    this.ports = ports;
    this.memory = memory;
    this.masked = ports.view.spec.secagg === 'masked';
    this.beside = new Beside(
      ports,
      (live) => live === this.live,
      (error, source) => this.fault(error, source),
    );
    const { round } = memory.run;
    // The record was checked before it was saved.
    if (round !== undefined) this.live = liveOf(openedView(ports.view, round.open, memory.commit));
  }

  /** What is saved of the attempt in progress. */
  round(): RoundMemory {
    const { round } = this.memory.run;
    if (round === undefined) throw new Error('no round is in progress');
    return round;
  }

  /**
   * The attempt in progress, if the record belongs to it. @throws FloeError `record_replayed`,
   * `signature_invalid`
   */
  liveFor(record: SignedRecord): Live | undefined {
    checks.checkCoordinatorRecord(this.ports.view, record);
    if (record.round === this.live?.open.round) return this.live;
    const { last } = this.memory.run;
    if (last !== undefined && record.round < last.round)
      throw new FloeError(
        'record_replayed',
        `a ${record.type} record of round ${record.round} came after round ${last.round} began`,
      );
    // The coordinator may have missed that this participant has left the round.
    if (record.round === last?.round && last.withdrawn !== undefined)
      this.sendWithdrawal(record.round, last.withdrawn);
    return undefined;
  }

  sendRecord(record: Uint8Array): void {
    this.ports.send(encodeFrame({ type: 'record', record }));
  }

  sendAnswer(record: Uint8Array, answer: Uint8Array): void {
    this.ports.send(encodeFrame({ type: 'unmask', record, answer }));
  }

  sendWithdrawal(round: number, code: string, detail?: string): void {
    const more = detail === undefined ? {} : { detail };
    this.ports.send(encodeFrame({ type: 'withdraw', round, code, ...more }));
  }

  /** Cancels the work that runs beside the frames; what was saved stays. */
  stop(): void {
    this.live?.stop.abort();
    this.live = undefined;
  }

  /**
   * Does what follows from an error: see `Verdict`. Only proven breaches, a proven false commit and
   * a fault of this program in several attempts in a row end the participant.
   *
   * @throws FloeError this one, when nothing more can be done in the run
   */
  async fault(error: FloeError, source: 'frame' | 'work'): Promise<void> {
    if (error instanceof Breach) return this.#breach(error);
    const verdict = judge(error, source);
    if (verdict === 'end') throw error;
    const round = this.#attempt;
    const stopsWith =
      verdict === 'local' && round !== undefined && isOwnFault(error.code)
        ? this.ownFaults.note(round, error.code, error.message)
        : undefined;
    if (verdict === 'unproven') {
      this.ports.emit({
        type: 'unproven',
        round: round ?? this.memory.run.last?.round ?? 0,
        error,
      });
    }
    await this.withdraw(error, verdict);
    if (stopsWith !== undefined) throw stopsWith;
  }

  get #attempt(): number | undefined {
    return this.live?.open.round ?? this.opening;
  }

  /** Leaves the attempt in progress and forgets its secrets. */
  async withdraw(error: FloeError, why: Verdict = 'declined'): Promise<void> {
    const round = this.#attempt;
    if (round === undefined) return;
    this.stop();
    const code = this.ports.causeOf(error);
    await this.#forget(round, code);
    this.sendWithdrawal(round, code, detailOf(error));
    this.ports.emit({ type: 'withdrawn', round, error, why });
  }

  /**
   * A disk that fails now keeps the secrets of the attempt; they are replaced when the next one
   * begins.
   */
  async #forget(round: number, code: string): Promise<void> {
    if (this.memory.run.round?.round !== round) return;
    try {
      await this.memory.end(code);
    } catch (thrown) {
      if (!(thrown instanceof PortFault)) throw thrown;
      this.ports.warn(
        `round ${round} is left, and the keystore could not be told: ${thrown.message}`,
      );
    }
  }

  async #breach(error: Breach): Promise<void> {
    this.#breaches += 1;
    const round = this.#attempt ?? this.memory.run.last?.round ?? 0;
    const { records } = error;
    this.ports.emit({ type: 'violation', round, error, records, count: this.#breaches });
    await this.withdraw(error, 'breach');
    if (this.#breaches >= MAX_BREACHES) throw error;
  }
}
