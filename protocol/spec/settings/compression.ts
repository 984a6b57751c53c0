/**
 * @module Settings of what travels where that is less than all of it: of an update, under the masks
 * (`protocol/encoding/compression.ts`), and of the model (`protocol/model/precision.ts`).
 */
import { MODEL_PRECISIONS } from '../../model/precision.ts';
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
      'low-rank': {
        rank: {
          type: 'integer',
          min: 4,
          max: 64,
          default: 16,
          help: 'numbers that travel of each column or row of a matrix, whichever is longer; a power of two',
        },
        mode: {
          type: 'choice',
          choices: ['unbiased', 'feedback'],
          default: 'unbiased',
          help: 'unbiased: what travels is scaled to be the update on average; feedback: each participant adds what did not travel to its next update',
        },
      },
    },
    optional: true,
    otherwise: 'none: all coordinates travel',
    help: 'smaller uploads: random coordinates of every update, or a product of each matrix with a random one, the same for the whole cohort',
    spec: 'encoding.compression',
    commands: [...EVERY_RUN, 'cost'],
  },
  modelPrecision: {
    area: 'encoding',
    type: 'choice',
    choices: MODEL_PRECISIONS,
    optional: true,
    otherwise: 'float32',
    help: 'numbers of the models that a run commits: bfloat16 halves what participants download; each step is rounded by public chance',
    spec: 'encoding.modelPrecision',
    commands: [...EVERY_RUN, 'cost'],
  },
} as const satisfies SettingsTable;
