/**
 * @module Compiles Move packages offline with `@zktx.io/sui-move-builder` (an optional peer: the
 * compiler of Sui 1.71.1 as wasm) against the framework text in `contracts/framework`, and runs
 * their unit tests in its Move VM. Packages that depend on Sui's own repository, or on nothing, get
 * this framework.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type * as BuilderModule from '@zktx.io/sui-move-builder/full';
import { DevnetError } from '../errors.ts';

/** Files of a package by path: `Move.toml`, `sources/*.move`, `tests/*.move`. */
export type PackageFiles = Readonly<Record<string, string>>;

/** A package compiled at 0x0. */
export interface CompiledPackage {
  /** Bytecode in base64, in dependency order. */
  readonly modules: readonly string[];
  /** Ids of the packages it links to. */
  readonly dependencies: readonly string[];
  /** Blake2b-256 package digest, hex. */
  readonly digest: string;
}

/** The framework compiled at its own addresses, base64 in dependency order. */
export interface CompiledFramework {
  readonly std: readonly string[];
  readonly sui: readonly string[];
}

export interface MoveTestReport {
  readonly passed: boolean;
  /** What the unit-test runner printed. */
  readonly output: string;
}

const CONTRACTS = join(import.meta.dirname, '../contracts');

type Builder = typeof BuilderModule;

const builder = async (): Promise<Builder> => {
  const module = await import('@zktx.io/sui-move-builder/full').catch((cause: unknown) => {
    throw new DevnetError('compiler_missing', `no Move compiler: ${String(cause)}`, { cause });
  });
  await module.initMovePackageBuilder();
  return module;
};

/** Reads `Move.toml` and all `.move` files under a folder. @throws {DevnetError} package_missing */
export const readPackage = async (folder: string): Promise<PackageFiles> => {
  const files: Record<string, string> = {};
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (cause: unknown) => {
      throw new DevnetError('package_missing', `cannot read ${folder}: ${String(cause)}`, {
        cause,
      });
    },
  );
  for (const entry of entries) {
    if (!entry.isFile() || !/^Move\.toml$|\.move$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    files[relative(folder, path).replaceAll('\\', '/')] = await readFile(path, 'utf8');
  }
  if (files['Move.toml'] === undefined)
    throw new DevnetError('package_missing', `expected a Move.toml in ${folder}`);
  return files;
};

const frameworkFiles = {
  std: (): Promise<PackageFiles> => readPackage(join(CONTRACTS, 'framework/move-stdlib')),
  sui: (): Promise<PackageFiles> => readPackage(join(CONTRACTS, 'framework/sui-framework')),
};

/**
 * Hands the compiler our framework whenever it asks for Sui's repository; nothing else can be
 * fetched.
 */
const offlineFetcher = async (
  base: Builder['MovePackageFetcher'],
): Promise<BuilderModule.MovePackageFetcher> => {
  const [std, sui] = await Promise.all([frameworkFiles.std(), frameworkFiles.sui()]);
  return new (class extends base {
    override async fetch(git: string, rev: string, subdir = ''): Promise<Record<string, string>> {
      if (subdir.endsWith('move-stdlib')) return { ...std };
      if (subdir.endsWith('sui-framework')) return { ...sui };
      throw new DevnetError(
        'package_missing',
        `offline: the dependency ${git} ${rev} ${subdir} is not part of the framework`,
      );
    }
    override async fetchFile(): Promise<null> {
      return null;
    }
    override getResolvedSha(_git: string, rev: string): string {
      return rev;
    }
  })();
};

/** Compiles a package. @throws DevnetError `compile_failed` with the compiler's diagnostics. */
export const compilePackage = async (files: PackageFiles): Promise<CompiledPackage> => {
  const { MovePackageFetcher, dumpMovePackage } = await builder();
  const fetcher = await offlineFetcher(MovePackageFetcher);
  const result = await dumpMovePackage({ files: { ...files }, fetcher, silenceWarnings: true });
  if ('error' in result) throw new DevnetError('compile_failed', `Move compiler: ${result.error}`);
  return {
    modules: result.modules,
    dependencies: result.dependencies,
    digest: Buffer.from(result.digest).toString('hex'),
  };
};

/** Compiles a package with its tests and runs them in the compiler's own Move VM. */
export const testPackage = async (files: PackageFiles): Promise<MoveTestReport> => {
  const { MovePackageFetcher, testMovePackage } = await builder();
  const fetcher = await offlineFetcher(MovePackageFetcher);
  const result = await testMovePackage({ files: { ...files }, fetcher, silenceWarnings: true });
  if ('error' in result)
    throw new DevnetError('compile_failed', `Move test runner: ${result.error}`);
  return result;
};

/**
 * Compiles the framework text at 0x1 and 0x2: one root package in which both addresses are named.
 */
export const buildFramework = async (): Promise<CompiledFramework> => {
  const { MovePackageFetcher, dumpMovePackage } = await builder();
  const fetcher = await offlineFetcher(MovePackageFetcher);
  const parts = { std: await frameworkFiles.std(), sui: await frameworkFiles.sui() };
  const files: Record<string, string> = {
    'Move.toml': [
      '[package]',
      'name = "framework"',
      'edition = "2024.beta"',
      'implicit-dependencies = false',
      '[addresses]',
      'std = "0x1"',
      'sui = "0x2"',
      '',
    ].join('\n'),
  };
  for (const [part, sources] of Object.entries(parts))
    for (const [path, text] of Object.entries(sources))
      if (path.endsWith('.move')) files[path.replace('sources/', `sources/${part}_`)] = text;
  const result = await dumpMovePackage({ files, fetcher, silenceWarnings: true });
  if ('error' in result) throw new DevnetError('compile_failed', `Move compiler: ${result.error}`);
  const { readModule } = await import('./binary.ts');
  const at = (id: string): string[] =>
    result.modules.filter((base64) => {
      const module = readModule(Buffer.from(base64, 'base64'));
      return module.moduleHandles[module.self]?.address === `0x${id.padStart(64, '0')}`;
    });
  return { std: at('1'), sui: at('2') };
};

/** Compiles the contracts of Walrus and Seal that the devnet publishes at genesis. */
export const buildDevnetContracts = async (): Promise<
  Readonly<Record<'walrus' | 'seal', CompiledPackage>>
> => ({
  walrus: await compilePackage(await readPackage(join(CONTRACTS, 'walrus'))),
  seal: await compilePackage(await readPackage(join(CONTRACTS, 'seal'))),
});
