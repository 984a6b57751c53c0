/**
 * @module The interface of a worker thread in the caller's thread: for trainers that are functions
 * of the caller.
 */
import type { Calls, Thread } from './thread.ts';

/** @param post receives messages without an answer @param end ends the work of the table */
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
  // The caller's thread does not end.
  failed: new Promise<never>(() => undefined),
  end,
});
