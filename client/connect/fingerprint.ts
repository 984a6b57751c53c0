/**
 * @module The fingerprint of a certificate as people write it.
 */

/** SHA-256 of a certificate: 64 hex digits, colons allowed; undefined for anything else. */
export const parseFingerprint = (text: string): string | undefined => {
  const hex = text.replaceAll(':', '').toLowerCase();
  return /^[0-9a-f]{64}$/u.test(hex) ? hex : undefined;
};
