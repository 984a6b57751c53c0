/**
 * @module A frozen base from a file: safetensors, with the tensors under the names that the layers
 * of the model have. Node only.
 */
import { decodeSafetensors } from '../../protocol/model/safetensors.ts';
import { readInput } from '../../protocol/ports/input-file.ts';
import type { BaseWeights } from './base.ts';

const MAX_BASE_BYTES = 2 ** 31 - 1;

/**
 * @param label what named the file, such as `--base`
 * @throws FloeError `file_not_found`, `usage` when it is larger than 2 GiB, `tensor_malformed`
 */
export const readBase = async (label: string, path: string): Promise<BaseWeights> => {
  const { manifest, flat } = decodeSafetensors(await readInput(label, path, MAX_BASE_BYTES));
  return { manifest, flat };
};
