/**
 * @module A participant of a survey: a trainer that trains nothing and returns the counts and sums
 * of its table. It answers one survey of a table; what two surveys of different cohorts differ in
 * can be the numbers of one site.
 */
import { equalBytes, sha256, utf8 } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { info, warning, type Line } from '../../protocol/line.ts';
import { inTurns } from '../../protocol/steps.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { describeContract, someOf } from '../../protocol/spec/describe-contract.ts';
import { planOfSpec } from '../../protocol/survey/survey-run.ts';
import { isTable } from '../data/contract/apply.ts';
import type { Mapping } from '../data/contract/mapping.ts';
import { unwrapped, type OwnData } from '../data/run-data.ts';
import type { Table } from '../data/table.ts';
import type { Keystore } from '../keystore/keystore.ts';
import { functionTrainer, type Trainer } from '../trainer.ts';
import { requireCoarse } from './coarse.ts';
import { surveySteps, VALUES_PER_STEP, type SiteSurvey } from './site.ts';
import { plural } from '../../protocol/plural.ts';

export interface SurveyTrainerInit {
  readonly spec: RunSpec;
  readonly data: OwnData;
  readonly map?: Mapping | undefined;
  /** Remembers which survey it has answered about a table. */
  readonly keystore: Pick<Keystore, 'ownerOf' | 'claimModel'>;
  /** Answers although this table has been surveyed before. */
  readonly again?: boolean | undefined;
  /** What leaves this site, for its owner. */
  readonly tell?: ((lines: readonly Line[]) => void) | undefined;
}

/**
 * Names a table in the keystore: by all of its columns, whichever of them a survey asks about, so
 * that no contract evades it.
 */
const nameOfTable = ({ columns }: Table): Uint8Array =>
  sha256(
    utf8('floe/survey-table/v1\0'),
    utf8(JSON.stringify(columns.map(({ name }) => name).toSorted())),
  );

const repeated = (): FloeError =>
  new FloeError(
    'survey_repeated',
    'this identity has answered another survey about a table of these columns; --survey-again (`survey.again` in code) answers once more',
  );

const linesOf = (spec: RunSpec, table: Table, site: SiteSurvey): readonly Line[] => {
  const { rows, missing, outside, unused, vector } = site;
  return [
    ...(spec.data === undefined ? [] : describeContract(spec.data)).map(info),
    info(
      `survey     ${table.source ?? 'own data'}: ${plural(rows, 'row')}, ${missing} missing values; ` +
        `${vector.length} counts and sums leave masked, and their totals over all sites are opened`,
    ),
    ...(unused.length === 0 ? [] : [info(`not used   ${someOf(unused)}`)]),
    ...[...outside].map(([name, count]) =>
      warning(
        `column ${name}: ${plural(count, 'value')} outside of the survey's range count as its ends`,
      ),
    ),
  ];
};

/**
 * The trainer of a participant in a survey.
 *
 * @throws FloeError `data_unfit` for data that is no table, `survey_repeated`, `survey_too_fine`,
 * and what `surveySite` throws
 */
export const surveyTrainer = async (init: SurveyTrainerInit): Promise<Trainer> => {
  const { spec, data, map, keystore, again = false, tell } = init;
  const plan = planOfSpec(spec);
  if (plan === undefined || spec.data === undefined)
    throw new FloeError('internal', 'expected the specification of a survey');
  const table = unwrapped(data);
  if (!isTable(table))
    throw new FloeError('data_unfit', 'a survey is of tables with columns, and this data has none');
  const run = hashRunSpec(spec);
  const name = nameOfTable(table);
  const isOther = (owner: Uint8Array | undefined): boolean =>
    !again && owner !== undefined && !equalBytes(owner, run);
  if (isOther(await keystore.ownerOf(name))) throw repeated();
  // The connection lives on this thread: a million rows take seconds.
  const site = await inTurns(surveySteps(table, spec.data, plan, map), { every: VALUES_PER_STEP });
  requireCoarse(plan, site.rows, spec.cohort.minimum);
  tell?.(linesOf(spec, table, site));
  return functionTrainer({
    manifest: { tensors: spec.model.tensors },
    backend: 'counts and sums of its table',
    train: async () => {
      // Durable before anything is encoded: two surveys at once have one answer.
      if (isOther(await keystore.claimModel(name, run))) throw repeated();
      return { weights: site.vector.slice(), examples: 1, lossSum: 0, correct: 0 };
    },
  });
};
