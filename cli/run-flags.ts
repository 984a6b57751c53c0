/**
 * @module Flags that several commands have, said once: what a run looks like, what its blobs cost, where training runs.
 */
import type { Command } from 'commander';
import { SPEC_DEFAULTS, type RunSpec } from '../protocol/spec/run-spec.ts';
import { TIMEOUTS } from '../protocol/spec/timeouts.ts';
import { decimal, oneOf, wholeNumber } from './flags.ts';

const RINGS = ['ring16', 'ring24', 'ring32'] as const;
export const BACKENDS = ['auto', 'tensorflow', 'webgpu', 'wasm', 'cpu'] as const;

/** @param rounds what a run has where it is not said */
export const withSizes = (command: Command, rounds: number): Command =>
  command
    .option('--rounds <n>', `rounds (default ${rounds})`, wholeNumber('--rounds', 1, 100_000))
    .option(
      '--cohort <n>',
      'participants in a round (default 10)',
      wholeNumber('--cohort', 3, 255),
    );

/** A model sized by its data is told of the data. */
export const withModel = (command: Command): Command =>
  command
    .option('--model <name>', 'mlp-2nn, cnn, linear or mlp:UNITS,... (default mlp-2nn)')
    .option(
      '--inputs <n>',
      'features of an example, for linear and mlp:',
      wholeNumber('--inputs', 1, 1e6),
    )
    .option('--classes <n>', 'classes, for linear and mlp:', wholeNumber('--classes', 2, 1e5));

/** @param epochs what a round has where it is not said */
export const withTraining = (command: Command, epochs: number): Command =>
  command
    .option('--epochs <n>', `local epochs (default ${epochs})`, wholeNumber('--epochs', 1, 1000))
    .option('--batch-size <n>', 'local batch (default 10)', wholeNumber('--batch-size', 1, 65_536))
    .option(
      '--learning-rate <x>',
      `local learning rate (default ${SPEC_DEFAULTS.training.learningRate})`,
      decimal('--learning-rate', 0, 1000),
    )
    .option(
      '--clip-norm <x>',
      `L2 bound of an update (default ${SPEC_DEFAULTS.encoding.clipNorm})`,
      decimal('--clip-norm', 0, 1e6),
    );

export const withEncoding = (command: Command): Command =>
  command
    .option('--ring <name>', 'ring16, ring24 or ring32', oneOf('--ring', RINGS))
    .option(
      '--bits <n>',
      'bits of a coordinate before summing (default 8)',
      wholeNumber('--bits', 4, 20),
    );

/** The flags of the timeout model, see protocol/spec/timeouts.ts. @param defaults what holds where a flag is not given */
export const withDeadlines = (
  command: Command,
  defaults: Partial<RunSpec['deadlines']> = {},
): Command => {
  for (const { field, flag, unit, says } of TIMEOUTS) {
    const name = `--${flag}`;
    const standard = defaults[field];
    const known = standard === undefined ? '' : ` (default ${standard})`;
    command.option(
      `${name} ${unit === 'seconds' ? '<seconds>' : '<x>'}`,
      `${unit} ${says}${known}`,
      unit === 'seconds'
        ? wholeNumber(name, field === 'grace' ? 0 : 1, field === 'grace' ? 86_400 : 604_800)
        : decimal(name, 0, 1000),
    );
  }
  return command;
};

export interface DeadlineFlags {
  readonly registerDeadline?: number | undefined;
  readonly shareDeadline?: number | undefined;
  readonly uploadDeadline?: number | undefined;
  readonly uploadFactor?: number | undefined;
  readonly uploadFloor?: number | undefined;
  readonly consistencyDeadline?: number | undefined;
  readonly unmaskDeadline?: number | undefined;
  readonly grace?: number | undefined;
}

/** Flags, or the fields of a run file that have their names, to the deadlines of a specification; only what was given. */
export const deadlinesOf = (flags: DeadlineFlags): Partial<RunSpec['deadlines']> => ({
  ...(flags.registerDeadline === undefined ? {} : { register: flags.registerDeadline }),
  ...(flags.shareDeadline === undefined ? {} : { share: flags.shareDeadline }),
  ...(flags.uploadDeadline === undefined ? {} : { upload: flags.uploadDeadline }),
  ...(flags.uploadFactor === undefined ? {} : { uploadFactor: flags.uploadFactor }),
  ...(flags.uploadFloor === undefined ? {} : { uploadFloor: flags.uploadFloor }),
  ...(flags.consistencyDeadline === undefined ? {} : { consistency: flags.consistencyDeadline }),
  ...(flags.unmaskDeadline === undefined ? {} : { unmask: flags.unmaskDeadline }),
  ...(flags.grace === undefined ? {} : { grace: flags.grace }),
});

export const withStorageEpochs = (command: Command): Command =>
  command.option(
    '--storage-epochs <n>',
    "epochs that Walrus keeps the run's blobs for (default: the network's, or 3)",
    wholeNumber('--storage-epochs', 1, 53),
  );

export const withBackend = (command: Command): Command =>
  command.option(
    '--backend <name>',
    'auto, tensorflow, webgpu, wasm or cpu (default auto)',
    oneOf('--backend', BACKENDS),
  );
