/**
 * @module A model without data: its tensors and topology, for a coordinator that starts a run and
 * holds no examples.
 */
import { createDataset } from '../data/dataset.ts';
import type { BackendName } from './backends.ts';
import { tfjsTrainer } from './trainer.ts';
import type { BaseRef } from '../../protocol/model/base.ts';
import type { TensorSpec } from '../../protocol/model/index.ts';
import { chooseModel } from './choose-model.ts';

export interface ModelDescription {
  readonly architecture: string;
  readonly tensors: readonly TensorSpec[];
  /** JSON text; undefined for a model that is not one of tfjs. */
  readonly topology: string | undefined;
  /** The frozen weights under the tensors, where there are some. */
  readonly base?: BaseRef;
  /** What trains, and why that. */
  readonly backend: string;
}

/** @throws FloeError `usage` for an unknown name, `backend_unavailable` */
export const describeModel = async (
  name: string,
  shape: { readonly featureShape: readonly number[]; readonly classes: number },
  backend: 'auto' | BackendName,
): Promise<ModelDescription> => {
  const { architecture, build } = chooseModel(name, shape);
  const size = shape.featureShape.reduce((a, b) => a * b, 1);
  const trainer = await tfjsTrainer({
    model: build,
    // One example of zeros: the trainer checks that data fits, and this fits.
    data: createDataset({
      features: new Float32Array(size),
      labels: new Int32Array(1),
      featureShape: shape.featureShape,
      classes: shape.classes,
    }),
    backend: { prefer: backend },
  });
  try {
    return {
      architecture,
      tensors: trainer.manifest.tensors,
      topology: JSON.stringify(trainer.topology),
      backend: trainer.backend,
    };
  } finally {
    trainer.dispose();
  }
};
