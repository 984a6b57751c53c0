/**
 * @module The model of a run specification: a name of the registry, or the topology in the
 * specification.
 */
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { FloeError } from '../protocol/errors.ts';
import { SURVEY_ARCHITECTURE } from '../protocol/survey/survey-run.ts';
import {
  modelByName,
  modelFromTopology,
  type ModelFunction,
  type Topology,
} from './tfjs/models.ts';

/**
 * @throws FloeError `model_malformed` for an unknown name or a topology that is not a JSON object
 */
export const modelOfSpec = (spec: Pick<RunSpec, 'model'>): ModelFunction => {
  const { architecture, topology } = spec.model;
  if (architecture === SURVEY_ARCHITECTURE)
    throw new FloeError(
      'model_malformed',
      'the run is a survey: it has counts and sums, which floe survey reads, and no model',
    );
  if (topology === undefined) return modelByName(architecture);
  let parsed: unknown;
  try {
    parsed = JSON.parse(topology);
  } catch (cause) {
    throw new FloeError('model_malformed', 'the topology is not JSON', {}, { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new FloeError('model_malformed', 'expected the topology to be a JSON object');
  return modelFromTopology(parsed as Topology);
};
