/**
 * @module Settings that only a simulation has: the data and how it is dealt, losses, comparison,
 * threads.
 */
import type { SettingsTable } from '../setting.ts';
import { DATA_FILE_SETTINGS } from './data-files.ts';
import { SKEWED_PARTITIONS } from './world.ts';

/** The phases in which a participant sends a record, in order. */
export const DROP_PHASES = ['register', 'share', 'upload', 'consistent', 'unmask'] as const;
export type DropPhase = (typeof DROP_PHASES)[number];

export const BACKENDS = ['auto', 'fastest', 'tensorflow', 'webgpu', 'onnx', 'wasm', 'cpu'] as const;

export const SIMULATION_SETTINGS = {
  data: {
    area: 'simulation',
    type: 'text',
    max: 4096,
    placeholder: '<source>',
    default: 'mnist',
    help: 'mnist; a table (CSV, JSON lines, Parquet, Arrow); .npy or .npz arrays; a folder of images by class, or of IDX files: see docs/data-files.md',
    commands: ['sim', 'join'],
  },
  ...DATA_FILE_SETTINGS,
  partition: {
    area: 'simulation',
    type: 'variant',
    variants: {
      iid: {},
      shards: {
        perParticipant: {
          type: 'integer',
          min: 1,
          max: 1000,
          default: 2,
          help: 'shards of sorted labels for each participant',
        },
      },
      dirichlet: {
        alpha: {
          type: 'number',
          above: 0,
          max: 1e6,
          help: 'concentration of the label fractions: small values are skewed, large ones even',
        },
      },
      ...SKEWED_PARTITIONS,
    },
    placeholder: '<how>',
    default: 'iid',
    help: 'how the examples are dealt to the participants, see docs/simulated-world.md',
    commands: ['sim'],
  },
  drops: {
    area: 'simulation',
    type: 'fractions',
    of: DROP_PHASES,
    flag: 'drop',
    placeholder: '<fractions>',
    otherwise: 'nobody',
    help: 'lose this fraction of each cohort: 0.3, or share:0.1,upload:0.2',
    commands: ['sim'],
  },
  baseline: {
    area: 'simulation',
    type: 'boolean',
    default: false,
    help: 'also train the same model on all the data in one place, for comparison',
    commands: ['sim'],
  },
  fineTune: {
    area: 'simulation',
    type: 'integer',
    min: 1,
    max: 1000,
    optional: true,
    otherwise: 'no fine-tuning',
    placeholder: '<epochs>',
    help: 'after the run each participant trains the model further on its own examples, so many epochs; needs --holdout',
    commands: ['sim'],
  },
  targetAccuracy: {
    area: 'simulation',
    type: 'fraction',
    above: 0,
    max: 1,
    help: 'stop at this test accuracy',
    commands: ['sim'],
  },
  backend: {
    area: 'simulation',
    type: 'choice',
    choices: BACKENDS,
    default: 'auto',
    help: 'training engine: auto rounds identically on every machine and after a restart, fastest measures the engines of this machine and takes the fastest',
    commands: ['sim', 'join'],
  },
  workers: {
    area: 'simulation',
    type: 'integer',
    min: 1,
    max: 256,
    otherwise: 'one for each core, at most the cohort',
    help: 'worker threads that host the participants',
    commands: ['sim'],
  },
} as const satisfies SettingsTable;
