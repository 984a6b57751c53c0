/**
 * @module Compiled code is kept between commands: half a second less for every thread, which
 * otherwise strips types and compiles the same modules again. Node checks each entry against its
 * source (nodejs.org, `module.enableCompileCache`).
 */
import { mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

type Variables = Readonly<Record<string, string | undefined>>;

/** Where it is kept: of this user alone, because Node runs it. */
export const compileCacheFolder = (
  env: Variables = process.env,
  home = homedir(),
  platform: string = process.platform,
): string => {
  const cache =
    env['XDG_CACHE_HOME'] ??
    (platform === 'win32'
      ? (env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local'))
      : join(home, ...(platform === 'darwin' ? ['Library', 'Caches'] : ['.cache'])));
  return join(cache, 'floe', 'compiled');
};

/**
 * For modules that are loaded from now on, in this thread and in workers and processes that it
 * starts. A folder of the user's own (`NODE_COMPILE_CACHE`) stays, `NODE_DISABLE_COMPILE_CACHE`
 * turns it off; where the folder cannot be written nothing is kept.
 */
export const keepCompiledCode = (env: Record<string, string | undefined> = process.env): void => {
  if (env['NODE_COMPILE_CACHE'] !== undefined || env['NODE_DISABLE_COMPILE_CACHE'] !== undefined)
    return;
  const folder = compileCacheFolder(env);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  env['NODE_COMPILE_CACHE'] = folder;
  enableCompileCache(folder);
};
