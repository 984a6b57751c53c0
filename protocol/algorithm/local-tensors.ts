/**
 * @module The words for the tensors that stay at each site under local statistics: what a model of
 * such a run lacks. Source: FedBN, Li et al. 2021.
 */
import { elementCount } from '../model/manifest.ts';
import { localTensors } from '../model/parts.ts';
import type { RunSpec } from '../spec/run-spec.ts';

/** More are counted. */
const NAMED = 4;

/**
 * Says which tensors of the run's models hold the values that they began with, because each site
 * trains its own; undefined where statistics are averaged.
 */
export const describeLocal = ({ model, training }: RunSpec): string | undefined => {
  const local = localTensors(model.tensors, training.statistics);
  if (local.length === 0) return undefined;
  const names = local.slice(0, NAMED).map(({ name }) => name);
  const more = local.length > NAMED ? ` and ${local.length - NAMED} more` : '';
  const count = local.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return (
    `local statistics: ${names.join(', ')}${more} (${count} parameters) stay at each site; ` +
    `the model of the run has their first values`
  );
};
