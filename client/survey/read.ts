/**
 * @module A finished survey opened by an entitled reader: the totals, what they tell, and the
 * contract that they make of the draft.
 */
import { FloeError } from '../../protocol/errors.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { completeContract, type CompleteOptions } from '../../protocol/survey/complete.ts';
import { LEAST_CELL, surveyFacts, type SurveyFacts } from '../../protocol/survey/facts.ts';
import { planOfSpec } from '../../protocol/survey/survey-run.ts';
import { readTotals, type SurveyTotals } from '../../protocol/survey/totals.ts';
import type { RunReader } from '../reader/index.ts';

export interface ReadSurveyOptions extends CompleteOptions {
  /** Rows that a cell has to be told, at least. Default 5. */
  readonly least?: number | undefined;
  readonly signal?: AbortSignal;
}

export interface ReadSurvey {
  /** Exact: for the entitled alone. */
  readonly totals: SurveyTotals;
  /** Without cells of few rows: what may be passed on. */
  readonly facts: SurveyFacts;
  /** The draft with normalisation, rules for missing values and, if asked, class weights. */
  readonly contract: Contract;
}

/**
 * From the model of a survey's commit.
 *
 * @param sites updates in its sum: `weight` of the commit
 * @throws FloeError `usage` for a run that trains, `survey_implausible`, `survey_too_few`
 */
export const surveyOf = (
  spec: RunSpec,
  weights: Float32Array,
  sites: number,
  { least = LEAST_CELL, ...options }: ReadSurveyOptions = {},
): ReadSurvey => {
  const plan = planOfSpec(spec);
  if (plan === undefined || spec.data === undefined)
    throw new FloeError('usage', 'the run trains a model; expected a survey');
  const totals = readTotals(plan, weights, sites);
  const facts = surveyFacts(totals, least);
  return { totals, facts, contract: completeContract(spec.data, facts, options) };
};

/**
 * From a run opened for reading.
 *
 * @example await using run = await openRun('survey'); const { contract } = await readSurvey(run);
 * @throws FloeError as {@link surveyOf}; `run_unfinished` before its commit, and what `pull` throws
 */
export const readSurvey = async (
  { spec, transcript, pull }: Pick<RunReader, 'spec' | 'transcript' | 'pull'>,
  { signal, ...options }: ReadSurveyOptions = {},
): Promise<ReadSurvey> => {
  if (spec.model.survey === undefined)
    throw new FloeError('usage', 'the run trains a model; expected a survey');
  const commit = decodeTranscript(hashRunSpec(spec), transcript)
    .entries.map(({ record }) => record)
    .findLast((record) => record.type === 'commit');
  if (commit?.type !== 'commit')
    throw new FloeError('run_unfinished', 'the survey has no sum yet: too few sites have answered');
  const { weights } = await pull(signal === undefined ? {} : { signal });
  return surveyOf(spec, weights, commit.body.weight, options);
};
