/**
 * @module The trainer of a user's own module, in a worker thread, with the examples that a run
 * holds out. A module of its own, so that a worker thread can import it.
 */
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Dataset } from '../data/dataset.ts';
import { trainerHoldingOut } from '../held-out.ts';
import { trainerOfModule } from '../own-module.ts';
import type { Trainer } from '../trainer.ts';

export interface ModuleTrainerInput {
  /** URL of the module. */
  readonly module: string;
  readonly spec: Pick<RunSpec, 'model' | 'training' | 'data'> & Partial<Pick<RunSpec, 'metrics'>>;
  readonly data: Dataset;
}

/** @throws FloeError `usage`, `file_not_found`, and what the module's trainer throws */
export const createTrainer = async ({
  module,
  spec,
  data,
}: ModuleTrainerInput): Promise<Trainer> => {
  const make = await trainerOfModule(module);
  return trainerHoldingOut(
    data,
    spec.training.holdout,
    (train) => make({ data: train, spec }),
    spec.metrics,
  );
};
