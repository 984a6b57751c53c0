/**
 * @module `floe compare`: several finished simulations on one page.
 */
import { FloeError } from '../protocol/errors.ts';
import { plural } from '../protocol/plural.ts';
import { command } from './command.ts';
import { standard, text, value } from './flags.ts';
import { accuracy } from './sweep.ts';

export const compareCommand = () =>
  command({
    name: 'compare',
    about: 'compare finished simulations on one HTML page, over rounds, bytes or time',
    args: { '<runs...>': 'folders of finished runs; the folder of a sweep stands for its runs' },
    flags: {
      target: value('<x>', 'count rounds and bytes to this test accuracy', accuracy),
      out: standard(text('<file>', 'the page that is written'), 'compare.html'),
    },
    notes: `The page needs no network. It shows the accuracy and loss of all runs over shared axes, what each run
reached, its bytes and times, and the settings in which the runs differ. With --json the same numbers are
printed.`,
    examples: [
      'floe compare runs/20270131-120000-seed1 runs/latest',
      'floe compare sweeps/run --target 0.95 --out strategies.html',
    ],
    run: async ({ args, flags: { target, out }, output }) => {
      const paths = args.flat();
      if (paths.length === 0) throw new FloeError('usage', 'expected the folders of runs');
      const { compareRuns } = await import('../sim/compare/compare.ts');
      const { distinctNames, readComparedRun, runFoldersOf } =
        await import('../sim/compare/read-runs.ts');
      const { renderComparison } = await import('../sim/compare/compare-page.ts');
      const { readUplot } = await import('../sim/report.ts');
      const { writeWhole } = await import('../protocol/ports/files.ts');
      const folders = (await Promise.all(paths.map(runFoldersOf))).flat();
      const runs = distinctNames(await Promise.all(folders.map(readComparedRun)));
      const comparison = compareRuns(runs, target);
      await writeWhole(out, renderComparison(comparison, await readUplot()));
      for (const run of comparison.reached) {
        const { name, testAccuracy, testLoss, rounds, roundsToTarget } = run;
        const tested =
          testAccuracy === undefined
            ? `test loss ${testLoss?.toFixed(4) ?? 'not measured'}`
            : `test accuracy ${(testAccuracy * 100).toFixed(2)} %`;
        const reached =
          target === undefined
            ? ''
            : `, target ${roundsToTarget === undefined ? 'not reached' : `at round ${roundsToTarget}`}`;
        output.say(`${name}  ${tested} after ${plural(rounds, 'round')}${reached}`);
      }
      output.line(out);
      const { curves: _, ...numbers } = comparison;
      output.document({ ...numbers, out });
    },
  });
