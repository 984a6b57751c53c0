/**
 * @module The build of `floe setup native`, after its downloads: libraries and headers out of the
 * wheel, the addon, a trial in a process of its own, the record. Node only.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { FloeError } from '../../protocol/errors.ts';
import { type BuiltRecord, RECORD, TFJS_PLACES, TFJS_STUB } from './built.ts';
import { type Build, SCRATCH, wheelOf } from './fetch.ts';
import { unpackWheel } from './wheel.ts';

const LIBRARIES = 'deps/lib';
const INCLUDE = `${SCRATCH}/include`;
const ADDON = 'lib/napi-v8/tfjs_binding.node';
const WHEEL_INCLUDE = 'tensorflow/include/';

export const unpackStep = async (build: Build): Promise<void> => {
  const { place, recipe, signal } = build;
  const { libraries, headers } = recipe.wheel;
  const target = (name: string): string | undefined => {
    if (name.includes('..')) return undefined;
    if (libraries.includes(name)) return join(place, LIBRARIES, basename(name));
    const isHeader = name.endsWith('.h') && headers.some((folder) => name.startsWith(folder));
    return isHeader ? join(place, INCLUDE, name.slice(WHEEL_INCLUDE.length)) : undefined;
  };
  const written = new Set(await unpackWheel(await wheelOf(build), target, signal));
  const missing = libraries.filter((name) => !written.has(name));
  if (missing.length > 0)
    throw new FloeError('setup_failed', `the wheel has no ${missing.join(', ')}`);
  // Before the libraries are stripped, which copies them.
  await rm(join(place, SCRATCH, 'wheel'), { recursive: true, force: true });
};

const namesOf = ({ recipe }: Build): readonly string[] =>
  recipe.wheel.libraries.map((name) => basename(name));

export const compileStep = async (build: Build): Promise<void> => {
  const { place, run } = build;
  const names = namesOf(build);
  const paths = names.map((name) => `${LIBRARIES}/${name}`);
  await run('strip', ['--strip-unneeded', ...paths], { cwd: place });
  await mkdir(join(place, dirname(ADDON)), { recursive: true });
  const flags = '-std=c++17 -O2 -fPIC -shared -DNAPI_VERSION=8';
  const include = `-I${SCRATCH}/node-api/include -I${INCLUDE}`;
  const link = `-L${LIBRARIES} -Wl,-rpath,$ORIGIN/../../deps/lib`;
  const files = `binding/tfjs_backend.cc binding/tfjs_binding.cc -o ${ADDON}`;
  const words = `${flags} ${include} ${files} ${link}`.split(' ');
  await run('g++', [...words, ...names.map((name) => `-l:${name}`)], { cwd: place });
  for (const name of TFJS_PLACES) {
    const folder = join(place, 'node_modules', name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'index.js'), TFJS_STUB);
  }
};

/** The program of the trial, beside this file. */
const TRIAL = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './trial.ts' : './trial.js', import.meta.url),
);

/** In another process: the library may need what this processor does not have. */
export const tryStep = async ({ place, recipe, run }: Build): Promise<void> => {
  await run(process.execPath, [TRIAL, place, recipe.tfjs]);
};

/** Of tfjs-node, those that are loaded. */
const KEPT = new Set(['package.json', 'LICENSE', 'dist', 'deps', 'lib', 'node_modules']);

const filesBelow = async (folder: string, under = ''): Promise<string[]> => {
  const files: string[] = [];
  for (const entry of await readdir(join(folder, under), { withFileTypes: true })) {
    const path = under === '' ? entry.name : `${under}/${entry.name}`;
    if (entry.isDirectory()) files.push(...(await filesBelow(folder, path)));
    else files.push(path);
  }
  return files;
};

export const tidyStep = async ({ place }: Build): Promise<void> => {
  for (const name of await readdir(place))
    if (!KEPT.has(name)) await rm(join(place, name), { recursive: true, force: true });
  for (const path of await filesBelow(place))
    if (/\.(?:d\.ts|map)$|_test\.js$/u.test(path)) await rm(join(place, path));
};

const sha256Of = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
};

export const recordStep = async ({ place, recipe }: Build): Promise<void> => {
  const files: Record<string, BuiltRecord['files'][string]> = {};
  for (const path of await filesBelow(place)) {
    const file = join(place, path);
    files[path] = { size: (await stat(file)).size, sha256: await sha256Of(file) };
  }
  const record: BuiltRecord = {
    format: 1,
    recipe: recipe.id,
    tfjs: recipe.tfjs,
    tensorflow: recipe.wheel.version,
    files,
  };
  await writeFile(join(place, RECORD), `${JSON.stringify(record, undefined, 1)}\n`);
};
