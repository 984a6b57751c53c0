/**
 * @module The topology of the model in a specification, in the form that exports of a run contain.
 */
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { modelOfSpec } from '../spec-model.ts';
import type { Topology } from '../tfjs/models.ts';

/** @throws FloeError `model_malformed`, `backend_unavailable` */
export const topologyOfSpec = async (spec: RunSpec): Promise<Topology> => {
  const { selectBackend } = await import('../tfjs/backends.ts');
  const { topologyOf } = await import('../tfjs/topology.ts');
  const { tf } = await selectBackend({ prefer: 'cpu' });
  return topologyOf(await modelOfSpec(spec)(tf));
};
