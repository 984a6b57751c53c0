/**
 * @module Compiled code that is kept between commands: where, for whom, and how it is turned off.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { compileCacheFolder, keepCompiledCode } from '../../cli/compile-cache.ts';

const run = promisify(execFile);
const START = join(import.meta.dirname, '../../cli/start.ts');

describe('compiled code', () => {
  it('is kept in the cache folder of the user', () => {
    expect(compileCacheFolder({}, '/home/a', 'linux')).toBe('/home/a/.cache/floe/compiled');
    expect(compileCacheFolder({}, '/Users/a', 'darwin')).toBe(
      '/Users/a/Library/Caches/floe/compiled',
    );
    const own = { XDG_CACHE_HOME: '/var/cache/a' };
    expect(compileCacheFolder(own, '/home/a', 'linux')).toBe('/var/cache/a/floe/compiled');
  });

  it('is the business of Node where the user has set a folder, or turned it off', () => {
    const folder = { NODE_COMPILE_CACHE: '/a' };
    keepCompiledCode(folder);
    expect(folder).toEqual({ NODE_COMPILE_CACHE: '/a' });
    const off = { NODE_DISABLE_COMPILE_CACHE: '1', XDG_CACHE_HOME: '/a' };
    keepCompiledCode(off);
    expect(off).not.toHaveProperty('NODE_COMPILE_CACHE');
  });

  it('is kept by a command, where no other user can write', async () => {
    const home = await mkdtemp(join(tmpdir(), 'floe-cache-'));
    try {
      const { NODE_COMPILE_CACHE: _, ...env } = process.env;
      await run('node', [START, '--version'], { env: { ...env, XDG_CACHE_HOME: home } });
      const folder = join(home, 'floe/compiled');
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
      const [version = ''] = await readdir(folder);
      expect((await readdir(join(folder, version))).length).toBeGreaterThan(100);
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  });
});
