/**
 * @module Settings of differential privacy. What follows from them and what they need of the other
 * settings is in `private-run.ts`.
 */
import { EVERY_RUN, type SettingsTable } from '../setting.ts';

export const PRIVACY_SETTINGS = {
  privacy: {
    area: 'privacy',
    type: 'variant',
    variants: {
      skellam: {
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
          help: 'rounds that one participant may be in; 0: the fewest that the draws need, or all of an open run',
        },
        honest: {
          type: 'fraction',
          above: 0,
          max: 1,
          default: 0.9,
          help: 'fraction of a cohort that is assumed to add its noise',
        },
        noiseMultiplier: {
          type: 'number',
          min: 0,
          max: 1e6,
          default: 0,
          help: 'noise over sensitivity; 0: the least that keeps epsilon',
        },
      },
    },
    optional: true,
    otherwise: 'none',
    help: 'differential privacy: every participant adds noise inside its masked update',
    spec: 'privacy',
    commands: [...EVERY_RUN, 'cost'],
  },
} as const satisfies SettingsTable;
