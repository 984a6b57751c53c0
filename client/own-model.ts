/**
 * @module The model that an operator names or brings: a name of `chooseModel`, a file `model.json`
 * of tfjs or Keras, a topology, or a function of tfjs. A model that is brought says its own shapes;
 * what flags or a data contract say must agree with them. Node only.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../protocol/errors.ts';
import { readInput } from '../protocol/ports/input-file.ts';
import { parseModelJson } from './models/keras.ts';
import { selectBackend, type BackendChoice } from './tfjs/backends.ts';
import { chooseModel, type ExampleShape, type ModelChoice } from './tfjs/choose-model.ts';
import { impliedByModel } from './tfjs/implied-task.ts';
import { modelFromTopology, type ModelFunction, type Topology } from './tfjs/models.ts';
import { outputShape } from './tfjs/objective.ts';

/** A name, the path of a `.json` file, a topology, or a function of tfjs. */
export type GivenModel = string | Topology | ModelFunction;

/** What is known of the examples before the model is opened. */
export type StatedShape = Partial<ExampleShape>;

const MAX_FILE_BYTES = 16 << 20;

export const isModelFile = (model: GivenModel): boolean =>
  typeof model === 'string' && model.toLowerCase().endsWith('.json');

const nameOf = (model: GivenModel): string =>
  typeof model === 'string' ? `--model ${model}` : 'the model';

const buildOf = async (
  model: GivenModel,
  { featureShape }: StatedShape,
): Promise<ModelFunction> => {
  if (typeof model === 'function') return model;
  if (typeof model !== 'string') return modelFromTopology(model);
  const bytes = await readInput('--model', model, MAX_FILE_BYTES);
  try {
    return modelFromTopology(parseModelJson(new TextDecoder().decode(bytes), featureShape));
  } catch (thrown) {
    if (!(thrown instanceof FloeError)) throw thrown;
    throw new FloeError(thrown.code, `${model}: ${thrown.message}`, {}, { cause: thrown });
  }
};

/** How many outputs the stated facts want; undefined where they do not say. */
const wantedOutputs = (stated: StatedShape, columns: number): number | undefined => {
  const { task, classes, targets } = stated;
  if (task === 'binary') return 1;
  if (task === 'regression') return targets ?? classes;
  // Two classes may be one probability.
  if (task === undefined && classes === 2 && columns === 1) return 1;
  return classes;
};

/** @throws FloeError `model_malformed` naming both sides */
const requireAgreement = (
  name: string,
  stated: StatedShape,
  featureShape: readonly number[],
  columns: number,
): void => {
  if (stated.featureShape !== undefined && stated.featureShape.join() !== featureShape.join())
    throw new FloeError(
      'model_malformed',
      `${name} takes examples of shape [${featureShape.join(', ')}], ` +
        `and the examples have [${stated.featureShape.join(', ')}]`,
    );
  const wanted = wantedOutputs(stated, columns);
  if (wanted !== undefined && wanted !== columns)
    throw new FloeError(
      'model_malformed',
      `${name} has ${columns} outputs, and ${stated.task ?? 'the data'} needs ${wanted}`,
    );
};

const inputShapeOf = (name: string, model: Tfjs.LayersModel): number[] => {
  const shape = (model.inputs[0]?.shape ?? []).slice(1);
  return shape.map((size) => {
    if (size !== null) return size;
    throw new FloeError(
      'model_malformed',
      `${name}: expected examples of a fixed shape, got [${shape.map((each) => each ?? 'any').join(', ')}]`,
    );
  });
};

/** The shape of what a model takes and gives, which must agree with what is stated. */
const shapeOfModel = async (
  name: string,
  build: ModelFunction,
  stated: StatedShape,
  backend: BackendChoice,
): Promise<ExampleShape> => {
  const { tf } = await selectBackend({ prefer: backend });
  const model = await build(tf);
  try {
    const outputs = outputShape(model);
    const columns = outputs.at(-1) ?? 1;
    const featureShape = inputShapeOf(name, model);
    requireAgreement(name, stated, featureShape, columns);
    const implied = impliedByModel(tf, model, outputs);
    const known = stated.classes === undefined ? implied : 'multi-class';
    const task = stated.task ?? (implied === 'regression' ? known : implied);
    if (task === 'regression') return { featureShape, task, targets: columns };
    return { featureShape, task, classes: task === 'binary' ? 2 : columns };
  } finally {
    model.dispose();
  }
};

export interface OpenedModel extends ModelChoice {
  readonly shape: ExampleShape;
}

/**
 * Opens the model of a run.
 *
 * @param shape of the examples, for a model of a name: it is sized by them
 * @param stated what flags, data or a contract say, for a model that is brought
 * @throws FloeError `usage` for an unknown name, `file_not_found`, `model_malformed` for a file
 * that is no model, holds code, or does not fit what is stated
 */
export const openGivenModel = async (
  model: GivenModel,
  shape: () => ExampleShape,
  stated: StatedShape,
  backend: BackendChoice = 'cpu',
): Promise<OpenedModel> => {
  if (typeof model === 'string' && !isModelFile(model)) {
    const sized = shape();
    return { ...chooseModel(model, sized), shape: sized };
  }
  const build = await buildOf(model, stated);
  const opened = await shapeOfModel(nameOf(model), build, stated, backend);
  return { architecture: 'custom', build, shape: opened };
};
