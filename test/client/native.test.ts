/**
 * `floe setup native` with programs of a test: the order of its steps, what stops it, that nothing
 * half-done is left or loaded. The last part trains with the real build where this machine has one.
 */
import { writeFileSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALL_MODELS } from '../../bench/gpu-models.ts';
import { confirm } from '../../cli/confirm.ts';
import { examineNative } from '../../client/doctor/native.ts';
import { alteredFiles, findBuilt, loadAddon, nativeFolder } from '../../client/native/built.ts';
import { misfitOf, RECIPE } from '../../client/native/recipe.ts';
import { type SetupOptions, setupNative, undoNative } from '../../client/native/setup.ts';
import { runProgram } from '../../client/native/tools.ts';
import { unpackWheel } from '../../client/native/wheel.ts';
import { selectBackend } from '../../client/tfjs/backends.ts';
import { FloeError } from '../../protocol/errors.ts';
import { cpu, expectEagerResults } from './engines.ts';
import { fakeRun, LINUX, recipeFor, wheelBytes } from './native-tools.ts';
import { ifThere } from './optional.ts';
import { zip } from './readers/make-files.ts';

const wheel = wheelBytes();
const recipe = recipeFor(wheel);
const NEVER = new AbortController().signal;

let home: string;
let root: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'floe-native-'));
  root = join(home, 'native');
});
afterEach(() => rm(home, { recursive: true, force: true }));

const setup = (options: Partial<SetupOptions> = {}) =>
  setupNative({
    root,
    recipe,
    host: LINUX,
    run: fakeRun(wheel).run,
    confirm: async () => Promise.resolve(true),
    ...options,
  });

const left = async (): Promise<readonly string[]> => readdir(root).catch(() => []);
const codeOf = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (thrown: unknown) => (thrown instanceof FloeError ? thrown.code : thrown),
  );

describe('a build', () => {
  it('fetches, checks, compiles, tries and records, and keeps only what is loaded', async () => {
    const { run, calls } = fakeRun(wheel);
    const steps: string[] = [];
    const built = await setup({
      run,
      emit: (event) => event.type === 'step' && steps.push(event.text),
    });
    expect(built.outcome).toBe('built');
    expect(steps).toHaveLength(7);
    expect(calls.map(({ program }) => program)).toEqual([
      ...'g++ strip python3 npm tar npm tar npm tar python3 strip g++'.split(' '),
      process.execPath,
    ]);
    // No script of a package runs; pip takes a wheel of this version or nothing.
    for (const { program, args } of calls) {
      if (program === 'npm') expect(args).toContain('--ignore-scripts');
      if (args.includes('download')) {
        expect(args).toContain('--only-binary=:all:');
        expect(args.at(-1)).toBe('tensorflow-cpu==2.15.1');
      }
      // The registries are those of the user's own configuration.
      expect(args.join(' ')).not.toMatch(/index-url|registry|https?:/u);
    }
    const found = findBuilt(root, recipe);
    if (found.type !== 'built') throw new Error(JSON.stringify(found));
    expect(Object.keys(found.built.record.files).toSorted()).toEqual([
      'deps/lib/libtensorflow_cc.so.2',
      'deps/lib/libtensorflow_framework.so.2',
      'dist/nodejs_kernel_backend.js',
      'dist/register_all_kernels.js',
      'lib/napi-v8/tfjs_binding.node',
      'node_modules/@tensorflow/tfjs-core/index.js',
      'node_modules/@tensorflow/tfjs/index.js',
      'node_modules/google-protobuf/google-protobuf.js',
      'package.json',
    ]);
    expect(await left()).toEqual([recipe.id]);
    expect(await readdir(home)).toEqual(['native']);
    expect((await stat(root)).mode & 0o777).toBe(0o700);
    const library = await readFile(join(built.folder, 'deps/lib/libtensorflow_cc.so.2'), 'utf8');
    expect(library).toBe('library '.repeat(1000));
  });

  it('is made once, and undone', async () => {
    const first = await setup();
    const again = await setup({ run: () => Promise.reject(new Error('not run')) });
    expect(again).toMatchObject({ outcome: 'there', folder: first.folder });
    expect(await undoNative(root)).toBeGreaterThan(8_000);
    expect(findBuilt(root, recipe)).toEqual({ type: 'absent' });
    expect(await undoNative(root)).toBe(0);
  });

  it('asks with size and source first; a no changes nothing', async () => {
    const asked = setup({
      run: () => Promise.reject(new Error('not run')),
      confirm: async (plan) => {
        expect(plan.recipe.wheel.bytes).toBe(wheel.length);
        return Promise.resolve(false);
      },
    });
    expect(await asked).toMatchObject({ outcome: 'declined' });
    expect(await readdir(home)).toEqual([]);
  });

  it('of a wheel from elsewhere needs no pip, and checks it all the same', async () => {
    const file = join(home, 'own.whl');
    await writeFile(file, wheel);
    const { run, calls } = fakeRun(wheel);
    expect((await setup({ wheel: file, run })).outcome).toBe('built');
    expect(calls.some(({ program }) => program === 'python3')).toBe(false);
    expect(await readFile(file)).toEqual(Buffer.from(wheel));
    await undoNative(root);
    await writeFile(file, utf8Of('another wheel'));
    expect(await codeOf(setup({ wheel: file }))).toBe('download_altered');
    expect(await codeOf(setup({ wheel: join(home, 'none.whl') }))).toBe('file_not_found');
    expect(await left()).toEqual([]);
  });
});

