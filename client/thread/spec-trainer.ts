/**
 * @module The trainer that `join` makes of examples: the model of the run specification, on tfjs. A
 * module of its own, so that a worker thread can import it.
 */
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { BaseWeights } from '../adapters/base.ts';
import type { Dataset } from '../data/dataset.ts';
import { modelOfSpec } from '../spec-model.ts';
import type { BackendChoice } from '../tfjs/backends.ts';
import { tfjsTrainer } from '../tfjs/trainer.ts';
import type { Trainer } from '../trainer.ts';

export interface SpecTrainerInput {
  readonly spec: Pick<RunSpec, 'model' | 'training'>;
  readonly data: Dataset;
  readonly backend: BackendChoice;
  readonly base?: BaseWeights;
}

/** @throws FloeError what `tfjsTrainer` throws */
export const createTrainer = (input: SpecTrainerInput): Promise<Trainer> => {
  const { spec, data, backend, base } = input;
  const { task } = spec.training;
  return tfjsTrainer({
    model: modelOfSpec(spec),
    data,
    backend: { prefer: backend },
    ...(base === undefined ? {} : { base }),
    ...(task === undefined ? {} : { task }),
  });
};
