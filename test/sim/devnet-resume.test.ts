/**
 * A simulation on its own devnet continues after a kill from the devnet's state of the last commit:
 * the same objects, the same models.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as own from '../../examples/simulation/task.ts';
import { simulate } from '../../sim/index.ts';
import { runInChild } from '../../sim/sweep/point-child.ts';
import type { Summary } from '../../sim/summary.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-devnet-resume-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const module = pathToFileURL('examples/simulation/task.ts').href;
const input = {
  substrate: 'devnet',
  participants: 4,
  cohort: 3,
  rounds: 4,
  learningRate: 0.5,
  workers: 1,
} as const;
const OWN = { data: own.data, trainer: own.trainer, name: own.name };
const order = { type: 'run', input, module, exports: [], strategyModules: [] } as const;
const { signal } = new AbortController();

const summaryOf = async (to: string): Promise<Summary> =>
  JSON.parse(await readFile(join(folder, to, 'run/summary.json'), 'utf8')) as Summary;

const packageOf = async (run: string): Promise<string> =>
  JSON.parse(await readFile(join(run, 'network.json'), 'utf8')).floe.packageId as string;

it('a run on a devnet is killed twice, and ends as the undisturbed one', async () => {
  // A devnet gives the models of local ports.
  const whole = await simulate({ ...input, ...OWN, substrate: 'local', outDir: folder });
  const outDir = join(folder, 'killed');
  const first: number[] = [];
  const packages = new Set<string>();
  for (const last of [2, 3]) {
    let begun = false;
    const killed = runInChild({ ...order, outDir }, signal, (version, _, pid) => {
      if (!begun) first.push(version);
      begun = true;
      if (version === last) process.kill(Number(pid), 'SIGKILL');
    });
    await expect(killed).rejects.toMatchObject({ code: 'internal' });
    packages.add(await packageOf(join(outDir, 'run.partial')));
  }
  await runInChild({ ...order, outDir }, signal, (version) => first.push(version));
  // The checkpoint of the round that ended just before the kill may be lost.
  expect(first[1]).toBeGreaterThanOrEqual(2);
  expect(first[2]).toBeGreaterThanOrEqual(3);
  const killed = await summaryOf('killed');
  expect(killed.resumed).toBe(2);
  const models = ({ history }: Summary) => history.map(({ modelHash }) => modelHash);
  expect(models(killed)).toEqual(models(whole.summary));
  packages.add(await packageOf(join(outDir, 'run')));
  expect(packages.size).toBe(1);
  expect((await readdir(join(outDir, 'run/devnet'))).join(' ')).not.toContain('pinned');
});
