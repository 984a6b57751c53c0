/**
 * @module Settings of local training, and of how an update is encoded and masked.
 */
import { EVERY_RUN, type SettingsTable } from '../setting.ts';

export const TRAINING_SETTINGS = {
  epochs: {
    area: 'training',
    type: 'integer',
    min: 1,
    max: 1000,
    default: 1,
    // More work in fewer rounds: a round costs keys, blobs and transactions whatever is trained in
    // it.
    simulated: 3,
    help: 'local epochs',
    spec: 'training.epochs',
    commands: EVERY_RUN,
  },
  batchSize: {
    area: 'training',
    type: 'integer',
    min: 1,
    max: 65_536,
    default: 10,
    help: 'examples in a local batch',
    spec: 'training.batchSize',
    commands: EVERY_RUN,
  },
  learningRate: {
    area: 'training',
    type: 'number',
    above: 0,
    max: 1000,
    default: 0.2,
    help: 'local learning rate',
    spec: 'training.learningRate',
    commands: EVERY_RUN,
  },
} as const satisfies SettingsTable;

export const ENCODING_SETTINGS = {
  ring: {
    area: 'encoding',
    type: 'choice',
    choices: ['ring16', 'ring24', 'ring32'],
    default: 'ring16',
    help: 'integers that updates are summed in',
    spec: 'encoding.ring',
    commands: [...EVERY_RUN, 'cost'],
  },
  bits: {
    area: 'encoding',
    type: 'integer',
    min: 4,
    max: 20,
    otherwise: 'as many as a lane of the ring has for the cohort',
    help: 'bits of a coordinate before summing',
    spec: 'encoding.bits',
    commands: [...EVERY_RUN, 'cost'],
  },
  clipNorm: {
    area: 'encoding',
    type: 'number',
    above: 0,
    max: 1e6,
    default: 4,
    help: 'L2 bound of an update',
    spec: 'encoding.clipNorm',
    commands: EVERY_RUN,
  },
  rotation: {
    area: 'encoding',
    type: 'boolean',
    default: true,
    help: 'rotate an update at random before it is rounded',
    off: 'do not rotate updates before they are rounded',
    spec: 'encoding.rotation',
    commands: EVERY_RUN,
  },
  weightCap: {
    area: 'encoding',
    type: 'integer',
    min: 1,
    max: 2 ** 24,
    default: 1000,
    help: 'most examples that one participant counts for',
    spec: 'encoding.weightCap',
    commands: EVERY_RUN,
  },
  mask: {
    area: 'encoding',
    type: 'boolean',
    default: true,
    help: 'mask every update, so that the coordinator can read sums only',
    off: 'run WITHOUT masks: the coordinator can read every update',
    inSpec: ['none', 'masked'],
    spec: 'secagg',
    commands: [...EVERY_RUN, 'cost'],
  },
} as const satisfies SettingsTable;
