/**
 * @module Settings of a run as a whole: its name, length, model, readers, and where it is kept.
 */
import { MAX_ATTEMPT } from '../bounds.ts';
import { contractSchema } from '../contract.ts';
import { EVERY_RUN, REAL_RUNS, type SettingsTable } from '../setting.ts';

/**
 * Audiences that a run's models can be sealed for, besides its auditors and the cohorts; each is a
 * policy on chain.
 */
export const MODEL_AUDIENCES = ['pass', 'subscription', 'time-lock', 'compute'] as const;
export type ModelAudience = (typeof MODEL_AUDIENCES)[number];

export const RUN_SETTINGS = {
  name: {
    area: 'run',
    type: 'text',
    max: 100,
    default: 'floe',
    help: 'name of the run',
    spec: 'name',
    commands: REAL_RUNS,
  },
  rounds: {
    area: 'run',
    type: 'integer',
    min: 1,
    max: MAX_ATTEMPT,
    default: 50,
    // With the default training the 2NN on MNIST passes 97 % about round 20; this leaves a margin.
    simulated: 25,
    help: 'rounds of the run',
    spec: 'rounds',
    commands: [...EVERY_RUN, 'cost'],
  },
  seed: {
    area: 'run',
    type: 'text',
    max: 100,
    simulated: '1',
    otherwise: { coordinator: 'random', fork: 'random' },
    help: 'text that determines all random choices of a simulation; in a real run it determines the id only, for tests',
    commands: EVERY_RUN,
  },
  model: {
    area: 'run',
    type: 'text',
    max: 4096,
    placeholder: '<name>',
    default: 'mlp-2nn',
    help: 'mlp-2nn, cnn, resnet-8, linear, mlp:UNITS,..., gru:UNITS, transformer, or a model.json of tfjs or Keras',
    commands: ['sim', 'coordinator', 'cost'],
  },
  contract: {
    area: 'run',
    type: 'data',
    schema: contractSchema,
    expected: 'the path of a file that floe contract infer writes, or its contents',
    flags: true,
    file: true,
    optional: true,
    otherwise: { sim: 'inferred from a table', coordinator: 'none' },
    help: 'the data contract: columns, classes and normalisation that every site maps its data to; inputs, classes and task follow from it',
    spec: 'data',
    commands: [...EVERY_RUN, 'cost'],
  },
  survey: {
    area: 'run',
    type: 'boolean',
    default: false,
    help: 'instead of training: one round of counts and sums over the tables of all sites, from which floe survey completes the contract',
    commands: ['coordinator'],
  },
  surveyBins: {
    area: 'run',
    type: 'integer',
    min: 4,
    max: 1024,
    otherwise: '32',
    help: 'bins of a histogram in a survey',
    commands: ['coordinator'],
  },
  inputs: {
    area: 'run',
    type: 'integer',
    min: 1,
    max: 1_000_000,
    help: 'features of an example; without it the models mlp-2nn and cnn take MNIST images',
    commands: ['coordinator', 'cost'],
  },
  shape: {
    area: 'run',
    type: 'text',
    max: 40,
    placeholder: '<sizes>',
    help: 'shape of an example, instead of inputs, such as 32x32x3 for the model cnn',
    commands: ['coordinator', 'cost'],
  },
  classes: {
    area: 'run',
    type: 'integer',
    min: 1,
    max: 100_000,
    help: 'number of classes or labels; for regression, of values to predict (1 if omitted)',
    commands: ['coordinator', 'cost'],
  },
  from: {
    area: 'run',
    type: 'file',
    otherwise: 'drawn from a public seed',
    help: 'start with the weights in this safetensors file, such as one that floe pull wrote',
    commands: ['coordinator'],
  },
} as const satisfies SettingsTable;

export const READER_SETTINGS = {
  auditors: {
    area: 'readers',
    type: 'keys',
    min: 0,
    max: 64,
    flag: 'auditor',
    flagNames: 'key',
    otherwise: 'none',
    help: 'keys that may open every model; the flag may be repeated',
    spec: 'auditors',
    commands: REAL_RUNS,
  },
  access: {
    area: 'readers',
    type: 'choices',
    choices: MODEL_AUDIENCES,
    placeholder: '<audience>',
    otherwise: 'auditors and cohorts only',
    help: 'seal the models for these audiences too; needs a network; the flag may be repeated',
    spec: 'access.models',
    commands: REAL_RUNS,
  },
} as const satisfies SettingsTable;

export const PLACE_SETTINGS = {
  network: {
    area: 'place',
    type: 'file',
    otherwise: {
      sim: 'a devnet of this run',
      coordinator: 'the file of FLOE_NETWORK',
      fork: 'the file of FLOE_NETWORK',
    },
    help: 'run on this network: a configuration as `floe devnet --config-out` writes it',
    commands: EVERY_RUN,
  },
  local: {
    area: 'place',
    type: 'boolean',
    default: false,
    help: 'run without Sui, Walrus and Seal, and without FLOE_NETWORK: blobs on disk, keys in sealed boxes, freezes in the journal',
    commands: EVERY_RUN,
  },
  storageEpochs: {
    area: 'place',
    type: 'integer',
    min: 1,
    max: 53,
    otherwise: "the network's, or 3",
    help: "epochs that Walrus keeps the run's blobs for",
    commands: [...REAL_RUNS, 'cost'],
  },
  keepRounds: {
    area: 'place',
    type: 'integer',
    min: 1,
    max: MAX_ATTEMPT,
    otherwise: 'all of them',
    help: "keep the uploads, bundles and models of this many newest rounds in the coordinator's folder; records are always kept, older rounds cannot be recomputed",
    spec: 'retention.rounds',
    commands: REAL_RUNS,
  },
} as const satisfies SettingsTable;
