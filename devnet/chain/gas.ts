/**
 * @module The cost of a transaction, in MIST: computation in buckets of 1000 units at the gas
 * price, storage by bytes, and a rebate of 99 % of the storage paid for the replaced versions. The
 * scheme is Sui's, so budgets, rebates and gas smashing behave in the same way. The unit is the
 * interpreter's step, so amounts are close to a real network's and not equal to them.
 */

/** MIST for a byte of storage: 76 MIST a unit, 100 units a byte. */
export const STORAGE_PRICE_PER_BYTE = 7_600n;
/** Bytes that every object costs besides its contents (id, type, owner, version). */
const OBJECT_OVERHEAD_BYTES = 128n;
const UNIT_BUCKET = 1_000n;
/** Interpreter steps for one gas unit. */
const STEPS_PER_UNIT = 10n;

/** MIST per gas unit on this chain. */
export const REFERENCE_GAS_PRICE = 1_000n;
export const MAX_GAS_BUDGET = 50_000_000_000n;
export const MAX_GAS_OBJECTS = 256;

export interface GasUsed {
  readonly computationCost: bigint;
  readonly storageCost: bigint;
  readonly storageRebate: bigint;
  readonly nonRefundableStorageFee: bigint;
}

/** The smallest budget that is accepted: one bucket of computation. */
export const minimumBudget = (price: bigint): bigint => UNIT_BUCKET * price;

/** Steps that a budget pays for, capped. */
export const stepsFor = (budget: bigint, price: bigint, cap: number): number => {
  const steps = (budget / price) * STEPS_PER_UNIT;
  return steps > BigInt(cap) ? cap : Number(steps);
};

export const computationCost = (steps: number, price: bigint): bigint => {
  const units = BigInt(steps) / STEPS_PER_UNIT;
  const buckets = (units + UNIT_BUCKET - 1n) / UNIT_BUCKET;
  return (buckets < 1n ? 1n : buckets) * UNIT_BUCKET * price;
};

/** Storage of one object whose contents (or modules) have `bytes` bytes. */
export const storageCostOf = (bytes: number): bigint =>
  (BigInt(bytes) + OBJECT_OVERHEAD_BYTES) * STORAGE_PRICE_PER_BYTE;

/** Splits what was paid for replaced versions into the part given back and the part kept. */
export const rebateOf = (paid: bigint): { readonly refunded: bigint; readonly kept: bigint } => {
  const kept = paid / 100n;
  return { refunded: paid - kept, kept };
};

/** What the gas coin pays in the end; negative when the rebate is larger. */
export const netCost = (used: GasUsed): bigint =>
  used.computationCost + used.storageCost - used.storageRebate;
