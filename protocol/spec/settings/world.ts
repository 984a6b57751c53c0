/**
 * @module Settings of the world in which a simulation takes place: further partitions, features
 * that differ between participants, when participants are there, how fast they are, and attackers.
 * docs/simulated-world.md has the definitions and their sources.
 */
import type { ParameterTable, SettingsTable } from '../setting.ts';

/** Partitions beside `iid`, `shards` and `dirichlet`. */
export const SKEWED_PARTITIONS = {
  labels: {
    perParticipant: {
      type: 'integer',
      min: 1,
      max: 1000,
      default: 2,
      help: 'labels that each participant holds',
    },
  },
  'label-dirichlet': {
    alpha: {
      type: 'number',
      above: 0,
      max: 1e6,
      help: 'concentration of the participants in each label: labels and sizes are both skewed',
    },
  },
  quantity: {
    alpha: {
      type: 'number',
      above: 0,
      max: 1e6,
      help: 'concentration of the sizes: small values are skewed, large ones even',
    },
  },
  'power-law': {
    exponent: {
      type: 'number',
      above: 0,
      max: 10,
      help: 'the size of the participant of rank r is proportional to 1 / r^exponent',
    },
  },
  key: {
    column: {
      type: 'text',
      max: 200,
      help: 'column of the table whose values are the participants',
    },
  },
} as const satisfies Readonly<Record<string, ParameterTable>>;

/** A log-normal distribution of a participant's capacity. */
const capacity = (median: string) =>
  ({
    same: { median: { type: 'number', above: 0, max: 1e12, help: median } },
    'log-normal': {
      median: { type: 'number', above: 0, max: 1e12, help: median },
      sigma: {
        type: 'number',
        min: 0,
        max: 5,
        default: 0.5,
        help: 'standard deviation of its natural logarithm',
      },
    },
    stragglers: {
      median: { type: 'number', above: 0, max: 1e12, help: median },
      fraction: {
        type: 'fraction',
        above: 0,
        max: 1,
        default: 0.2,
        help: 'fraction of the participants that are slow',
      },
      factor: {
        type: 'number',
        min: 1,
        max: 1e6,
        default: 10,
        help: 'how many times slower these are',
      },
    },
  }) as const satisfies Readonly<Record<string, ParameterTable>>;

const probability = (help: string) => ({ type: 'number', above: 0, max: 1, help }) as const;

export const WORLD_SETTINGS = {
  featureSkew: {
    area: 'simulation',
    type: 'variant',
    variants: {
      none: {},
      rotation: {
        degrees: {
          type: 'number',
          above: 0,
          max: 180,
          help: 'each participant turns its images by one angle, at most this',
        },
      },
      noise: {
        sigma: {
          type: 'number',
          above: 0,
          max: 1e6,
          help: 'standard deviation of the noise of the last participant; others in proportion',
        },
      },
    },
    placeholder: '<how>',
    default: 'none',
    help: 'how the features of the participants differ',
    commands: ['sim'],
  },
  participation: {
    area: 'simulation',
    type: 'variant',
    variants: {
      uniform: {},
      poisson: { rate: probability('each participant is there in each attempt by this chance') },
      diurnal: {
        day: {
          type: 'number',
          above: 0,
          max: 1e9,
          default: 86_400,
          help: 'virtual seconds of a day',
        },
        open: {
          type: 'number',
          above: 0,
          max: 1,
          default: 0.5,
          help: 'fraction of the day in which a participant is there; each has its own phase',
        },
      },
      labels: {
        low: probability('chance to be there of a participant that holds the first label only'),
        high: probability('chance of one that holds the last label only; linear between'),
      },
    },
    placeholder: '<how>',
    default: 'uniform',
    help: 'which participants are there when a cohort is drawn',
    commands: ['sim'],
  },
  speed: {
    area: 'simulation',
    type: 'variant',
    variants: capacity('examples a second that a participant trains on'),
    placeholder: '<how>',
    otherwise: 'training takes no virtual time',
    help: 'how fast the participants train; the run then keeps virtual time, and phases end by the deadlines of a real run',
    commands: ['sim'],
  },
  bandwidth: {
    area: 'simulation',
    type: 'variant',
    variants: capacity('megabits a second of a participant, in each direction'),
    placeholder: '<how>',
    otherwise: 'transfers take no virtual time',
    help: 'how fast the participants send and receive, in virtual time',
    commands: ['sim'],
  },
  latency: {
    area: 'simulation',
    type: 'number',
    min: 0,
    max: 60,
    default: 0.05,
    help: 'virtual seconds of a message between a participant and the coordinator',
    commands: ['sim'],
  },
  attack: {
    area: 'simulation',
    type: 'texts',
    max: 200,
    most: 20,
    placeholder: '<kind:fraction>',
    otherwise: 'no attackers',
    help: 'participants that attack, such as label-flip:0.2 or ipm:0.2,epsilon=1.1: see floe sim --help; the flag may be repeated',
    commands: ['sim'],
  },
} as const satisfies SettingsTable;
