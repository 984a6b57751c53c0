/**
 * @module What a survivor answers at the unmasking, as it is sealed to the coordinator: one share for each sharer it holds
 * one of, of b for a survivor, of sigma for who dropped (Bonawitz et al. 2017, round 4).
 */
import * as v from 'valibot';
import { decodeCbor, encodeCbor, fixedBytes } from '../cbor.ts';
import { MAX_COHORT } from '../run-spec.ts';
import type { RevealedShare } from './recovery.ts';
import { SHARE_BYTES } from './shamir.ts';

const MAX_ANSWER_BYTES = 64 << 10;

const answerSchema = v.strictObject({
  shares: v.pipe(
    v.array(
      v.strictObject({
        member: fixedBytes(32),
        kind: v.picklist(['self', 'sigma']),
        share: fixedBytes(SHARE_BYTES),
      }),
    ),
    v.maxLength(MAX_COHORT),
  ),
});

/** Canonical CBOR of the shares, still in clear. */
export const encodeAnswer = (shares: readonly RevealedShare[]): Uint8Array =>
  encodeCbor({
    shares: shares.map(({ author, kind, share }) => ({
      member: author,
      kind: kind === 'key' ? 'sigma' : kind,
      share,
    })),
  });

/** @throws FloeError `share_invalid` for what is no answer, more than 255 shares or more than 64 KiB */
export const decodeAnswer = (bytes: Uint8Array): readonly RevealedShare[] =>
  decodeCbor(answerSchema, bytes, 'share_invalid', MAX_ANSWER_BYTES).shares.map(
    ({ member, kind, share }) => ({
      author: member,
      kind: kind === 'sigma' ? 'key' : kind,
      share,
    }),
  );
