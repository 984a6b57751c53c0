/**
 * `floe-devnet` installed alone, as packed: its example runs without Floe, a strict program
 * compiles against every entry, and it imports nothing but what its package.json declares.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkTypes, entriesOf, installInto, packBoth, root, type Place } from './packages.ts';

let folder: string;
let place: Place;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'floe-devnet-')));
  const { devnet } = await packBoth(folder);
  const extra = ['@types/node', '@mysten/seal', '@zktx.io/sui-move-builder'];
  place = await installInto(join(folder, 'alone'), { 'floe-devnet': devnet }, extra);
  await cp(join(root, 'examples/devnet'), place.app, { recursive: true });
}, 240_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const PROGRAM = `
import { Command } from 'commander';
import { bls12_381, type G1Point } from 'floe-devnet/bls12-381';
import { DevnetError, parseFault, startDevnet, type Devnet, type DevnetConfig } from 'floe-devnet';
import { runDevnet, withDevnetOptions, type DevnetCommandInit } from 'floe-devnet/command';
import { compilePackage, type CompiledPackage } from 'floe-devnet/compile';
import { createVmWithFramework, moduleBytes, STD_ID, SUI_ID, type MoveVm } from 'floe-devnet/move';

const hello: CompiledPackage = await compilePackage({
  'Move.toml': '[package]\\nname = "hello"\\nedition = "2024"\\n[addresses]\\nhello = "0x0"\\n',
  'sources/hello.move': 'module hello::hello { public fun number(): u64 { 42 } }',
});
const vm: MoveVm = createVmWithFramework();
const storageId = '0x' + '7'.repeat(64);
const modules = moduleBytes(hello.modules);
const { status } = vm.publish({ storageId, modules, dependencies: [STD_ID, SUI_ID] });
const devnet: Devnet = await startDevnet({ nodes: 4, shardsPerNode: 1, packages: { hello } });
const config: DevnetConfig = devnet.config;
devnet.faults.run(parseFault('{"type":"nodeDown","node":3}'));
await devnet.stop();
const refused: unknown = await startDevnet({ nodes: 1 }).catch((thrown: unknown) => thrown);
export const mount = (init: DevnetCommandInit): Promise<void> =>
  runDevnet(withDevnetOptions(new Command('mine')), init);
const { BASE } = bls12_381.G1.Point;
const double: G1Point = BASE.multiply(2n);
console.log(JSON.stringify({
  status,
  doubled: double.equals(BASE.add(BASE)),
  packages: Object.keys(config.packages),
  code: refused instanceof DevnetError ? refused.code : 'none',
}));
`;

test.each(['nodenext', 'bundler'] as const)(
  'strict programs compile against every entry (%s)',
  async (resolution) => {
    for (const entry of await entriesOf(place, 'floe-devnet'))
      expect(PROGRAM).toContain(`'${entry}'`);
    await writeFile(join(place.app, 'program.ts'), PROGRAM);
    const lines = await checkTypes(place, ['program.ts', 'stock-sdk.ts'], resolution);
    const own = /^(program|stock-sdk)\.ts|\/floe-devnet\//u;
    expect(lines.filter((line) => own.test(line))).toEqual([]);
  },
);

test('a program that uses every entry runs', async () => {
  await writeFile(join(place.app, 'program.ts'), PROGRAM);
  expect(JSON.parse(await place.node('program.ts'))).toEqual({
    status: 'success',
    doubled: true,
    packages: ['hello'],
    code: 'option_invalid',
  });
});

test('the example runs without Floe', async () => {
  expect(await readdir(place.modules)).not.toContain('floe');
  expect(await place.node('stock-sdk.ts')).toContain("decrypted: 'read me'");
});

test('the command is executable, explains itself, and refuses wrong flags by name', async () => {
  const main = join(place.modules, 'floe-devnet/main.js');
  expect(await place.node(main, '--help')).toContain('floe-devnet --config-out net.json');
  const refused = promisify(execFile)(process.execPath, [main, '--nodes', '3']);
  await expect(refused).rejects.toMatchObject({ code: 2, stderr: /4 to 1000, got 3/u });
});

test('without the compiler, which is optional, compiling is refused by name', async () => {
  await rm(join(place.modules, '@zktx.io'), { recursive: true });
  const program = `
    const { compilePackage } = await import('floe-devnet/compile');
    await compilePackage({}).catch(({ code, remedy }) => console.log(code, remedy));`;
  expect(await place.node('--input-type=module', '-e', program)).toBe(
    'compiler_missing Install the compiler: npm install @zktx.io/sui-move-builder\n',
  );
});

const Manifest = v.object({
  dependencies: v.record(v.string(), v.string()),
  peerDependencies: v.record(v.string(), v.string()),
});
const SPECIFIER = /(?:\bfrom|\bimport|\bimport\()\s*'([^']+)'/gu;

test('the sources import nothing outside of the package but what it declares', async () => {
  const home = join(root, 'devnet');
  const files = (await readdir(home, { recursive: true })).filter((name) => name.endsWith('.ts'));
  const manifest: unknown = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
  const { dependencies, peerDependencies } = v.parse(Manifest, manifest);
  const declared = Object.keys({ ...dependencies, ...peerDependencies });
  const strays: string[] = [];
  let seen = 0;
  for (const name of files) {
    const path = join(home, name);
    for (const [, specifier = ''] of (await readFile(path, 'utf8')).matchAll(SPECIFIER)) {
      seen += 1;
      const isInside = specifier.startsWith('.')
        ? !relative(home, resolve(dirname(path), specifier)).startsWith('..')
        : specifier.startsWith('node:') ||
          declared.some((one) => specifier === one || specifier.startsWith(`${one}/`));
      if (!isInside) strays.push(`${name}: ${specifier}`);
    }
  }
  expect(seen).toBeGreaterThan(300);
  expect(strays).toEqual([]);
});
