/**
 * @module Where `verify` and `pull` read a run from: a folder, or a coordinator over HTTP. With the key to open its models,
 * if there is one: a seed in a file, a keystore, or the simulated auditor's own.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AccessGate } from '../protocol/access/access-gate.ts';
import { sealedBoxGate } from '../protocol/access/sealed-box-gate.ts';
import type { BlobStore } from '../protocol/blobs/blob-store.ts';
import { directoryStore } from '../protocol/blobs/directory.ts';
import { httpBlobStore } from '../protocol/blobs/http.ts';
import { equalBytes, fromHex, toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { identityFromSeed, type Identity } from '../protocol/identity.ts';
import type { Ledger } from '../protocol/ledger/ledger.ts';
import { systemRandom } from '../protocol/random.ts';
import { hashRunSpec, type RunSpec } from '../protocol/run-spec.ts';
import { readRun, RUN_FILES } from '../sim/run-folder.ts';
import { hexKey, readInput } from './flags.ts';
import { httpBase, readTranscript, readWelcome } from './remote.ts';
import { openExistingKeystore } from './secrets.ts';

export interface SourceOptions {
  readonly keyFile?: string;
  readonly keystore?: string;
  readonly passphraseFile?: string;
  readonly expectRun?: string;
}

export interface Source extends AsyncDisposable {
  readonly spec: RunSpec;
  /** Of the specification, hex. */
  readonly hash: string;
  readonly transcript: Uint8Array;
  readonly store: BlobStore;
  readonly ledger: Ledger | undefined;
  /** Absent without a key. */
  readonly gate: AccessGate | undefined;
  /** Address of the key's identity. */
  readonly reader: string | undefined;
}

const seedFrom = async (path: string): Promise<Uint8Array> => {
  const text = new TextDecoder().decode(await readInput('--key-file', path, 1024)).trim();
  // The text is a secret: an error must not repeat it.
  if (!/^[0-9a-f]{64}$/u.test(text))
    throw new FloeError('usage', `--key-file: expected 64 hex digits in ${path}`);
  return fromHex(text);
};

const chooseIdentity = async (
  options: SourceOptions,
  own: Uint8Array | undefined,
  resources: AsyncDisposableStack,
): Promise<Identity | undefined> => {
  if (options.keyFile !== undefined && options.keystore !== undefined)
    throw new FloeError('usage', 'expected --key-file or --keystore, not both');
  if (options.keyFile !== undefined) return await identityFromSeed(await seedFrom(options.keyFile));
  if (options.keystore !== undefined) {
    const keystore = await openExistingKeystore(options.keystore, options.passphraseFile);
    resources.defer(async () => await keystore.close());
    return keystore.identity;
  }
  return own === undefined ? undefined : await identityFromSeed(own);
};

const isThere = async (path: string): Promise<boolean> =>
  await stat(path).then(
    () => true,
    () => false,
  );

const openLedger = async (
  folder: string,
  resources: AsyncDisposableStack,
): Promise<Ledger | undefined> => {
  const path = join(folder, RUN_FILES.journal);
  if (!(await isThere(path))) return undefined;
  const { journalLedger, openJournal } = await import('../coordinator/index.ts');
  const journal = openJournal(path);
  resources.defer(() => journal.close());
  return journalLedger(journal);
};

/**
 * Opens a run's folder or a coordinator's address for reading.
 *
 * @throws FloeError `file_not_found`, `usage`, `spec_mismatch`, `store_unavailable`, `passphrase_missing`
 */
export const openSource = async (
  source: string,
  options: SourceOptions,
  signal: AbortSignal,
): Promise<Source> => {
  const resources = new AsyncDisposableStack();
  try {
    const expected =
      options.expectRun === undefined ? undefined : hexKey('--expect-run')(options.expectRun);
    const base = httpBase(source);
    const read =
      base === undefined
        ? await readRun(source)
        : {
            folder: undefined,
            spec: (await readWelcome(base, signal)).spec,
            transcript: await readTranscript(base, signal),
            auditorSeed: undefined,
          };
    const run = hashRunSpec(read.spec);
    if (expected !== undefined && !equalBytes(expected, run))
      throw new FloeError('spec_mismatch', `expected run ${toHex(expected)}, got ${toHex(run)}`);
    const identity = await chooseIdentity(options, read.auditorSeed, resources);
    // Reading blobs needs no identity; the store wants one for uploads, which do not happen here.
    const store =
      read.folder === undefined
        ? httpBlobStore({
            url: base as string,
            identity: identity ?? (await identityFromSeed(systemRandom(32))),
            run,
          })
        : directoryStore(join(read.folder, RUN_FILES.blobs));
    return {
      spec: read.spec,
      hash: toHex(run),
      transcript: read.transcript,
      store,
      ledger: read.folder === undefined ? undefined : await openLedger(read.folder, resources),
      gate: identity === undefined ? undefined : sealedBoxGate(identity),
      reader: identity?.address,
      [Symbol.asyncDispose]: async () => await resources.disposeAsync(),
    };
  } catch (thrown) {
    await resources.disposeAsync();
    throw thrown;
  }
};
