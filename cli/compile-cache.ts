/**
 * @module Compiled code is kept between commands: half a second less for every thread, which
 * otherwise strips types and compiles the same modules again. Node checks each entry against its
 * source (nodejs.org, `module.enableCompileCache`).
 */
import { mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { dirname, join } from 'node:path';
import { cacheFolder, isOwnFolder } from '../client/native/own-folder.ts';

/** Where it is kept: of this user alone, because Node runs it. */
export const compileCacheFolder = (...place: Parameters<typeof cacheFolder>): string =>
  join(cacheFolder(...place), 'compiled');

/**
 * For modules that are loaded from now on, in this thread and in workers and processes that it
 * starts. A folder of the user's own (`NODE_COMPILE_CACHE`) stays, `NODE_DISABLE_COMPILE_CACHE`
 * turns it off; where the folder cannot be written, or others can write it, nothing is kept.
 */
export const keepCompiledCode = (
  env: Record<string, string | undefined> = process.env,
  enable: (folder: string) => unknown = enableCompileCache,
  user: number | undefined = process.getuid?.(),
): void => {
  if (env['NODE_COMPILE_CACHE'] !== undefined || env['NODE_DISABLE_COMPILE_CACHE'] !== undefined)
    return;
  const folder = compileCacheFolder(env);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!isOwnFolder(folder, user) || !isOwnFolder(dirname(folder), user)) return;
  } catch {
    return;
  }
  env['NODE_COMPILE_CACHE'] = folder;
  enable(folder);
};
