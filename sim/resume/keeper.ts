/**
 * @module Keeps a simulation's progress in its folder while it runs: its history line by line, and
 * a checkpoint after each commit where the run can be resumed.
 */
import { markingJournal, type Journal, type JournalMark } from '../../coordinator/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { storageError } from '../../protocol/storage-errors.ts';
import type { ScenarioEvent } from '../events.ts';
import type { Bytes, History } from '../history.ts';
import type { RoundSummary } from '../summary.ts';
import { writeCheckpoint } from './checkpoint.ts';
import { appendHistory } from './history-file.ts';
import type { Resumed } from './reopen.ts';

export interface KeeperInit {
  readonly folder: string;
  readonly from: Resumed | undefined;
  readonly history: Pick<History, 'aborted' | 'phaseSeconds'>;
  /** Seconds of this part of the run. */
  readonly seconds: () => number;
  /** Processor time of this process, seconds. */
  readonly processorSeconds: () => number;
}

export interface Keeper {
  /** The coordinator's journal, watched for commits. */
  readonly watched: (journal: Journal) => Journal;
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
  const keep = (event: ScenarioEvent): void => {
    if (event.type === 'scored') {
      appendHistory(folder, { ...event, type: 'score' });
    } else if (event.type === 'round') {
      appendHistory(folder, { type: 'round', ...event.round });
      if (mark === undefined) return;
      writeCheckpoint(folder, {
        journal: mark,
        aborted: history.aborted,
        phaseSeconds: history.phaseSeconds,
        seconds: (from?.seconds ?? 0) + init.seconds(),
        processorSeconds: (from?.processorSeconds ?? 0) + init.processorSeconds(),
        resumed: from === undefined ? 0 : from.resumed + 1,
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
