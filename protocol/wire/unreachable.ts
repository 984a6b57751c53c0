/**
 * @module Why there is no connection: what Node and OpenSSL say in the cause of an error, as an
 * error of the catalogue. A refused certificate or another protocol does not heal by trying again;
 * everything else may.
 */
import { FloeError, type ErrorCode } from '../errors.ts';

/** The code of a certificate that is not the pinned one. */
export const FINGERPRINT_MISMATCH = 'FINGERPRINT_MISMATCH';

/** What is wrong with a certificate, by the codes of Node (`tls`, OpenSSL's verify results). */
const CERTIFICATES: Readonly<Record<string, string>> = {
  [FINGERPRINT_MISMATCH]: 'its certificate has another fingerprint than the one that was given',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate was issued by an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'the issuer of its certificate is not known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the issuer of its certificate is not known here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the issuer of its certificate is not known here',
  CERT_UNTRUSTED: 'its certificate is not trusted here',
  CERT_SIGNATURE_FAILURE: 'the signature of its certificate does not verify',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet, by the clock of this machine',
  CERT_HAS_EXPIRED: 'its certificate has expired, by the clock of this machine',
  CERT_REVOKED: 'its certificate was revoked',
  INVALID_CA: 'an authority of its certificate is none',
  INVALID_PURPOSE: 'its certificate is not for servers',
  HOSTNAME_MISMATCH: 'its certificate is for another host',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
};

const NO_TLS = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'EPROTO',
]);

interface Reason {
  readonly code: string;
  readonly message: string;
}

/** The innermost cause that has a code; of several addresses that were tried, the first one's. */
const reasonOf = (thrown: unknown): Reason => {
  let reason: Reason = { code: '', message: String(thrown) };
  for (let error: unknown = thrown; error instanceof Error; error = error.cause) {
    const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
    const at = first instanceof Error ? first : error;
    const code = 'code' in at && typeof at.code === 'string' ? at.code : '';
    // What wraps another error says less than that one, such as `fetch failed`.
    const message = at.message === '' ? code : at.message;
    reason = { code: code === '' ? reason.code : code, message };
  }
  return reason;
};

/**
 * @param url what was tried
 * @param code where trying again may help
 */
export const unreachable = (
  url: string,
  thrown: unknown,
  code: ErrorCode = 'connection_lost',
): FloeError => {
  const reason = reasonOf(thrown);
  const details = { cause: reason.code };
  const cause = { cause: thrown };
  const certificate = CERTIFICATES[reason.code];
  if (certificate !== undefined)
    return new FloeError(
      'certificate_refused',
      `${url}: ${certificate} (${reason.code})`,
      details,
      cause,
    );
  if (NO_TLS.has(reason.code))
    return new FloeError(
      'wrong_protocol',
      `${url} speaks no TLS, or not this one (${reason.code})`,
      details,
      cause,
    );
  return new FloeError(code, `no connection to ${url}: ${reason.message}`, details, cause);
};

/**
 * Answers that a proxy gives while what is behind it is away, or asks to wait (RFC 9110, section
 * 15).
 */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** An answer that a coordinator does not give. */
export const unexpectedStatus = (url: string, status: number): FloeError =>
  PASSING.has(status)
    ? new FloeError('connection_lost', `${url} answered ${status}`)
    : new FloeError('wrong_protocol', `${url} answered ${status}, as no Floe coordinator does`);
