/**
 * @module Strategies of one's own, from a module on disk. Node only. The SHA-256 of the module's
 * file is the code that a specification names, so a run and its verification use the same file.
 * What the module imports is not covered by that hash: a strategy is best one file that imports
 * types alone.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { sha256 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { registerStrategy } from './registry.ts';
import type { Strategy } from './strategy.ts';

const MAX_MODULE_BYTES = 1 << 20;

const fileOf = (module: string | URL): string =>
  module instanceof URL || module.startsWith('file:') ? fileURLToPath(module) : resolve(module);

const readModule = async (file: string): Promise<Uint8Array> => {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new FloeError(
      'file_not_found',
      `the strategy module ${file}: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
};

const invalid = (file: string, what: string, cause?: unknown): FloeError =>
  new FloeError('strategy_invalid', `${file}: ${what}`, {}, cause === undefined ? {} : { cause });

/**
 * Imports a module and registers the strategies that it exports as `strategies`. Again it changes
 * nothing.
 *
 * @param module path or `file:` URL of a JavaScript or TypeScript module of at most 1 MiB
 * @returns the names of its strategies
 * @throws FloeError `file_not_found`, `strategy_invalid`
 */
export const loadStrategies = async (module: string | URL): Promise<readonly string[]> => {
  const file = fileOf(module);
  const bytes = await readModule(file);
  if (bytes.length > MAX_MODULE_BYTES)
    throw invalid(file, `expected at most ${MAX_MODULE_BYTES} bytes, got ${bytes.length}`);
  let exports: { readonly strategies?: unknown };
  try {
    exports = (await import(pathToFileURL(file).href)) as typeof exports;
  } catch (cause) {
    throw invalid(file, (cause as Error).message, cause);
  }
  const { strategies } = exports;
  if (!Array.isArray(strategies) || strategies.length === 0)
    throw invalid(file, 'expected an export `strategies`, a list of one or more');
  const code = sha256(bytes);
  return strategies.map((strategy: Strategy) => {
    registerStrategy(strategy, code);
    return strategy.name;
  });
};
