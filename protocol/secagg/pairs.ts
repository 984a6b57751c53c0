/**
 * @module What two participants share in a round: the key that seals one's shares to the other, and
 * the seed and sign of their pair mask (Bonawitz et al. 2017). Hybrid: every key needs both X25519
 * and ML-KEM-768 broken. Each direction has its own encapsulation; the mask takes the one from the
 * smaller id to the larger.
 */
import { compareBytes, concatBytes, equalBytes, toHex, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { HASH_BYTES, requireBytes } from './cohort.ts';
import type { Id, Member } from './cohort.ts';
import { agree, decapsulate, encapsulate, hkdf } from './keys.ts';
import type { RoundKeys } from './keys.ts';
import type { MaskJob } from './masks.ts';

/** What the KEM of one direction and X25519 give; secret. */
export interface PairSecret {
  /** X25519(i, j), 32 bytes. */
  readonly point: Uint8Array;
  /** ML-KEM secret of one direction, 32 bytes. */
  readonly kem: Uint8Array;
}

/** +1 for the smaller id, -1 for the larger: the two masks of a pair cancel in the sum. */
export const pairSign = (self: Id, peer: Id): 1 | -1 => (compareBytes(self, peer) < 0 ? 1 : -1);

/**
 * Key that seals the shares of `from` to `to`; 32 bytes. It also binds the hashes of the two shares
 * it seals, so one key never seals two different plaintexts: see `sealing.ts` for why that matters.
 */
export const sealingKey = (
  secret: PairSecret,
  context: Uint8Array,
  from: Id,
  to: Id,
  commitments: { readonly self: Uint8Array; readonly key: Uint8Array },
): Uint8Array => {
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');
  const tag = utf8('floe/secagg/seal/v1');
  const info = concatBytes(tag, from, to, commitments.self, commitments.key);
  return hkdf(concatBytes(secret.point, secret.kem), context, info, HASH_BYTES);
};

/**
 * Seed of the mask of a pair; 32 bytes. `secret.kem` is that of the direction smaller id -> larger
 * id; symmetric.
 */
export const pairSeed = (secret: PairSecret, context: Uint8Array, a: Id, b: Id): Uint8Array => {
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');
  const [min, max] = compareBytes(a, b) < 0 ? [a, b] : [b, a];
  const info = concatBytes(utf8('floe/secagg/pair/v1'), min, max);
  return hkdf(concatBytes(secret.point, secret.kem), context, info, HASH_BYTES);
};

/** What {@link pairMask} needs to know. */
export interface PairMaskInit {
  readonly keys: RoundKeys;
  readonly context: Uint8Array;
  readonly self: Id;
  readonly peer: Member;
  /**
   * The peer's encapsulation to `self`, from its Share message; read only where the peer's id is
   * the smaller one.
   */
  readonly fromPeer: Uint8Array;
  /**
   * The encapsulation that `self` published for the peer; where given, it must be the one that
   * sigma yields.
   */
  readonly toPeer?: Uint8Array;
}

/**
 * The mask that `self` adds for `peer`, as a job. The recovery calls this with the reconstructed
 * keys of a dropped participant: adding *its* masks completes the cancellation that its missing
 * upload left open.
 * @throws FloeError `commitment_mismatch` if `toPeer` is another ciphertext; `key_invalid`,
 *   `share_invalid`, `context_mismatch` for malformed inputs.
 */
export const pairMask = (init: PairMaskInit): MaskJob => {
  const { keys, context, self, peer } = init;
  const sign = pairSign(self, peer.id);
  const point = agree(keys.x25519Secret, peer.keys.x25519);
  let kem: Uint8Array;
  if (sign === 1) {
    const { ciphertext, secret } = encapsulate(keys, context, self, peer);
    if (init.toPeer !== undefined && !equalBytes(ciphertext, init.toPeer))
      throw new FloeError(
        'commitment_mismatch',
        'the published encapsulation is not the one that the secret yields',
        { author: toHex(self), recipient: toHex(peer.id) },
      );
    kem = secret;
  } else kem = decapsulate(keys, init.fromPeer);
  return { seed: pairSeed({ point, kem }, context, self, peer.id), sign };
};
