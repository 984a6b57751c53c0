/**
 * @module The upkeep of a run on a network: extends the blobs that the next round reads, and warns
 * when the balance runs low. It runs before every attempt, and on a timer while the run is idle.
 */
import type { BlobRef } from '../protocol/ports/blob-store.ts';
import type { BlobLeases, Lease } from '../protocol/ports/upload-staging.ts';
import { equalBytes } from '../protocol/bytes.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import { showCoins } from '../protocol/net/cost.ts';
import { toFloeError, type FloeError } from '../protocol/errors.ts';
import { decodeRecord } from '../protocol/records/records.ts';
import { lastingRef } from '../protocol/verify/lasting-ref.ts';
import type { FundsReport, Treasury } from './funds.ts';
import { errorFields, type Logger } from './log.ts';
import type { Evidence, State } from './machine/state.ts';

/** Events for the operator of the coordinator. */
export type UpkeepEvent =
  /** Blobs were paid for longer, or stored again. */
  | { readonly type: 'kept'; readonly lease: Lease }
  /** Something has run out and cannot be stored again. */
  | { readonly type: 'lost'; readonly error: FloeError }
  /** The coins do not last for the rounds that are left. */
  | { readonly type: 'funds-low'; readonly funds: FundsReport; readonly roundsLeft: number };

export interface UpkeepStatus {
  readonly lease: Lease | undefined;
  readonly funds: FundsReport | undefined;
  /** Since the process started. */
  readonly extended: number;
  readonly restored: number;
}

export interface Upkeep {
  /**
   * Before an attempt: ensures that its blobs exist. A failed check is not an error.
   * @throws FloeError `blob_expired`
   */
  ensure(signal: AbortSignal): Promise<void>;
  /** Looks again and again until {@link stop}. */
  start(): void;
  stop(): void;
  status(): UpkeepStatus;
}

export interface UpkeepInit {
  /** Undefined where blobs do not expire. */
  readonly leases: BlobLeases | undefined;
  readonly treasury: Treasury | undefined;
  readonly clock: Clock;
  readonly everyMs: number;
  readonly rounds: number;
  readonly state: () => State;
  readonly log: Logger;
  readonly onEvent: ((event: UpkeepEvent) => void) | undefined;
}

/** Warn when the balance lasts for fewer rounds, unless it covers all remaining ones. */
const LOW_ROUNDS = 10;

/**
 * The blobs that the check of a commit reads: the model before it, its bundle, and its uploads
 * where they last.
 */
const blobsOfCommit = ({ commit, records }: Evidence): readonly BlobRef[] => {
  const decoded = records.map((bytes) => decodeRecord(bytes));
  const open = decoded.find((record) => record.type === 'open');
  const survivors = decoded.find((record) => record.type === 'survivors');
  if (open === undefined || survivors === undefined) return [];
  const uploads = decoded.filter((record) => record.type === 'upload');
  // In the order in which `archive` received them.
  const archived = survivors.body.uploads.flatMap((hash) => {
    const upload = uploads.find((record) => equalBytes(record.hash, hash));
    return upload === undefined || commit.body.archive === undefined
      ? []
      : [lastingRef(commit, survivors, upload)];
  });
  return [open.body.model.blob, commit.body.bundle.blob, ...archived];
};

export const createUpkeep = (init: UpkeepInit): Upkeep => {
  const { leases, treasury, clock, everyMs, rounds, log, onEvent } = init;
  let lease: Lease | undefined;
  let funds: FundsReport | undefined;
  let extended = 0;
  let restored = 0;
  /** Rounds that the last warning spoke of. */
  let warnedAt = Infinity;
  let cancel: (() => void) | undefined;
  let ofCommit: { readonly commit: unknown; readonly blobs: readonly BlobRef[] } | undefined;

  const needed = ({ model, evidence }: State): readonly BlobRef[] => {
    if (model === undefined) return [];
    if (evidence !== undefined && ofCommit?.commit !== evidence.commit)
      ofCommit = { commit: evidence.commit, blobs: blobsOfCommit(evidence) };
    const others = evidence === undefined ? [] : (ofCommit?.blobs ?? []);
    return [model.blob, ...others];
  };

  const sustain = async (signal?: AbortSignal): Promise<void> => {
    const state = init.state();
    const blobs = needed(state);
    if (leases === undefined || blobs.length === 0 || state.phase.type === 'finished') return;
    lease = await leases.sustain(blobs, signal === undefined ? {} : { signal });
    extended += lease.extended;
    restored += lease.restored;
    if (lease.extended + lease.restored === 0) return;
    const { epoch, endEpoch } = lease;
    log.info({ extended: lease.extended, restored: lease.restored, epoch, endEpoch }, 'blobs kept');
    onEvent?.({ type: 'kept', lease });
  };

  const count = async (): Promise<void> => {
    if (treasury === undefined) return;
    funds = await treasury.look();
    const roundsLeft = rounds - init.state().committed;
    const enough = Math.min(roundsLeft, LOW_ROUNDS);
    if (funds.rounds >= enough) {
      warnedAt = Infinity;
      return;
    }
    if (funds.rounds >= warnedAt) return;
    warnedAt = funds.rounds;
    log.warn(
      {
        code: 'funds_low',
        sui: showCoins(funds.have.sui),
        wal: showCoins(funds.have.wal),
        rounds: funds.rounds,
        roundsLeft,
      },
      'the coins run low',
    );
    onEvent?.({ type: 'funds-low', funds, roundsLeft });
  };

  const failed = (thrown: unknown): FloeError => {
    const error = toFloeError(thrown);
    if (error.code === 'aborted') return error;
    log.warn(errorFields(error), 'upkeep');
    if (error.code === 'blob_expired') onEvent?.({ type: 'lost', error });
    return error;
  };

  const look = async (): Promise<void> => {
    await Promise.all([sustain().catch(failed), count().catch(failed)]);
  };

  const arm = (): void => {
    cancel = clock.at(clock.now() + everyMs, () => {
      // Never two at once: the next one is set when this one has ended.
      void look().finally(() => cancel && arm());
    });
  };

  return {
    ensure: async (signal) => {
      // Not awaited: checking the balance must not delay an attempt.
      void count().catch(failed);
      try {
        await sustain(signal);
      } catch (thrown) {
        const error = failed(thrown);
        if (error.code === 'blob_expired' || error.code === 'aborted') throw error;
      }
    },
    start: () => {
      if (leases !== undefined || treasury !== undefined) arm();
    },
    stop: () => {
      cancel?.();
      cancel = undefined;
    },
    status: () => ({ lease, funds, extended, restored }),
  };
};
