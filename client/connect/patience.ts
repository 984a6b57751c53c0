/**
 * @module The time limit for a coordinator that has never answered. After the first contact, an
 * outage has no limit: the run may be paused.
 */
import type { Clock } from '../../protocol/ports/clock.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { FloeError, toFloeError } from '../../protocol/errors.ts';

/** Default time to try an address that has never answered, ms. */
export const PATIENCE_MS = 120_000;

type Connect = (signal: AbortSignal) => Promise<Connection>;

/**
 * @param address as it is named to people
 * @returns throws what `connect` throws, and `coordinator_unreachable` once that has failed for
 * `patienceMs`
 */
export const patientConnect = (
  connect: Connect,
  {
    address,
    patienceMs = PATIENCE_MS,
    clock,
  }: { readonly address: string; readonly patienceMs?: number; readonly clock: Clock },
): Connect => {
  let reached = false;
  let since: number | undefined;
  let tries = 0;
  return async (signal) => {
    since ??= clock.monotonic();
    tries += 1;
    try {
      const connection = await connect(signal);
      reached = true;
      return connection;
    } catch (thrown) {
      const error = toFloeError(thrown, 'connection_lost');
      const waited = clock.monotonic() - since;
      if (reached || !error.retryable || signal.aborted || waited < patienceMs) throw error;
      throw new FloeError(
        'coordinator_unreachable',
        `${address} was tried ${tries} times in ${Math.round(waited / 1000)} s; the last time: ${error.message}`,
        {},
        { cause: error },
      );
    }
  };
};
