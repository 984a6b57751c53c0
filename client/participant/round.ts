/**
 * @module One participant's rounds: which step each frame of the coordinator asks for. Frames and
 * finished work come one at a time; training, the store and the masks run beside them. Whatever is
 * sent was saved before, so a frame that comes again (after a reconnect or a restart on either
 * side) gets the same bytes again. Source: Bonawitz et al. 2017.
 */
import { toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { ServerFrame } from '../../protocol/wire/messages.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { onConsistency, onSurvivors } from './answering.ts';
import { onEvidence } from './checking.ts';
import * as checks from './checks.ts';
import { onAbort, onCommit } from './ending.ts';
import { onCohort, onOpen } from './joining.ts';
import type { Memory } from './run-memory.ts';
import type { RoundPorts } from './ports.ts';
import { Progress } from './progress.ts';
import { onSharers } from './sharing.ts';

export class Rounds {
  readonly #progress: Progress;

  constructor(ports: RoundPorts, memory: Memory) {
    this.#progress = new Progress(ports, memory);
  }

  /**
   * Does what a frame asks for.
   *
   * @throws FloeError of the coordinator's `MAX_BREACHES`th proven breach; `commit_fabricated`
   */
  async handle(frame: ServerFrame | FloeError): Promise<void> {
    try {
      if (frame instanceof FloeError) throw frame;
      await this.#dispatch(frame);
    } catch (thrown) {
      if (!(thrown instanceof FloeError)) throw thrown;
      await this.#progress.fault(thrown, 'frame');
    } finally {
      this.#progress.opening = undefined;
    }
  }

  /** Cancels the work that runs beside the frames; what was saved stays. */
  stop(): void {
    this.#progress.stop();
  }

  /**
   * The run is over: no attempt continues, and the secrets of one that was in progress are erased.
   */
  async over(): Promise<void> {
    this.stop();
    const { memory } = this.#progress;
    if (memory.run.round !== undefined) await memory.end(undefined);
  }

  #dispatch(frame: ServerFrame): Promise<void> | void {
    const progress = this.#progress;
    switch (frame.type) {
      case 'record':
        return this.#onRecord(frame.record);
      case 'evidence':
        return onEvidence(progress, frame);
      case 'cohort':
        return onCohort(progress, frame);
      case 'sharers':
        return onSharers(progress, frame);
      case 'consistency':
        return onConsistency(progress, frame);
      case 'ack':
        progress.live?.acked.add(toHex(frame.hash));
        return;
      case 'error':
        progress.ports.emit({ type: 'refused', code: frame.code, message: frame.message });
        return;
      case 'challenge':
      case 'welcome':
      case 'finished':
        throw new FloeError('unexpected_frame', `${frame.type} does not belong here`);
    }
  }

  #onRecord(bytes: Uint8Array): Promise<void> {
    const progress = this.#progress;
    const record = decodeRecord(bytes);
    checks.checkCoordinatorRecord(progress.ports.view, record);
    switch (record.type) {
      case 'open':
        return onOpen(progress, record);
      case 'survivors':
        return onSurvivors(progress, record);
      case 'commit':
        return onCommit(progress, record);
      case 'abort':
        return onAbort(progress, record);
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
}
