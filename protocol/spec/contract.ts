/**
 * @module The data contract of a run: which columns an example has, what the target is called, its
 * classes in their order, how numbers are normalised. It is part of the run specification, so every
 * site maps its own data to the same inputs and outputs of the model, or is refused.
 */
import * as v from 'valibot';
import { integer } from '../wire/cbor.ts';

/**
 * Columns of a table that one example may have: their names are in the run specification, which has
 * a limit. Arrays have none.
 */
export const MAX_CONTRACT_FEATURES = 20_000;
/**
 * Names, numbers and keys of a contract: a column of numbers has at most 19, and the values of its
 * categories share what others leave.
 */
export const MAX_CONTRACT_ELEMENTS = 20 * MAX_CONTRACT_FEATURES;
/** What helps a contract that is too large. */
export const FEWER_COLUMNS =
  'leave columns out (--drop-column), or give the examples as arrays (.npy), whose inputs have no names';
/** Values of a category, and classes of a target. */
export const MAX_CONTRACT_VALUES = 10_000;

const MAX_NAME = 200;

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME));
const finite = v.pipe(v.number(), v.finite());
const positive = v.pipe(
  finite,
  v.check((value) => value > 0, 'expected a number above 0'),
);

const isDistinct = (names: string[]): boolean => new Set(names).size === names.length;

const distinctNames = (least: number) =>
  v.pipe(
    v.array(name),
    v.minLength(least),
    v.maxLength(MAX_CONTRACT_VALUES),
    v.check(isDistinct, 'expected each name once'),
  );

/** The model sees (x - mean) / scale. */
const normalisation = v.strictObject({ mean: finite, scale: positive });

/** The smallest and largest value when the contract was drafted; a site outside is warned. */
const range = v.pipe(
  v.tuple([finite, finite]),
  v.check(([least, largest]) => least <= largest, 'expected the smaller value first'),
);

const numberFeature = v.strictObject({
  type: v.literal('number'),
  name,
  /** The column holds dates such as 2026-01-31; the number is the days since 1970-01-01. */
  date: v.optional(v.literal(true)),
  /** Missing: the number is taken as it is. */
  normalise: v.optional(normalisation),
  range: v.optional(range),
  /** What stands for a missing value, before normalisation. Absent: a missing value is refused. */
  missing: v.optional(finite),
});

/** One input of the model for each value: 1 for the example's own, 0 for the others. */
const categoryFeature = v.strictObject({
  type: v.literal('category'),
  name,
  values: distinctNames(1),
  /** `zeros`: a missing value is none of the values. Absent: a missing value is refused. */
  missing: v.optional(v.literal('zeros')),
});

const feature = v.variant('type', [numberFeature, categoryFeature]);

const input = v.variant('type', [
  /** Columns by name; the inputs of the model are in this order. */
  v.strictObject({
    type: v.literal('table'),
    features: v.pipe(
      v.array(feature),
      v.minLength(1),
      v.maxLength(
        MAX_CONTRACT_FEATURES,
        `expected at most ${MAX_CONTRACT_FEATURES} columns: ${FEWER_COLUMNS}`,
      ),
      v.check((list) => isDistinct(list.map((each) => each.name)), 'expected each column once'),
    ),
  }),
  /** Pixels from 0 to 1: [height, width, channels]. */
  v.strictObject({
    type: v.literal('image'),
    shape: v.tuple([integer(1, 65_536), integer(1, 65_536), integer(1, 4)]),
  }),
  /** Numbers without names, such as those of a NumPy array: the shape of one example. */
  v.strictObject({
    type: v.literal('array'),
    shape: v.pipe(v.array(integer(1, 2 ** 31)), v.minLength(1), v.maxLength(8)),
    normalise: v.optional(normalisation),
  }),
]);