describe('another user of the machine', () => {
  it('has put a link where builds are kept, to a folder whose mode would be changed', async () => {
    const elsewhere = join(home, 'elsewhere');
    await mkdir(elsewhere, { mode: 0o755 });
    await symlink(elsewhere, root);
    const { run, calls } = fakeRun(wheel);
    expect(await codeOf(setup({ run }))).toBe('setup_failed');
    expect(calls).toEqual([]);
    expect((await stat(elsewhere)).mode & 0o777).toBe(0o755);
    expect(await readdir(elsewhere)).toEqual([]);
  });

  it('can put another folder in the place of that of the builds', async () => {
    await chmod(home, 0o777);
    const { run, calls } = fakeRun(wheel);
    expect(await codeOf(setup({ run }))).toBe('setup_failed');
    expect(calls).toEqual([]);
    // As in /tmp, where nobody renames what is another's.
    await chmod(home, 0o1777);
    expect((await setup()).outcome).toBe('built');
    await chmod(home, 0o777);
    expect(findBuilt(root, recipe)).toMatchObject({ type: 'refused' });
  });

  it('exchanges the given wheel once its digest was compared', async () => {
    const file = join(home, 'own.whl');
    await writeFile(file, wheel);
    const evil = zip(
      {
        'tensorflow/libtensorflow_cc.so.2': utf8Of('evil'),
        'tensorflow/libtensorflow_framework.so.2': utf8Of('evil'),
        'tensorflow/include/tensorflow/c/c_api.h': utf8Of('// evil'),
      },
      { deflate: true },
    );
    const { folder } = await setup({
      wheel: file,
      emit: (event) => {
        if (event.type === 'step' && event.step === 3) writeFileSync(file, evil);
      },
    });
    const library = await readFile(join(folder, 'deps/lib/libtensorflow_cc.so.2'), 'utf8');
    expect(library).toBe('library '.repeat(1000));
  });
});

