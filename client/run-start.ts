/**
 * @module The first model of a run, by the name of a model: the weights that the run's seed gives,
 * or those of a safetensors file. For a run that begins with a version on chain see `fork` in
 * reader/run.ts.
 */
import type { Beginning } from '../protocol/model/run-start.ts';
import { FloeError } from '../protocol/errors.ts';
import {
  decodeSafetensors,
  hashModel,
  MODEL_FILE_LIMITS,
  matchManifest,
  roundToTypes,
  storedAs,
  tensorsAt,
  type ModelPrecision,
} from '../protocol/model/index.ts';
import { readInput } from '../protocol/ports/input-file.ts';
import {
  type Contract,
  contractViolation,
  outputsOfTarget,
  shapeOfInput,
  taskOfContract,
} from '../protocol/spec/contract.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Task } from './task.ts';
import type { ExampleShape } from './tfjs/choose-model.ts';
import { openGivenModel, type GivenModel, type StatedShape } from './own-model.ts';
import { describeModel } from './tfjs/describe.ts';

/** A coordinator does not train; the plain backend is enough to build a model. */
const DESCRIBING_BACKEND = 'cpu';
const MAX_MODEL_BYTES = 2 ** 31 - 1;
/** Of an example. */
const MAX_FEATURES = 1_000_000;
const MAX_DIMENSIONS = 4;

export interface ModelSettings {
  /**
   * A name of `chooseModel` (default `mlp-2nn`), the path of a model.json of tfjs or Keras, a
   * topology, or a function of tfjs. `mlp-2nn` and `cnn` are those of MNIST where neither shape nor
   * classes are given; a model that is brought says its own shapes.
   */
  readonly model?: GivenModel | undefined;
  /** Features of an example and classes, for the models that are sized by their data. */
  readonly inputs?: number | undefined;
  readonly classes?: number | undefined;
  /** Path of a safetensors file of the model, which the run then begins with. */
  readonly from?: string | undefined;
  /** Instead of `inputs`: the shape of an example, such as `32x32x3`. */
  readonly shape?: string | undefined;
  /** The task of the model; it determines the last layer. */
  readonly task?: Task | undefined;
  /** In place of inputs, shape, classes and, where it is not given, task. */
  readonly contract?: Contract | undefined;
  /** Of the models that the run commits; those of `from` are rounded to nearest. */
  readonly modelPrecision?: ModelPrecision | undefined;
}

/** The settings that a contract stands for. @throws FloeError `usage` where both are given */
const withContract = ({ contract, ...settings }: ModelSettings): ModelSettings => {
  if (contract === undefined) return settings;
  for (const name of ['inputs', 'shape', 'classes'] as const)
    if (settings[name] !== undefined)
      throw new FloeError('usage', `--${name}: the data contract has it, expected one of both`);
  const task = settings.task ?? ({ type: taskOfContract(contract) } as const);
  const violation = contractViolation(contract, task.type);
  if (violation !== undefined) throw new FloeError('contract_invalid', violation);
  const shape = shapeOfInput(contract.input);
  if (shape.length > MAX_DIMENSIONS || shape.reduce((a, b) => a * b, 1) > MAX_FEATURES)
    throw new FloeError(
      'contract_invalid',
      `data.input.shape: expected at most ${MAX_DIMENSIONS} dimensions and ${MAX_FEATURES} values ` +
        `of an example, got [${shape.join(', ')}]: give the arrays fewer`,
    );
  return {
    ...settings,
    ...(shape.length === 1 ? { inputs: shape[0] } : { shape: shape.join('x') }),
    classes: outputsOfTarget(contract.target),
    task,
  };
};

/** The examples a model takes: MNIST's for the registry's, as the settings say for the others. */
const shapeOf = ({
  model: given = 'mlp-2nn',
  inputs,
  classes,
  shape,
  task,
}: ModelSettings): ExampleShape => {
  const model = typeof given === 'string' ? given : 'custom';
  if (inputs !== undefined && shape !== undefined)
    throw new FloeError('usage', '--shape: expected it or --inputs, not both');
  const published = model === 'mlp-2nn' || model === 'cnn';
  const featureShape =
    shape === undefined ? (inputs === undefined ? undefined : [inputs]) : sizesOf(shape);
  if (featureShape === undefined && classes === undefined && published && task === undefined)
    return { featureShape: MNIST_SHAPE, classes: 10 };
  const classless = task?.type === 'regression' || task?.type === 'binary';
  if (featureShape === undefined || (classes === undefined && !classless))
    throw new FloeError(
      'usage',
      `--model ${model}: expected --inputs and --classes as well (or --shape and --classes)`,
    );
  const of = task === undefined ? {} : { task: task.type };
  if (task?.type === 'regression') return { featureShape, targets: classes ?? 1, ...of };
  return { featureShape, classes: classes ?? 2, ...of };
};

/** What the settings say of the examples, for a model that is brought. */
const statedShape = ({ inputs, classes, shape, task }: ModelSettings): StatedShape => {
  const featureShape =
    shape === undefined ? (inputs === undefined ? undefined : [inputs]) : sizesOf(shape);
  return {
    ...(featureShape === undefined ? {} : { featureShape }),
    ...(classes === undefined ? {} : { classes }),
    ...(task === undefined ? {} : { task: task.type }),
  };
};

const MNIST_SHAPE = [28, 28, 1];

/** @throws FloeError `usage` for anything but sizes such as `32x32x3` */
const sizesOf = (text: string): number[] => {
  const sizes = text.split('x').map((part) => (/^[1-9]\d{0,6}$/u.test(part) ? Number(part) : NaN));
  const features = sizes.reduce((a, b) => a * b, 1);
  if (sizes.length > MAX_DIMENSIONS || !(features <= MAX_FEATURES))
    throw new FloeError('usage', `--shape: expected sizes such as 32x32x3, got ${text}`);
  return sizes;
};

const hashOf = (model: RunSpec['model'], weights: Float32Array): Uint8Array =>
  hashModel({ tensors: model.tensors }, roundToTypes(model, weights));

/**
 * The beginning that a run's settings ask for; the same again after a crash.
 *
 * @param bytes those of a safetensors file of the model, in place of the file `from`
 * @throws FloeError `usage`, `tensor_malformed`, `tensor_mismatch` when the file is of another
 * model
 */
export const beginningOf = async (given: ModelSettings, bytes?: Uint8Array): Promise<Beginning> => {
  const settings = withContract(given);
  const { from } = settings;
  const weights =
    bytes ?? (from === undefined ? undefined : await readInput('--from', from, MAX_MODEL_BYTES));
  const opened = await openGivenModel(
    settings.model ?? 'mlp-2nn',
    () => shapeOf(settings),
    statedShape(settings),
    DESCRIBING_BACKEND,
  );
  const { architecture, tensors, topology } = await describeModel(
    opened,
    opened.shape,
    DESCRIBING_BACKEND,
    settings.task,
  );
  const model = {
    architecture,
    tensors: tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    ...(architecture === 'custom' && topology !== undefined ? { topology } : {}),
  };
  if (weights === undefined) return { model };
  const file = decodeSafetensors(weights, MODEL_FILE_LIMITS);
  matchManifest(model, storedAs(model, file.manifest));
  const begun = { ...model, tensors: tensorsAt(settings.modelPrecision, model.tensors) };
  return { model: begun, weights: file.flat, parent: { modelHash: hashOf(begun, file.flat) } };
};
