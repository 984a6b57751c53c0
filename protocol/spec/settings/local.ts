/**
 * @module Settings of what one site does by itself in a round: how many local steps it makes.
 */
import { EVERY_RUN, type SettingsTable } from '../setting.ts';

export const LOCAL_SETTINGS = {
  localSteps: {
    area: 'training',
    type: 'integer',
    min: 1,
    max: 1_000_000,
    optional: true,
    otherwise: 'those of the epochs',
    help: 'local steps of each participant in a round, whatever number of examples it has; instead of epochs',
    spec: 'training.localSteps',
    commands: EVERY_RUN,
  },
} as const satisfies SettingsTable;
