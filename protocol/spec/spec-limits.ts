/**
 * @module How large a run specification may be: what others decode is limited, so the one that
 * makes it is told, with what helps.
 */
import { FloeError } from '../errors.ts';
import { type Contract, FEWER_COLUMNS, MAX_CONTRACT_ELEMENTS } from './contract.ts';

export const MAX_SPEC_BYTES = 4 << 20;
export const MAX_TENSORS = 4096;
/** 17 elements for each tensor, those of the contract, and the keys of members and auditors. */
export const SPEC_BUDGET = {
  elements: MAX_CONTRACT_ELEMENTS + 17 * MAX_TENSORS + 30_000,
  depth: 16,
};

/** Elements of CBOR, of a value of plain data. */
const elementsOf = (value: unknown): number => {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 1;
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + elementsOf(each), 1);
  return Object.values(value).reduce<number>(
    (sum, each) => (each === undefined ? sum : sum + 1 + elementsOf(each)),
    1,
  );
};

/** @throws FloeError `spec_invalid` for a contract with more elements than a reader takes */
export const requireContractFits = (data: Contract | undefined): void => {
  const elements = data === undefined ? 0 : elementsOf(data);
  if (elements > MAX_CONTRACT_ELEMENTS)
    throw new FloeError(
      'spec_invalid',
      `data: expected at most ${MAX_CONTRACT_ELEMENTS} names and numbers, got ${elements}: ${FEWER_COLUMNS}`,
    );
};

/** @throws FloeError `spec_invalid` for a specification of more bytes than a reader takes */
export const requireBytesFit = (bytes: Uint8Array, data: Contract | undefined): void => {
  if (bytes.length <= MAX_SPEC_BYTES) return;
  const help = data === undefined ? 'use a smaller topology' : FEWER_COLUMNS;
  throw new FloeError(
    'spec_invalid',
    `expected a specification of at most ${MAX_SPEC_BYTES} bytes, got ${bytes.length}: ${help}`,
  );
};
