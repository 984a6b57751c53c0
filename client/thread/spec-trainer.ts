/**
 * @module The trainer that `join` makes of examples: the model of the run specification, on tfjs. A
 * module of its own, so that a worker thread can import it.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { BaseWeights } from '../adapters/base.ts';
import type { Dataset } from '../data/dataset.ts';
import { trainerHoldingOut } from '../held-out.ts';
import { modelOfSpec } from '../spec-model.ts';
import type { BackendChoice } from '../tfjs/backends.ts';
import { tfjsTrainer } from '../tfjs/trainer.ts';
import type { Trainer } from '../trainer.ts';

export interface SpecTrainerInput {
  readonly spec: Pick<RunSpec, 'model' | 'training' | 'data'> & Partial<Pick<RunSpec, 'metrics'>>;
  readonly data: Dataset;
  readonly backend: BackendChoice;
  readonly base?: BaseWeights;
  /** In a browser: where the .wasm files are. */
  readonly wasmPath?: string;
}

/** Labels beyond the model's outputs have another numbering, which a contract would tell. */
const otherNumbering = (thrown: unknown): unknown => {
  if (!(thrown instanceof FloeError) || thrown.code !== 'data_unfit') return thrown;
  const { details, message } = thrown;
  if (details['label'] === undefined) return thrown;
  const text = `${message}; only a data contract says which class that is`;
  return new FloeError('contract_missing', text, details, { cause: thrown });
};

/** @throws FloeError what `tfjsTrainer` throws; `contract_missing` */
export const createTrainer = async (input: SpecTrainerInput): Promise<Trainer> => {
  const { spec, data, backend, base, wasmPath } = input;
  const { task, holdout } = spec.training;
  const made = trainerHoldingOut(
    data,
    holdout,
    (train) =>
      tfjsTrainer({
        model: modelOfSpec(spec),
        data: train,
        backend: { prefer: backend, ...(wasmPath === undefined ? {} : { wasmPath }) },
        ...(base === undefined ? {} : { base }),
        ...(task === undefined ? {} : { task }),
        ...(spec.data === undefined ? {} : { contract: spec.data }),
      }),
    spec.metrics,
  );
  return made.catch((thrown: unknown) => {
    throw spec.data === undefined ? otherNumbering(thrown) : thrown;
  });
};
