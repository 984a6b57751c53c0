/**
 * @module What a run begins with, by the name of a model: the weights that the run's seed gives, or
 * those of a safetensors file. A run that begins with a version on chain: `fork` of reader/run.ts.
 */
import type { Beginning } from '../protocol/model/run-start.ts';
import { FloeError } from '../protocol/errors.ts';
import {
  decodeSafetensors,
  hashModel,
  matchManifest,
  roundToTypes,
} from '../protocol/model/index.ts';
import { readInput } from '../protocol/ports/input-file.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { describeModel } from './tfjs/describe.ts';

/** A coordinator does not train; the plain backend is enough to build a model. */
const DESCRIBING_BACKEND = 'cpu';
const MAX_MODEL_BYTES = 2 ** 31 - 1;

export interface ModelSettings {
  /** `mlp-2nn` (default), `cnn`, `linear` or `mlp:UNITS,...`. */
  readonly model?: string | undefined;
  /** Features of an example and classes, for the models that are sized by their data. */
  readonly inputs?: number | undefined;
  readonly classes?: number | undefined;
  /** Path of a safetensors file of the model, which the run then begins with. */
  readonly from?: string | undefined;
}

/** The examples a model takes: MNIST's for the registry's, as the settings say for the others. */
const shapeOf = ({
  model = 'mlp-2nn',
  inputs,
  classes,
}: ModelSettings): { readonly featureShape: readonly number[]; readonly classes: number } => {
  if (model === 'mlp-2nn' || model === 'cnn') return { featureShape: [28, 28, 1], classes: 10 };
  if (inputs === undefined || classes === undefined)
    throw new FloeError('usage', `--model ${model}: expected --inputs and --classes as well`);
  return { featureShape: [inputs], classes };
};

const hashOf = (model: RunSpec['model'], weights: Float32Array): Uint8Array =>
  hashModel({ tensors: model.tensors }, roundToTypes(model, weights));

/**
 * The beginning that a run's settings ask for; the same again after a crash.
 *
 * @param weights the bytes of a safetensors file of the model, in place of the file `from`
 * @throws FloeError `usage`, `tensor_malformed`, `tensor_mismatch` when the file is of another
 * model
 */
export const beginningOf = async (
  settings: ModelSettings,
  weights?: Uint8Array,
): Promise<Beginning> => {
  const { from } = settings;
  const given =
    weights ?? (from === undefined ? undefined : await readInput('--from', from, MAX_MODEL_BYTES));
  const { architecture, tensors, topology } = await describeModel(
    settings.model ?? 'mlp-2nn',
    shapeOf(settings),
    DESCRIBING_BACKEND,
  );
  const model = {
    architecture,
    tensors: tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    ...(architecture === 'custom' && topology !== undefined ? { topology } : {}),
  };
  if (given === undefined) return { model };
  const file = decodeSafetensors(given);
  matchManifest(model, file.manifest);
  return { model, weights: file.flat, parent: { modelHash: hashOf(model, file.flat) } };
};
