/**
 * @module Errors of the command line and of this machine.
 */
import { entry } from './entry.ts';

export const CLI = {
  usage: entry(
    'cli',
    'operator',
    false,
    'A flag or argument is wrong.',
    'See `floe <command> --help`.',
  ),
  file_not_found: entry(
    'cli',
    'operator',
    false,
    'A file or folder does not exist.',
    'Check the path.',
  ),
  file_exists: entry(
    'cli',
    'operator',
    false,
    'A file or folder exists and would be overwritten.',
    'Choose another path or remove it.',
  ),
  keystore_locked: entry(
    'cli',
    'operator',
    true,
    'The keystore is in use by another process.',
    'Stop the other process or use another keystore.',
  ),
  keystore_unavailable: entry(
    'cli',
    'operator',
    true,
    'The keystore cannot be read or written: its disk is full, read-only, broken or gone.',
    'Make room, or make the folder writable; the participant tries again in the next attempt.',
  ),
  clock_skewed: entry(
    'cli',
    'operator',
    true,
    'The clock of this machine differs from those of the coordinator and the chain by more than a minute.',
    'Set the clock, or let it be kept by NTP; `floe doctor --network FILE` shows how far it is off. Nothing needs to be started again.',
  ),
  passphrase_missing: entry(
    'cli',
    'operator',
    false,
    'The keystore needs a passphrase.',
    'Pass --passphrase-file or --passphrase-fd, set FLOE_PASSPHRASE, or call it at a terminal, where it is asked for.',
  ),
  aborted: entry('cli', 'nobody', true, 'The operation was cancelled.', 'Run the command again.'),
  installation_broken: entry(
    'cli',
    'operator',
    false,
    'A module that this process needs is missing or cannot be loaded.',
    'Install again with `npm ci`, then start again: what was kept is resumed.',
  ),
  internal: entry(
    'cli',
    'floe',
    false,
    'Something happened that Floe did not expect.',
    'Report it with the output of `floe doctor --json`.',
  ),
} as const;
