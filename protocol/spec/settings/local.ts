/**
 * @module Settings of local training at a site: how many local steps a round has, and which layers
 * stay at the site.
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
  localLayers: {
    area: 'training',
    type: 'texts',
    max: 200,
    most: 100,
    flag: 'local-layer',
    placeholder: '<layer>',
    optional: true,
    otherwise: 'none',
    help: 'a layer that stays at each site and never travels, such as the last one (FedPer); the flag may be repeated',
    spec: 'training.localLayers',
    commands: [...EVERY_RUN, 'cost'],
  },
} as const satisfies SettingsTable;
