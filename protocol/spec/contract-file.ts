/** @module Reads a data contract from a file. Node only. */
import { FloeError } from '../errors.ts';
import { readInput } from '../ports/input-file.ts';
import type { Contract } from './contract.ts';
import { MAX_CONTRACT_BYTES, parseContract } from './parse-contract.ts';

/**
 * The text of a JSON file.
 *
 * @param label names the flag or setting in errors
 * @throws FloeError `file_not_found`; `code` where it is not UTF-8
 */
export const readText = async (
  label: string,
  path: string,
  code: 'contract_invalid' | 'mapping_invalid',
): Promise<string> => {
  const bytes = await readInput(label, path, MAX_CONTRACT_BYTES);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FloeError(code, `${path}: expected a text in UTF-8`, {}, { cause });
  }
};

/** @throws FloeError `file_not_found`, `contract_invalid` naming the file and the field */
export const readContract = async (label: string, path: string): Promise<Contract> =>
  parseContract(await readText(label, path, 'contract_invalid'), path);
