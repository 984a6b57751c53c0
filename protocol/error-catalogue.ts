/**
 * @module The error catalogue: every failure Floe reports, with its stable code, what it means,
 * whose doing it is, what to do about it, and whether the same call may succeed later.
 * `docs/errors.md` is generated from this table.
 */
import { CLI } from './error-catalogue/cli.ts';
import { DATA } from './error-catalogue/data.ts';
import type { ErrorEntry } from './error-catalogue/entry.ts';
import { ROUND } from './error-catalogue/round.ts';
import { SECAGG } from './error-catalogue/secagg.ts';
import { SERVICES } from './error-catalogue/services.ts';
import { SPEC } from './error-catalogue/spec.ts';
import { WIRE } from './error-catalogue/wire.ts';

export type { ErrorArea, ErrorEntry, Fault } from './error-catalogue/entry.ts';

export const ERRORS = {
  ...WIRE,
  ...SPEC,
  ...DATA,
  ...SECAGG,
  ...ROUND,
  ...SERVICES,
  ...CLI,
} as const satisfies Record<string, ErrorEntry>;
