/**
 * What `npm run build` and `npm pack` give, used as a stranger's program uses the installed
 * packages: a folder of its own with
 * `floe` and `floe-devnet` in its node_modules as packed, and the dependencies that they declare.
 * Nothing of the working tree is in reach but these dependencies.
 */
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkTypes,
  entriesOf,
  installInto,
  packBoth,
  versionsOfDevnet,
  type Place,
} from './packages.ts';
import { resultOf } from '../support/json-lines.ts';

let folder: string;
let place: Place;
let cli: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'floe-dist-')));
  const { floe, devnet } = await packBoth(folder);
  place = await installInto(folder, { floe, 'floe-devnet': devnet }, ['@types/node']);
  cli = join(place.modules, 'floe/dist/cli/start.js');
}, 240_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const PROGRAM = `
import { identityFromSeed, initialModel, makeRunSpec, hashRunSpec, verifyRun, FloeError } from 'floe/protocol';
import { functionTrainer, join, loadData, memoryKeystore, type Trainer } from 'floe/client';
import { createCoordinator, directoryStore, memoryJournal, openJournal, type Coordinator } from 'floe/coordinator';
import { makeScenario, runScenario, type Summary } from 'floe/sim';
import { startDevnet, type Devnet } from 'floe-devnet';
import { blobStoreSuite, type TestApi } from 'floe/testing';

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
export type Names = readonly [Coordinator, Summary, TestApi];
const devnet: Devnet = await startDevnet({ nodes: 4, shardsPerNode: 1 });
await devnet.stop();
console.log(JSON.stringify({
  run: hashRunSpec(spec).length,
  weights: initialModel({ ...trainer.manifest, seed: new Uint8Array(32) }).length,
  keystore: keystore.kind,
  store: directoryStore('blobs').kind,
  code: refused instanceof FloeError ? refused.code : 'none',
  nodes: devnet.nodes.length,
  functions: [join, createCoordinator, verifyRun, makeScenario, runScenario, blobStoreSuite].map((f) => typeof f),
}));
`;

