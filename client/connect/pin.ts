/**
 * @module Trusts the one certificate that has a given fingerprint, as the coordinator prints it. A
 * coordinator with a certificate of its own is reached without a file of it. Node only.
 */
import type { X509Certificate } from 'node:crypto';
import { connect, type TLSSocket } from 'node:tls';
import { FloeError } from '../../protocol/errors.ts';
import { unreachable } from '../../protocol/wire/unreachable.ts';
import { trustPem } from './trust.ts';

const TIMEOUT_MS = 15_000;

/** The certificate that the address shows, without trusting it. */
const shownBy = (url: URL, signal: AbortSignal): Promise<X509Certificate> =>
  new Promise((resolve, reject) => {
    const host = url.hostname.replace(/^\[|\]$/gu, '');
    const socket: TLSSocket = connect({
      host,
      port: url.port === '' ? 443 : Number(url.port),
      ...(/[a-z]/iu.test(host) && !host.includes(':') ? { servername: host } : {}),
      // Its fingerprint is compared below; nothing is sent over this connection.
      rejectUnauthorized: false,
      timeout: TIMEOUT_MS,
    });
    const end = (act: () => void): void => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      act();
    };
    const abort = (): void =>
      end(() => reject(new FloeError('aborted', 'The operation was cancelled.')));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate();
      end(() =>
        shown === undefined
          ? reject(new FloeError('certificate_refused', `${url.href} shows no certificate`))
          : resolve(shown),
      );
    });
    socket.once('timeout', () =>
      end(() => reject(new FloeError('connection_lost', `no answer from ${url.href} in time`))),
    );
    socket.once('error', (cause) => end(() => reject(unreachable(url.href, cause))));
  });

/** The certificate of `host`, with the pinned fingerprint. @throws FloeError */
const requirePinned = (url: URL, shown: X509Certificate, fingerprint: string): void => {
  const found = shown.fingerprint256.replaceAll(':', '').toLowerCase();
  if (found !== fingerprint)
    throw new FloeError(
      'certificate_refused',
      `${url.host}: expected the certificate with fingerprint ${fingerprint}, got ${found}`,
    );
  const host = url.hostname.replace(/^\[|\]$/gu, '');
  const isNamed = (shown.checkIP(host) ?? shown.checkHost(host)) !== undefined;
  if (isNamed) return;
  throw new FloeError(
    'certificate_refused',
    `${url.host}: its certificate has the fingerprint but not this name; it has ${shown.subjectAltName}: start the coordinator with --tls-name ${host}`,
  );
};

/**
 * Compares the certificate at `url` with the fingerprint and trusts it in this process, for
 * WebSocket and HTTP. A certificate that an authority has issued must also verify as usual.
 *
 * @param url `wss://host:port` or `https://...` @param fingerprint 64 hex digits
 * @returns the certificate, PEM
 * @throws FloeError `usage` for an address without TLS, `certificate_refused` for another
 * certificate, `wrong_protocol`, `connection_lost`, `aborted`
 */
export const pinCertificate = async (
  url: string,
  fingerprint: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<string> => {
  const parsed = URL.parse(url);
  if (parsed === null || !/^(wss|https):$/u.test(parsed.protocol))
    throw new FloeError(
      'usage',
      `--fingerprint: expected an address with wss:// or https://, got ${url}`,
    );
  signal.throwIfAborted();
  const shown = await shownBy(parsed, signal);
  requirePinned(parsed, shown, fingerprint);
  const pem = shown.toString();
  // One that an authority has issued is trusted by its chain, or not at all.
  if (shown.checkIssued(shown)) trustPem(pem);
  return pem;
};
