/**
 * @module Which errors say that a service of others does not answer: the same call may succeed
 * later, and nobody of the run is at fault.
 */
import type { ErrorCode } from './errors.ts';

export const OUTAGES: ReadonlySet<ErrorCode> = new Set([
  'store_unavailable',
  'gate_unavailable',
  'ledger_unavailable',
]);
