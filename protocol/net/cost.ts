/**
 * @module What a run costs on Walrus and Sui, before it starts. Walrus charges for the encoded size
 * in units of 1 MiB, per epoch of storage and once for writing; encoding multiplies the size by
 * about 4.5 and adds metadata that grows with the square of the number of shards, 64 MB at 1000:
 * small blobs pay for that and for nothing else, which is why a round's uploads go together.
 * Formula and figures: Walrus documentation (storage costs, quilts, RedStuff), SDK
 * `encodedBlobLength`.
 */
import { sourceSymbols } from './walrus/quilt.ts';
import { FloeError } from '../errors.ts';

export interface WalrusPrices {
  readonly shards: number;
  /** FROST for one unit and epoch. */
  readonly storagePerUnit: bigint;
  /** FROST for one unit, once. */
  readonly writePerUnit: bigint;
}

const UNIT_BYTES = 1 << 20;
const HASH_BYTES = 32;
/** Two hashes for each pair of slivers, on every shard; and the blob's id. */
const metadataBytes = (shards: number): number => shards * (shards * 2 * HASH_BYTES + HASH_BYTES);
const MAX_SYMBOL_BYTES = 65_534;
/** Columns of a quilt that its index takes; more only for very long names. */
const INDEX_COLUMNS = 1;

/** Bytes of one symbol: even, so that it is a vector of 16-bit words. */
const symbolBytes = (size: number, shards: number): number => {
  const { rows, columns } = sourceSymbols(shards);
  const needed = Math.ceil(Math.max(size, 1) / (rows * columns));
  return needed + (needed % 2);
};

/** Bytes that a blob takes on all nodes together. */
export const encodedLength = (size: number, shards: number): number => {
  const { rows, columns } = sourceSymbols(shards);
  return metadataBytes(shards) + (rows + columns) * symbolBytes(size, shards) * shards;
};

/** FROST: 10^9 are one WAL. */
export interface Storage {
  /** For the epochs that it is kept. */
  readonly storage: bigint;
  /** Once. */
  readonly write: bigint;
}

const blobStorage = (size: number, epochs: number, prices: WalrusPrices): Storage => {
  const units = BigInt(Math.ceil(encodedLength(size, prices.shards) / UNIT_BYTES));
  return {
    storage: units * prices.storagePerUnit * BigInt(epochs),
    write: units * prices.writePerUnit,
  };
};

/** FROST for one blob (10^9 FROST are one WAL). */
export const blobCost = (size: number, epochs: number, prices: WalrusPrices): bigint => {
  const { storage, write } = blobStorage(size, epochs, prices);
  return storage + write;
};

/**
 * Bytes of the quilts that hold `count` blobs of `size` bytes: every blob takes whole columns, all
 * columns are alike. Exact above about 4 kB a blob; below, the quilt's index (some 70 bytes a blob)
 * can make the columns longer than the blobs do.
 * @throws FloeError `blob_too_large` when not even one fits
 */
export const quiltSizes = (count: number, size: number, shards: number): number[] => {
  const { rows, columns } = sourceSymbols(shards);
  const free = columns - INDEX_COLUMNS;
  const columnBytes = (perBlob: number): number => Math.ceil(size / perBlob);
  const most = MAX_SYMBOL_BYTES * rows;
  const fits = (blobs: number): boolean => columnBytes(Math.floor(free / blobs)) <= most;
  let perQuilt = Math.min(count, free);
  while (perQuilt > 0 && !fits(perQuilt)) perQuilt -= 1;
  if (count > 0 && perQuilt === 0)
    throw new FloeError('blob_too_large', `${size} bytes do not fit a quilt of ${shards} shards`);
  const sizes: number[] = [];
  for (let left = count; left > 0; left -= perQuilt) {
    const blobs = Math.min(left, perQuilt);
    const symbol = Math.ceil(columnBytes(Math.floor(free / blobs)) / rows);
    sizes.push((symbol + (symbol % 2)) * rows * columns);
  }
  return sizes;
};

export interface RunCostInput {
  readonly rounds: number;
  /** Uploads of a round. */
  readonly uploads: number;
  /** Bytes of one upload of the first round, where they differ from those of the others. */
  readonly firstUploadBytes?: number;
  /** Bytes of one upload, of the encrypted model, of the unmasking bundle. */
  readonly uploadBytes: number;
  readonly modelBytes: number;
  readonly bundleBytes: number;
  /** Bytes of the blobs of specification and transcript, which are published when the run ends. */
  readonly publication: readonly number[];
  /** Epochs that blobs are kept for. */
  readonly epochs: number;
}

export interface CostPart extends Storage {
  /** All of them the coordinator's. */
  readonly transactions: number;
  /** MIST. */
  readonly gas: bigint;
}

export interface RunCost {
  /**
   * Every round after the first: a quilt of its uploads and its unmasking bundle, its model, its
   * freezes and its version.
   */
  readonly round: CostPart;
  /** The run itself: its object, the initial model, the publication at its end. */
  readonly once: CostPart;
  readonly total: CostPart;
  /** FROST a round, and in all, if every upload were a separate blob. */
  readonly separateRound: bigint;
  readonly separateTotal: bigint;
}

