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
  strategy_unknown: entry(
    'spec',
    'operator',
    false,
    'A run names a strategy that this process does not know, or knows with other code.',
    'Give the module that the run was made with: `--strategy-module FILE`, or `registerStrategy`; its SHA-256 must be the one in the message.',
  ),
  strategy_invalid: entry(
    'spec',
    'operator',
    false,
    'A module exports no valid strategy, or the name of its strategy is taken.',
    'Correct what the message names; see examples/strategy.',
  ),
  network_mismatch: entry(
    'spec',
    'either',
    false,
    'A run is on another network than the one given here, or only one of the two sides has one.',
    "Give the coordinator's network with `--network FILE` (option `network`), from a source you trust; `--accept-network` takes the one it announces, and with it its word for what is on chain.",
  ),
} as const;
