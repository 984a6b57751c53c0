/**
 * @module `floe contract`: drafts a data contract from a table, and checks data against one before
 * any run.
 */
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import type { Loaded } from '../client/data/load-node.ts';
import { TASK_TYPES, type TaskType } from '../client/task.ts';
import { settingFlags, settingsAmong } from '../protocol/spec/setting-flags.ts';
import { SETTINGS } from '../protocol/spec/settings.ts';
import { command, helpText } from './command.ts';
import { ACCEPT_DRIFT } from './accept-drift.ts';
import * as f from './flags.ts';
import { refuseExisting } from './output-file.ts';

/** Participants train on the part `train` of a source that has both. */
const partNote = (path: string, { hasTest }: Loaded): readonly string[] =>
  hasTest === true ? [`read the train part of ${path}, as floe join does`] : [];

const INFER_FLAGS = {
  ...settingFlags('contract infer'),
  target: f.repeated(
    f.text('<column>', 'what the model predicts; may be repeated (default: the last column)'),
  ),
  task: f.value<TaskType>(
    '<name>',
    `${TASK_TYPES.filter((type) => type !== 'sequence').join(', ')} (default: by the target)`,
    f.kindOf({ type: 'choice', choices: TASK_TYPES }),
  ),
  raw: f.on('leave numbers as they are'),
  hideRanges: f.on('leave the least and largest number of each column out of the contract'),
  out: f.text('<file>', 'write the contract here (default: print it)'),
};

const inferCommand = () =>
  command({
    name: 'infer',
    about: 'draft a data contract from a table or a folder of images',
    args: { '<data>': 'a table, or what else --data of floe join takes' },
    flags: INFER_FLAGS,
    notes: `The contract is JSON for people to read and edit: the columns by name with their types, the target with
its classes in order, how numbers are normalised, what stands for a missing value. Every decision is printed.
It holds means, spreads and ranges of this table's columns, and every participant of a run sees it.`,
    examples: [
      'floe contract infer patients.csv --target diagnosis --out contract.json',
      'floe contract infer houses.csv --target price --task regression',
    ],
    run: async ({ args: [path = ''], flags, output }) => {
      const { loadData } = await import('../client/data/load-node.ts');
      const { inferContract, inferContractOfDataset } =
        await import('../client/data/contract/infer.ts');
      const { readOptionsOf } = await import('../client/data/read-options.ts');
      const { notesOf } = await import('../client/data/run-data.ts');
      const { contractText } = await import('../protocol/spec/parse-contract.ts');
      const { describeContract } = await import('../protocol/spec/describe-contract.ts');
      const { target, task, raw, hideRanges, out } = flags;
      const reading = readOptionsOf(settingsAmong(flags, 'contract infer'));
      const loaded = await loadData(path, reading);
      const options = {
        ...(target === undefined ? {} : { target }),
        task,
        normalise: raw !== true,
        ranges: hideRanges !== true,
      };
      const inferred =
        loaded.type === 'table'
          ? inferContract(loaded.table, options)
          : inferContractOfDataset(loaded.data, options);
      const { contract } = inferred;
      const notes = [...partNote(path, loaded), ...notesOf(loaded), ...inferred.notes];
      if (out !== undefined)
        await writeFile(out, contractText(contract), { flag: 'wx' }).catch(refuseExisting(out));
      output.document({ contract, notes, ...(out === undefined ? {} : { file: out }) });
      if (out === undefined) {
        output.say(contractText(contract).trimEnd());
        return;
      }
      for (const line of [
        ...describeContract(contract),
        ...notes.map((note) => `note       ${note}`),
      ])
        output.line(line);
      output.say(`written to ${out}`);
    },
  });

const CHECK_FLAGS = {
  ...settingFlags('contract check'),
  map: f.text('<file>', 'mapping file: which own columns and values are which of the contract'),
  ...ACCEPT_DRIFT,
  weightCap: f.value(
    '<n>',
    `most examples that one participant counts for (default: ${SETTINGS.weightCap.default})`,
    f.kindOf<number>(SETTINGS.weightCap),
  ),
};

const checkCommand = () =>
  command({
    name: 'check',
    about: 'check data against a contract, as floe join does before training',
    args: { '<contract>': 'file of the contract', '<data>': 'data as --data of floe join' },
    flags: CHECK_FLAGS,
    notes: `Prints what is mapped to what, ranges, missing values, examples of each class, and the distance of each
column from the contract's table. A column or value without a place is refused, with the lines for the mapping file:
{"columns": {"own column": "column of the contract"}, "values": {"own column": {"own value": "value of the contract"}}}
The value null makes a text a missing value.`,
    examples: [
      'floe contract check contract.json patients.csv',
      'floe contract check contract.json patienten.csv --map map.json --json',
    ],
    run: async ({ args: [contractFile = '', path = ''], flags, output }) => {
      const { loadData } = await import('../client/data/load-node.ts');
      const { applyContract } = await import('../client/data/contract/apply.ts');
      const { describeReport } = await import('../client/data/contract/report.ts');
      const { readOptionsOf } = await import('../client/data/read-options.ts');
      const { notesOf, unwrapped } = await import('../client/data/run-data.ts');
      const { readMapping } = await import('../client/data/contract/mapping-file.ts');
      const { readContract } = await import('../protocol/spec/contract-file.ts');
      const contract = await readContract('contract', contractFile);
      const mapping = flags.map === undefined ? {} : await readMapping('--map', flags.map);
      const reading = readOptionsOf(settingsAmong(flags, 'contract check'));
      const loaded = await loadData(path, reading);
      const notes = [...partNote(path, loaded), ...notesOf(loaded)];
      for (const note of notes) output.line(`note       ${note}`);
      const { report } = applyContract(unwrapped(loaded), contract, mapping, flags);
      const { weightCap = SETTINGS.weightCap.default } = flags;
      const counted = Math.min(report.examples, weightCap);
      output.document({ ...report, notes, weightCap, counted });
      output.print(describeReport(report, contract, { weightCap, whole: true }));
      output.say('the data fits the contract');
    },
  });

export const contractCommand = (): Command =>
  new Command('contract')
    .description('draft a data contract, and check data against one')
    .addCommand(inferCommand())
    .addCommand(checkCommand())
    .addHelpText(
      'after',
      helpText({
        examples: [
          'floe contract infer patients.csv --target diagnosis --out contract.json',
          'floe contract check contract.json patienten.csv --map map.json',
        ],
      }),
    );
