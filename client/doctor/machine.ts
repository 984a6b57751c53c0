/**
 * @module Checks the abilities of a machine by using them: it exchanges a key, writes and syncs a
 * file, and binds a port.
 */
import { createCipheriv } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch, availableParallelism, cpus, freemem, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { listBackends, SAME_EVERYWHERE } from '../tfjs/backends.ts';
import { examineNative } from './native.ts';
import { examineSpeed } from './training.ts';
import { equalBytes, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { check, type Check } from '../../protocol/health-checks.ts';
import { FloeError } from '../../protocol/errors.ts';
import { identityFromSeed, sealTo, verifySignature } from '../../protocol/ports/identity.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { systemRandom } from '../../protocol/ports/random.ts';

export interface Examination {
  readonly ok: boolean;
  readonly machine: {
    readonly node: string;
    readonly platform: string;
    readonly arch: string;
    readonly cores: number;
    readonly cpu: string;
    readonly memoryGiB: number;
    readonly freeGiB: number;
  };
  readonly checks: readonly Check[];
}

const MIN_NODE = 24;
const DISK_BYTES = 16 << 20;
const CIPHER_CHUNK = 256 << 10;
const CIPHER_CHUNKS = 512;
const KEM_REPEATS = 20;

/** SHA-256 of "abc" (FIPS 180-4, appendix). */
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
/**
 * AES-256-CTR of zeros under key and counter of NIST SP 800-38A, F.5.5: the first block of the key
 * stream.
 */
const CTR_KEY = '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4';
const CTR_COUNTER = 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff';
const CTR_STREAM = '0bdf7df1591716335e9a8b15c860c502';

const gib = (bytes: number): number => Number((bytes / 2 ** 30).toFixed(1));
const must = (condition: boolean, reason: string): void => {
  if (!condition) throw new FloeError('internal', reason);
};

const cipherSpeed = async (): Promise<string> => {
  const key = Buffer.from(CTR_KEY, 'hex');
  const known = createCipheriv('aes-256-ctr', key, Buffer.from(CTR_COUNTER, 'hex'));
  must(
    known.update(Buffer.alloc(16)).toString('hex') === CTR_STREAM,
    'AES-256-CTR gives a wrong stream',
  );
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const chunk = Buffer.alloc(CIPHER_CHUNK);
  const started = systemClock.monotonic();
  for (let i = 0; i < CIPHER_CHUNKS; i += 1) cipher.update(chunk);
  const seconds = (systemClock.monotonic() - started) / 1000;
  return `${Math.round((CIPHER_CHUNK * CIPHER_CHUNKS) / seconds / 1e6)} MB/s, the speed of masks`;
};

const signatures = async (): Promise<string> => {
  const identity = await identityFromSeed(systemRandom(32));
  const message = systemRandom(100);
  const signature = identity.sign('doctor', message);
  must(
    verifySignature('doctor', message, signature, identity.publicKey),
    'an own signature does not verify',
  );
  message[0] = (message[0] as number) ^ 1;
  must(
    !verifySignature('doctor', message, signature, identity.publicKey),
    'an altered message verifies',
  );
  const opened = identity.openSealed(sealTo(identity.publicKey, message));
  must(equalBytes(opened, message), 'a sealed box opens to something else');
  return 'libsodium: Ed25519 signatures and sealed boxes';
};

const postQuantum = async (): Promise<string> => {
  const started = systemClock.monotonic();
  for (let i = 0; i < KEM_REPEATS; i += 1) {
    const { publicKey, secretKey } = ml_kem768.keygen();
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey);
    must(
      equalBytes(ml_kem768.decapsulate(cipherText, secretKey), sharedSecret),
      'ML-KEM-768 disagrees with itself',
    );
  }
  const each = (systemClock.monotonic() - started) / KEM_REPEATS;
  return `ML-KEM-768: key, encapsulation and decapsulation in ${each.toFixed(1)} ms`;
};

const hashing = async (): Promise<string> => {
  must(toHex(sha256(utf8('abc'))) === ABC, 'SHA-256 gives a wrong digest');
  return 'SHA-256 gives the digest of the standard';
};

const disk = async (folder: string): Promise<string> => {
  const own = await mkdtemp(join(folder, '.floe-doctor-'));
  try {
    const started = systemClock.monotonic();
    const file = await open(join(own, 'trial'), 'wx');
    try {
      await file.writeFile(new Uint8Array(DISK_BYTES));
      await file.sync();
    } finally {
      await file.close();
    }
    const seconds = (systemClock.monotonic() - started) / 1000;
    return `${folder}: ${Math.round(DISK_BYTES / seconds / 1e6)} MB/s written and synced`;
  } finally {
    await rm(own, { recursive: true, force: true });
  }
};

const journal = async (): Promise<string> => {
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(':memory:');
  try {
    const row = database.prepare('SELECT sqlite_version() AS version').get();
    return `SQLite ${String(row?.['version'])}`;
  } finally {
    database.close();
  }
};

const bind = async (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(`port ${bound} can be bound`));
    });
  });

const nodeVersion = async (): Promise<string> => {
  const major = Number(process.versions.node.split('.')[0]);
  must(major >= MIN_NODE, `expected Node ${MIN_NODE} or newer, this is ${process.versions.node}`);
  return process.versions.node;
};

export interface MachineExamination {
  /** Whose disk is tried. */
  readonly folder: string;
  /** That is bound; 0 for any. */
  readonly port: number;
  readonly signal: AbortSignal;
}

/** Tries everything, one after the other. @throws FloeError `aborted` */
export const examineMachine = async (init: MachineExamination): Promise<Examination> => {
  const checks: Check[] = [];
  const tries: readonly (readonly [string, () => Promise<string>])[] = [
    ['node', nodeVersion],
    ['sha-256', hashing],
    ['aes-256-ctr', cipherSpeed],
    ['signatures', signatures],
    ['post-quantum', postQuantum],
    ['journal', journal],
    ['disk', async () => disk(init.folder)],
    ['network', async () => bind(init.port)],
  ];
  for (const [name, work] of tries) {
    init.signal.throwIfAborted();
    // One after the other: they measure speed.
    checks.push(await check(name, true, work));
  }
  const native = await examineNative();
  if (native !== undefined) checks.push(native);
  const backends = await listBackends();
  for (const { name, available, detail } of backends)
    checks.push({ name: `backend ${name}`, needed: false, ok: available, detail });
  const installed = backends.filter(({ available }) => available).map(({ name }) => name);
  checks.push(...(await examineSpeed(installed)));
  // What `auto`, the default of join and sim, takes; the others are chosen by name or timed.
  const trains = SAME_EVERYWHERE.find((name) => installed.includes(name));
  checks.push({
    name: 'training',
    needed: true,
    ok: trains !== undefined,
    detail:
      trains === undefined
        ? 'no backend runs here'
        : `would use ${trains}; --backend fastest chooses among ${installed.join(', ')}`,
  });
  return {
    ok: checks.every(({ needed, ok }) => ok || !needed),
    machine: {
      node: process.versions.node,
      platform: platform(),
      arch: arch(),
      cores: availableParallelism(),
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      memoryGiB: gib(totalmem()),
      freeGiB: gib(freemem()),
    },
    checks,
  };
};
