/** @module `--accept-drift`, of the commands that refuse columns in another unit. */
import { repeated, text } from './flags.ts';

export const ACCEPT_DRIFT = {
  acceptDrift: repeated(
    text(
      '<column>',
      "take a column of numbers as it is, however far it lies from the data contract's; may be repeated",
    ),
  ),
};
