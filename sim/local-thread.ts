/**
 * @module The same as a worker thread, in the caller's own thread: for trainers that are functions
 * of the caller.
 */
import type { Calls, Thread } from './thread.ts';

/** @param post takes what has no answer @param end ends what the table has begun */
export const localThread = <Table extends Calls>(
  table: Table,
  {
    post = () => undefined,
    end = async () => undefined,
  }: {
    readonly post?: (message: unknown) => void;
    readonly end?: () => Promise<void>;
  } = {},
): Thread<Table> => ({
  call: async (name, argument) => (await table[name]?.(argument)) as never,
  post,
  // Nothing ends a thread that is the caller's own.
  failed: new Promise<never>(() => undefined),
  end,
});
