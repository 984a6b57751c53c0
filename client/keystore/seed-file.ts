/**
 * @module An identity from a file that holds its seed, such as `auditor.key` of a simulation. Node
 * only.
 */
import { fromHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import { readInput } from '../../protocol/ports/input-file.ts';

const MAX_FILE_BYTES = 1024;

/** @param path file with 64 hex digits @throws FloeError `file_not_found`, `usage` */
export const identityOfSeedFile = async (path: string): Promise<Identity> => {
  const bytes = await readInput('--key-file', path, MAX_FILE_BYTES);
  const text = new TextDecoder().decode(bytes).trim();
  // The text is a secret: an error must not repeat it.
  if (!/^[0-9a-f]{64}$/u.test(text))
    throw new FloeError('usage', `--key-file: expected 64 hex digits in ${path}`);
  return identityFromSeed(fromHex(text));
};
