/**
 * @module Substitutes for the programs of `floe setup native`: pip and npm put files where the real
 * ones would, tar takes them apart, g++ writes what it was asked to, without a network. Hashes are
 * those of these files.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host, NpmPart, Recipe } from '../../client/native/recipe.ts';
import type { Run } from '../../client/native/tools.ts';
import { utf8 } from '../../protocol/bytes.ts';
import { zip } from './readers/make-files.ts';

export const LINUX: Host = { platform: 'linux', arch: 'x64', glibc: '2.36' };

/** What a package of npm has in it; the "tarball" is a JSON of it. */
const PACKAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '@tensorflow/tfjs-node': {
    'package.json': '{}',
    'dist/register_all_kernels.js': '// kernels',
    'dist/nodejs_kernel_backend.js': '// backend',
    'dist/nodejs_kernel_backend.d.ts': '// types',
    'dist/index_test.js': '// a test',
    'binding/tfjs_backend.cc': '// C++',
    'scripts/install.js': '// downloads',
  },
  'node-api-headers': { 'include/node_api.h': '// header' },
  'google-protobuf': { 'google-protobuf.js': '// protobuf' },
};

const tarball = (name: string): string => JSON.stringify(PACKAGES[name]);

const part = (name: string, version: string): NpmPart => ({
  name,
  version,
  sha512: createHash('sha512').update(tarball(name)).digest('base64'),
});

/** A wheel with two small libraries, headers, and much that is not wanted. */
export const wheelBytes = (): Uint8Array =>
  zip(
    {
      'tensorflow/__init__.py': utf8('print()'),
      'tensorflow/libtensorflow_cc.so.2': utf8('library '.repeat(1000)),
      'tensorflow/libtensorflow_framework.so.2': utf8('framework'),
      'tensorflow/include/tensorflow/c/c_api.h': utf8('// c_api'),
      'tensorflow/include/tensorflow/c/empty.h': utf8(''),
      'tensorflow/include/tensorflow/c/../../../../escaped.h': utf8('// outside'),
      'tensorflow/include/external/other.h': utf8('// not needed'),
    },
    { deflate: true },
  );

export const recipeFor = (wheel: Uint8Array): Recipe => ({
  id: 'tfjs-node-of-a-test',
  platform: 'linux',
  arch: 'x64',
  tfjs: '4.22.0',
  wheel: {
    name: 'tensorflow-cpu',
    version: '2.15.1',
    python: '3.11',
    platforms: ['manylinux2014_x86_64'],
    sha256: createHash('sha256').update(wheel).digest('hex'),
    bytes: wheel.length,
    libraries: ['tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'],
    headers: ['tensorflow/include/tensorflow/c/'],
  },
  node: part('@tensorflow/tfjs-node', '4.22.0'),
  headers: part('node-api-headers', '1.9.0'),
  needs: [part('google-protobuf', '3.21.4')],
  peakBytes: 1e6,
  keptBytes: 1e5,
});

export interface Call {
  readonly program: string;
  readonly args: readonly string[];
}

const after = (args: readonly string[], flag: string): string => {
  const value = args[args.indexOf(flag) + 1];
  if (!args.includes(flag) || value === undefined) throw new Error(`no ${flag}`);
  return value;
};

const programs: Readonly<
  Record<
    string,
    (args: readonly string[], wheel: Uint8Array, cwd: string | undefined) => Promise<unknown>
  >
> = {
  npm: async ([, spec = '', ...args]) => {
    const name = spec.slice(0, spec.lastIndexOf('@'));
    await writeFile(join(after(args, '--pack-destination'), 'a-package.tgz'), tarball(name));
  },
  python3: async (args, wheel) =>
    args.includes('download') && writeFile(join(after(args, '--dest'), 'tf.whl'), wheel),
  tar: async (args) => {
    const text = await readFile(after(args, '-xzf'), 'utf8');
    for (const [name, content] of Object.entries(JSON.parse(text) as Record<string, string>)) {
      const to = join(after(args, '-C'), name);
      await mkdir(join(to, '..'), { recursive: true });
      await writeFile(to, content);
    }
  },
  'g++': async (args, _, cwd = '') =>
    args.includes('-o') &&
    cp(join(cwd, 'scratch/include/tensorflow/c/c_api.h'), join(cwd, after(args, '-o'))),
};

/** @param hook called before each program, with how many ran before it */
export const fakeRun = (
  wheel: Uint8Array,
  hook: (call: Call, at: number) => void = () => undefined,
): { readonly run: Run; readonly calls: Call[] } => {
  const calls: Call[] = [];
  const run: Run = async (program, args, { cwd, signal }) => {
    signal.throwIfAborted();
    hook({ program, args }, calls.length);
    calls.push({ program, args });
    await programs[program]?.(args, wheel, cwd);
    return '';
  };
  return { run, calls };
};
