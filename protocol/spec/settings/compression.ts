/**
 * @module Settings of what travels of an update under the masks, where that is less than all of it:
 * see `protocol/encoding/compression.ts`.
 */
import { EVERY_RUN, type SettingsTable } from '../setting.ts';

export const COMPRESSION_SETTINGS = {
  compression: {
    area: 'encoding',
    type: 'variant',
    variants: {
      'random-k': {
        rate: {
          type: 'fraction',
          above: 0,
          max: 1,
          default: 0.1,
          help: 'fraction of the coordinates that travel in a round',
        },
        mode: {
          type: 'choice',
          choices: ['unbiased', 'feedback'],
          default: 'unbiased',
          help: 'unbiased: what travels is divided by the rate; feedback: each participant adds what did not travel to its next update',
        },
      },
    },
    optional: true,
    otherwise: 'none: all coordinates travel',
    help: 'smaller uploads: random coordinates of every update, the same for the whole cohort',
    spec: 'encoding.compression',
    commands: [...EVERY_RUN, 'cost'],
  },
} as const satisfies SettingsTable;
