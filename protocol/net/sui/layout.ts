/**
 * @module What Floe's Move package keeps on Sui, as bytes: the objects and dynamic fields that a
 * ledger reads.
 */
import { bcs } from '@mysten/sui/bcs';
import { base64url, fromBase64url } from '../../wire/base64url.ts';
import { FloeError } from '../../errors.ts';

export const bytes = bcs.byteVector();
const addresses = bcs.vector(bcs.Address);
const Table = bcs.struct('Table', { id: bcs.Address, size: bcs.u64() });

const Grant = bcs.struct('Grant', { first: bcs.u64(), last: bcs.u64(), expiresMs: bcs.u64() });
const TimeLock = bcs.struct('TimeLock', {
  first: bcs.u64(),
  last: bcs.u64(),
  opensMs: bcs.u64(),
});

export const Run = bcs.struct('Run', {
  id: bcs.Address,
  version: bcs.u64(),
  name: bcs.string(),
  specHash: bytes,
  aggregator: bcs.Address,
  /** Of the specification: they stay. */
  agreed: addresses,
  /** Added since. */
  auditors: addresses,
  revoked: Table,
  grants: bcs.vector(bcs.tuple([bcs.Address, Grant])),
  timeLocks: bcs.vector(TimeLock),
  offers: addresses,
  attempts: Table,
  lastAttempt: bcs.u64(),
  models: Table,
  newest: bcs.option(bcs.u64()),
  latest: Table,
  joined: Table,
});

export const RunCap = bcs.struct('RunCap', { id: bcs.Address, run: bcs.Address });

export const Attempt = bcs.struct('Attempt', {
  members: bcs.vector(bytes),
  cohort: addresses,
  cohortRoot: bytes,
  entropy: bytes,
  beacon: bytes,
  modelHash: bytes,
  previous: bcs.option(bcs.u64()),
  cohortMs: bcs.u64(),
  survivors: bcs.option(addresses),
  survivorsHash: bytes,
  dataCommitment: bytes,
  survivorsMs: bcs.u64(),
});

/** In the order of the variants of `model::Privacy`; without privacy 0. */
export const MECHANISMS = ['gaussian', 'skellam', 'central', 'ftrl'] as const;
export type OnChainMechanism = (typeof MECHANISMS)[number];

const spending = { epsilon: bcs.u64(), delta: bcs.u64() };

export const ModelObject = bcs.struct('ModelVersion', {
  id: bcs.Address,
  run: bcs.Address,
  attempt: bcs.u64(),
  architectureHash: bytes,
  modelHash: bytes,
  stateHash: bytes,
  dataCommitment: bytes,
  metrics: bcs.struct('Metrics', {
    examples: bcs.u64(),
    named: bcs.vector(bcs.struct('Metric', { name: bcs.string(), value: bcs.u64() })),
  }),
  privacy: bcs.enum('Privacy', {
    None: null,
    Gaussian: bcs.struct('Gaussian', spending),
    Skellam: bcs.struct('Skellam', spending),
    Central: bcs.struct('Central', spending),
    Ftrl: bcs.struct('Ftrl', spending),
  }),
  parent: bcs.option(bcs.Address),
  transcriptRoot: bytes,
  blob: bcs.struct('Blob', { blobId: bcs.u256(), sha256: bytes, size: bcs.u64() }),
});

export const Offer = bcs.struct('Offer', {
  id: bcs.Address,
  version: bcs.u64(),
  run: bcs.Address,
  beneficiary: bcs.Address,
  passPrice: bcs.u64(),
  periodPrice: bcs.u64(),
  periodMs: bcs.u64(),
  first: bcs.u64(),
  last: bcs.u64(),
  open: bcs.bool(),
  revoked: Table,
});
export const Pass = bcs.struct('Pass', { id: bcs.Address, offer: bcs.Address });
export const Subscription = bcs.struct('Subscription', {
  id: bcs.Address,
  offer: bcs.Address,
  expiresMs: bcs.u64(),
});

export const Receipt = bcs.struct('Receipt', {
  id: bcs.Address,
  run: bcs.Address,
  attempt: bcs.u64(),
  member: bcs.Address,
  dataCommitment: bytes,
});

export const ReceiptKey = bcs.tuple([bcs.u64(), bcs.Address]);
export const PublishedKey = bcs.tuple([bcs.u64()]);
export const u64 = bcs.u64();
export const ObjectId = bcs.Address;

/**
 * Walrus's number of a blob: its id read as little-endian. @throws FloeError `usage` for other ids
 */
export const blobNumber = (id: string): string => {
  if (!/^[\w-]{43}$/.test(id))
    throw new FloeError('usage', `a model on chain lies in a Walrus blob of its own, not in ${id}`);
  return bcs.u256().parse(fromBase64url(id));
};

export const blobOfNumber = (number: string): string =>
  base64url(bcs.u256().serialize(number).toBytes());
