/**
 * @module Settings of what is measured on held-out examples in addition to loss and accuracy: see
 * `protocol/algorithm/test-counts.ts`.
 */
import { MEASURES } from '../../algorithm/test-counts.ts';
import { EVERY_RUN, type SettingsTable } from '../setting.ts';

export const MEASURE_SETTINGS = {
  measures: {
    area: 'training',
    type: 'choices',
    choices: MEASURES,
    flag: 'measure',
    optional: true,
    otherwise: 'loss and accuracy alone',
    help: 'what is counted on held-out examples as well: classes (recall of each), confusion, roc (area under the curve), calibration, perplexity; the flag may be repeated',
    spec: 'training.measures',
    commands: [...EVERY_RUN, 'cost'],
  },
} as const satisfies SettingsTable;
