/**
 * @module Compiled code is kept between commands: half a second less for every thread, which
 * otherwise strips types and compiles the same modules again. Node checks each entry against its
 * source (nodejs.org, `module.enableCompileCache`).
 */
import { lstatSync, mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

type Variables = Readonly<Record<string, string | undefined>>;

/** A relative folder would be that of whoever made the folder that the command is started in. */
const absolute = (path: string | undefined): string | undefined =>
  path !== undefined && isAbsolute(path) ? path : undefined;

/** Where it is kept: of this user alone, because Node runs it. */
export const compileCacheFolder = (
  env: Variables = process.env,
  home = homedir(),
  platform: string = process.platform,
): string => {
  const cache =
    absolute(env['XDG_CACHE_HOME']) ??
    (platform === 'win32'
      ? (absolute(env['LOCALAPPDATA']) ?? join(home, 'AppData', 'Local'))
      : join(home, ...(platform === 'darwin' ? ['Library', 'Caches'] : ['.cache'])));
  return join(cache, 'floe', 'compiled');
};

/** Bits of a mode by which others than the owner write. */
const OTHERS_WRITE = 0o022;

/** Whether a path is a folder of this user, no link, that nobody else writes. */
const isOwn = (path: string, user: number | undefined): boolean => {
  const found = lstatSync(path);
  // Windows has neither owners nor modes here; the folder is below the user's own.
  const isOurs = user === undefined || (found.uid === user && (found.mode & OTHERS_WRITE) === 0);
  return found.isDirectory() && isOurs;
};

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
    if (!isOwn(folder, user) || !isOwn(dirname(folder), user)) return;
  } catch {
    return;
  }
  env['NODE_COMPILE_CACHE'] = folder;
  enable(folder);
};
