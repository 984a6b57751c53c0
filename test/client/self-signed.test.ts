/**
 * TLS without an authority: the coordinator makes a certificate, and the participant trusts the one
 * whose fingerprint it was given.
 */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { join, parseFingerprint, pinCertificate } from '../../client/index.ts';
import { fingerprintOf, makeCertificate, selfSigned } from '../../coordinator/self-signed.ts';
import { seededRandom, systemRandom } from '../../protocol/ports/random.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { DIMENSION, testSpec } from '../support/run.ts';
import { serveRun, stepTrainer } from '../support/served-run.ts';

const NOW = Date.UTC(2026, 10, 28);
const random = seededRandom(new Uint8Array(32));
const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(joinPath(tmpdir(), 'floe-tls-'));
  closing.push(() => rm(folder, { recursive: true }));
  return folder;
};

const quiet = { trainer: stepTrainer, log: () => undefined, require: TEST_ADMISSION };

const startSecure = async (names: readonly string[] = []) => {
  const own = { names, now: Date.now(), random: systemRandom };
  const tls = await selfSigned(await newFolder(), own);
  // Every address of this machine: also one that the certificate does not name.
  const run = await serveRun(await testSpec({ rounds: 1 }), { host: '0.0.0.0', tls });
  closing.push(() => run.stop());
  const { port, fingerprint = '' } = run.served;
  return { url: `wss://127.0.0.1:${port}`, fingerprint };
};

describe('a certificate of the coordinator', () => {
  it('is a valid X.509 certificate with these names, signed by its own key', () => {
    const names = ['node.example', '10.1.2.3', '2001:db8::7', '::1'];
    const { certificate, key } = makeCertificate({ names, now: NOW, random });
    const parsed = new X509Certificate(certificate);
    expect(parsed.verify(parsed.publicKey)).toBe(true);
    expect(parsed.checkIssued(parsed)).toBe(true);
    expect(parsed.ca).toBe(true);
    expect(parsed.checkHost('node.example')).toBe('node.example');
    expect(parsed.checkHost('other.example')).toBeUndefined();
    for (const address of names.slice(1)) expect(parsed.checkIP(address)).toBe(address);
    expect(parsed.validFromDate.getTime()).toBe(NOW - 24 * 3600 * 1000);
    expect(parsed.validToDate.getUTCFullYear()).toBe(2036);
    expect(key).toContain('PRIVATE KEY');
    expect(fingerprintOf(certificate)).toBe(
      parsed.fingerprint256.replaceAll(':', '').toLowerCase(),
    );
    expect(() => fingerprintOf('none')).toThrow(/expected a certificate/u);
  });

  it('stays the same in its folder, until a name is missing', async () => {
    const folder = await newFolder();
    const made = (...names: string[]) => selfSigned(folder, { names, now: NOW, random });
    const first = await made('0.0.0.0');
    const before = await readFile(first.certFile, 'utf8');
    expect((await stat(first.keyFile)).mode & 0o077).toBe(0);
    expect(new X509Certificate(before).checkHost('localhost')).toBe('localhost');
    await made('localhost');
    expect(await readFile(first.certFile, 'utf8')).toBe(before);
    await made('node.example');
    expect(await readFile(first.certFile, 'utf8')).not.toBe(before);
    await expect(made('a b')).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('join with a fingerprint', () => {
  it('trusts that certificate, for the session and for HTTP', async () => {
    const { url, fingerprint } = await startSecure();
    const runs = await Promise.all([1, 2, 3, 4].map(() => join(url, { ...quiet, fingerprint })));
    for (const { finished } of runs) expect((await finished).type).toBe('finished');
    expect(await runs[0]!.model()).toHaveLength(DIMENSION);
  });

  it('refuses another certificate, and an address that the certificate does not name', async () => {
    const { url, fingerprint } = await startSecure();
    const other = 'ab'.repeat(32);
    const run = await join(url, { ...quiet, fingerprint: other });
    const error = (await run.finished.catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: 'certificate_refused', retryable: false });
    expect(error.message).toContain(
      `expected the certificate with fingerprint ${other}, got ${fingerprint}`,
    );
    await expect(join('ws://127.0.0.1:1', { ...quiet, fingerprint })).rejects.toMatchObject({
      code: 'usage',
    });
    const elsewhere = url.replace('127.0.0.1', '127.0.0.9');
    await expect(pinCertificate(elsewhere, fingerprint)).rejects.toThrow(
      /--tls-name 127\.0\.0\.9/u,
    );
  });

  it('takes a fingerprint as programs print it', () => {
    expect(parseFingerprint('AB:'.repeat(31).concat('CD'))).toBe(`${'ab'.repeat(31)}cd`);
    for (const wrong of ['', 'ab', 'zz'.repeat(32)])
      expect(parseFingerprint(wrong)).toBeUndefined();
  });
});
