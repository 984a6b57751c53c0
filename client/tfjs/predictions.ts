/**
 * @module What a trainer's model predicts: by tfjs itself, whatever runs the training steps.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import type { Manifest } from '../../protocol/model/manifest.ts';
import type { Dataset } from '../data/dataset.ts';
import { columnsOf, loadWeights, predictRows, stepsOf } from '../evaluate/predictor.ts';
import type { Predictions } from '../trainer.ts';
import type { Backend } from './backends.ts';
import type { Objective } from './objective.ts';

/**
 * @returns what predicts with given weights; it leaves them in the model, and engines load theirs
 *   anew for each call
 */
export const predictionsOf =
  (backend: Backend, model: Tfjs.LayersModel, manifest: Manifest, objective: Objective) =>
  async (weights: Float32Array, data: Dataset): Promise<Predictions> => {
    loadWeights(backend.tf, model, { manifest, weights });
    const { task } = objective;
    return {
      task: task.type,
      ...(task.type === 'sequence' ? { padding: task.padding } : {}),
      rows: await predictRows(backend, objective, data),
      columns: columnsOf(objective),
      steps: stepsOf(objective),
    };
  };
