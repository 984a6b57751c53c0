/**
 * @module Settings of how updates are clipped: see `protocol/privacy/adaptive-clipping.ts` and
 * `client/participant/host/clip-layers.ts`.
 */
import { EVERY_RUN, type SettingsTable } from '../setting.ts';

export const CLIPPING_SETTINGS = {
  clipping: {
    area: 'encoding',
    type: 'variant',
    variants: {
      adaptive: {
        quantile: {
          type: 'fraction',
          above: 0,
          max: 1,
          default: 0.5,
          help: 'fraction of the updates that should be within the clip norm',
        },
        rate: {
          type: 'number',
          above: 0,
          max: 1,
          default: 0.2,
          help: 'how fast the clip norm follows: it moves by a factor of exp(rate) in a round, at most',
        },
        floor: {
          type: 'number',
          above: 0,
          max: 1e6,
          default: 1e-3,
          help: 'smallest clip norm of the run',
        },
        ceiling: {
          type: 'number',
          above: 0,
          max: 1e6,
          default: 64,
          help: 'largest clip norm of the run',
        },
      },
    },
    optional: true,
    otherwise: 'fixed: the clip norm stays as it is',
    help: 'clip norm that follows a quantile of the norms of the updates, from the given one on',
    spec: 'encoding.clipping',
    commands: EVERY_RUN,
  },
  clipUnit: {
    area: 'encoding',
    type: 'choice',
    choices: ['layer'],
    optional: true,
    otherwise: 'the whole update',
    help: 'with layer, each of m tensors of an update is first clipped to the clip norm over sqrt(m), so the whole stays within the clip norm',
    spec: 'encoding.clipUnit',
    commands: EVERY_RUN,
  },
} as const satisfies SettingsTable;
