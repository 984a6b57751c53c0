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
  run_unfinished: entry(
    'cli',
    'operator',
    false,
    'The folder holds a run that is not over: it has no transcript yet.',
    "While a coordinator plays it, give the coordinator's address in place of its folder. A coordinator that was stopped resumes with `floe coordinator --state`; a simulation that was stopped continues with `floe sim --resume FOLDER`, or is started again, and its folder may be removed.",
  ),
  port_unavailable: entry(
    'cli',
    'operator',
    true,
    'The port to listen on is in use by another process, or may not be used by this one.',
    'Choose another one with --port (0 takes a free one), or stop the process that listens there.',
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
    'The keystore cannot be read or written: its disk is full, read-only, failing or missing.',
    'Free disk space, or make the folder writable. The participant tries again in the next attempt.',
  ),
  clock_skewed: entry(
    'cli',
    'operator',
    true,
    'The clock of this machine differs from those of the coordinator and the chain by more than a minute.',
    'Set the clock, or synchronise it by NTP. `floe doctor --network FILE` shows the difference. No restart is needed.',
  ),
  passphrase_missing: entry(
    'cli',
    'operator',
    false,
    'The keystore needs a passphrase.',
    'Pass --passphrase-file or --passphrase-fd, set FLOE_PASSPHRASE, or run the command at a terminal and answer its prompt.',
  ),
  aborted: entry('cli', 'nobody', true, 'The operation was cancelled.', 'Run the command again.'),
  installation_broken: entry(
    'cli',
    'operator',
    false,
    'A module that this process needs is missing or cannot be loaded.',
    'Install again with `npm ci`, then restart. The process resumes from its saved state.',
  ),
  setup_failed: entry(
    'cli',
    'operator',
    true,
    'A program that `floe setup` runs is missing, or has failed.',
    'The message names the program and shows its last lines. Install it, or mend what it complains about, and run the command again; nothing is left half-done.',
  ),
  download_altered: entry(
    'cli',
    'operator',
    false,
    'A downloaded file is not the one that Floe knows.',
    'Nothing of it was used. Try another network or registry; a wheel that was given must be of the version and the platform that the message names.',
  ),
  internal: entry(
    'cli',
    'floe',
    false,
    'Floe met a state that it does not handle.',
    'Report it with the output of `floe doctor --json`.',
  ),
} as const;
