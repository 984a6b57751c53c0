/**
 * @module A member's word that a joint sum may become known: policy `consent` of the one-set rule
 * (specification of secure aggregation, section 2.0). Members exchange these outside of the run and
 * give them to their participants; nobody signs one for another, and none is asked for by the
 * coordinator.
 */
import * as v from 'valibot';
import { toHex } from '../bytes.ts';
import { decodeCbor, encodeCbor, fixedBytes } from '../wire/cbor.ts';
import { FloeError } from '../errors.ts';
import { addressOf, verifySignature, type Identity } from '../ports/identity.ts';
import { MAX_COHORT } from '../spec/run-spec.ts';
import type { Consent } from './one-set.ts';

const key = fixedBytes(32);
const unsigned = {
  /** Hash of the run specification. */
  run: fixedBytes(32),
  /** Hash of the model that the updates start from. */
  model: fixedBytes(32),
  /** Whose joint sum may become known, the author among them. */
  members: v.pipe(v.array(key), v.minLength(1), v.maxLength(MAX_COHORT)),
  author: key,
};
const schema = v.strictObject({ ...unsigned, signature: fixedBytes(64) });
export const MAX_CONSENT_BYTES = 16_384;

export interface ConsentTo {
  readonly run: Uint8Array;
  readonly model: Uint8Array;
  readonly members: readonly Uint8Array[];
}

/**
 * Signs that the joint sum of `members` on this model may become known. @throws FloeError `usage`
 * without the author among them
 */
export const signConsent = (identity: Identity, { run, model, members }: ConsentTo): Uint8Array => {
  const author = identity.publicKey;
  const own = toHex(author);
  if (!members.some((member) => toHex(member) === own))
    throw new FloeError('usage', 'expected the author among the members of a consent');
  const body = { run, model, members: [...members], author };
  return encodeCbor({ ...body, signature: identity.sign('consent', encodeCbor(body)) });
};

/**
 * The consents that hold for one model of one run; those for others are left out.
 * @throws FloeError `record_malformed`, `signature_invalid`
 */
export const readConsents = (
  files: readonly Uint8Array[],
  run: Uint8Array,
  model: Uint8Array,
): readonly Consent[] =>
  files.flatMap((bytes) => {
    const { signature, ...body } = decodeCbor(schema, bytes, 'record_malformed', MAX_CONSENT_BYTES);
    if (!verifySignature('consent', encodeCbor(body), signature, body.author))
      throw new FloeError('signature_invalid', 'the signature of a consent does not verify');
    if (toHex(body.run) !== toHex(run) || toHex(body.model) !== toHex(model)) return [];
    return [{ author: addressOf(body.author), members: body.members.map(addressOf) }];
  });
