/** The page that compares runs. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPARE_SCRIPT } from '../../sim/compare/compare-script.ts';
import { compareRuns } from '../../sim/compare/compare.ts';
import { readComparedRun, runFoldersOf } from '../../sim/compare/read-runs.ts';
import { makeScenario } from '../../sim/index.ts';
import { PLOT_SCRIPT } from '../../sim/report/plot-script.ts';
import { storedScenario, writeScenario } from '../../sim/resume/stored-scenario.ts';
import { floeIn } from '../support/floe.ts';
import { summaryOf } from '../support/summary.ts';

const ATTACK = '</script><img src=x>';
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-compare-'));
  const write = async (name: string, testAccuracies: number[], learningRate: number) => {
    const own = join(folder, name);
    await mkdir(own, { recursive: true });
    const summary = summaryOf({ testAccuracies });
    await writeFile(join(own, 'summary.json'), JSON.stringify(summary));
    const scenario = makeScenario({ substrate: 'local', learningRate });
    await writeScenario(own, storedScenario(scenario, { ownTask: false, exports: [] }));
  };
  await write('points/seed=1/run', [0.5, 0.9], 0.1);
  await write('slow', [0.2, 0.4, 0.6, 0.95], 0.01);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const both = () =>
  Promise.all(['points/seed=1/run', 'slow'].map((at) => readComparedRun(join(folder, at))));

describe('runs compared', () => {
  it('by what they reached, what it took, and their settings', async () => {
    const { reached, curves, differences } = compareRuns(await both(), 0.6);
    expect(reached).toMatchObject([
      { name: 'seed=1', testAccuracy: 0.9, roundsToTarget: 2, bytesToTarget: 6000 },
      { name: 'slow', testAccuracy: 0.95, roundsToTarget: 3, bytesToTarget: 9000 },
    ]);
    expect(curves[1]).toMatchObject({ rounds: [1, 2, 3, 4], bytes: [3000, 6000, 9000, 12_000] });
    expect(differences).toEqual([{ setting: 'learningRate', values: ['0.1', '0.01'] }]);
  });

  it('under the name of the folder that a link such as latest leads to', async () => {
    await symlink(join(folder, 'slow'), join(folder, 'latest'));
    expect((await readComparedRun(join(folder, 'latest'))).name).toBe('slow');
  });

  it('names a simulation that has not finished', async () => {
    const begun = join(folder, 'begun.partial');
    await mkdir(begun);
    await expect(readComparedRun(begun)).rejects.toMatchObject({ code: 'run_unfinished' });
  });

  it('of a sweep by its folder: those that are finished', async () => {
    expect(await runFoldersOf(join(folder, 'slow'))).toEqual([join(folder, 'slow')]);
    const sweep = join(folder, 'sweep');
    await mkdir(join(sweep, 'points/seed=1'), { recursive: true });
    await writeFile(join(sweep, 'sweep.json'), '{}');
    await expect(runFoldersOf(sweep)).rejects.toMatchObject({ code: 'file_not_found' });
    await mkdir(join(sweep, 'points/seed=2/run'), { recursive: true });
    await writeFile(join(sweep, 'points/seed=2/run/summary.json'), '{}');
    expect(await runFoldersOf(sweep)).toEqual([join(sweep, 'points/seed=2/run')]);
  });

  it('on one page without the network, by the command', async () => {
    const runs = ['points/seed=1/run', 'slow'];
    const ended = await floeIn(() => folder)(['compare', ...runs, '--target', '0.9']);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toContain('slow  test accuracy 95.00 % after 4 rounds, target at round 4');
    const page = await readFile(join(folder, 'compare.html'), 'utf8');
    expect(page).toContain("default-src 'none'");
    expect(page).toContain('rounds to 90.00 %');
    expect(page).not.toMatch(/<(script|link|img)[^>]*(src|href)=/iu);
    expect(page.match(/<table/gu)?.length).toBe(
      page.match(/<div class="scroll" tabindex="0"><table/gu)?.length,
    );
  });

  it('escaped, over the axis that is chosen, in colours and dashes of their own', async () => {
    const { renderComparison } = await import('../../sim/compare/compare-page.ts');
    const runs = (await both()).map((run) => ({ ...run, name: `${ATTACK}${run.name}` }));
    const page = renderComparison(compareRuns(runs, undefined), { script: '', style: '' });
    expect(page).not.toContain('<img');
    const json = /id="data">(.*?)<\/script>/su.exec(page)?.[1] ?? '';
    const charts: { columns: unknown[][]; series: { stroke?: string; dash?: number[] }[] }[] = [];
    function Recorder(options: { series: [] }, columns: unknown[][]): void {
      charts.push({ columns, series: options.series });
    }
    const host = { clientWidth: 300, replaceChildren: () => undefined };
    runInNewContext(`${PLOT_SCRIPT}${COMPARE_SCRIPT}`, {
      uPlot: Recorder,
      document: {
        documentElement: {},
        getElementById: (id: string) => (id === 'data' ? { textContent: json } : host),
        querySelector: () => ({ value: 'bytes' }),
        querySelectorAll: () => [],
      },
      getComputedStyle: () => ({ getPropertyValue: () => '#123456' }),
      matchMedia: () => ({ addEventListener: () => undefined }),
      addEventListener: () => undefined,
    });
    expect(charts).toHaveLength(2);
    expect(charts[0]?.columns[0]).toEqual([3000, 6000, 9000, 12_000]);
    expect(charts[0]?.columns[1]).toEqual([0.5, 0.9, undefined, undefined]);
    const [, first, second] = charts[0]?.series ?? [];
    expect(first?.stroke).not.toBe(second?.stroke);
    expect(first?.dash).not.toEqual(second?.dash);
  });
});
