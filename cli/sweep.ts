/**
 * @module `floe sweep`: one simulation for every combination of the values of some settings, and
 * one table of what they reached.
 */
import { basename, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { settingFlags, strategyFlags } from '../protocol/spec/setting-flags.ts';
import type { SweepEvent } from '../sim/sweep/run-sweep.ts';
import { plural } from '../protocol/plural.ts';
import { command } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { on, parsed, repeated, text, value, whole } from './flags.ts';
import { commandName, type Output } from './output.ts';
import { gatherSettings } from './run-flags.ts';
import { exportFormats, scenarioInput } from './sim.ts';

/** In (0, 1]. */
export const accuracy = parsed('a number above 0, at most 1', (given) => {
  const number = given.trim() === '' ? Number.NaN : Number(given);
  return number > 0 && number <= 1 ? number : undefined;
});

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

const show =
  (output: Output) =>
  (event: SweepEvent): void => {
    const line = lineOf(event);
    output.event(event, line === undefined ? [] : [['info', line]]);
  };

/** Without an axis there is one point, which has no name. */
const namedPoint = (name: string): string => (name === '' ? 'the only run' : name);

const lineOf = (event: SweepEvent): string | undefined => {
  switch (event.type) {
    case 'sweep': {
      const { points, finished, jobs, workers, cores, available, folder } = event;
      const before = finished === 0 ? '' : `, ${finished} of them finished before`;
      return `sweep      ${plural(points, 'run')}${before}; ${jobs} at once with ${plural(workers, 'worker thread')} each (${cores} cores, ${gib(available)} free), in ${folder}`;
    }
    case 'point-finished': {
      const { testAccuracy, testLoss, rounds } = event.summary;
      const reached =
        testAccuracy === undefined
          ? `test loss ${testLoss?.toFixed(4) ?? 'not measured'}`
          : `test accuracy ${(testAccuracy * 100).toFixed(2)} %`;
      return `finished   ${namedPoint(event.name)}: ${reached} after ${plural(rounds, 'round')}`;
    }
    case 'point-failed':
      return `failed     ${namedPoint(event.name)}: ${event.error.code}: ${event.error.message}`;
    case 'point':
    case 'point-round':
      return undefined;
  }
};

/** `sweeps/run` for `run.yaml`. */
const folderFor = (file: string): string => join('sweeps', basename(file, extname(file)));

export const sweepCommand = () =>
  command({
    name: 'sweep',
    about: 'simulate every combination of some settings, in parallel, and print one table',
    args: { '<scenario>': 'JSON or YAML file with settings; flags win over it' },
    flags: {
      over: repeated(
        text('<name=values>', 'an axis: seed=1..5, strategy=fedavg,fedprox; may be repeated'),
      ),
      jobs: whole('runs at once (default: one for each core, as memory allows)', 1, 256),
      target: value('<x>', 'count the rounds to this test accuracy', accuracy),
      map: on('also draw the results over two axes besides seed: a table, and map.html'),
      export: value('<forms>', 'as of floe sim, in the folder of each run', exportFormats),
      module: text('<file>', 'module with own data, model or trainer, see examples/simulation'),
      out: text('<folder>', 'where the sweep is kept (default: sweeps/ and the name of the file)'),
      ...settingFlags('sim'),
      ...strategyFlags(),
    },
    notes: `An axis is a setting by its flag, a strategy, or a parameter of strategies. Values with commas are
separated by |: --over 'model=mlp:64,32|linear'. The same command continues a sweep that was stopped or
killed: finished runs are kept, and an interrupted run resumes in its middle. A run that fails
does not end the sweep; its error is in its row.
The folder holds table.csv and table.json (what the settings determine), over-seeds.csv (mean and standard
deviation), costs.csv (bytes, times, memory), map.html with --map, and the folder of each run under points/.`,
    examples: [
      'floe sweep run.yaml --over seed=1..5 --over strategy=fedavg,fedprox --local',
      'floe sweep run.yaml --over server-learning-rate=0.1,0.3,1 --strategy fedadam --target 0.95',
      'floe sweep run.yaml --over learning-rate=0.03,0.1,0.3 --over epochs=1,2,5 --over seed=1..3 --map',
      'floe sweep run.yaml --over partition=iid,shards:2,dirichlet:0.5 --over seed=1..3 --jobs 4',
    ],
    run: async ({ args: [file = ''], flags, output, signal }) => {
      const { over = [], jobs, target, map = false, module, out = folderFor(file) } = flags;
      const url = module === undefined ? undefined : pathToFileURL(resolve(module)).href;
      const { overModule, settingsOfModule } = await import('../sim/module-settings.ts');
      await settingsOfModule(url);
      const { settings: given, nameOf } = await gatherSettings(file, flags, 'sim', (line) =>
        output.warn(line),
      );
      const settings = await overModule(given, url);
      const base = await scenarioInput(settings);
      const { makeScenario } = await import('../sim/scenario.ts');
      // What is wrong with all points is said before the first.
      if (over.length === 0) makeScenario(base, nameOf);
      const { runSweep } = await import('../sim/sweep/run-sweep.ts');
      const { linesOfTable } = await import('../sim/sweep/table.ts');
      const { linesOfMap } = await import('../sim/sweep/map.ts');
      const {
        table,
        map: drawn,
        folder,
      } = await runSweep({
        folder: out,
        base,
        over,
        exports: flags.export ?? [],
        map,
        ...(jobs === undefined ? {} : { jobs }),
        ...(target === undefined ? {} : { target }),
        ...(url === undefined ? {} : { module: url }),
        signal,
        onEvent: show(output),
      });
      output.line();
      for (const line of linesOfTable(table)) output.say(line);
      if (drawn !== undefined) for (const line of ['', ...linesOfMap(drawn)]) output.say(line);
      output.line();
      output.line(folder);
      output.line(`compare them  ${commandName()} compare ${folder}`);
      output.document({ ...table, ...(drawn === undefined ? {} : { map: drawn }), folder });
      return table.rows.some(({ error }) => error !== undefined) ? EXIT.failed : EXIT.ok;
    },
  });
