/**
 * @module A devnet on disk, so that it can continue later or be looked at: a folder with the
 * chain's state, its history, and each blob once. History is appended to and blobs do not change,
 * so saving often costs little. The manifest is written to a temporary file and renamed last:
 * after a crash during a save, the previous snapshot remains.
 *
 * - `manifest.json`: what belongs to the snapshot, with lengths and SHA-256 of every file
 * - `state-<n>.json.gz`: objects, packages, clock
 * - `transactions.bin`: history; what is beyond the manifest's length is not part of it
 * - `blobs/<blob id>.<start of its SHA-256>`: see `blob-file.ts`
 * - `pinned-<n>.json`: the manifest of a state that is kept while the devnet continues; of these
 *   the two newest
 */
import { createHash, type Hash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { DevnetError } from '../errors.ts';
import type { Chain } from '../chain/chain.ts';
import { TaskQueue } from '../queue.ts';
import { parseBlobId } from '../walrus/layout.ts';
import type { BlobVault } from '../walrus/vault.ts';
import { planBlobFile, restoreBlobFile } from './blob-file.ts';
import { decodeTransactions, encodeState, encodeTransactions, restoreState } from './state.ts';

const FORMAT = 3;
const MANIFEST = 'manifest.json';
const PINNED = /^pinned-(\d+)\.json$/;
/** A crash may come between a pin and what its owner writes beside it. */
const PINS_KEPT = 2;
const TRANSACTIONS = 'transactions.bin';
const BLOBS = 'blobs';
const MANIFEST_LIMIT = 64 * 1024 * 1024;
/** Bytes of any other file. */
const FILE_LIMIT = 4 * 1024 * 1024 * 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Content = v.object({
  bytes: v.pipe(count, v.maxValue(FILE_LIMIT)),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

const packageIds = v.record(v.string(), v.string());
const contents = {
  chainId: v.string(),
  settings: v.object({
    seed: v.union([v.string(), v.number()]),
    nodes: count,
    shardsPerNode: count,
    sealServers: count,
    sealThreshold: count,
  }),
  state: v.object({
    file: v.pipe(v.string(), v.regex(/^state-\d+\.json\.gz$/)),
    ...Content.entries,
  }),
  transactions: v.object({ count, ...Content.entries }),
  blobs: v.array(
    v.object({
      id: v.pipe(
        v.string(),
        v.check((id) => parseBlobId(id) !== undefined, 'expected a blob id'),
      ),
      ...Content.entries,
    }),
  ),
};
const Current = v.object({ format: v.literal(FORMAT), packages: packageIds, ...contents });
/** Format 2 knew one package only, the one of the project that this devnet was written for. */
const Earlier = v.pipe(
  v.object({ format: v.literal(2), floePackageId: v.optional(v.string()), ...contents }),
  v.transform(({ floePackageId: floe, ...rest }): v.InferOutput<typeof Current> => {
    const packages: Record<string, string> = floe === undefined ? {} : { floe };
    return { ...rest, format: FORMAT, packages };
  }),
);
const Manifest = v.variant('format', [Current, Earlier]);

type Manifest = v.InferOutput<typeof Manifest>;
type Content = v.InferOutput<typeof Content>;

/** What a devnet must be started with to continue from a snapshot. */
export type SavedSettings = Manifest['settings'];

export interface SnapshotParts {
  readonly chain: Chain;
  readonly vault: BlobVault;
}

const contentOf = (bytes: Uint8Array): Content => ({
  bytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});

/** A file once written is never written again: the snapshot before may still name it. */
const blobName = (id: string, { sha256 }: Content): string =>
  join(BLOBS, `${id}.${sha256.slice(0, 16)}`);

const pinName = (pin: number): string => `pinned-${pin}.json`;

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

const writeWhole = async (path: string, bytes: Uint8Array | string): Promise<void> => {
  await writeFile(`${path}.new`, bytes);
  await rename(`${path}.new`, path);
};

/** A folder that a devnet is resumed from and saved to. */
export class SnapshotFolder {
  readonly path: string;
  /** Undefined when the folder holds no snapshot yet. */
  readonly settings: SavedSettings | undefined;
  /** Ids of the packages that were published at the start, by name. */
  readonly packages: Readonly<Record<string, string>>;
  readonly #queue = new TaskQueue();
  readonly #blobs = new Map<string, Content>();
  #manifest: Manifest | undefined;
  #stateNumber = 0;
  /** By number; the oldest first. */
  readonly #pins = new Map<number, Manifest>();
  #history: { count: number; bytes: number; readonly hash: Hash } = {
    count: 0,
    bytes: 0,
    hash: createHash('sha256'),
  };

  private constructor(path: string, manifest: Manifest | undefined, pin?: number) {
    this.path = path;
    if (pin !== undefined && manifest !== undefined) this.#pins.set(pin, manifest);
    this.#manifest = manifest;
    this.settings = manifest?.settings;
    this.packages = manifest?.packages ?? {};
  }

  /**
   * Opens a folder; it need not exist yet.
   *
   * @param pin the state to continue from, where not from the newest
   * @throws {DevnetError} snapshot_invalid when there is something else than a snapshot of this
   * format, or no such pin
   */
  static async open(path: string, pin?: number): Promise<SnapshotFolder> {
    const file = join(path, pin === undefined ? MANIFEST : pinName(pin));
    try {
      if (!(await stat(path)).isDirectory())
        throw new DevnetError(
          'snapshot_invalid',
          `${path}: expected the folder of a devnet snapshot`,
        );
      const { size } = await stat(file);
      if (size > MANIFEST_LIMIT)
        throw new DevnetError(
          'snapshot_invalid',
          `${file}: expected at most ${MANIFEST_LIMIT} bytes, got ${size}`,
        );
    } catch (error) {
      if (!isMissing(error)) throw error;
      if (pin !== undefined)
        throw new DevnetError('snapshot_invalid', `${file} is missing`, { cause: error });
      return new SnapshotFolder(path, undefined);
    }
    let data: unknown;
    try {
      data = JSON.parse(await readFile(file, 'utf8'));
    } catch (cause) {
      throw new DevnetError('snapshot_invalid', `${file}: expected JSON`, { cause });
    }
    const parsed = v.safeParse(Manifest, data);
    if (!parsed.success)
      throw new DevnetError('snapshot_invalid', `${file}: ${v.summarize(parsed.issues)}`);
    return new SnapshotFolder(path, parsed.output, pin);
  }

  /**
   * Puts the snapshot into a chain that has only its genesis packages and an empty vault.
   *
   * @returns by blob id, the nodes that hold something of it
   * @throws {DevnetError} snapshot_invalid when a file is missing, damaged or of another network
   */
  async restore({ chain, vault }: SnapshotParts): Promise<ReadonlyMap<string, readonly number[]>> {
    const manifest = this.#manifest;
    const holders = new Map<string, readonly number[]>();
    if (!manifest) return holders;
    const { chainId, settings, state, transactions, blobs } = manifest;
    if (chainId !== chain.chainId)
      throw new DevnetError(
        'snapshot_invalid',
        `${this.path} does not match the seed in its manifest: expected chain ${chain.chainId}, got ${chainId}`,
      );
    const history = await this.#read(TRANSACTIONS, transactions);
    const executed = decodeTransactions(history);
    if (executed.length !== transactions.count)
      throw new DevnetError(
        'snapshot_invalid',
        `${this.path}: expected ${transactions.count} transactions, got ${executed.length}`,
      );
    restoreState(chain, await this.#read(state.file, state), executed);
    for (const { id, ...content } of blobs) {
      const file = await this.#read(blobName(id, content), content);
      holders.set(id, restoreBlobFile(vault, settings.nodes, id, file));
      this.#blobs.set(id, content);
    }
    this.#stateNumber = Number(/\d+/.exec(state.file)?.[0] ?? 0);
    this.#history.hash.update(history);
    this.#history.count = transactions.count;
    this.#history.bytes = transactions.bytes;
    return holders;
  }

  /**
   * Saves a devnet as it is when this is called; one save after the other.
   *
   * @param pin the number by which this state is kept
   */
  save(
    parts: SnapshotParts,
    settings: SavedSettings,
    packages: Readonly<Record<string, string>>,
    pin?: number,
  ): Promise<void> {
    return this.#queue.run(() => this.#save(parts, settings, packages, pin));
  }

  /** Keeps no state but the newest. */
  async unpin(): Promise<void> {
    await this.#queue.run(async () => {
      this.#pins.clear();
      await this.#sweep();
    });
  }

  async #save(
    { chain, vault }: SnapshotParts,
    settings: SavedSettings,
    packages: Readonly<Record<string, string>>,
    pin: number | undefined,
  ): Promise<void> {
    // Everything is taken before anything is written: the network continues meanwhile. The bytes of
    // blobs do not change, and are read one after the other.
    vault.settleAll();
    const changed = vault.blobIds().filter((id) => this.#isChanged(vault, id));
    const files = changed.flatMap((id) => {
      const encode = planBlobFile(vault, id);
      return encode ? [{ id, encode }] : [];
    });
    const kept = new Set(vault.blobIds());
    const holders = changed.flatMap((id) => [...vault.holders(id).values()]);
    for (const slivers of holders) slivers.changed = false;
    const state = encodeState(chain);
    const total = chain.records.length;
    const added = encodeTransactions(
      chain.records.slice(this.#history.count).map(({ executed }) => executed),
    );
    try {
      await mkdir(join(this.path, BLOBS), { recursive: true });
      for (const { id, encode } of files) {
        const bytes = encode();
        const content = contentOf(bytes);
        await writeWhole(join(this.path, blobName(id, content)), bytes);
        this.#blobs.set(id, content);
      }
      const history = await this.#append(added, total);
      this.#stateNumber += 1;
      const stateFile = `state-${this.#stateNumber}.json.gz`;
      await writeFile(join(this.path, stateFile), state);
      for (const id of this.#blobs.keys()) if (!kept.has(id)) this.#blobs.delete(id);
      const manifest: Manifest = {
        format: FORMAT,
        chainId: chain.chainId,
        settings,
        packages,
        state: { file: stateFile, ...contentOf(state) },
        transactions: history,
        blobs: [...this.#blobs].map(([id, content]) => ({ id, ...content })),
      };
      await writeWhole(join(this.path, MANIFEST), JSON.stringify(manifest));
      this.#manifest = manifest;
      if (pin !== undefined) await this.#pin(pin, manifest);
    } catch (error) {
      for (const slivers of holders) slivers.changed = true;
      throw error;
    }
    await this.#sweep();
  }

  async #pin(pin: number, manifest: Manifest): Promise<void> {
    await writeWhole(join(this.path, pinName(pin)), JSON.stringify(manifest));
    this.#pins.delete(pin);
    this.#pins.set(pin, manifest);
    const [oldest] = this.#pins.keys();
    if (this.#pins.size > PINS_KEPT && oldest !== undefined) this.#pins.delete(oldest);
  }

  #isChanged(vault: BlobVault, id: string): boolean {
    const holders = [...vault.holders(id).values()];
    return !this.#blobs.has(id) || holders.some(({ changed }) => changed);
  }

  /** Appends to the history where the last snapshot ended. */
  async #append(added: Uint8Array, total: number): Promise<Manifest['transactions']> {
    const path = join(this.path, TRANSACTIONS);
    const { bytes, hash } = this.#history;
    const file = await open(path, bytes === 0 ? 'w' : 'r+');
    try {
      await file.truncate(bytes);
      await file.write(added, 0, added.length, bytes);
    } finally {
      await file.close();
    }
    this.#history = {
      count: total,
      bytes: bytes + added.length,
      hash: hash.copy().update(added),
    };
    const { count: items, bytes: length, hash: next } = this.#history;
    return { count: items, bytes: length, sha256: next.copy().digest('hex') };
  }

  /** Removes what no longer belongs to the snapshot. */
  async #sweep(): Promise<void> {
    const manifests = [this.#manifest, ...this.#pins.values()].flatMap((each) => each ?? []);
    const states = new Set(manifests.map(({ state }) => state.file));
    for (const name of await readdir(this.path)) {
      const pin = PINNED.exec(name)?.[1];
      const isOld = pin === undefined ? name.startsWith('state-') : !this.#pins.has(Number(pin));
      if (isOld && !states.has(name)) await rm(join(this.path, name));
    }
    const names = new Set([...this.#blobs].map(([id, content]) => blobName(id, content)));
    for (const { blobs } of manifests)
      for (const { id, ...content } of blobs) names.add(blobName(id, content));
    for (const name of await readdir(join(this.path, BLOBS)))
      if (!names.has(join(BLOBS, name))) await rm(join(this.path, BLOBS, name));
  }

  async #read(name: string, { bytes, sha256 }: Content): Promise<Uint8Array> {
    const path = join(this.path, name);
    const content = new Uint8Array(bytes);
    try {
      const file = await open(path);
      try {
        const { size } = await file.stat();
        // The history may be longer than the snapshot that the manifest speaks of.
        if (size < bytes || (size > bytes && name !== TRANSACTIONS))
          throw new DevnetError(
            'snapshot_invalid',
            `${path}: expected ${bytes} bytes, got ${size}`,
          );
        await file.read(content, 0, bytes, 0);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new DevnetError('snapshot_invalid', `${path} is missing`, { cause: error });
    }
    if (contentOf(content).sha256 !== sha256)
      throw new DevnetError(
        'snapshot_invalid',
        `${path} is damaged: its SHA-256 differs from the manifest`,
      );
    return content;
  }
}
