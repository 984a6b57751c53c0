/**
 * @module Watches the frames of the participants for the moments at which the scenario loses them:
 * once the coordinator has acknowledged the record of the chosen phase.
 */
import { equalBytes } from '../protocol/bytes.ts';
import { decodeRecord, decodeRecordOf } from '../protocol/records/records.ts';
import { decodeClientFrame, decodeServerFrame } from '../protocol/wire/messages.ts';
import { planDrops, type DropPhase, type Drops } from './faults.ts';
import type { Tap } from './network.ts';

export interface DropWatchInit {
  readonly drops: Drops;
  /** Keys in hex, by the participant's number. */
  readonly keys: readonly string[];
  readonly seed: Uint8Array;
  /** Whether the participant has a connection. */
  readonly isThere: (index: number) => boolean;
  readonly onWelcome: (index: number) => void;
  readonly cut: (index: number, phase: DropPhase, attempt: number) => void;
}

/** Sees every frame of one participant; only with drop-outs, since decoding has its cost. */
export const createDropWatch = (init: DropWatchInit): ((index: number) => Tap) => {
  const { drops, keys, seed, isThere, onWelcome, cut } = init;
  const plans = new Map<number, ReadonlyMap<string, DropPhase>>();
  /** Hash of the record after whose acknowledgement a participant is cut. */
  const last = new Map<number, Uint8Array>();
  let current = 0;
  const plannedFor = (index: number): DropPhase | undefined =>
    plans.get(current)?.get(keys[index] as string);
  const lose = (index: number, phase: DropPhase): void => {
    last.delete(index);
    cut(index, phase, current);
  };
  return (index) => ({
    up: (bytes) => {
      const phase = plannedFor(index);
      if (phase === undefined || !isThere(index)) return;
      const frame = decodeClientFrame(bytes);
      if (!('record' in frame)) return;
      const record = decodeRecord(frame.record);
      if (record.type === phase && record.attempt === current) last.set(index, record.hash);
    },
    down: (bytes) => {
      if (!isThere(index)) return;
      const frame = decodeServerFrame(bytes);
      if (frame.type === 'welcome') {
        last.delete(index);
        onWelcome(index);
      } else if (frame.type === 'cohort') {
        const { attempt, body } = decodeRecordOf('cohort', frame.record);
        current = attempt;
        if (!plans.has(attempt)) plans.set(attempt, planDrops(drops, body.members, attempt, seed));
        // Registered and in the frozen cohort, but gone before it shares: the earliest that can be
        // told apart.
        if (plannedFor(index) === 'register') lose(index, 'register');
      } else if (frame.type === 'ack') {
        const hash = last.get(index);
        const phase = plannedFor(index);
        if (hash && phase && equalBytes(frame.hash, hash)) lose(index, phase);
      }
    },
  });
};
