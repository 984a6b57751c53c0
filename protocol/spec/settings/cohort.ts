/**
 * @module Settings of the participants of a run and of the cohorts of its rounds.
 */
import { MAX_COHORT, MAX_MEMBERS, MIN_COHORT } from '../bounds.ts';
import { EVERY_RUN, REAL_RUNS, type SettingsTable } from '../setting.ts';

export const COHORT_SETTINGS = {
  participants: {
    area: 'cohort',
    type: 'integer',
    min: MIN_COHORT,
    max: MAX_MEMBERS,
    default: 100,
    help: 'simulated participants',
    commands: ['sim'],
  },
  cohort: {
    area: 'cohort',
    type: 'integer',
    min: MIN_COHORT,
    max: MAX_COHORT,
    default: 10,
    help: 'participants in a round; of fewer simulated participants, all of them',
    spec: 'cohort.size',
    commands: [...EVERY_RUN, 'cost'],
  },
  minimum: {
    area: 'cohort',
    type: 'integer',
    min: MIN_COHORT,
    max: MAX_COHORT,
    default: 5,
    otherwise: { sim: 'half of the cohort, from 3 to 5' },
    help: 'least number of survivors in a sum that is opened; with --privacy skellam 60 % of the cohort unless given',
    spec: 'cohort.minimum',
    commands: EVERY_RUN,
  },
  overSelect: {
    area: 'cohort',
    type: 'number',
    min: 1,
    max: 4,
    default: 1,
    help: 'invite this many times the cohort; the first to register form it',
    spec: 'cohort.overSelect',
    commands: EVERY_RUN,
  },
  selection: {
    area: 'cohort',
    type: 'choice',
    choices: ['draw', 'batches'],
    placeholder: '<how>',
    default: 'draw',
    help: 'how cohorts are selected; a batch is a fixed group of members of a closed run that takes part whole or not at all',
    spec: 'selection',
    commands: EVERY_RUN,
  },
  allow: {
    area: 'cohort',
    type: 'keys',
    min: MIN_COHORT,
    max: MAX_MEMBERS,
    flagNames: 'file',
    otherwise: 'anybody',
    help: 'members of a closed run; the flag names a file with one key in hex a line, # for comments',
    spec: 'members.keys',
    commands: REAL_RUNS,
  },
  startWith: {
    area: 'cohort',
    type: 'integer',
    min: MIN_COHORT,
    max: 100_000,
    otherwise: 'the cohort',
    help: 'participants that the first round waits for',
    commands: REAL_RUNS,
  },
} as const satisfies SettingsTable;
