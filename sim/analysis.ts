/**
 * @module The analyst of a simulation: reads models and never takes part. It runs in a worker
 * (analyst.ts) or in the caller's thread, opens every published model with the auditor's key,
 * scores it on the test set, and trains the centralised baseline in between. Its results do not
 * affect the run.
 */
import { type Dataset, labelLength, subset } from '../client/data/dataset.ts';
import { tfjsTrainer, type TfjsTrainer } from '../client/tfjs/trainer.ts';
import type { Optimizer } from '../client/optimizer.ts';
import type { Task } from '../client/task.ts';
import type { Trainer } from '../client/trainer.ts';
import { selectBackend, type BackendChoice } from '../client/tfjs/backends.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { identityFromSeed } from '../protocol/ports/identity.ts';
import { decryptModel } from '../protocol/model/open-model.ts';
import { initialModel } from '../protocol/model/first-model.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import type { ModelRef } from '../protocol/records/records.ts';
import type { Contract } from '../protocol/spec/contract.ts';
import { decodeRunSpec, hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { openModel } from '../protocol/verify/index.ts';
import type { ModelDescription } from '../client/tfjs/describe.ts';
import { openGivenModel } from '../client/own-model.ts';
import type { ExampleShape } from '../client/tfjs/choose-model.ts';
import { shuffle } from '../client/data/sampling.ts';
import { openReaderPorts, type Substrate } from './substrate.ts';
import { measureFineTuning, type FineTunePlan } from './fine-tune/measure.ts';
import { goalExamples, type AttackGoal } from './attackers/poison.ts';
import { baseOfTask, loadTask, type SimulationModule } from './task.ts';

export interface AnalystData {
  readonly train: Dataset;
  readonly test: Dataset;
  readonly model: string;
  /** The task of the model, if the scenario declares one. */
  readonly task?: Task | undefined;
  /** That the examples follow, where there is one. */
  readonly contract?: Contract | undefined;
  readonly backend: BackendChoice;
  /** URL of the simulation module with the model or trainer, if any. */
  readonly module?: string | undefined;
  /** 32 bytes. */
  readonly baselineSeed: Uint8Array;
  /** What the attackers want of the model, where their success is measured. */
  readonly goal?: AttackGoal | undefined;
}

export interface Score {
  /** Undefined of regression. */
  readonly testAccuracy: number | undefined;
  readonly testLoss: number;
  /** Fraction of the examples on which the model does what the attackers want. */
  readonly attackSuccess?: number;
}

export interface BaselinePlan {
  /** Passes over the whole training set; need not be whole. */
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Default: plain SGD. */
  readonly optimizer?: Optimizer | undefined;
  /** Examples between two evaluations. */
  readonly stretch: number;
}

export interface BaselinePoint {
  /** Examples trained on so far. */
  readonly examples: number;
  readonly testAccuracy: number | undefined;
}

interface Opening {
  readonly spec: RunSpec;
  readonly substrate: Substrate;
  /** Seed of the auditor's identity. */
  readonly auditor: Uint8Array;
}
/** The model, and what trains it on any examples. */
interface OpenedModel {
  readonly architecture: string;
  readonly trainer: Trainer;
  /** As tfjs writes it, for models of tfjs. */
  readonly topology: TfjsTrainer['topology'] | undefined;
  /** On examples among those of `train`. */
  readonly trainerOf: (data: Dataset) => Trainer | Promise<Trainer>;
  /** What `auto` has found here, for others in this process. */
  readonly engine: BackendChoice;
}

/**
 * Architecture of a model that only its trainer knows: the specification names its tensors alone.
 */
const OWN_ARCHITECTURE = 'own';

/** What the examples say of the model. */
const shapeOf = ({ train, task }: AnalystData): ExampleShape => ({
  featureShape: train.featureShape,
  ...(train.classes === undefined ? {} : { classes: train.classes }),
  targets: labelLength(train),
  ...(task === undefined ? {} : { task: task.type }),
});

const openModelOf = async (
  init: AnalystData,
  task: SimulationModule | undefined,
): Promise<OpenedModel> => {
  const make = task?.trainer;
  if (make !== undefined) {
    const trainerOf = (data: Dataset) => make({ data });
    const trainer = await trainerOf(init.train);
    return {
      architecture: OWN_ARCHITECTURE,
      trainer,
      topology: undefined,
      trainerOf,
      engine: init.backend,
    };
  }
  const { architecture, build } =
    task?.model === undefined
      ? await openGivenModel(init.model, () => shapeOf(init), shapeOf(init))
      : { architecture: 'custom', build: task.model };
  const backend = await selectBackend({ prefer: init.backend });
  const trainer = await tfjsTrainer({
    model: build,
    data: init.train,
    backend,
    ...(await baseOfTask(task)),
    evaluationBatch: 500,
    ...(init.task === undefined ? {} : { task: init.task }),
    ...(init.contract === undefined ? {} : { contract: init.contract }),
  });
  const trainerOf = (data: Dataset) => trainer.withData(data, { checked: true });
  return { architecture, trainer, topology: trainer.topology, trainerOf, engine: backend.name };
};

/** The rows of one pass in the baseline's order, cut into stretches. */
const stretches = function* (init: AnalystData, plan: BaselinePlan): Generator<Uint32Array> {
  let left = Math.round(plan.epochs * init.train.size);
  for (let epoch = 0; left > 0; epoch += 1) {
    const rows = Uint32Array.from({ length: init.train.size }, (_, i) => i);
    shuffle(rows, seededRandom(deriveSeed(init.baselineSeed, 'epoch', epoch)));
    for (let at = 0; at < rows.length && left > 0; at += plan.stretch) {
      const rowsHere = rows.slice(at, at + Math.min(plan.stretch, left));
      left -= rowsHere.length;
      yield rowsHere;
    }
  }
};

interface Baseline {
  readonly points: readonly BaselinePoint[];
  /** Processor time. */
  readonly seconds: number;
}

/**
 * The local optimiser on all training examples, fresh after each stretch; evaluations that come in
 * between have their turn after each stretch.
 */
const trainBaseline = async (
  init: AnalystData,
  plan: BaselinePlan,
  {
    spec,
    trainerOf,
    score,
  }: Pick<Opening, 'spec'> &
    Pick<OpenedModel, 'trainerOf'> & {
      readonly score: (weights: Float32Array) => Promise<Score>;
    },
): Promise<Baseline> => {
  const points: BaselinePoint[] = [];
  // The run's own first model.
  let weights = initialModel(spec.model);
  let examples = 0;
  // Processor time: the clock on the wall would measure how long this thread made way for the
  // participants.
  let busy = 0;
  for (const [round, rows] of [...stretches(init, plan)].entries()) {
    const before = process.threadCpuUsage();
    // Each stretch continues from the weights of the one before.
    const part = await trainerOf(subset(init.train, rows));
    const result = await part.train({
      weights,
      round,
      epochs: 1,
      batchSize: plan.batchSize,
      learningRate: plan.learningRate,
      ...(plan.optimizer === undefined ? {} : { optimizer: plan.optimizer }),
      seed: init.baselineSeed,
    });
    part.dispose();
    ({ weights } = result);
    examples += rows.length;
    points.push({ examples, testAccuracy: (await score(weights)).testAccuracy });
    const { user, system } = process.threadCpuUsage(before);
    busy += user + system;
  }
  return { points, seconds: busy / 1e6 };
};

/** @param own the module itself, in the thread of the caller that gave it */
export const createAnalyst = (init: AnalystData, own?: SimulationModule) => {
  let opening: Opening | undefined;
  let reading: Promise<{ readonly store: BlobStore; readonly gate: AccessGate }> | undefined;
  let building: Promise<OpenedModel> | undefined;
  /**
   * Built at the first call, so that an error of the backend is an answer and not the end of the
   * worker.
   */
  const opened = (): Promise<OpenedModel> =>
    (building ??= (async () =>
      openModelOf(
        init,
        own ?? (init.module === undefined ? undefined : await loadTask(init.module)),
      ))());

  let goal: Dataset | undefined;
  const successOf = async (
    trainer: Trainer,
    weights: Float32Array,
  ): Promise<Pick<Score, 'attackSuccess'>> => {
    if (init.goal === undefined) return {};
    goal ??= goalExamples(init.goal, init.test);
    if (goal.size === 0) return {};
    const { correct, examples } = await trainer.evaluate(weights, goal);
    return { attackSuccess: correct / examples };
  };

  const score = async (weights: Float32Array): Promise<Score> => {
    const { trainer } = await opened();
    const { examples, correct, lossSum } = await trainer.evaluate(weights, init.test);
    const testAccuracy = init.task?.type === 'regression' ? undefined : correct / examples;
    return { testAccuracy, testLoss: lossSum / examples, ...(await successOf(trainer, weights)) };
  };

  return {
    describe: async (): Promise<ModelDescription & Pick<OpenedModel, 'engine'>> => {
      const { architecture, trainer, topology, engine } = await opened();
      return {
        engine,
        architecture,
        tensors: trainer.manifest.tensors,
        topology: topology && JSON.stringify(topology),
        backend: trainer.backend,
        ...(trainer.base === undefined ? {} : { base: trainer.base }),
      };
    },
    /** From here on models of this run can be evaluated. */
    follow: ({ spec, ...rest }: Omit<Opening, 'spec'> & { readonly spec: Uint8Array }): void => {
      opening = { ...rest, spec: decodeRunSpec(spec) };
    },
    /** Opens a published model, with its key where that is at hand, and scores it. */
    evaluate: async ({
      model,
      key,
    }: {
      readonly model: ModelRef;
      readonly key?: Uint8Array | undefined;
    }): Promise<Score> => {
      if (opening === undefined) throw new Error('evaluate before follow');
      const { spec, substrate, auditor } = opening;
      reading ??= (async () => {
        const identity = await identityFromSeed(auditor);
        const { store, gateFor } = await openReaderPorts(substrate, spec, identity);
        return { store, gate: await gateFor(identity) };
      })();
      const { store, gate } = await reading;
      const cipher = await store.get(model.blob);
      const sealed = { run: hashRunSpec(spec), model, cipher };
      return score(
        key === undefined
          ? await openModel(sealed, spec.model, gate)
          : (await decryptModel({ ...sealed, key }, spec.model)).weights,
      );
    },
    /** Fine-tunes the model that a round committed, at every honest site. */
    fineTune: async ({
      weights,
      plan,
    }: {
      readonly weights: Float32Array;
      readonly plan: FineTunePlan;
    }) => {
      const { trainerOf } = await opened();
      return measureFineTuning(
        plan,
        init.train,
        weights,
        init.task?.type === 'regression',
        trainerOf,
      );
    },
    baseline: async (plan: BaselinePlan): Promise<Baseline> => {
      if (opening === undefined) throw new Error('baseline before follow');
      const { trainerOf } = await opened();
      return trainBaseline(init, plan, { spec: opening.spec, trainerOf, score });
    },
  } as const;
};
export type AnalystCalls = ReturnType<typeof createAnalyst>;
