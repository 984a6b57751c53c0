/**
 * Compiled code that another one put where a command looks for its own: Node runs it, because its
 * check of a source is no signature.
 */
import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compileCacheFolder, keepCompiledCode } from '../../cli/compile-cache.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'floe-compiled-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** The folder that a command with these variables would use; undefined: none. */
const used = (cache: string): string | undefined => {
  const env: Record<string, string | undefined> = { XDG_CACHE_HOME: cache };
  const enabled: string[] = [];
  keepCompiledCode(env, (folder) => enabled.push(folder));
  const folder = env['NODE_COMPILE_CACHE'];
  expect(enabled).toEqual(folder === undefined ? [] : [folder]);
  return folder;
};

describe('compiled code', () => {
  it.each(['', 'cache', './cache', '../cache'])(
    'of the folder that a command is started in is not used: XDG_CACHE_HOME=%j',
    (cache) => {
      expect(compileCacheFolder({ XDG_CACHE_HOME: cache }, '/home/a', 'linux')).toBe(
        '/home/a/.cache/floe/compiled',
      );
      const local = { LOCALAPPDATA: cache };
      expect(compileCacheFolder(local, '/home/a', 'win32')).toContain('/home/a/AppData');
    },
  );

  it('of a folder that is there, and that others may write, is not used', async () => {
    expect(used(root)).toBe(join(root, 'floe/compiled'));
    await chmod(join(root, 'floe/compiled'), 0o777);
    expect(used(root)).toBeUndefined();
    await chmod(join(root, 'floe/compiled'), 0o720);
    expect(used(root)).toBeUndefined();
    await chmod(join(root, 'floe/compiled'), 0o700);
    expect(used(root)).toBe(join(root, 'floe/compiled'));
  });

  it('behind a link is not used, nor below a folder whose entries others may replace', async () => {
    const theirs = join(root, 'theirs');
    await mkdir(theirs, { mode: 0o700 });
    await mkdir(join(root, 'a/floe'), { recursive: true });
    await symlink(theirs, join(root, 'a/floe/compiled'));
    expect(used(join(root, 'a'))).toBeUndefined();
    await mkdir(join(root, 'b/floe'), { recursive: true });
    await chmod(join(root, 'b/floe'), 0o777);
    expect(used(join(root, 'b'))).toBeUndefined();
  });

  it('of another user is not used', () => {
    expect(used(root)).toBeDefined();
    const env: Record<string, string | undefined> = { XDG_CACHE_HOME: root };
    keepCompiledCode(env, () => undefined, (process.getuid?.() ?? 0) + 1);
    expect(env['NODE_COMPILE_CACHE']).toBeUndefined();
  });
});
