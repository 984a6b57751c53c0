/**
 * @module What a survivor answers at the unmasking: one share for each sharer it holds one of, of b
 * || e for a survivor, of sigma for who dropped (Bonawitz et al. 2017, round 4). It is sealed to
 * the coordinator's key of this attempt, X25519 and ML-KEM-768, whose secret is erased after the
 * attempt. The transcript, which is public for ever, holds the hashes of the sealed answers; the
 * coordinator keeps the answers themselves until the attempt is over.
 */
import * as v from 'valibot';
import { concatBytes, sha256, utf8 } from '../bytes.ts';
import { decodeCbor, encodeCbor, fixedBytes } from '../wire/cbor.ts';
import { FloeError } from '../errors.ts';
import type { RandomSource } from '../ports/random.ts';
import { MAX_COHORT } from '../spec/run-spec.ts';
import type { Id } from './cohort.ts';
import { importPublicKeys, type PublicKeys, type AttemptKeyPairs } from './keys.ts';
import {
  GCM_TAG_BYTES,
  KEY_BYTES,
  MLKEM_CIPHERTEXT_BYTES,
  platformPrimitives,
  X25519_BYTES,
  type Primitives,
} from './primitives/index.ts';
import type { RevealedShare } from './recovery.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';
import { shareBytes } from './secrets.ts';

const MAX_ANSWER_BYTES = 64 << 10;

const answerSchema = v.strictObject({
  shares: v.pipe(
    v.array(
      v.variant('kind', [
        v.strictObject({
          member: fixedBytes(32),
          kind: v.literal('self'),
          share: fixedBytes(shareBytes('self')),
        }),
        v.strictObject({
          member: fixedBytes(32),
          kind: v.literal('sigma'),
          share: fixedBytes(shareBytes('key')),
        }),
      ]),
    ),
    v.maxLength(MAX_COHORT),
  ),
});

/** CBOR of the shares, still in clear. */
export const encodeAnswer = (shares: readonly RevealedShare[]): Uint8Array =>
  encodeCbor({
    shares: shares.map(({ author, kind, share }) => ({
      member: author,
      kind: kind === 'key' ? 'sigma' : kind,
      share,
    })),
  });

/**
 * @throws FloeError `share_invalid` for what is no answer, more than 255 shares or more than 64 KiB
 */
export const decodeAnswer = (bytes: Uint8Array): readonly RevealedShare[] =>
  decodeCbor(answerSchema, bytes, 'share_invalid', MAX_ANSWER_BYTES).shares.map(
    ({ member, kind, share }) => ({
      author: member,
      kind: kind === 'sigma' ? 'key' : kind,
      share,
    }),
  );

const EPHEMERAL_BYTES = X25519_BYTES + MLKEM_CIPHERTEXT_BYTES;
/** Bytes that sealing adds to an answer. */
export const ANSWER_OVERHEAD = EPHEMERAL_BYTES + GCM_TAG_BYTES;

const answerKey = (
  point: Uint8Array,
  kem: Uint8Array,
  context: Uint8Array,
  author: Id,
  header: Uint8Array,
  coordinator: PublicKeys,
  primitives: Primitives,
): Uint8Array => {
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');
  const tag = utf8('floe/secagg/answer/v1');
  const seen = sha256(coordinator.x25519, coordinator.mlkem, header);
  const info = concatBytes(tag, author, seen);
  return primitives.hkdf(concatBytes(point, kem), context, info, KEY_BYTES);
};

const associated = (context: Uint8Array, author: Id): Uint8Array =>
  concatBytes(utf8('floe/secagg/answer/v1'), context, author);

/**
 * Seals an answer: ephemeral X25519 key || ML-KEM ciphertext || AES-256-GCM.
 * @param init.to the key in the open record @param init.random a CSPRNG
 * @throws FloeError `key_invalid` for a malformed key
 */
export const sealAnswer = async (init: {
  readonly to: PublicKeys;
  readonly context: Uint8Array;
  readonly author: Id;
  readonly shares: readonly RevealedShare[];
  readonly random: RandomSource;
  readonly primitives?: Primitives;
}): Promise<Uint8Array> => {
  const { to, context, author, shares, random, primitives = platformPrimitives } = init;
  const peer = importPublicKeys(to, primitives);
  const ephemeral = primitives.pointPair(random(X25519_BYTES));
  const { ciphertext, secret } = peer.kem().encapsulate();
  const header = concatBytes(ephemeral.publicKey, ciphertext);
  const point = ephemeral.agree(peer.point());
  const key = answerKey(point, secret, context, author, header, to, primitives);
  const plain = encodeAnswer(shares);
  return concatBytes(header, await primitives.seal(key, associated(context, author), plain));
};

/**
 * Opens the answer of `author`. @param keys the coordinator's of this attempt
 * @throws FloeError `share_invalid` for what does not open or is no answer
 */
export const openAnswer = async (
  keys: AttemptKeyPairs,
  context: Uint8Array,
  author: Id,
  sealed: Uint8Array,
): Promise<readonly RevealedShare[]> => {
  const { primitives } = keys;
  if (sealed.length < EPHEMERAL_BYTES)
    throw new FloeError('share_invalid', `expected a sealed answer, got ${sealed.length} bytes`);
  const header = sealed.subarray(0, EPHEMERAL_BYTES);
  const raw = header.subarray(0, X25519_BYTES);
  let point: Uint8Array;
  try {
    point = keys.point.agree(primitives.pointKey(raw));
  } catch (cause) {
    throw new FloeError('share_invalid', 'the answer is sealed with a weak key', {}, { cause });
  }
  const secret = keys.kem.decapsulate(header.subarray(X25519_BYTES));
  const key = answerKey(point, secret, context, author, header, keys.public, primitives);
  const box = sealed.subarray(EPHEMERAL_BYTES);
  const plain = await primitives.open(key, associated(context, author), box);
  if (plain === undefined)
    throw new FloeError('share_invalid', 'the answer does not open with the key of this attempt');
  return decodeAnswer(plain);
};
