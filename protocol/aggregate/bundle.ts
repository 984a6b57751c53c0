/**
 * @module The unmasking bundle of a round: the secrets that the survivors' shares gave back. With it and the public blobs
 * anyone can recompute the sum, so it is encrypted and gated like the model itself.
 */
import * as v from 'valibot';
import { bytesUpTo, decodeCbor, encodeCbor, fixedBytes } from '../cbor.ts';
import { MAX_COHORT } from '../run-spec.ts';
import { SECRET_BYTES, SELF_SECRET_BYTES } from '../secagg/secrets.ts';

const MAX_BUNDLE_BYTES = 256 << 20;
const list = <Item extends v.GenericSchema>(item: Item) =>
  v.pipe(v.array(item), v.maxLength(MAX_COHORT));

const bundleSchema = v.strictObject({
  v: v.literal(1),
  /** b || e of each survivor (`self`), sigma of each participant that dropped after sharing (`key`). */
  secrets: list(
    v.variant('kind', [
      v.strictObject({
        author: fixedBytes(32),
        kind: v.literal('self'),
        secret: fixedBytes(SELF_SECRET_BYTES),
      }),
      v.strictObject({
        author: fixedBytes(32),
        kind: v.literal('key'),
        secret: fixedBytes(SECRET_BYTES),
      }),
    ]),
  ),
  /** The sealed entries of all sharers, where somebody dropped: pair masks need the wrapped pair keys. Else empty. */
  shares: list(v.strictObject({ author: fixedBytes(32), entries: list(bytesUpTo(4096)) })),
});

export type UnmaskingBundle = Omit<v.InferOutput<typeof bundleSchema>, 'v'>;

export const encodeBundle = (bundle: UnmaskingBundle): Uint8Array =>
  encodeCbor({
    v: 1,
    secrets: bundle.secrets.map(({ author, kind, secret }) => ({ author, kind, secret })),
    shares: bundle.shares.map(({ author, entries }) => ({ author, entries })),
  });

/** @throws FloeError `record_malformed` */
export const decodeBundle = (bytes: Uint8Array): UnmaskingBundle =>
  decodeCbor(bundleSchema, bytes, 'record_malformed', MAX_BUNDLE_BYTES);
