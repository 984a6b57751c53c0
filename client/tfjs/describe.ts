/**
 * @module A model without data: its tensors and topology, for a coordinator that starts a run and
 * holds no examples.
 */
import { type Task, makeTask } from '../task.ts';
import { createDataset } from '../data/dataset.ts';
import type { BackendChoice } from './backends.ts';
import { tfjsTrainer } from './trainer.ts';
import type { BaseRef } from '../../protocol/model/base.ts';
import type { TensorSpec } from '../../protocol/model/index.ts';
import type { ExampleShape, ModelChoice } from './choose-model.ts';

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

/** The labels of one example, all zero. */
const labelsFor = (task: Task['type'], width: number, steps: number): Int32Array | Float32Array => {
  if (task === 'regression' || task === 'multi-label') return new Float32Array(width);
  return new Int32Array(task === 'sequence' ? steps : 1);
};

/** @throws FloeError `model_malformed`, `backend_unavailable` */
export const describeModel = async (
  { architecture, build }: ModelChoice,
  shape: ExampleShape,
  backend: BackendChoice,
  given?: Task,
): Promise<ModelDescription> => {
  const { featureShape, classes, targets = 1 } = shape;
  const implied = shape.task ?? (classes === undefined ? 'regression' : 'multi-class');
  const task = makeTask(given ?? implied);
  const size = featureShape.reduce((a, b) => a * b, 1);
  const trainer = await tfjsTrainer({
    model: build,
    // One example of zeros: the trainer checks that data fits, and this fits.
    data: createDataset({
      features: new Float32Array(size),
      labels: labelsFor(task.type, classes ?? targets, featureShape[0] ?? 1),
      featureShape,
      ...(classes === undefined ? {} : { classes }),
    }),
    task,
    backend: { prefer: backend },
    // Nothing is trained here.
    trial: false,
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
