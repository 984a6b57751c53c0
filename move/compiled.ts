/**
 * @module Floe's Move package in compiled form, as it ships: `move/build/floe.json`, written by
 * `scripts/build-move.ts`. A test compiles `move/floe` again and compares.
 */
import floe from './build/floe.json' with { type: 'json' };

/**
 * A compiled package: bytecode at 0x0 in base64, ids of what it links to, its Blake2b-256 digest in
 * hex.
 */
export interface CompiledPackage {
  readonly modules: readonly string[];
  readonly dependencies: readonly string[];
  readonly digest: string;
}

/** Floe's package, compiled at 0x0. */
export const compiledFloe = (): CompiledPackage => floe;
