/**
 * @module Settings of differential privacy. What follows from them and what they need of the other
 * settings is in `private-run.ts`.
 */
import { MAX_BANDS } from '../../privacy/banded-inverse.ts';
import { EVERY_RUN, type ParameterTable, type SettingsTable } from '../setting.ts';

const BUDGET = {
  epsilon: {
    type: 'number',
    above: 0,
    max: 1000,
    help: 'budget of each participant over the run',
  },
  delta: {
    type: 'number',
    above: 0,
    max: 0.1,
    default: 1e-6,
    help: 'probability with which epsilon may not hold',
  },
  participations: {
    type: 'integer',
    min: 0,
    max: 100_000,
    default: 0,
    help: 'rounds that one participant may be in; 0: the fewest that the draws need, in groups two more, or all of an open or buffered run',
  },
} as const satisfies ParameterTable;

const HONEST = {
  honest: {
    type: 'fraction',
    above: 0,
    max: 1,
    default: 0.9,
    help: 'fraction of a cohort, or of all members where rounds are buffered, that is assumed to add its noise',
  },
} as const satisfies ParameterTable;

const NOISE = {
  noiseMultiplier: {
    type: 'number',
    min: 0,
    max: 1e6,
    default: 0,
    help: 'noise over sensitivity; 0: the least that keeps epsilon',
  },
} as const satisfies ParameterTable;

export const PRIVACY_SETTINGS = {
  privacy: {
    area: 'privacy',
    type: 'variant',
    variants: {
      skellam: { ...BUDGET, ...HONEST, ...NOISE },
      ftrl: {
        ...BUDGET,
        participations: {
          ...BUDGET.participations,
          help: 'attempts of the run that may spend; 0: as many as it has rounds',
        },
        ...HONEST,
        ...NOISE,
        bands: {
          type: 'integer',
          min: 2,
          max: MAX_BANDS,
          default: 2,
          help: 'coefficients of the inverse square root: a round cancels noise of so many less one rounds before it',
        },
      },
      central: { ...BUDGET, ...NOISE },
    },
    optional: true,
    otherwise: 'none',
    help: 'differential privacy; skellam: every participant adds noise inside its update; ftrl: the same, and the noise of a round cancels part of that of earlier rounds, for runs in which every member is in every round; central: the coordinator sees single updates and adds the noise to their sum',
    spec: 'privacy',
    commands: [...EVERY_RUN, 'cost'],
  },
} as const satisfies SettingsTable;