const target = v.variant('type', [
  /** One class of several, for the tasks `multi-class` and `binary` (whose second class is 1). */
  v.strictObject({
    type: v.literal('classes'),
    /** The column of a table; for images the name of the classes' folder level. */
    name,
    classes: distinctNames(2),
    /** The loss of an example of class k counts weights[k] times. Absent: once. */
    weights: v.optional(v.pipe(v.array(positive), v.maxLength(MAX_CONTRACT_VALUES))),
  }),
  /** Columns of 0 and 1, for the task `multi-label`. */
  v.strictObject({ type: v.literal('labels'), names: distinctNames(1) }),
  /** Numbers to predict, for the task `regression`; the model predicts (y - mean) / scale. */
  v.strictObject({
    type: v.literal('values'),
    columns: v.pipe(
      v.array(
        v.strictObject({ name, normalise: v.optional(normalisation), range: v.optional(range) }),
      ),
      v.minLength(1),
      v.maxLength(MAX_CONTRACT_VALUES),
      v.check((list) => isDistinct(list.map((each) => each.name)), 'expected each column once'),
    ),
  }),
]);

export type ContractInput = v.InferOutput<typeof input>;
export type ContractFeature = v.InferOutput<typeof feature>;
export type ContractTarget = v.InferOutput<typeof target>;
export type Normalisation = v.InferOutput<typeof normalisation>;

/** The columns of the target. */
export const targetColumns = (of: ContractTarget): readonly string[] => {
  if (of.type === 'classes') return [of.name];
  return of.type === 'labels' ? of.names : of.columns.map((each) => each.name);
};

const isApart = (from: ContractInput, of: ContractTarget): boolean => {
  const columns = new Set(targetColumns(of));
  return from.type !== 'table' || !from.features.some(({ name: own }) => columns.has(own));
};

export const contractSchema = v.pipe(
  v.strictObject({ version: v.literal(1), input, target }),
  v.check(
    ({ target: of }) =>
      of.type !== 'classes' || of.weights === undefined || of.weights.length === of.classes.length,
    'target.weights: expected a weight for each class',
  ),
  v.check(
    ({ input: from, target: of }) => isApart(from, of),
    'target: expected a column that is no feature',
  ),
);

export type Contract = v.InferOutput<typeof contractSchema>;

export type ContractTask = 'multi-class' | 'binary' | 'multi-label' | 'regression';

/** The task of a run that declares none; two classes may also be `binary`. */
export const taskOfContract = ({ target: of }: Contract): ContractTask =>
  of.type === 'classes' ? 'multi-class' : of.type === 'labels' ? 'multi-label' : 'regression';

/** Why a run of this task cannot have the contract, after the field; undefined where it can. */
export const contractViolation = (contract: Contract, task: string): string | undefined => {
  const { target: of } = contract;
  const fits =
    task === taskOfContract(contract) ||
    (task === 'binary' && of.type === 'classes' && of.classes.length === 2);
  if (fits) return undefined;
  return (
    `data.target: expected a target for training.task ${task}, got ${of.type}` +
    (of.type === 'classes' ? ` (${of.classes.length})` : '')
  );
};

/** Inputs of the model that a column gives. */
export const widthOfFeature = (of: ContractFeature): number =>
  of.type === 'number' ? 1 : of.values.length;

/** Shape of one example, as the model takes it. */
export const shapeOfInput = (of: ContractInput): readonly number[] =>
  of.type === 'table'
    ? [of.features.reduce((sum, each) => sum + widthOfFeature(each), 0)]
    : of.shape;

/** Outputs of the model: classes, labels or values; one for the task `binary`. */
export const outputsOfTarget = (of: ContractTarget, task?: string): number => {
  if (of.type === 'classes') return task === 'binary' ? 1 : of.classes.length;
  return of.type === 'labels' ? of.names.length : of.columns.length;
};

/** Names of the inputs in their order: a category has one for each value, `column=value`. */
export const inputNames = (of: ContractInput): readonly string[] | undefined =>
  of.type === 'table'
    ? of.features.flatMap((each) =>
        each.type === 'number' ? [each.name] : each.values.map((value) => `${each.name}=${value}`),
      )
    : undefined;