/** Three participants with examples of their own: each trains in a thread of the built package. */
const BESIDE = `
import { beginningOf, createDataset, join, memoryKeystore, threadTrainer } from 'floe/client';
import { startCoordinator } from 'floe/coordinator';
import { makeRunSpec } from 'floe/protocol';

const data = createDataset({
  features: Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)),
  labels: Int32Array.from({ length: 8 }, (_, i) => i % 2),
  featureShape: [4],
  classes: 2,
});
const run = await startCoordinator({
  folder: 'beside',
  keys: await memoryKeystore(new Uint8Array(32).fill(1)),
  run: {
    settings: { rounds: 1 },
    begin: () => beginningOf({ model: 'linear', inputs: 4, classes: 2 }),
    spec: (fixed) => makeRunSpec({ ...fixed, rounds: 1, cohort: { size: 3, minimum: 3 } }),
  },
});
const require = { minimum: 3, known: 0, steps: 1 };
const people = await Promise.all(
  [0, 1, 2].map(() => join(run.joinUrl, { data, require, log: () => undefined })),
);
const outcomes = await Promise.all(people.map(({ finished }) => finished));
const { outcome } = await run.finished;
await run[Symbol.asyncDispose]();
const own = await threadTrainer({ module: new URL('./own-trainer.js', import.meta.url) });
const { weights } = await own.train({
  weights: new Float32Array(1), round: 1, epochs: 1, batchSize: 1, learningRate: 1, seed: new Uint8Array(32),
});
own.dispose();
console.log(JSON.stringify({ rounds: outcome.rounds, ends: outcomes.map(({ type }) => type), weights: [...weights] }));
`;
const OWN_TRAINER = `
import { functionTrainer } from 'floe/client';
export const createTrainer = () => functionTrainer({
  manifest: { tensors: [{ name: 'w', shape: [1], dtype: 'float32' }] },
  train: ({ weights }) => ({ weights: weights.map((w) => w + 1), examples: 1, lossSum: 0, correct: 0 }),
});
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
  const pulled: PulledModel = await run.pull({ attempt: 1 });
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

describe('the built packages', () => {
  it.each(['nodenext', 'bundler'] as const)(
    'have types that resolve for a strict program (%s), and wrong use is an error',
    async (resolution) => {
      for (const entry of await entriesOf(place, 'floe')) expect(PROGRAM).toContain(`'${entry}'`);
      await writeFile(join(place.app, 'program.ts'), PROGRAM);
      await writeFile(
        join(place.app, 'wrong.ts'),
        `import { makeRunSpec } from 'floe/protocol';\nmakeRunSpec({ id: 'text' });\n`,
      );
      await writeFile(join(place.app, 'library.ts'), LIBRARY);
      const files = ['program.ts', 'library.ts', 'wrong.ts'];
      const lines = await checkTypes(place, files, resolution);
      // Declarations of dependencies are not Floe's: only what is emitted here is looked at.
      expect(
        lines.filter((line) => /^(program|library)\.ts|\/floe(-devnet)?\//u.test(line)),
      ).toEqual([]);
      expect(lines.join('\n')).toMatch(/^wrong\.ts\(2,\d+\): error/mu);
    },
  );

  it('run a program that imports every room', async () => {
    await writeFile(join(place.app, 'program.ts'), PROGRAM);
    expect(JSON.parse(await place.node('program.ts'))).toEqual({
      run: 32,
      weights: 3,
      keystore: 'memory',
      store: 'directory',
      code: 'file_not_found',
      nodes: 4,
      functions: Array.from({ length: 6 }, () => 'function'),
    });
  });

  it('train in threads: participants with examples, and a trainer of the program', async () => {
    await writeFile(join(place.app, 'own-trainer.js'), OWN_TRAINER);
    await writeFile(join(place.app, 'beside.mjs'), BESIDE);
    const printed = (await place.node('beside.mjs')).trim().split('\n').at(-1) ?? '';
    expect(JSON.parse(printed)).toEqual({
      rounds: 1,
      ends: ['finished', 'finished', 'finished'],
      weights: [1],
    });
  });

  it('names its entries to a program that imports the bare package', async () => {
    await expect(place.node('-e', "import('floe')")).rejects.toThrow(
      /'floe\/client' \(take part;/u,
    );
  });

  it('keep their inner modules to themselves, and the devnet is in one of them only', async () => {
    for (const inner of ['floe/dist/cli/main.js', 'floe/devnet', 'floe-devnet/start.js'])
      await expect(place.node('-e', `import('${inner}')`)).rejects.toThrow(
        /ERR_PACKAGE_PATH_NOT_EXPORTED/u,
      );
    expect(await readdir(join(place.modules, 'floe/dist'))).not.toContain('devnet');
  });

  it('fit together: the devnet that floe depends on is the one that is packed beside it', async () => {
    const { wanted, packed } = await versionsOfDevnet(place);
    expect(wanted).toBe(packed);
  });

  it('the command is executable by name and examines the machine', async () => {
    const text = await readFile(cli, 'utf8');
    expect(text).toMatch(/^#!\/usr\/bin\/env node\n/u);
    const report = resultOf(await place.node(cli, 'doctor', '--json')) as { ok: boolean };
    expect(report.ok).toBe(true);
  });

  it('simulates from a CSV table with its worker threads, assets and report, and verifies the run', async () => {
    const rows = Array.from({ length: 120 }, (_, i) => {
      const label = i % 2;
      return `${label + Math.sin(i) / 4},${-label + Math.cos(i) / 4},${label}`;
    });
    await writeFile(join(place.app, 'table.csv'), ['x,y,label', ...rows].join('\n'));
    const options = '--data table.csv --model linear --participants 4 --cohort 3 --rounds 2 --json';
    const summary = resultOf(await place.node(cli, 'sim', ...options.split(' '))) as object;
    expect(summary).toMatchObject({ rounds: 2, participants: 4, masked: true });
    expect(await readdir(join(place.app, 'runs/latest'))).toContain('report.html');
    const verified = resultOf(await place.node(cli, 'verify', 'runs/latest', '--json')) as object;
    expect(verified).toMatchObject({ ok: true, level: 'L1' });
  });
});
