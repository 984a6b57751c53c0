/**
 * @module Trusts one certificate in addition to those of the machine, in this process, for
 * WebSocket and HTTP. Node only.
 */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { FloeError } from '../../protocol/errors.ts';
import { readInput } from '../../protocol/ports/input-file.ts';

const MAX_CERTIFICATE_BYTES = 1 << 20;

/** Certificates that were trusted here already: a reconnect trusts the same one again. */
const trusted = new Set<string>();

/** @param pem of one certificate or several */
export const trustPem = (pem: string): void => {
  if (trusted.has(pem)) return;
  trusted.add(pem);
  setDefaultCACertificates([...getCACertificates('default'), pem]);
};

/** @param path PEM file @throws FloeError `file_not_found`, `usage` */
export const trustCertificate = async (path: string): Promise<void> => {
  const bytes = await readInput('--ca', path, MAX_CERTIFICATE_BYTES);
  const pem = Buffer.from(bytes).toString('latin1');
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new FloeError('usage', `--ca: expected a certificate (PEM), got ${path}`);
  trustPem(pem);
};
