/**
 * @module Keeps a simulation's progress in its folder while it runs: its history line by line, and
 * a checkpoint after each commit where the run can be resumed.
 */
import {
  markingJournal,
  type AnomalyMark,
  type Journal,
  type JournalMark,
} from '../../coordinator/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { storageError } from '../../protocol/storage-errors.ts';
import type { ScenarioEvent } from '../events.ts';
import type { Bytes, History } from '../history.ts';
import type { RoundSummary } from '../summary.ts';
import { writeCheckpoint, type Checkpoint, type VirtualMark } from './checkpoint.ts';
import { appendHistory } from './history-file.ts';
import type { Resumed } from './reopen.ts';

export interface KeeperInit {
  readonly folder: string;
  readonly from: Resumed | undefined;
  readonly history: Pick<History, 'aborted' | 'phaseSeconds'>;
  /** Seconds of this part of the run. */
  readonly seconds: () => number;
  /** Where virtual time stands; undefined in real time. */
  readonly virtual: () => VirtualMark | undefined;
  /** What the coordinator compares the next commit with. */
  readonly anomalies: () => AnomalyMark;
  /** Keeps the state of the run's services after an attempt, where they have one. */
  readonly pin: ((attempt: number) => Promise<void>) | undefined;
  readonly onFailure: (thrown: unknown) => void;
  /** Processor time of this process, seconds. */
  readonly processorSeconds: () => number;
}

export interface Keeper {
  /** The coordinator's journal, watched for commits. */
  readonly watched: (journal: Journal) => Journal;
  /**
   * Resolves once the newest commit is kept. What changes the state of the services waits for it.
   */
  readonly settled: () => Promise<void>;
  /** Before anybody else hears of the event. */
  readonly onEvent: (event: ScenarioEvent) => void;
}

/** Up to the last commit: each round counts what came since the one before. */
export const bytesOf = (rounds: readonly RoundSummary[]): Bytes => ({
  up: rounds.reduce((sum, { bytesUp }) => sum + bytesUp, 0),
  down: rounds.reduce((sum, { bytesDown }) => sum + bytesDown, 0),
});

export const createKeeper = (init: KeeperInit): Keeper => {
  const { folder, from, history } = init;
  let mark: JournalMark | undefined;
  let settled = Promise.resolve();
  /** First the services, so that a checkpoint always finds their state of its attempt. */
  const keepMark = (journal: JournalMark, sums: Omit<Checkpoint, 'journal'>): void => {
    const { pin } = init;
    const write = (): void => writeCheckpoint(folder, { journal, ...sums });
    if (pin === undefined) write();
    else settled = pin(journal.attempt).then(write);
    settled.catch(init.onFailure);
  };
  const keep = (event: ScenarioEvent): void => {
    if (event.type === 'scored') {
      appendHistory(folder, { ...event, type: 'score' });
    } else if (event.type === 'round') {
      appendHistory(folder, { type: 'round', ...event.round });
      if (mark === undefined) return;
      keepMark(mark, {
        aborted: history.aborted,
        phaseSeconds: history.phaseSeconds,
        seconds: (from?.seconds ?? 0) + init.seconds(),
        processorSeconds: (from?.processorSeconds ?? 0) + init.processorSeconds(),
        resumed: from === undefined ? 0 : from.resumed + 1,
        virtual: init.virtual(),
        anomalies: init.anomalies(),
      });
    }
  };
  return {
    watched: (journal) =>
      markingJournal(
        journal,
        (bytes) => decodeRecord(bytes).type === 'commit',
        (made) => {
          mark = made;
        },
      ),
    settled: () => settled,
    onEvent: (event) => {
      try {
        keep(event);
      } catch (cause) {
        throw (
          storageError(cause, folder) ??
          new FloeError('storage_failed', `${folder}: ${(cause as Error).message}`, {}, { cause })
        );
      }
    },
  };
};
