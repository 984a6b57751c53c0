/**
 * A whole experiment in one module: data, model, strategy, attacker and settings, run by one
 * command.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as v from 'valibot';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { overModule } from '../../sim/module-settings.ts';
import { checkTask } from '../../sim/task.ts';
import { summarySchema } from '../../sim/index.ts';
import { floeIn } from '../support/floe.ts';
import { resultOf } from '../support/json-lines.ts';

const MODULE = 'examples/simulation/research.ts';
const url = pathToFileURL(MODULE).href;

const floe = floeIn(() => process.cwd());
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-research-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('has under 80 lines, and one command runs it', async () => {
  const source = await readFile(MODULE, 'utf8');
  expect(source.split('\n').length).toBeLessThan(80);
  const { code, stdout, stderr } = await floe([
    'sim',
    '--local',
    '--module',
    MODULE,
    '--rounds',
    '2',
    '--workers',
    '1',
    '--out',
    folder,
    '--json',
  ]);
  expect([code, stderr]).toEqual([0, '']);
  const summary = v.parse(v.looseObject(summarySchema.entries), resultOf(stdout));
  expect(summary).toMatchObject({
    model: 'three clouds',
    rounds: 2,
    participants: 12,
    strategy: { name: 'capped', parameters: { most: 0.1 } },
    partition: { scheme: 'label-dirichlet:1' },
  });
  expect(summary.world?.attackers).toEqual([
    { attack: 'own:0.15', participants: expect.any(Array) as number[] },
  ]);
  expect(summary.world?.sizes.reduce((a, b) => a + b)).toBe(900);
  expect(summary.virtualSeconds).toBeGreaterThan(0);
}, 60_000);

it('given settings win over those of the module, and its strategies are loaded', async () => {
  const settings = await overModule({ rounds: 3, attack: [] }, url);
  expect(settings).toMatchObject({ rounds: 3, attack: [], cohort: 6, strategyModules: [url] });
  expect(await overModule({ rounds: 3 }, undefined)).toEqual({ rounds: 3 });
});

it('refuses exports of other kinds by name', () => {
  expect(() => checkTask({ attack: 7 }, 'm')).toThrow(/m: attack/u);
  expect(() => checkTask({ strategies: [] }, 'm')).toThrow(/m: strategies/u);
  expect(() => checkTask({ settings: {} }, 'm')).toThrow(/data, model or trainer/u);
});
