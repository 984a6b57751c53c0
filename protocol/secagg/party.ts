/**
 * @module One participant in one attempt: its two key pairs and what it agrees with each peer, each
 * agreement computed once.
 */
import { indexOf, type Cohort, type Id } from './cohort.ts';
import { deriveKeys, samePublicKeys, type AttemptKeyPairs } from './keys.ts';
import type { Primitives } from './primitives/index.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';
import { FloeError } from '../errors.ts';

/** Holds secrets: never log, never serialise. */
export interface Party {
  readonly context: Uint8Array;
  readonly cohort: Cohort;
  readonly self: Id;
  /** Index of `self` in the cohort. */
  readonly index: number;
  readonly sigma: Uint8Array;
  readonly mask: AttemptKeyPairs;
  readonly seal: AttemptKeyPairs;
  readonly primitives: Primitives;
  /** X25519 of the masking keys with the member at `index`, 32 bytes. */
  maskPoint(index: number): Uint8Array;
  /** X25519 of the sealing keys with the member at `index`, 32 bytes. */
  sealPoint(index: number): Uint8Array;
}

/** What was computed before for the member at `at`, or what `make` gives now. */
const once = (known: Map<number, Uint8Array>, at: number, make: () => Uint8Array): Uint8Array => {
  const found = known.get(at) ?? make();
  known.set(at, found);
  return found;
};

/**
 * @param init.sigma the secret of the masking keys @param init.seal c, the secret of the sealing
 * keys; 32 bytes each
 * @throws FloeError `not_in_cohort`, `context_mismatch`; `key_invalid` where the secrets are not
 * those of the registered keys
 */
export const createParty = (init: {
  readonly context: Uint8Array;
  readonly cohort: Cohort;
  readonly self: Id;
  readonly sigma: Uint8Array;
  readonly seal: Uint8Array;
}): Party => {
  const { context, cohort, self, sigma } = init;
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');
  const { primitives, members } = cohort;
  const index = indexOf(cohort, self);
  const mask = deriveKeys(sigma, 'mask', primitives);
  const seal = deriveKeys(init.seal, 'seal', primitives);
  const own = members[index]!;
  if (!samePublicKeys(mask.public, own.mask.raw) || !samePublicKeys(seal.public, own.seal.raw))
    throw new FloeError('key_invalid', 'the secrets are not those of the registered keys');
  const maskPoints = new Map<number, Uint8Array>();
  const sealPoints = new Map<number, Uint8Array>();
  return {
    context,
    cohort,
    self,
    index,
    sigma,
    mask,
    seal,
    primitives,
    maskPoint: (at) => once(maskPoints, at, () => mask.point.agree(members[at]!.mask.point())),
    sealPoint: (at) => once(sealPoints, at, () => seal.point.agree(members[at]!.seal.point())),
  };
};
