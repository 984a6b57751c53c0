/**
 * @module Training by recorded steps on WebAssembly: a step is traced once for each batch size and
 * replayed as a list of calls on one linear memory, without tfjs between them.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, parameterCount } from '../../protocol/model/manifest.ts';
import { type LocalRule, PLAIN_SGD } from '../optimizer.ts';
import type { Plan } from '../recorded/plan.ts';
import { type WasmReplay, type WasmSession, createWasmSession } from '../recorded/wasm/session.ts';
import type { Backend } from './backends.ts';
import type { StepEngine } from './engine.ts';
import { dropoutLayers } from './layers-engine.ts';
import { drawsOf } from './draws.ts';
import { score, targetsOf } from './losses.ts';
import type { Objective } from './objective.ts';
import { isSameRule, planRecorder } from './record-plan.ts';
import { partsOfTrained, sizeOf, wholeWeights } from './whole-weights.ts';

/**
 * An engine for `model`.
 * @throws Unrecordable when a step cannot be recorded
 */
export const wasmEngine = (
  backend: Backend,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  objective: Objective,
): StepEngine => {
  const dropouts = dropoutLayers(model).length;
  const travelling = parameterCount(manifest);
  const sizes = model.weights.map(({ shape }) => sizeOf(shape));
  const hasBase = model.weights.length > manifest.tensors.length;
  const recorded = planRecorder(backend, model, objective);
  // One memory for the weights and the optimiser's state; another optimiser needs a new one.
  let session: WasmSession | undefined;
  let own: LocalRule = PLAIN_SGD;
  let held: Float32Array | undefined;
  /** What the state begins with under a rule that adds a vector to the gradient. */
  let added: readonly Float32Array[] = [];
  const loadInto = (into: WasmSession | undefined, flat: Float32Array): void => {
    into?.load(flat, own.linear === true ? added : []);
  };
  const prepared = new Map<string, { readonly plan: Plan; readonly replay: WasmReplay }>();

  const open = (first: Plan): WasmSession => {
    if (session !== undefined) return session;
    session = createWasmSession(
      sizes,
      first.state.map((buffer) => first.buffers[buffer] ?? 0),
    );
    // The base once; what travels is loaded over the beginning.
    if (hasBase) session.load(wholeWeights(model));
    if (held !== undefined) loadInto(session, held);
    return session;
  };
  const prepare = (size: number, optimizer?: LocalRule) => {
    if (optimizer !== undefined && !isSameRule(optimizer, own)) {
      prepared.clear();
      session = undefined;
      own = optimizer;
    }
    const key = `${size} ${String(optimizer !== undefined)}`;
    const known = prepared.get(key);
    if (known !== undefined) return known;
    const plan = recorded(size, optimizer);
    const opened = session ?? open(optimizer === undefined ? recorded(1, own) : plan);
    const made = { plan, replay: opened.prepare(plan) };
    prepared.set(key, made);
    return made;
  };
  // Whether a model can be recorded does not depend on the size of the batch.
  prepare(1, own);
  prepare(1);

  const predictionOf = (plan: Plan, replay: WasmReplay, size: number): Float32Array =>
    replay.buffer(plan.prediction).subarray(0, size * objective.width);

  return {
    load: (weights, linear) => {
      held = weights;
      added = partsOfTrained(model, manifest, linear);
      loadInto(session, weights);
    },
    step: ({ batch, learningRate, optimizer, stream, scored }) => {
      const { plan, replay } = prepare(batch.size, optimizer);
      held = undefined;
      for (const [i, values] of drawsOf(backend.tf, dropouts, plan.draws, stream).entries())
        replay.buffer(plan.draws[i]?.buffer ?? -1).set(values);
      replay.buffer(plan.features).set(batch.features);
      if (plan.targets !== undefined)
        replay.buffer(plan.targets).set(targetsOf(objective, batch.labels, batch.size));
      if (plan.learningRate !== undefined) replay.buffer(plan.learningRate).fill(learningRate);
      replay.run();
      if (!scored) return undefined;
      return score(objective, predictionOf(plan, replay, batch.size), batch.labels, batch.size);
    },
    score: (batch) => {
      const { plan, replay } = prepare(batch.size);
      replay.buffer(plan.features).set(batch.features);
      replay.run();
      return score(objective, predictionOf(plan, replay, batch.size), batch.labels, batch.size);
    },
    read: () => (session === undefined ? new Float32Array() : session.read(travelling)),
    // The linear memory goes with the engine.
    dispose: () => {
      prepared.clear();
      session = undefined;
    },
  };
};
