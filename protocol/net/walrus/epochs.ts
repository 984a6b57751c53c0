/**
 * @module Walrus's epochs: which one it is, when it began, how long one lasts. Storage is paid for
 * by the epoch; a blob is kept in every epoch before its end epoch (Walrus documentation, staking
 * and storage).
 */
import type { WalrusClient } from '@mysten/walrus';
import { toFloeError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { bounded, withRetry } from '../sui/bounds.ts';
import { UNAVAILABLE } from './object.ts';

const TIMEOUT_MS = 20_000;

export interface Epochs {
  readonly epoch: number;
  /** Milliseconds since 1970 when it began. */
  readonly since: number;
  /** Milliseconds that an epoch lasts. */
  readonly duration: number;
}

/** From the chain, past every cache. @throws FloeError `store_unavailable` */
export const readEpochs = (
  walrus: WalrusClient,
  { signal, clock }: { readonly signal?: AbortSignal; readonly clock?: Clock | undefined } = {},
): Promise<Epochs> =>
  withRetry({ retries: 3, signal, clock }, async () => {
    try {
      walrus.reset();
      const bounds = {
        timeoutMs: TIMEOUT_MS,
        signal,
        clock,
        code: UNAVAILABLE,
        what: "Walrus's epoch",
      };
      const state = await bounded(bounds, () => walrus.stakingState());
      const { epoch, epoch_duration, epoch_state, first_epoch_start } = state;
      const duration = Number(epoch_duration);
      // While shards are still moving, the chain does not say when that ends: epoch 1 began at the
      // first start.
      const since =
        epoch_state.$kind === 'EpochChangeSync'
          ? Number(first_epoch_start) + (epoch - 1) * duration
          : Number(epoch_state.EpochChangeDone ?? epoch_state.NextParamsSelected);
      return { epoch, since, duration };
    } catch (thrown) {
      throw toFloeError(thrown, 'store_unavailable');
    }
  });

/** When an epoch begins, as epochs are planned; milliseconds since 1970. */
export const epochStart = ({ epoch, since, duration }: Epochs, wanted: number): number =>
  since + (wanted - epoch) * duration;
