/**
 * @module Errors of the run specification.
 */
import { entry } from './entry.ts';

export const SPEC = {
  spec_invalid: entry(
    'spec',
    'coordinator',
    false,
    'The run specification does not match its schema.',
    'Correct the field in the message.',
  ),
  spec_mismatch: entry(
    'spec',
    'either',
    false,
    'The run has another specification than the one expected: the one a participant named, or the one in the folder of a coordinator.',
    'Participants compare the hash with the one that their consortium agreed on. A coordinator that resumes a run leaves out the settings that differ, or begins a new one in another folder (`--state`).',
  ),
  admission_refused: entry(
    'spec',
    'coordinator',
    false,
    "The run offers less than the participant's admission policy requires. The participant sent nothing except the login.",
    'Request a run that offers it, or lower the requirement with the flag or the `require` field in the message. Only you can lower it.',
  ),
  strategy_unknown: entry(
    'spec',
    'operator',
    false,
    'A run names a strategy that this process does not know, or knows with other code.',
    'Supply the strategy module of the run: `--strategy-module FILE`, or `registerStrategy`. Its SHA-256 must be the one in the message.',
  ),
  strategy_invalid: entry(
    'spec',
    'operator',
    false,
    'A module exports no valid strategy, or the name of its strategy is taken.',
    'Correct the part in the message; see examples/strategy.',
  ),
  privacy_invalid: entry(
    'spec',
    'operator',
    false,
    'A number of a privacy mechanism is out of range, or mechanisms are combined in a way that has no guarantee.',
    'Correct the number in the message. `floe privacy` prints a plan whose numbers fit each other.',
  ),
  network_mismatch: entry(
    'spec',
    'either',
    false,
    'The run is on another network than the one given here, or only one of the two sides has a network.',
    "Give the coordinator's network with `--network FILE` (option `network`), from a source you trust. `--accept-network` uses the announced network, and trusts the coordinator's account of the chain.",
  ),
} as const;
