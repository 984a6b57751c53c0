/**
 * @module Whether two data contracts give the inputs and outputs of a model the same meaning: a
 * fork continues with weights that were trained under its parent's. Ranges, rules for missing
 * values and weights of classes may differ; names, orders, values and normalisations may not.
 */
import type { Contract, ContractFeature, ContractTarget, Normalisation } from './contract.ts';

const text = (value: unknown): string => JSON.stringify(value) ?? 'none';

/** The first place where two lists of names differ, in words. */
const namesDiffer = (
  what: string,
  before: readonly string[],
  after: readonly string[],
): string | undefined => {
  if (before.length !== after.length)
    return `${what}: the parent has ${before.length}, the new contract ${after.length}`;
  const at = before.findIndex((name, i) => name !== after[i]);
  return at < 0
    ? undefined
    : `${what} ${at + 1} is ${text(before[at])} in the parent, ${text(after[at])} in the new contract`;
};

const numbersDiffer = (
  what: string,
  before: Normalisation | undefined,
  after: Normalisation | undefined,
): string | undefined =>
  before?.mean === after?.mean && before?.scale === after?.scale
    ? undefined
    : `${what}: the parent normalises by ${text(before)}, the new contract by ${text(after)}`;

const featureDiffers = (before: ContractFeature, after: ContractFeature): string | undefined => {
  const what = `column ${text(before.name)}`;
  if (before.type === 'category' && after.type === 'category')
    return namesDiffer(`${what}: value`, before.values, after.values);
  if (before.type !== 'number' || after.type !== 'number')
    return `${what} is a ${before.type} in the parent, a ${after.type} in the new contract`;
  if (before.date !== after.date) return `${what}: only one of the contracts has dates there`;
  return numbersDiffer(what, before.normalise, after.normalise);
};

const inputDiffers = ({ input: before }: Contract, { input: after }: Contract) => {
  if (before.type !== after.type)
    return `the parent takes a ${before.type}, the new contract an ${after.type}`;
  if (before.type === 'table' && after.type === 'table') {
    const names = [before, after].map(({ features }) => features.map(({ name }) => name));
    const [own = [], other = []] = names;
    const found = namesDiffer('column', own, other);
    if (found !== undefined) return found;
    for (const [i, feature] of before.features.entries()) {
      const differs = featureDiffers(feature, after.features[i] as ContractFeature);
      if (differs !== undefined) return differs;
    }
    return undefined;
  }
  if (before.type === 'table' || after.type === 'table') return undefined;
  if (before.shape.join() !== after.shape.join())
    return `examples have shape [${before.shape.join(', ')}] in the parent, [${after.shape.join(', ')}] in the new contract`;
  return before.type === 'array' && after.type === 'array'
    ? numbersDiffer('the numbers', before.normalise, after.normalise)
    : undefined;
};

const targetDiffers = (before: ContractTarget, after: ContractTarget): string | undefined => {
  if (before.type !== after.type)
    return `the target is ${before.type} in the parent, ${after.type} in the new contract`;
  if (before.type === 'classes' && after.type === 'classes')
    return (
      namesDiffer('class', before.classes, after.classes) ??
      namesDiffer('the target: column', [before.name], [after.name])
    );
  if (before.type === 'labels' && after.type === 'labels')
    return namesDiffer('label', before.names, after.names);
  if (before.type !== 'values' || after.type !== 'values') return undefined;
  const names = [before, after].map(({ columns }) => columns.map(({ name }) => name));
  const [own = [], other = []] = names;
  const found = namesDiffer('target', own, other);
  if (found !== undefined) return found;
  for (const [i, { name, normalise }] of before.columns.entries()) {
    const differs = numbersDiffer(`target ${text(name)}`, normalise, after.columns[i]?.normalise);
    if (differs !== undefined) return differs;
  }
  return undefined;
};

/** The first difference that would change what the model's numbers mean, for people. */
export const meaningDiffers = (before: Contract, after: Contract): string | undefined =>
  inputDiffers(before, after) ?? targetDiffers(before.target, after.target);
