/**
 * What `npm run build` emits, used as a stranger's program uses the installed package: a folder of its own, `floe` under its
 * node_modules with exactly package.json and the files it publishes, the dependencies beside it. Independent of the sources:
 * nothing of the working tree is in reach but the dependencies.
 */
import { execFile } from 'node:child_process';
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
let app: string;
let cli: string;

/** Runs Node in the program's folder; its output. Rejects with what it wrote when it fails. */
const node = async (...args: readonly string[]): Promise<string> =>
  (await run(process.execPath, args, { cwd: app, maxBuffer: 64 << 20 })).stdout;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'floe-dist-')));
  const dist = join(folder, 'built');
  await run(process.execPath, [join(root, 'scripts/build.ts'), dist]);
  app = join(folder, 'app');
  // Node looks for dependencies above the real path of a package.
  const modules = join(folder, 'node_modules');
  const installed = join(modules, 'floe');
  await mkdir(installed, { recursive: true });
  await cp(join(root, 'package.json'), join(installed, 'package.json'));
  await cp(dist, join(installed, 'dist'), { recursive: true });
  await cp(join(root, 'move/build'), join(installed, 'move/build'), { recursive: true });
  for (const name of await readdir(join(root, 'node_modules')))
    if (name !== 'floe' && !name.startsWith('.'))
      await symlink(join(root, 'node_modules', name), join(modules, name));
  await mkdir(app);
  await writeFile(join(app, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  cli = join(installed, 'dist/cli/main.js');
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const PROGRAM = `
import { identityFromSeed, initialModel, makeRunSpec, hashRunSpec, verifyRun, FloeError } from 'floe/protocol';
import { functionTrainer, join, loadData, memoryKeystore, type Trainer } from 'floe/client';
import { createCoordinator, directoryStore, memoryJournal, openJournal, type Coordinator } from 'floe/coordinator';
import { makeScenario, runScenario, type Summary } from 'floe/sim';
import { startDevnet, type Devnet } from 'floe/devnet';

const trainer: Trainer = functionTrainer({
  manifest: { tensors: [{ name: 'w', shape: [3], dtype: 'float32' }] },
  train: ({ weights }) => ({ weights, examples: 1, lossSum: 0, correct: 0 }),
});
const identity = await identityFromSeed(new Uint8Array(32));
const spec = makeRunSpec({
  id: new Uint8Array(16),
  coordinator: identity.publicKey,
  model: { architecture: 'custom', tensors: [{ name: 'w', shape: [3], dtype: 'float32' }] },
});
const keystore = await memoryKeystore(new Uint8Array(32));
const journal = await openJournal('journal.sqlite');
await journal.close();
await memoryJournal().close();
const refused: unknown = await loadData('nothing.csv').catch((thrown: unknown) => thrown);
export type Names = readonly [Coordinator, Summary];
const devnet: Devnet = await startDevnet({ nodes: 4, shardsPerNode: 1 });
await devnet.stop();
console.log(JSON.stringify({
  run: hashRunSpec(spec).length,
  weights: initialModel({ ...trainer.manifest, seed: new Uint8Array(32) }).length,
  keystore: keystore.kind,
  store: directoryStore('blobs').kind,
  code: refused instanceof FloeError ? refused.code : 'none',
  nodes: devnet.nodes.length,
  functions: [join, createCoordinator, verifyRun, makeScenario, runScenario].map((f) => typeof f),
}));
`;

/** What the commands do, from the library, with the types of its options and results. */
const LIBRARY = `
import { parseNetworkConfig, type NetworkConfig } from 'floe/protocol';
import {
  beginningOf, examine, join, listVersions, openRun, readNetworkFile, writeModel,
  type Beginning, type Examination, type JoinedRun, type JoinOptions, type NetworkFile,
  type OpenRunOptions, type PulledModel, type Receipt, type RunReader, type RunVerification, type VersionFacts,
} from 'floe/client';
import {
  readJournalLedger, startCoordinator,
  type FinishedRun, type StartedCoordinator, type StartEvent, type StartOptions,
} from 'floe/coordinator';
import { simulate, type RunResult, type SimulateOptions, type SimulationModule } from 'floe/sim';

export const read = async (source: string, options: OpenRunOptions): Promise<RunVerification> => {
  await using run: RunReader = await openRun(source, { ...options, journalLedger: readJournalLedger });
  const pulled: PulledModel = await run.pull({ round: 1 });
  const receipts: readonly Receipt[] = await run.receipts('0x0');
  const begin: Beginning = await run.fork();
  const version: VersionFacts | undefined = run.version;
  await writeModel('out', run.spec, pulled.weights, undefined);
  void [receipts, begin, version, listVersions];
  return run.verify({ onProgress: (done: number, total: number) => void (done + total) });
};
export const take = (url: string, options: JoinOptions): Promise<JoinedRun> => join(url, options);
export const lead = async (options: StartOptions): Promise<FinishedRun> => {
  const onEvent = (event: StartEvent): void => void event.type;
  await using run: StartedCoordinator = await startCoordinator({ ...options, onEvent });
  return run.finished;
};
export const play = (task: SimulationModule, options: SimulateOptions): Promise<RunResult> =>
  simulate({ ...options, ...(task.trainer === undefined ? {} : { trainer: task.trainer }) });
export const network = (data: unknown): NetworkConfig => parseNetworkConfig(data);
export const file: (path: string) => Promise<NetworkFile> = readNetworkFile;
export const look: () => Promise<Examination> = () => examine({ folder: '.' });
void beginningOf;
`;

describe('the built package', () => {
  it('has types that resolve for a strict program, and wrong use is an error', async () => {
    await writeFile(join(app, 'program.ts'), PROGRAM);
    await writeFile(
      join(app, 'wrong.ts'),
      `import { makeRunSpec } from 'floe/protocol';\nmakeRunSpec({ id: 'text' });\n`,
    );
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2024',
      module: 'nodenext',
      types: ['node'],
      skipLibCheck: false,
    };
    const check = async (file: string, options: object): Promise<string> => {
      await writeFile(
        join(app, 'tsconfig.json'),
        JSON.stringify({ compilerOptions: { ...compilerOptions, ...options }, files: [file] }),
      );
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      return node(tsc, '-p', '.').catch(({ stdout }: { stdout: string }) => stdout);
    };
    // Declarations of dependencies are not Floe's: only what it emits is looked at.
    const output = await check('program.ts', { noEmit: true });
    expect(output.split('\n').filter((line) => /^program\.ts|\/floe\/dist\//u.test(line))).toEqual(
      [],
    );
    await writeFile(join(app, 'library.ts'), LIBRARY);
    for (const how of [{ module: 'nodenext' }, { module: 'esnext', moduleResolution: 'bundler' }])
      expect(await check('library.ts', { skipLibCheck: true, ...how })).toBe('');
    expect(await check('wrong.ts', { skipLibCheck: true })).toMatch(/^wrong\.ts\(2,\d+\): error/mu);
  });

  it('runs a program that imports every room', async () => {
    await writeFile(join(app, 'program.ts'), PROGRAM);
    expect(JSON.parse(await node('program.ts'))).toEqual({
      run: 32,
      weights: 3,
      keystore: 'memory',
      store: 'directory',
      code: 'file_not_found',
      nodes: 4,
      functions: Array.from({ length: 5 }, () => 'function'),
    });
  });

  it('names its entries to a program that imports the bare package', async () => {
    await expect(node('-e', "import('floe')")).rejects.toThrow(/'floe\/client' \(take part;/u);
  });

  it('keeps its inner modules to itself', async () => {
    await expect(node('-e', "import('floe/dist/cli/main.js')")).rejects.toThrow(
      /ERR_PACKAGE_PATH_NOT_EXPORTED/u,
    );
  });

  it('the command is executable by name and examines the machine', async () => {
    const text = await readFile(cli, 'utf8');
    expect(text).toMatch(/^#!\/usr\/bin\/env node\n/u);
    const report = JSON.parse(await node(cli, 'doctor', '--json')) as { ok: boolean };
    expect(report.ok).toBe(true);
  });

  it('simulates from a CSV table with its worker threads, assets and report, and verifies the run', async () => {
    const rows = Array.from({ length: 120 }, (_, i) => {
      const label = i % 2;
      return `${label + Math.sin(i) / 4},${-label + Math.cos(i) / 4},${label}`;
    });
    await writeFile(join(app, 'table.csv'), ['x,y,label', ...rows].join('\n'));
    const options = '--data table.csv --model linear --participants 4 --cohort 3 --rounds 2 --json';
    const summary = JSON.parse(await node(cli, 'sim', ...options.split(' '))) as object;
    expect(summary).toMatchObject({ rounds: 2, participants: 4, masked: true });
    expect(await readdir(join(app, 'runs/latest'))).toContain('report.html');
    const verified = JSON.parse(await node(cli, 'verify', 'runs/latest', '--json')) as object;
    expect(verified).toMatchObject({ ok: true, level: 'L1' });
  });
});
