/**
 * @module The words for the tensors that stay at each site of a run with local statistics or
 * layers: what its models lack. Source: FedBN, Li et al. 2021; FedPer, Arivazhagan et al. 2019.
 */
import { elementCount } from '../model/manifest.ts';
import { localTensors } from '../model/parts.ts';
import type { RunSpec } from '../spec/run-spec.ts';

/** More are counted. */
const NAMED = 4;

/**
 * Says which tensors of the run's models hold the values that they began with, because each site
 * trains its own; undefined where all of them travel.
 */
export const describeLocal = ({ model, training }: RunSpec): string | undefined => {
  const local = localTensors(model.tensors, training);
  if (local.length === 0) return undefined;
  const names = local.slice(0, NAMED).map(({ name }) => name);
  const more = local.length > NAMED ? ` and ${local.length - NAMED} more` : '';
  const count = local.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return (
    `${training.localLayers === undefined ? 'local statistics' : 'local layers'}: ${names.join(', ')}${more} (${count} parameters) stay at each site; ` +
    `the model of the run has their first values`
  );
};
