/**
 * @module Errors of the run specification.
 */
import { entry } from './entry.ts';

export const SPEC = {
  spec_invalid: entry(
    'spec',
    'coordinator',
    false,
    'The run specification does not fit its schema.',
    'Correct the field that the message names.',
  ),
  spec_mismatch: entry(
    'spec',
    'either',
    false,
    'The coordinator offers another run specification than the one expected.',
    'Compare the hash with the one your consortium agreed on.',
  ),
  admission_refused: entry(
    'spec',
    'coordinator',
    false,
    "The run offers less than the participant's admission policy requires; nothing was sent.",
    'Ask for a run that offers it, or lower the named requirement with the named flag or `require` field: only you can.',
  ),
  network_mismatch: entry(
    'spec',
    'either',
    false,
    'A run is on another network than the one given here, or only one of the two sides has one.',
    "Give the coordinator's network with `--network FILE` (option `network`), from a source you trust; `--accept-network` takes the one it announces, and with it its word for what is on chain.",
  ),
} as const;
