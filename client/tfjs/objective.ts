/**
 * @module The training objective, from the declared task, the data and the model's last operation.
 * A final softmax or sigmoid becomes part of the loss, which stays exact where the activation
 * saturates. A model whose outputs have no known meaning is refused.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import type { Dataset } from '../data/dataset.ts';
import { type Task, type TaskType, makeTask } from '../task.ts';
import { type LastOperation, lastOperation } from './last-operation.ts';
import type { LossSpec, OutputKind } from './losses.ts';

type Tf = typeof Tfjs;

export interface Objective extends LossSpec {
  /** Outputs of one example. */
  readonly shape: readonly number[];
  /** For the first lines of output: the task, and how the loss interprets the outputs. */
  readonly description: string;
  /** The model's outputs as the loss takes them: without an activation that it takes in. */
  apply(x: Tfjs.Tensor, training: boolean): Tfjs.Tensor;
}

export interface Declared {
  readonly task?: Task | TaskType | undefined;
  /** Of the model, where its last operation does not say so. */
  readonly outputs?: OutputKind | undefined;
  /** Of the classes. */
  readonly weights?: readonly number[] | undefined;
}

const malformed = (message: string): FloeError => new FloeError('model_malformed', message);

const COMPILED: Readonly<Record<string, (columns: number) => Task>> = {
  categoricalCrossentropy: () => ({ type: 'multi-class' }),
  sparseCategoricalCrossentropy: () => ({ type: 'multi-class' }),
  binaryCrossentropy: (columns) => ({ type: columns === 1 ? 'binary' : 'multi-label' }),
  meanSquaredError: () => ({ type: 'regression', loss: 'squared' }),
  meanAbsoluteError: () => ({ type: 'regression', loss: 'absolute' }),
};

/** The task that a compiled model declares with its loss. */
const compiledTask = (
  model: Tfjs.LayersModel,
  shape: readonly number[],
): Task | TaskType | undefined => {
  const { loss } = model as { loss?: unknown };
  const single: unknown = Array.isArray(loss) && loss.length === 1 ? loss[0] : loss;
  if (single === undefined || single === null) return undefined;
  const known =
    typeof single === 'string' && Object.hasOwn(COMPILED, single) ? COMPILED[single] : undefined;
  if (known === undefined)
    throw malformed(
      `the model is compiled with the loss ${typeof single === 'string' ? single : 'of a function'}: ` +
        'give the option task',
    );
  const task = known(shape.at(-1) ?? 1);
  return task.type === 'multi-class' && shape.length === 2 ? 'sequence' : task;
};

/** What labels and outputs can only be, where nothing is declared. */
const impliedTask = (data: Pick<Dataset, 'labels'>, shape: readonly number[]): TaskType => {
  if (!(data.labels instanceof Int32Array)) return 'regression';
  if (shape.length === 2) return 'sequence';
  return shape[0] === 1 ? 'binary' : 'multi-class';
};

/** The activation that the loss of a task takes in. */
const ACTIVATION: Readonly<Record<Exclude<TaskType, 'regression'>, 'softmax' | 'sigmoid'>> = {
  'multi-class': 'softmax',
  sequence: 'softmax',
  binary: 'sigmoid',
  'multi-label': 'sigmoid',
};

interface Reading {
  readonly outputs: OutputKind;
  readonly without?: LastOperation['without'];
}

const readOutputs = (
  task: Required<Task>,
  last: LastOperation,
  given: OutputKind | undefined,
): Reading => {
  if (task.type === 'regression') {
    if (given !== undefined && given !== 'values')
      throw malformed(`outputs: regression takes values, got ${given}`);
    return { outputs: 'values' };
  }
  if (given === 'values') throw malformed(`outputs: ${task.type} takes logits or probabilities`);
  const wanted = ACTIVATION[task.type];
  if (last.activation === wanted && given !== 'logits')
    return last.without === undefined
      ? { outputs: 'probabilities' }
      : { outputs: 'logits', without: last.without };
  if (given !== undefined) return { outputs: given };
  if (last.activation === 'linear') return { outputs: 'logits' };
  const found =
    last.activation === undefined
      ? `the outputs of ${last.name} cannot be known`
      : `${last.name} ends in ${last.activation}`;
  throw malformed(
    `${found}: the task ${task.type} takes ${wanted} or linear outputs; give the option outputs ` +
      '(logits or probabilities), or another task',
  );
};

