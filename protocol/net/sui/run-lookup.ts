/**
 * @module The runs that one ledger reads or writes: each looked up once, and created once by the
 * coordinator that owns it.
 */
import { toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import { ensureRun, findRun, type RunReader, type SuiRun } from './run.ts';
import type { Sender } from './transactions.ts';

export interface RunLookup {
  /** The run, or undefined while it is not on chain; a missing one is looked for again. */
  readonly standing: (run: Uint8Array) => Promise<SuiRun | undefined>;
  /** The run, created where it is missing. @throws FloeError `usage` without a sender */
  readonly ensured: (run: Uint8Array) => Promise<SuiRun>;
}

export interface RunLookupInit extends RunReader {
  readonly auditors: readonly string[];
  /** The coordinator's; without it the ledger is for reading. */
  readonly sender: Sender | undefined;
  /** Of the run specification. */
  readonly name: string;
}

export const createRunLookup = (init: RunLookupInit): RunLookup => {
  const { sender, name, auditors } = init;
  const runs = new Map<string, Promise<SuiRun | undefined>>();
  const creating = new Map<string, Promise<SuiRun>>();

  return {
    standing: (run) => {
      const key = toHex(run);
      const known = runs.get(key);
      if (known !== undefined) return known;
      const looking = findRun(init, run);
      runs.set(key, looking);
      const forget = (): void => void runs.delete(key);
      looking.then((found) => found === undefined && forget(), forget);
      return looking;
    },
    ensured: async (run) => {
      if (sender === undefined)
        throw new FloeError('usage', "only the coordinator's ledger can write");
      const key = toHex(run);
      let created = creating.get(key);
      if (created === undefined) {
        created = ensureRun(init, sender, { specHash: run, name, auditors });
        creating.set(key, created);
        created.catch(() => creating.delete(key));
      }
      return created;
    },
  };
};
