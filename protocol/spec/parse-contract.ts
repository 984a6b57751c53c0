/**
 * @module A data contract as JSON text: what `floe contract infer` writes, people edit and the run
 * specification holds.
 */
import { FloeError } from '../errors.ts';
import { parseWith } from '../wire/cbor.ts';
import { type Contract, contractSchema } from './contract.ts';

/** Bytes of a contract's or a mapping's file. */
export const MAX_CONTRACT_BYTES = 64 << 20;

/**
 * @param whole what is read, for errors
 * @throws FloeError `code` where the text is not JSON
 */
export const parseJson = (
  text: string,
  code: 'contract_invalid' | 'mapping_invalid',
  whole: string,
): unknown => {
  try {
    return JSON.parse(text.replace(/^\uFEFF/u, ''));
  } catch (cause) {
    throw new FloeError(code, `${whole}: not JSON: ${(cause as Error).message}`, {}, { cause });
  }
};

/** Names the file in the message of an error. */
const within = <Value>(whole: string, work: () => Value): Value => {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof FloeError)) throw thrown;
    throw new FloeError(thrown.code, `${whole}: ${thrown.message}`, thrown.details, {
      cause: thrown,
    });
  }
};

/**
 * Checks a contract.
 *
 * @param json text, or the value of one
 * @throws FloeError `contract_invalid` naming the field, what was expected and what came
 */
export const parseContract = (json: unknown, whole = 'contract'): Contract => {
  const value = typeof json === 'string' ? parseJson(json, 'contract_invalid', whole) : json;
  return within(whole, () => parseWith(contractSchema, value, 'contract_invalid'));
};

/** A contract as `parseContract` reads it. */
export const contractText = (of: Contract): string => `${JSON.stringify(of, null, 2)}\n`;