const utf8Of = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('nothing half-done is left', () => {
  it('whichever program fails, and whenever it is cancelled', async () => {
    const { run, calls } = fakeRun(wheel);
    await setup({ run });
    await undoNative(root);
    for (let at = 0; at < calls.length; at += 1) {
      const failing = fakeRun(wheel, (_, now) => {
        if (now === at) throw new FloeError('setup_failed', 'a program');
      });
      expect(await codeOf(setup({ run: failing.run })), `program ${at}`).toBe('setup_failed');
      expect(await left(), `program ${at}`).toEqual([]);
      const abort = new AbortController();
      const cancelled = fakeRun(wheel, (_, now) => now === at && abort.abort());
      const work = setup({ run: cancelled.run, signal: abort.signal });
      expect(await work.catch((error: Error) => error.name), `program ${at}`).toBe('AbortError');
      expect(await left(), `program ${at}`).toEqual([]);
    }
  });

  it('if a download is not the one that Floe knows', async () => {
    expect(await codeOf(setup({ run: fakeRun(zip({ other: wheel })).run }))).toBe(
      'download_altered',
    );
    for (const key of ['node', 'headers'] as const) {
      const { run, calls } = fakeRun(wheel);
      const other = { ...recipe, [key]: { ...recipe[key], sha512: 'AAAA' } };
      expect(await codeOf(setup({ run, recipe: other }))).toBe('download_altered');
      // It is not taken apart, and the long download has not begun.
      expect(calls.filter(({ args }) => args.includes('download'))).toEqual([]);
      expect(calls.at(-1)?.program).toBe('npm');
    }
    expect(await left()).toEqual([]);
  });

  it('on a full disk, on another system', async () => {
    const full = setup({ freeBytes: async () => Promise.resolve(recipe.peakBytes - 1) });
    expect(await codeOf(full)).toBe('storage_full');
    for (const host of [
      { ...LINUX, arch: 'arm64' },
      { ...LINUX, platform: 'darwin' },
      { ...LINUX, glibc: undefined },
      { ...LINUX, glibc: '2.12' },
    ])
      expect(await codeOf(setup({ host })), JSON.stringify(host)).toBe('backend_unavailable');
    expect(misfitOf(RECIPE, LINUX)).toBeUndefined();
    expect(await left()).toEqual([]);
  });

  it('by a build that was killed; one that runs is left alone', async () => {
    // Process 1 runs on every system that this recipe is for.
    await mkdir(join(root, '.building-1'), { recursive: true });
    await mkdir(join(root, '.building-4194305'));
    await mkdir(join(root, '.building-of-nobody'));
    await setup();
    expect(await left()).toEqual(['.building-1', recipe.id]);
  });
});

describe('what was built is loaded only if', () => {
  const refusal = (): string => {
    const found = findBuilt(root, recipe);
    return found.type === 'refused' ? found.reason : found.type;
  };

  it('its record is whole and stays inside of it', async () => {
    const { folder } = await setup();
    const file = join(folder, 'built.json');
    const whole = await readFile(file, 'utf8');
    await writeFile(file, whole.slice(0, -9));
    expect(refusal()).toMatch(/is damaged .*--undo removes it/u);
    await writeFile(file, whole.replace('package.json', '../package.json'));
    expect(refusal()).toMatch(/is damaged/u);
    await rm(file);
    expect(refusal()).toMatch(/is damaged/u);
    expect(await codeOf(setup())).toBe('setup_failed');
  });

  it('its files have their sizes, and nobody else can write them', async () => {
    const { folder } = await setup();
    const library = join(folder, 'deps/lib/libtensorflow_framework.so.2');
    await chmod(root, 0o777);
    expect(refusal()).toMatch(/others can write there/u);
    await chmod(root, 0o700);
    expect(refusal()).toBe('built');
    await writeFile(library, 'another');
    expect(refusal()).toMatch(/libtensorflow_framework.so.2 has another size/u);
  });

  it('and the doctor reads every byte', async () => {
    const { folder } = await setup();
    const found = findBuilt(root, recipe);
    expect(await examineNative(found, LINUX)).toMatchObject({ ok: true, needed: false });
    await writeFile(join(folder, 'deps/lib/libtensorflow_framework.so.2'), 'frameworX');
    const altered = findBuilt(root, recipe);
    if (altered.type !== 'built') throw new Error(altered.type);
    expect(await alteredFiles(altered.built)).toEqual(['deps/lib/libtensorflow_framework.so.2']);
    const check = await examineNative(altered, LINUX);
    expect(check).toMatchObject({ ok: false });
    expect(check?.detail).toContain('is not what was built');
    const absent = await examineNative({ type: 'absent' }, LINUX);
    expect(absent?.detail).toContain('floe setup native');
    expect(await examineNative({ type: 'absent' }, { ...LINUX, arch: 'arm64' })).toBeUndefined();
  });

  it('tfjs is of the version that it was built for', () => {
    expect(() => loadAddon(cpu.tf, root, '1.0.0')).toThrow('built for tfjs 1.0.0');
  });

  it('the folder is in the cache folder of the user, whatever npm does', () => {
    expect(nativeFolder({ XDG_CACHE_HOME: '/var/cache/a' })).toBe('/var/cache/a/floe/native');
    expect(nativeFolder({ XDG_CACHE_HOME: 'here' })).not.toContain('node_modules');
  });
});

