/**
 * @module One seed from which others derive: for simulations and for tests that must be
 * reproducible, never for a real run.
 */
import { sha256, utf8 } from '../bytes.ts';

/** 32 bytes that follow from a text: as secret as the text. */
export const masterSeed = (seed: string): Uint8Array =>
  sha256(utf8('floe/scenario-seed/v1'), utf8(seed));
