/**
 * @module The model of a specification: the types of its tensors, which follow from the precision
 * of the run's models, its seed, and what a low rank asks of its matrices.
 */
import { travelling, type Compression } from '../encoding/compression.ts';
import { seedOfId } from '../model/first-model.ts';
import type { TensorSpec } from '../model/manifest.ts';
import { partsOf, sizeOf, type LocalSettings } from '../model/parts.ts';
import { areAt, tensorsAt, type ModelPrecision } from '../model/precision.ts';

interface Given<Model> {
  readonly id: Uint8Array;
  readonly model: Model;
  readonly parent?: unknown;
  readonly encoding?: { readonly modelPrecision?: ModelPrecision | undefined } | undefined;
}

/**
 * The model at the precision of the run, with the seed of the run's id where it names none. A run
 * that begins with a parent keeps the parent's types.
 */
export const modelAtPrecision = <
  Model extends {
    readonly tensors: readonly Pick<TensorSpec, 'role' | 'dtype'>[];
    readonly seed?: Uint8Array | undefined;
  },
>({
  id,
  model,
  parent,
  encoding,
}: Given<Model>): Model =>
  parent === undefined
    ? {
        ...model,
        tensors: tensorsAt(encoding?.modelPrecision, model.tensors),
        seed: model.seed ?? seedOfId(id),
      }
    : model;

/** Why the tensors do not go with the precision; undefined where they do. */
export const precisionViolation = (
  precision: ModelPrecision | undefined,
  tensors: readonly Pick<TensorSpec, 'role' | 'dtype'>[],
  fieldOf: (name: 'modelPrecision') => string,
): string | undefined =>
  areAt(precision, tensors)
    ? undefined
    : `${fieldOf('modelPrecision')}: ${precision}, and the model that the run begins with has other numbers; a fork keeps those of its parent`;

/** Why updates of this model have no lower rank; undefined where they do. */
export const rankViolation = (
  compression: Compression | undefined,
  tensors: readonly TensorSpec[],
  local: LocalSettings,
  fieldOf: (name: 'compression') => string,
): string | undefined => {
  if (compression?.type !== 'low-rank') return undefined;
  const { trainable, shapes } = partsOf(tensors, local);
  const dimension = sizeOf(trainable);
  const sent = travelling({ compression, shapes }, dimension);
  return sent < dimension
    ? undefined
    : `${fieldOf('compression')}: at rank ${compression.rank} ${sent} numbers would travel of ${dimension}, since no matrix of the model is larger; expected a lower rank or none`;
};
