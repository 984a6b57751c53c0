/** @module Reads a mapping file. Node only. */
import { readText } from '../../../protocol/spec/contract-file.ts';
import { type Mapping, parseMapping } from './mapping.ts';

/** @param label names the flag in errors @throws FloeError `file_not_found`, `mapping_invalid` */
export const readMapping = async (label: string, path: string): Promise<Mapping> =>
  parseMapping(await readText(label, path, 'mapping_invalid'), path);
