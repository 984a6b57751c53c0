/**
 * @module A certificate that the coordinator makes for itself (X.509, RFC 5280; ECDSA over P-256
 * with SHA-256), for sites that agree on its fingerprint instead of an authority. Node has no
 * writer of certificates, so the few structures of one are written here, in DER (X.690).
 */
import { createPrivateKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { concatBytes, utf8 } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { readOptional, writeWhole } from '../protocol/ports/files.ts';
import type { RandomSource } from '../protocol/ports/random.ts';

const length = (size: number): readonly number[] => {
  if (size < 0x80) return [size];
  const bytes: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
};
const tlv = (tag: number, ...contents: readonly Uint8Array[]): Uint8Array => {
  const content = concatBytes(...contents);
  return concatBytes(new Uint8Array([tag, ...length(content.length)]), content);
};
const raw = (...bytes: readonly number[]): Uint8Array => new Uint8Array(bytes);
const sequence = (...parts: readonly Uint8Array[]): Uint8Array => tlv(0x30, ...parts);
const bitString = (bytes: Uint8Array): Uint8Array => tlv(0x03, raw(0), bytes);

/** ecdsa-with-SHA256, 1.2.840.10045.4.3.2. */
const ALGORITHM = sequence(tlv(0x06, raw(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)));
const COMMON_NAME = tlv(0x06, raw(0x55, 0x04, 0x03));
const SUBJECT_ALT_NAME = tlv(0x06, raw(0x55, 0x1d, 0x11));
const BASIC_CONSTRAINTS = tlv(0x06, raw(0x55, 0x1d, 0x13));
const TRUE = tlv(0x01, raw(0xff));

const name = (text: string): Uint8Array =>
  sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, utf8(text)))));

/** UTCTime before 2050, GeneralizedTime from then on (RFC 5280, section 4.1.2.5). */
const time = (ms: number): Uint8Array => {
  const date = new Date(ms);
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/gu, '');
  return date.getUTCFullYear() < 2050 ? tlv(0x17, utf8(digits.slice(2))) : tlv(0x18, utf8(digits));
};

const v4 = (address: string): Uint8Array => raw(...address.split('.').map(Number));

const groups = (text: string): number[] =>
  text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));

/** The 16 bytes of an IPv6 address; `::` stands for the zeros that are missing. */
const v6 = (address: string): Uint8Array => {
  const [head = '', tail] = address.split('::');
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return raw(...[...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]));
};

const altName = (host: string): Uint8Array => {
  const family = isIP(host);
  if (family === 0) return tlv(0x82, utf8(host));
  return tlv(0x87, family === 4 ? v4(host) : v6(host));
};

const pem = (label: string, der: Uint8Array): string => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/gu) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
};

const DAY_MS = 24 * 3600 * 1000;
/** Long enough for any run; its users agree on the fingerprint, not on a date. */
const VALID_MS = 3650 * DAY_MS;

export interface CertificateInit {
  /** Host names and addresses that clients dial. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly random: RandomSource;
}

/** A new key and a certificate over it, valid for ten years from the day before; both are PEM. */
export const makeCertificate = ({
  names,
  now,
  random,
}: CertificateInit): { readonly certificate: string; readonly key: string } => {
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const serial = random(16);
  // Positive, and without a leading zero byte.
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  const own = name('floe coordinator');
  const extension = (id: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array =>
    sequence(id, ...parts.slice(0, -1), tlv(0x04, parts.at(-1) as Uint8Array));
  const body = sequence(
    tlv(0xa0, tlv(0x02, raw(2))),
    tlv(0x02, serial),
    ALGORITHM,
    own,
    sequence(time(now - DAY_MS), time(now + VALID_MS)),
    own,
    pair.publicKey,
    tlv(
      0xa3,
      sequence(
        extension(SUBJECT_ALT_NAME, sequence(...names.map(altName))),
        // A client that trusts this certificate trusts it as its own issuer, and no other below it.
        extension(BASIC_CONSTRAINTS, TRUE, sequence(TRUE, tlv(0x02, raw(0)))),
      ),
    ),
  );
  const signature = sign('sha256', body, createPrivateKey(pair.privateKey));
  const certificate = sequence(body, ALGORITHM, bitString(signature));
  return { certificate: pem('CERTIFICATE', certificate), key: pair.privateKey };
};

/** SHA-256 over the certificate, 64 hex digits. @throws FloeError `usage` for text that is none */
export const fingerprintOf = (certificate: string | Uint8Array): string => {
  try {
    return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
  } catch (cause) {
    throw new FloeError('usage', 'expected a certificate (PEM)', {}, { cause });
  }
};

/** What the machine is called, and its addresses. */
const ownNames = (): readonly string[] => [
  'localhost',
  hostname(),
  ...Object.values(networkInterfaces()).flatMap((interfaces = []) =>
    interfaces.map(({ address }) => address.replace(/%.*$/u, '')),
  ),
];

const HOST_NAME = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/iu;
const ANY = new Set(['0.0.0.0', '::', '']);
const MAX_FILE_BYTES = 1 << 16;

export interface SelfSigned {
  /** Paths of PEM files. */
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * The certificate in a folder, made if missing: a coordinator that starts again has the same one. A
 * certificate that lacks one of the names is replaced.
 *
 * @param names that clients dial, besides the names and addresses of this machine
 * @throws FloeError `usage` for a name that is none, `storage_full`, `storage_failed`
 */
export const selfSigned = async (
  folder: string,
  { names, now, random }: CertificateInit,
): Promise<SelfSigned> => {
  const wrong = names.find((host) => isIP(host) === 0 && !HOST_NAME.test(host) && host !== '');
  if (wrong !== undefined)
    throw new FloeError('usage', `--tls-name: expected a host name or an address, got ${wrong}`);
  const certFile = join(folder, 'tls-certificate.pem');
  const keyFile = join(folder, 'tls-key.pem');
  const asked = names.filter((host) => !ANY.has(host));
  const found = await readOptional(certFile, MAX_FILE_BYTES);
  if (found !== undefined && (await readOptional(keyFile, MAX_FILE_BYTES)) !== undefined) {
    const { subjectAltName = '' } = new X509Certificate(found);
    const known = subjectAltName.split(', ').map((entry) => entry.replace(/^[^:]*:/u, ''));
    if (asked.every((host) => known.includes(host))) return { certFile, keyFile };
  }
  const all = new Set([
    ...asked,
    ...ownNames().filter((host) => isIP(host) > 0 || HOST_NAME.test(host)),
  ]);
  const made = makeCertificate({ names: [...all], now, random });
  await writeWhole(keyFile, made.key, 0o600);
  await writeWhole(certFile, made.certificate);
  return { certFile, keyFile };
};
