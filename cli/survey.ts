/**
 * @module `floe survey`: what a finished survey tells of the tables of all sites, and the data
 * contract that it completes.
 */
import { writeFile } from 'node:fs/promises';
import { command } from './command.ts';
import { kindOf, on, standard, text, value } from './flags.ts';
import { refuseExisting } from './output-file.ts';
import { openRunOptions, SOURCE } from './source.ts';

export const surveyCommand = () =>
  command({
    name: 'survey',
    about: "read a finished survey of the sites' tables, and complete the data contract with it",
    args: { '<source>': "folder of the survey's run, its coordinator's address, or its object id" },
    flags: {
      ...SOURCE,
      out: text('<file>', 'write the completed contract here'),
      classWeights: on('weigh the classes in the loss so that each counts the same'),
      least: standard(
        value(
          '<n>',
          'rows that a cell has, at least, to be told',
          kindOf<number>({ type: 'integer', min: 2, max: 1_000_000 }),
        ),
        5,
      ),
    },
    notes: `A survey is a run of one round: floe coordinator --survey --contract draft.json, and at every site
floe join --accept-survey. It opens counts and sums over all sites; this command prints means, deviations, quantiles,
missing values and classes, and writes the contract with normalisation, values for what is missing and, with
--class-weights, weights. A training run then begins with that contract. What a survey reveals is in docs/security.md.`,
    examples: [
      'floe coordinator --survey --contract draft.json --cohort 5 --state survey',
      'floe join wss://host:7700 --accept-survey --data patients.csv --keystore ./me',
      'floe survey survey --keystore survey/keystore --out contract.json',
      'floe coordinator --contract contract.json --model mlp:32 --cohort 5',
    ],
    run: async (context) => {
      const { openRun, readSurvey } = await import('../client/index.ts');
      const { describeSurvey, weightCapOf } = await import('../protocol/survey/complete.ts');
      const { contractText } = await import('../protocol/spec/parse-contract.ts');
      const { args, flags, output, signal } = context;
      const [source = ''] = args;
      const { out, least, classWeights } = flags;
      await using run = await openRun(source, await openRunOptions(source, context));
      const { facts, contract } = await readSurvey(run, { least, classWeights, signal });
      if (out !== undefined)
        await writeFile(out, contractText(contract), { flag: 'wx' }).catch(refuseExisting(out));
      output.document({
        run: run.id,
        ...facts,
        weightCap: weightCapOf(facts),
        contract,
        ...(out === undefined ? {} : { file: out }),
      });
      for (const line of describeSurvey(facts)) output.say(line);
      if (out !== undefined) output.say(`contract written to ${out}`);
    },
  });