/** MIST; measured on the network that the run will be on. */
export interface GasRates {
  /** Register and certify one blob. */
  readonly blob: bigint;
  /** Any other transaction. */
  readonly transaction: bigint;
  /**
   * Each member of a round's cohort, whose key and address the round keeps; and once more at its
   * first, which the run keeps.
   */
  readonly member: bigint;
}

/** Register and certify. */
const TRANSACTIONS_PER_BLOB = 2;
/** Freeze the cohort, freeze the survivors, register the version. */
const TRANSACTIONS_PER_ROUND = 3;
/** Create the run, register the initial model, name the publication. */
const TRANSACTIONS_PER_RUN = 3;

const sumOf = (parts: readonly Storage[]): Storage => ({
  storage: parts.reduce((sum, part) => sum + part.storage, 0n),
  write: parts.reduce((sum, part) => sum + part.write, 0n),
});

/** FROST of Walrus in one part. */
export const walrusOf = ({ storage, write }: Storage): bigint => storage + write;

export const runCost = (input: RunCostInput, prices: WalrusPrices, rates: GasRates): RunCost => {
  const { uploads, uploadBytes, firstUploadBytes = uploadBytes, bundleBytes } = input;
  const blob = (size: number): Storage => blobStorage(size, input.epochs, prices);
  const partOf = (blobs: readonly Storage[], others: number, members: number): CostPart => ({
    ...sumOf(blobs),
    transactions: blobs.length * TRANSACTIONS_PER_BLOB + others,
    gas:
      BigInt(blobs.length) * rates.blob +
      BigInt(others) * rates.transaction +
      BigInt(members) * rates.member,
  });
  const model = blob(input.modelBytes);
  const roundOf = (bytes: number): CostPart => {
    const quilts = quiltSizes(uploads + 1, Math.max(bytes, bundleBytes), prices.shards);
    return partOf([...quilts.map(blob), model], TRANSACTIONS_PER_ROUND, uploads);
  };
  const separateOf = (bytes: number): bigint =>
    BigInt(uploads) * walrusOf(blob(bytes)) + walrusOf(blob(bundleBytes)) + walrusOf(model);
  const once = partOf([model, ...input.publication.map(blob)], TRANSACTIONS_PER_RUN, uploads);
  const [first, round] = [roundOf(firstUploadBytes), roundOf(uploadBytes)];
  const firsts = Math.min(1, input.rounds);
  const later = input.rounds - firsts;
  const allOf = (part: 'storage' | 'write' | 'gas'): bigint =>
    BigInt(firsts) * first[part] + BigInt(later) * round[part] + once[part];
  return {
    round,
    once,
    total: {
      storage: allOf('storage'),
      write: allOf('write'),
      transactions: firsts * first.transactions + later * round.transactions + once.transactions,
      gas: allOf('gas'),
    },
    separateRound: separateOf(uploadBytes),
    separateTotal:
      BigInt(firsts) * separateOf(firstUploadBytes) +
      BigInt(later) * separateOf(uploadBytes) +
      walrusOf(once),
  };
};

/**
 * FROST an epoch for what a run keeps paid for while it stands, beyond the epochs that blobs are
 * stored for: the newest model and the one before it, the newest bundle with its uploads.
 */
export const keepingCost = (input: RunCostInput, prices: WalrusPrices): bigint => {
  const { uploads, uploadBytes, bundleBytes, modelBytes } = input;
  const quilts = quiltSizes(uploads + 1, Math.max(uploadBytes, bundleBytes), prices.shards);
  const blobs = [...quilts, modelBytes, modelBytes].map((size) => blobStorage(size, 1, prices));
  return blobs.reduce((sum, { storage }) => sum + storage, 0n);
};

const DECIMALS = 9;

/** MIST or FROST as SUI or WAL, exact: 250000000n is `0.25`. */
export const showCoins = (amount: bigint): string => {
  const sign = amount < 0n ? '-' : '';
  const digits = (amount < 0n ? -amount : amount).toString().padStart(DECIMALS + 1, '0');
  const part = digits.slice(-DECIMALS).replace(/0+$/u, '');
  return `${sign}${digits.slice(0, -DECIMALS)}${part === '' ? '' : `.${part}`}`;
};

/** Far above the supply of SUI. */
const MAX_DIGITS = 11;

/** `0.25` SUI as MIST, exact; undefined for another text, a negative amount or more digits. */
export const parseCoins = (text: string): bigint | undefined => {
  const match = /^(\d+)(?:\.(\d+))?$/u.exec(text);
  const [whole = '', part = ''] = [match?.[1], match?.[2]];
  if (match === null || whole.length > MAX_DIGITS || part.length > DECIMALS) return undefined;
  return BigInt(whole) * 10n ** BigInt(DECIMALS) + BigInt(part.padEnd(DECIMALS, '0'));
};