const requireOutputs = (task: Required<Task>, shape: readonly number[]): void => {
  const got = `[batch, ${shape.join(', ')}]`;
  if (task.type === 'sequence') {
    if (shape.length !== 2 || (shape[1] ?? 0) < 2)
      throw malformed(`the task sequence takes outputs [batch, steps, classes], got ${got}`);
    return;
  }
  if (task.type === 'regression') return;
  if (shape.length !== 1)
    throw malformed(`the task ${task.type} takes outputs [batch, outputs], got ${got}`);
  if (task.type === 'binary' && shape[0] !== 1)
    throw malformed(`the task binary takes one output, got ${got}; two classes are multi-class`);
  if (task.type === 'multi-class' && (shape[0] ?? 0) < 2)
    throw malformed(`the task multi-class takes an output for each class, got ${got}`);
};

const requireWeights = (
  { type }: Task,
  [outputs = 0]: readonly number[],
  weights: readonly number[] | undefined,
): void => {
  if (weights === undefined) return;
  const classes = type === 'binary' ? 2 : type === 'multi-class' ? outputs : 0;
  if (weights.length !== classes)
    throw malformed(
      `class weights: expected the task binary and 2 weights, or multi-class and a weight for each ` +
        `output, got ${weights.length} with the task ${type}`,
    );
};

/** @throws FloeError `model_malformed` unless the model has one input and one output */
export const outputShape = (model: Tfjs.LayersModel): number[] => {
  const [output] = model.outputs;
  const shape = output?.shape.slice(1) ?? [];
  if (model.inputs.length !== 1 || model.outputs.length !== 1 || shape.length === 0)
    throw malformed('expected a model with one input and one output of shape [batch, outputs]');
  if (shape.some((size) => size === null))
    throw malformed(`expected outputs of a fixed shape, got [batch, ${shape.join(', ')}]`);
  return shape.map((size) => size ?? 1);
};

const WORDS: Readonly<Record<OutputKind, string>> = {
  logits: 'logits',
  probabilities: 'probabilities',
  values: 'values',
};

/**
 * What `model` is trained for on `data`.
 * @throws FloeError `model_malformed` where its outputs do not fit the task or cannot be known
 */
export const objectiveOf = (
  tf: Tf,
  model: Tfjs.LayersModel,
  data: Pick<Dataset, 'labels'>,
  declared: Declared = {},
): Objective => {
  const shape = outputShape(model);
  const task = makeTask(declared.task ?? compiledTask(model, shape) ?? impliedTask(data, shape));
  requireOutputs(task, shape);
  const { weights } = declared;
  requireWeights(task, shape, weights);
  const last = lastOperation(tf, model);
  const { outputs, without } = readOutputs(task, last, declared.outputs);
  const loss = task.type === 'regression' ? ` (${task.loss} error)` : '';
  const taken =
    without === undefined ? WORDS[outputs] : `the ${last.activation} of ${last.name} in the loss`;
  return {
    task,
    outputs,
    shape,
    width: shape.reduce((a, b) => a * b, 1),
    columns: shape.at(-1) ?? 1,
    ...(weights === undefined ? {} : { weights }),
    description: `${task.type}${loss}, ${taken}${weights === undefined ? '' : ', classes weighted'}`,
    apply: (x, training) => {
      const run = (): Tfjs.Tensor => model.apply(x, { training }) as Tfjs.Tensor;
      return without === undefined ? run() : without(run);
    },
  };
};

/** What preflight asks of the labels. */
export const labelsOf = ({
  task,
  shape,
  columns,
}: Objective): {
  readonly task: Required<Task>;
  readonly outputs: number;
  readonly steps: number;
} => ({
  task,
  outputs: columns,
  steps: task.type === 'sequence' ? (shape[0] ?? 1) : 1,
});
