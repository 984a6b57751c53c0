/**
 * @module A journal whose process dies at the k-th write: just before it, or just after.
 */
import type { Journal } from '../../coordinator/index.ts';

export const mortalJournal = (journal: Journal, k: number, when: 'before' | 'after'): Journal => {
  let writes = 0;
  return {
    ...journal,
    write: async (batch) => {
      writes += 1;
      if (writes === k && when === 'before') throw new Error('killed');
      await journal.write(batch);
      if (writes === k) throw new Error('killed');
    },
  };
};
