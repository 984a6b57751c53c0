/**
 * Whoever can write to the folder of a run changes one byte of a file, and `floe verify` is asked.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeScenario, runScenario } from '../../sim/index.ts';
import { floeIn } from '../support/floe.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
let own: string;
const floe = floeIn(() => folder);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-folder-'));
  const data = await writeTable(join(folder, 'table.csv'), { rows: 60, features: 4, classes: 2 });
  const scenario = makeScenario({
    participants: 3,
    cohort: 3,
    rounds: 1,
    seed: 'folder',
    data,
    model: 'linear',
    backend: 'wasm',
    workers: 1,
    baseline: false,
    substrate: 'local',
  });
  ({ folder: own } = await runScenario(scenario, { outDir: join(folder, 'runs') }));
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Verifies the folder with one byte of a file changed. */
const verifyWith = async (path: string, change: (bytes: Uint8Array) => void) => {
  const file = join(own, path);
  const before = await readFile(file);
  const bytes = new Uint8Array(before);
  change(bytes);
  await writeFile(file, bytes);
  try {
    return await floe(['verify', own, '--json']);
  } finally {
    await writeFile(file, before);
  }
};

const flip = (bytes: Uint8Array): void => {
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] as number) ^ 1;
};

it('the exported model, its tfjs form and spec.json can hold anything: everything is said to hold', async () => {
  for (const path of ['model.safetensors', 'tfjs/weights.bin', 'tfjs/model.json', 'spec.json'])
    expect([path, (await verifyWith(path, flip)).code]).toEqual([path, 0]);
});
