/**
 * @module Both packages as npm installs them, without a registry: built, packed, unpacked into a
 * folder of their own, and beside them links to what their package.json names as dependencies, and
 * to nothing else.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as v from 'valibot';

const run = promisify(execFile);
export const root = fileURLToPath(new URL('../..', import.meta.url));

const names = v.optional(v.record(v.string(), v.string()), {});
const Manifest = v.object({
  version: v.string(),
  dependencies: names,
  optionalDependencies: names,
  exports: v.record(v.string(), v.unknown()),
});
const Packed = v.array(v.object({ name: v.string(), filename: v.string() }));

export interface Tarballs {
  readonly floe: string;
  readonly devnet: string;
}

/** Builds both packages and packs them as `npm publish` would. */
export const packBoth = async (folder: string): Promise<Tarballs> => {
  const stage = join(folder, 'stage');
  await mkdir(stage);
  await run(process.execPath, [join(root, 'scripts/build.ts'), join(stage, 'dist')]);
  for (const name of ['package.json', 'README.md', 'LICENSE', 'docs'])
    await cp(join(root, name), join(stage, name), { recursive: true });
  const options = ['--json', '--ignore-scripts', '--offline', '--pack-destination', folder];
  const { stdout } = await run('npm', ['pack', stage, join(stage, 'dist/devnet'), ...options], {
    cwd: folder,
  });
  const packed = v.parse(Packed, JSON.parse(stdout));
  const tarball = (name: string): string => {
    const found = packed.find((item) => item.name === name);
    if (found === undefined) throw new Error(`npm packed no ${name}`);
    return join(folder, found.filename);
  };
  return { floe: tarball('floe'), devnet: tarball('floe-devnet') };
};

/** A folder in which packages are installed, and a program's folder below it. */
export interface Place {
  readonly modules: string;
  readonly app: string;
  /** Runs Node in the program's folder; its output. Rejects with what it wrote when it fails. */
  node(...args: readonly string[]): Promise<string>;
}

/**
 * @param extra packages that the program itself depends on
 */
export const installInto = async (
  folder: string,
  tarballs: Readonly<Record<string, string>>,
  extra: readonly string[],
): Promise<Place> => {
  const modules = join(folder, 'node_modules');
  const app = join(folder, 'app');
  await mkdir(app, { recursive: true });
  await writeFile(join(app, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  const wanted = new Set(extra);
  for (const [name, tarball] of Object.entries(tarballs)) {
    const installed = join(modules, name);
    await mkdir(installed, { recursive: true });
    await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
    const { dependencies, optionalDependencies } = await manifestOf(modules, name);
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies }))
      if (!(dependency in tarballs)) wanted.add(dependency);
  }
  for (const name of wanted) {
    const source = join(root, 'node_modules', name);
    // An optional dependency may be missing here too.
    if (!existsSync(source)) continue;
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(source, join(modules, name));
  }
  return {
    modules,
    app,
    node: async (...args) =>
      (await run(process.execPath, args, { cwd: app, maxBuffer: 64 << 20 })).stdout,
  };
};

const manifestOf = async (modules: string, name: string): Promise<v.InferOutput<typeof Manifest>> =>
  v.parse(Manifest, JSON.parse(await readFile(join(modules, name, 'package.json'), 'utf8')));

/** What npm gives to the dependency on `floe-devnet` where both tarballs are installed at once. */
export const versionsOfDevnet = async ({
  modules,
}: Place): Promise<{ readonly wanted: string | undefined; readonly packed: string }> => ({
  wanted: (await manifestOf(modules, 'floe')).dependencies['floe-devnet'],
  packed: (await manifestOf(modules, 'floe-devnet')).version,
});

/** What a program may import of an installed package. */
export const entriesOf = async ({ modules }: Place, name: string): Promise<readonly string[]> =>
  Object.keys((await manifestOf(modules, name)).exports)
    .filter((entry) => entry !== '.' || name !== 'floe')
    .filter((entry) => !entry.endsWith('.json'))
    .map((entry) => `${name}${entry.slice(1)}`);

const RESOLUTIONS = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
} as const;
export type Resolution = keyof typeof RESOLUTIONS;

/** Type-checks files of the program's folder, strictly; the lines of the compiler. */
export const checkTypes = async (
  { app, node }: Place,
  files: readonly string[],
  resolution: Resolution,
): Promise<readonly string[]> => {
  const compilerOptions = {
    ...RESOLUTIONS[resolution],
    strict: true,
    noEmit: true,
    target: 'es2024',
    types: ['node'],
    skipLibCheck: false,
    resolveJsonModule: true,
  };
  await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const output = await node(tsc, '-p', '.').catch(({ stdout }: { stdout: string }) => stdout);
  return output.split('\n').filter((line) => line !== '');
};
