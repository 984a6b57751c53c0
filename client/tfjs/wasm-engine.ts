/**
 * @module Training by recorded steps on WebAssembly: a step is traced once for each size of batch
 * and replayed as a list of calls on one linear memory, without tfjs between them.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, parameterCount } from '../../protocol/model/manifest.ts';
import { type Plan, planOf } from '../recorded/plan.ts';
import { record } from '../recorded/record.ts';
import { type WasmReplay, createWasmSession } from '../recorded/wasm/session.ts';
import { type Backend, switchBackend } from './backends.ts';
import { oneHotOf } from './batch-loss.ts';
import type { Batch, StepEngine } from './engine.ts';
import { dropoutLayers } from './layers-engine.ts';
import { type OutputKind, score } from './losses.ts';
import { sizeOf, wholeWeights } from './whole-weights.ts';

/**
 * An engine for `model`.
 * @throws Unrecordable when a step cannot be recorded
 */
export const wasmEngine = (
  { tf, name, eager = name }: Backend,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  kind: OutputKind,
): StepEngine => {
  const dropouts = dropoutLayers(model).length;
  const outputs = model.outputs[0]?.shape.at(-1) ?? 1;
  const travelling = parameterCount(manifest);
  const session = createWasmSession(model.weights.map(({ shape }) => sizeOf(shape)));
  if (model.weights.length > manifest.tensors.length) session.load(wholeWeights(model));
  const prepared = new Map<string, { readonly plan: Plan; readonly replay: WasmReplay }>();
  const prepare = (size: number, training: boolean) => {
    const key = `${size} ${String(training)}`;
    const known = prepared.get(key);
    if (known !== undefined) return known;
    switchBackend(tf, eager);
    const optimizer = training ? { optimizer: { type: 'sgd' } as const } : {};
    const plan = planOf(record({ tf, model, kind, size, ...optimizer }));
    const made = { plan, replay: session.prepare(plan) };
    prepared.set(key, made);
    return made;
  };
  // Whether a model can be recorded does not depend on the size of the batch.
  prepare(1, true);
  prepare(1, false);

  const predictionOf = (plan: Plan, replay: WasmReplay, size: number): Float32Array =>
    replay.buffer(plan.prediction).subarray(0, size * outputs);
  const targetsOf = ({ labels, size }: Batch): Float32Array =>
    kind === 'values' ? Float32Array.from(labels) : oneHotOf(labels, size, outputs);

  return {
    load: (weights) => {
      session.load(weights);
    },
    step: ({ batch, learningRate, stream, scored }) => {
      const { plan, replay } = prepare(batch.size, true);
      // tfjs takes 0 for no seed. Each layer draws a seed, whether it is used or not.
      const seeds = Array.from({ length: dropouts }, () => stream.below(2 ** 31 - 1) + 1);
      for (const { buffer, size, layer } of plan.draws)
        replay
          .buffer(buffer)
          .set(
            tf.tidy(() =>
              tf.randomUniform([size], 0, 1, 'float32', seeds[layer] ?? 1).dataSync<'float32'>(),
            ),
          );
      replay.buffer(plan.features).set(batch.features);
      if (plan.targets !== undefined) replay.buffer(plan.targets).set(targetsOf(batch));
      if (plan.learningRate !== undefined) replay.buffer(plan.learningRate).fill(learningRate);
      replay.run();
      if (!scored) return undefined;
      return score(kind, predictionOf(plan, replay, batch.size), batch.labels, batch.size);
    },
    score: (batch) => {
      const { plan, replay } = prepare(batch.size, false);
      replay.buffer(plan.features).set(batch.features);
      replay.run();
      return score(kind, predictionOf(plan, replay, batch.size), batch.labels, batch.size);
    },
    read: () => session.read(travelling),
    // The linear memory goes with the engine.
    dispose: () => undefined,
  };
};
