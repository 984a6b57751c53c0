/**
 * @module A ledger that takes nothing before the newest commit is kept: its state then is that of
 * the checkpoint.
 */
import type { Ledger } from '../../protocol/ports/ledger.ts';

export const waitingLedger = (ledger: Ledger, ready: () => Promise<void>): Ledger => ({
  ...ledger,
  freezeCohort: async (freeze) => {
    await ready();
    return ledger.freezeCohort(freeze);
  },
  freezeSurvivors: async (freeze) => {
    await ready();
    return ledger.freezeSurvivors(freeze);
  },
  registerModel: async (...version) => {
    await ready();
    return ledger.registerModel(...version);
  },
});
