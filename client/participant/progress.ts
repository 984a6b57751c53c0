/**
 * @module Where a participant stands in its run: the attempt in progress, what is remembered, and how it leaves an attempt. The
 * steps of a round (joining, checking, sharing, uploading, answering, ending) work on it, one frame at a time.
 */
import { FloeError } from '../../protocol/errors.ts';
import { encodeFrame } from '../../protocol/messages.ts';
import type { SignedRecord } from '../../protocol/records.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import { Beside } from './beside.ts';
import * as checks from './checks.ts';
import { liveOf, openedView, type Live } from './live.ts';
import type { Memory } from './memory.ts';
import type { RoundPorts } from './ports.ts';

/** After this many broken rules a coordinator gets no more answers. */
export const MAX_VIOLATIONS = 3;

export class Progress {
  readonly ports: RoundPorts;
  readonly memory: Memory;
  readonly masked: boolean;
  readonly beside: Beside;
  /** The attempt in progress, if this participant is in one. */
  live: Live | undefined;
  #violations = 0;

  constructor(ports: RoundPorts, memory: Memory) {
    this.ports = ports;
    this.memory = memory;
    this.masked = ports.view.spec.secagg === 'masked';
    this.beside = new Beside(
      ports,
      (live) => live === this.live,
      (error, whose) => (whose === 'own' ? this.withdraw(error) : this.violation(error)),
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

  /** The attempt in progress, if the record belongs to it. @throws FloeError `record_replayed`, `signature_invalid` */
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

  sendWithdrawal(round: number, code: string): void {
    this.ports.send(encodeFrame({ type: 'withdraw', round, code }));
  }

  /** Cancels the work that runs beside the frames; what was saved stays. */
  stop(): void {
    this.live?.stop.abort();
    this.live = undefined;
  }

  /** Leaves the attempt in progress and forgets its secrets. */
  async withdraw(error: FloeError): Promise<void> {
    const { live } = this;
    if (live === undefined) return;
    const { round } = live.open;
    this.stop();
    await this.memory.end(error.code);
    this.sendWithdrawal(round, error.code);
    this.ports.emit({ type: 'withdrawn', round, error });
  }

  /** The coordinator has broken a rule. @throws FloeError this one, when it is the {@link MAX_VIOLATIONS}th */
  async violation(error: FloeError): Promise<void> {
    this.#violations += 1;
    const round = this.live?.open.round ?? this.memory.run.last?.round ?? 0;
    this.ports.emit({ type: 'violation', round, error, count: this.#violations });
    await this.withdraw(error);
    if (this.#violations >= MAX_VIOLATIONS) throw error;
  }
}
