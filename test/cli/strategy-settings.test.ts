/** The strategy of a run file, and the flags over it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { gatherSettings } from '../../cli/run-flags.ts';
import type { SettingFlags } from '../../protocol/spec/setting-flags.ts';
import { knownStrategies } from '../../protocol/algorithm/registry.ts';
import type { RunSettings } from '../../protocol/spec/settings.ts';

let path: string;
beforeAll(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'floe-strategy-')), 'run.json');
});
afterAll(async () => {
  await rm(join(path, '..'), { recursive: true, force: true });
});

const gather = async (
  file: object,
  flags: SettingFlags & { readonly [parameter: string]: unknown },
): Promise<RunSettings> => {
  await writeFile(path, JSON.stringify(file));
  return (await gatherSettings(path, flags)).settings;
};

const strategy = { name: 'fedadam', parameters: { beta1: 0.5, tau: 0.01 } };

it('a file alone stands; without a word of a strategy there is none', async () => {
  expect(await gather({ strategy }, {})).toEqual({ strategy });
  expect(await gather({ rounds: 2 }, {})).toEqual({ rounds: 2 });
});

it('a parameter by flag wins over that of the file; another name leaves all of them out', async () => {
  expect(await gather({ strategy }, { tau: 0.1 })).toEqual({
    strategy: { name: 'fedadam', parameters: { beta1: 0.5, tau: 0.1 } },
  });
  expect(await gather({ strategy }, { strategy: 'fedavg', serverLearningRate: 0.5 })).toEqual({
    strategy: { name: 'fedavg', parameters: { serverLearningRate: 0.5 } },
  });
});

it('the modules that the file names are loaded', async () => {
  const module = fileURLToPath(new URL('../../examples/strategy/heavy-ball.ts', import.meta.url));
  const before = knownStrategies().length;
  const settings = { strategyModules: [module] };
  expect(await gather(settings, {})).toEqual(settings);
  expect(knownStrategies().length).toBe(before + 1);
});

it.each([
  [{ strategy: 7 }, 'strategy: expected a strategy such as {"name"'],
  [{ strategy: { parameters: { tau: 'x' } } }, 'strategy.parameters.tau: expected a strategy'],
  [{ metrics: [{ name: 'loss' }] }, 'metrics.0.kind: expected a list of metrics'],
  [{ strategyModules: 'a.ts' }, 'strategyModules: expected a list of paths'],
])('refused: %j', async (file, message) => {
  await expect(gather(file, {})).rejects.toMatchObject({
    code: 'spec_invalid',
    message: expect.stringContaining(message) as string,
  });
});
