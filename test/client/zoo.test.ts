/**
 * @module The fast part of `bench/zoo.ts`: on wasm, recorded and by tfjs, the gradient of a
 * training step of each kind of layer against central differences, with the batch's moments and
 * with dropout; and three masked rounds over sites of different sizes beside FedAvg in floats.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { federate } from '../../bench/zoo/federated.ts';
import {
  ENGINES,
  gradientError,
  openEngine,
  slopesOf,
  type OpenedEngine,
} from '../../bench/zoo/gradients.ts';
import { ZOO } from '../../bench/zoo/models.ts';
import { type Backend, selectBackend } from '../../client/tfjs/backends.ts';

let cpu: Backend;
let wasm: Backend;
let engines: readonly OpenedEngine[];
beforeAll(async () => {
  cpu = await selectBackend({ prefer: 'cpu' });
  wasm = await selectBackend({ prefer: 'wasm' });
  const opened = await Promise.all(
    ENGINES.filter(({ backend }) => backend.prefer === 'wasm').map(openEngine),
  );
  engines = opened.filter((engine) => typeof engine !== 'string');
  expect(engines).toHaveLength(2);
});

describe('gradients of a training step on wasm, recorded and by tfjs', () => {
  it.each(ZOO)('$name: within 1e-3 of central differences', async (small) => {
    const slopes = await slopesOf(small, cpu, 2);
    expect(slopes.indices.length).toBeGreaterThan(slopes.kinks);
    expect(Math.max(...slopes.slopes.map(Math.abs))).toBeGreaterThan(5e-3);
    for (const engine of engines)
      expect(await gradientError(small, engine, slopes)).toBeLessThan(1e-3);
  });
});

it('masked rounds over sites of 5, 20 and 40: the float average, no frozen bit, no variance below 0', async () => {
  const small = ZOO.find(({ name }) => name.startsWith('frozen'));
  if (small === undefined) throw new Error('no model with a frozen layer');
  const folder = await mkdtemp(join(tmpdir(), 'floe-zoo-'));
  const init = { sites: [5, 20, 40], rounds: 3, backend: wasm, test: 200, folder };
  const result = await federate(small, init);
  expect(result).toMatchObject({ verified: true, frozenMoved: 0 });
  expect(result.leastVariance).toBeGreaterThanOrEqual(0);
  expect(Math.abs(result.masked - result.float)).toBeLessThan(0.03);
  // Before the first commit nobody knows the sizes.
  expect(result.errors).toHaveLength(3);
  expect(Math.max(...result.errors.slice(1))).toBeLessThan(0.02);
});
