/**
 * @module The process that bench/memory.ts measures: a coordinator with one round. Reports its
 * resident set before the round, during the fold, and at its peak.
 */
import { join } from 'node:path';
import { serve } from '../coordinator/index.ts';
import { directoryStore } from '../protocol/ports/directory-store.ts';
import { cryptoReady } from '../protocol/ports/identity.ts';
import { benchCoordinator, benchSpec } from './run.ts';

export type FromCoordinator =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'phase'; readonly phase: string }
  /**
   * Bytes the resident set grew: since the upload phase began until it ended, and over the whole
   * round.
   */
  | { readonly type: 'measured'; readonly folding: number; readonly peak: number };

const [n = '', dimension = '', folder = ''] = process.argv.slice(2);
const tell = (message: FromCoordinator): void => void process.send?.(message);
const quiet = () => undefined;

await cryptoReady;
const store = directoryStore(folder);
const spec = await benchSpec(Number(n), Number(dimension), 1);
const before = process.memoryUsage.rss();
let started: number | undefined;
let folding = 0;
const sample = (): void => {
  if (started !== undefined) folding = Math.max(folding, process.memoryUsage.rss() - started);
};
const coordinator = await benchCoordinator(spec, store, join(folder, 'journal'), (progress) => {
  if (progress.type === 'upload-folded') sample();
  if (progress.type !== 'phase') return;
  tell({ type: 'phase', phase: progress.phase });
  sample();
  started = progress.phase === 'upload' ? process.memoryUsage.rss() : undefined;
});
const log = { debug: quiet, info: quiet, warn: console.warn, error: console.error };
const served = await serve(coordinator, { host: '127.0.0.1', port: 0, store, log });
await coordinator.start();
const timer = setInterval(sample, 5);
tell({ type: 'listening', url: served.url.replace(/^http/u, 'ws') });
await coordinator.finished;
clearInterval(timer);
tell({ type: 'measured', folding, peak: process.resourceUsage().maxRSS * 1024 - before });
// Everyone is to hear of the end.
process.once('disconnect', () => process.exit());
