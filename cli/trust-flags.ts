/**
 * @module Flags of the commands that reach a coordinator over TLS: a certificate to trust, by file
 * or by fingerprint.
 */
import * as f from './flags.ts';

export const TRUST = {
  ca: f.text('<file>', 'certificate (PEM) to trust besides those that this machine trusts'),
  fingerprint: f.value(
    '<hex>',
    "accept the coordinator's certificate with this fingerprint (SHA-256), as the coordinator prints it, and no other",
    f.fingerprint,
  ),
};
export type TrustFlags = Partial<f.FlagValues<typeof TRUST>>;

/** The flags again, for a command that is suggested: a reader there needs the same trust. */
export const trustWords = ({ ca, fingerprint }: TrustFlags): string =>
  (ca === undefined ? '' : ` --ca ${ca}`) +
  (fingerprint === undefined ? '' : ` --fingerprint ${fingerprint}`);
