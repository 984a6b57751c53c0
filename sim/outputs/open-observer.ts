/**
 * @module Opens the observer of a run's participants, with what an earlier part of it has seen.
 */
import { decodeRecord } from '../../protocol/records/records.ts';
import type { Resumed } from '../resume/reopen.ts';
import type { Setup } from '../setup.ts';
import type { ExportFormat } from './formats.ts';
import { isAnswer } from './observations.ts';
import { appendObservations, rewindObservations } from './observations-file.ts';
import { createObserver, type ParticipantObserver } from './participant-observer.ts';

/** Undefined where no export asks for it. @param elapsed ms of virtual time, where there is one */
export const observing = async (
  { partial, from }: { readonly partial: string; readonly from: Resumed | undefined },
  { worldSummary }: Pick<Setup, 'worldSummary'>,
  exports: readonly ExportFormat[] = [],
  elapsed: () => number | undefined,
): Promise<ParticipantObserver | undefined> => {
  if (exports.length === 0) return undefined;
  const earlier = await rewindObservations(partial, from?.journal.attempt ?? 0);
  const attacks = new Map(
    worldSummary.attackers.flatMap(({ attack, participants }) =>
      participants.map((index) => [index, attack] as const),
    ),
  );
  return createObserver(earlier, (settled) => appendObservations(partial, settled), {
    elapsed,
    attackOf: (index) => attacks.get(index),
  });
};

/** Tells an observer of the answers of participants. */
export const answerNote =
  ({ arrived }: ParticipantObserver) =>
  (index: number, record: Uint8Array, at: number): void => {
    const { type, attempt } = decodeRecord(record);
    if (isAnswer(type)) arrived(index, attempt, type, at);
  };
