/**
 * @module The cache folder of the user, and whether a folder in it is the user's alone: Floe runs
 * code that it keeps there. Called in Node only; the module loads in browsers.
 */

export type Variables = Readonly<Record<string, string | undefined>>;

/** Node's own modules; bundlers for browsers find nothing to resolve in this way of asking. */
const { process } = globalThis;
const paths = () => process.getBuiltinModule('node:path');
const join = (...parts: readonly string[]): string => paths().join(...parts);

/** A relative folder would be that of whoever made the folder that the command is started in. */
const absolute = (path: string | undefined): string | undefined =>
  path !== undefined && paths().isAbsolute(path) ? path : undefined;

/**
 * Floe's part of the user's cache: below `XDG_CACHE_HOME` where that is an absolute path (XDG Base
 * Directory Specification), else in the place of the system.
 */
export const cacheFolder = (
  env: Variables = process.env,
  home = process.getBuiltinModule('node:os').homedir(),
  platform: string = process.platform,
): string => {
  const cache =
    absolute(env['XDG_CACHE_HOME']) ??
    (platform === 'win32'
      ? (absolute(env['LOCALAPPDATA']) ?? join(home, 'AppData', 'Local'))
      : join(home, ...(platform === 'darwin' ? ['Library', 'Caches'] : ['.cache'])));
  return join(cache, 'floe');
};

/** Bits of a mode by which others than the owner write. */
const OTHERS_WRITE = 0o022;

/** Whether a path is a folder of this user, no link, that nobody else writes. */
export const isOwnFolder = (
  path: string,
  user: number | undefined = process.getuid?.(),
): boolean => {
  const found = process.getBuiltinModule('node:fs').lstatSync(path);
  // Windows has neither owners nor modes here; the folder is below the user's own.
  const isOurs = user === undefined || (found.uid === user && (found.mode & OTHERS_WRITE) === 0);
  return found.isDirectory() && isOurs;
};

const STICKY = 0o1000;

/**
 * Whether somebody else can put another folder in the place of this one: whoever owns the folder
 * that it is in, or writes there. In a sticky one (as /tmp) they cannot.
 */
export const canBeReplaced = (
  path: string,
  user: number | undefined = process.getuid?.(),
): boolean => {
  if (user === undefined) return false;
  const { uid, mode } = process.getBuiltinModule('node:fs').statSync(paths().dirname(path));
  const isTheirs = uid !== user && uid !== 0;
  return isTheirs || ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0);
};