describe('a wheel', () => {
  const unpack = async (bytes: Uint8Array): Promise<unknown> => {
    await mkdir(root, { recursive: true });
    const file = join(home, 'a.whl');
    await writeFile(file, bytes);
    return codeOf(unpackWheel(file, (name) => join(root, name), NEVER));
  };

  it('that unpacks to more than it says, or to other bytes, is refused', async () => {
    const library = utf8Of('x'.repeat(100_000));
    expect(await unpack(zip({ a: library }, { deflate: true }))).toBe('done');
    expect(await unpack(zip({ b: library }, { deflate: true, declared: 10 }))).toBe(
      'data_malformed',
    );
    const damaged = zip({ c: utf8Of('some text') });
    damaged.set([0], 33);
    expect(await unpack(damaged)).toBe('data_malformed');
    expect(await unpack(utf8Of('no archive'))).toBe('data_malformed');
    expect(await unpack(zip({ d: library }).subarray(50))).toBe('data_malformed');
  });
});

describe('programs', () => {
  it('that are missing or fail are named with their last lines', async () => {
    const run = (script: string) => runProgram(process.execPath, ['-e', script], { signal: NEVER });
    expect(await run('console.log(7)')).toBe('7\n');
    await expect(run('console.error("no headers"); process.exit(3)')).rejects.toMatchObject({
      code: 'setup_failed',
      message: expect.stringMatching(/exit code 3:\nno headers/u) as string,
    });
    await expect(runProgram('no-such-program-here', [], { signal: NEVER })).rejects.toMatchObject({
      code: 'setup_failed',
      message: 'no-such-program-here is not installed',
    });
    const abort = new AbortController();
    const endless = runProgram(process.execPath, ['-e', 'setInterval(() => 0, 1e6)'], {
      signal: abort.signal,
    });
    abort.abort();
    expect(await codeOf(endless)).toBe('aborted');
  });
});

describe('the question', () => {
  const answer = (text: string, isTTY = true) => {
    const input = Object.assign(new PassThrough(), { isTTY });
    input.end(text);
    return confirm('Go ahead?', NEVER, { input, output: new PassThrough() });
  };

  it('takes only a yes for a yes, and needs a terminal', async () => {
    for (const text of ['y\n', 'YES\n', ' y \n']) expect(await answer(text), text).toBe(true);
    for (const text of ['\n', 'n\n', 'yeah\n', '']) expect(await answer(text), text).toBe(false);
    await expect(answer('y\n', false)).rejects.toMatchObject({ code: 'usage' });
  });
});

const native = await ifThere(selectBackend({ prefer: 'tensorflow' }));

describe.skipIf(native === undefined)('native TensorFlow, where it is installed or built', () => {
  it.each(ALL_MODELS.slice(0, 3))('trains $name as plain JavaScript does', async (small) => {
    await expectEagerResults(
      small,
      { backend: { prefer: 'tensorflow' } },
      { says: 'native TensorFlow', tolerance: 1e-4, digits: 3 },
    );
  });
});
