/**
 * @module The name of a frozen base: the weights under a run's model that nobody trains and that
 * never travel. Each site brings its own copy; the hash says that it is the same.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';

/** A base as a specification names it. */
export interface BaseRef {
  /** SHA-256, 32 bytes: `hashModel` over the base's tensors, in the order of the model's layers. */
  readonly hash: Uint8Array;
  /** In words, for those who look for a copy. */
  readonly name?: string | undefined;
}

const say = (base: BaseRef | undefined): string =>
  base === undefined
    ? 'none'
    : toHex(base.hash) + (base.name === undefined ? '' : ` (${base.name})`);

/** That a site has the base of its run. @throws FloeError `base_mismatch` with both hashes */
export const requireBase = (wanted: BaseRef | undefined, got: BaseRef | undefined): void => {
  if (wanted === undefined && got === undefined) return;
  if (wanted !== undefined && got !== undefined && equalBytes(wanted.hash, got.hash)) return;
  throw new FloeError('base_mismatch', `the base: expected ${say(wanted)}, got ${say(got)}`);
};
