/**
 * @module The caller's parts of a simulation: data, a model, trainers. They are values passed to
 * `simulate`, which then trains in its thread, or the exports of a module, which every worker
 * imports by its URL: `simulate({ module })`, `floe sim --module task.ts`.
 */
import * as v from 'valibot';
import type { BaseWeights } from '../client/adapters/base.ts';
import type { Dataset } from '../client/data/dataset.ts';
import { importModule } from '../client/own-module.ts';
import type { ModelFunction } from '../client/tfjs/models.ts';
import type { Trainer } from '../client/trainer.ts';
import type { Attack } from './attackers/model-attacks.ts';
import type { Strategy } from '../protocol/algorithm/strategy.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Contract } from '../protocol/spec/contract.ts';
import type { RunSettings } from '../protocol/spec/settings.ts';
import { issueText } from '../protocol/wire/issue.ts';

/**
 * The examples of a simulation: `train` is cut by the scenario's partition, `test` scores the
 * models.
 */
export interface SimulationData {
  readonly train: Dataset;
  readonly test: Dataset;
  /** In words, for reports. Default: `own data`. */
  readonly source?: string;
}

export interface SimulationTrainerInit {
  /** The examples of one participant; all of `train` where the model is described or scored. */
  readonly data: Dataset;
  /** Number of the participant from 0; undefined for the trainer that describes and scores. */
  readonly index?: number;
  /** That of the run, whose class weights a trainer of its own applies. */
  readonly contract?: Contract;
}

/** All parts are optional; a part that is missing is the scenario's. */
export interface SimulationModule {
  /**
   * Examples, or a function that makes them. @param seed 32 bytes derived from the scenario's seed
   */
  readonly data?: SimulationData | ((seed: Uint8Array) => SimulationData | Promise<SimulationData>);
  /** A model of tfjs for the examples; not together with `trainer`. */
  readonly model?: ModelFunction;
  /** The frozen weights of `model`, if it has any: see docs/adapters.md. */
  readonly base?: BaseWeights | (() => BaseWeights | Promise<BaseWeights>);
  /**
   * Makes the trainer of one participant. All have the same manifest. `evaluate` is asked to score
   * models on `test`, so it is needed. The first model is drawn from the run's seed by the names
   * and shapes of the manifest's tensors.
   */
  readonly trainer?: (init: SimulationTrainerInit) => Trainer | Promise<Trainer>;
  /** An attack of one's own, which `--attack own:FRACTION` puts on that many participants. */
  readonly attack?: Attack;
  /** Strategies of one's own, which a run of this module may name: see examples/strategy. */
  readonly strategies?: readonly Strategy[];
  /** Settings of the scenario where neither a flag nor a scenario file gives them. */
  readonly settings?: RunSettings;
  /** Names the model in reports. Default: `own model`. */
  readonly name?: string;
}

const callable = v.custom<(...given: never[]) => unknown>(
  (value) => typeof value === 'function',
  'expected a function',
);
const dataset = v.looseObject({
  features: v.instance(Float32Array),
  size: v.number(),
  featureShape: v.array(v.number()),
});
const dataSchema = v.looseObject({ train: dataset, test: dataset, source: v.optional(v.string()) });
const baseSchema = v.looseObject({
  manifest: v.looseObject({ tensors: v.array(v.unknown()) }),
  flat: v.instance(Float32Array),
});
const moduleSchema = v.looseObject({
  data: v.optional(v.union([callable, dataSchema])),
  model: v.optional(callable),
  base: v.optional(v.union([callable, baseSchema])),
  trainer: v.optional(callable),
  attack: v.optional(callable),
  strategies: v.optional(v.pipe(v.array(v.unknown()), v.minLength(1))),
  settings: v.optional(v.looseObject({})),
  name: v.optional(v.pipe(v.string(), v.maxLength(100))),
});

/** @param from names the module in errors @throws FloeError `usage` naming the export */
export const checkTask = (task: unknown, from: string): SimulationModule => {
  const result = v.safeParse(moduleSchema, task, { abortEarly: true });
  if (!result.success) throw new FloeError('usage', `${from}: ${issueText(result.issues[0])}`);
  const { base, data, model, trainer } = result.output;
  if (base !== undefined && model === undefined)
    throw new FloeError('usage', `${from}: expected a model to the base`);
  if (model !== undefined && trainer !== undefined)
    throw new FloeError('usage', `${from}: expected a model or a trainer, got both`);
  const { attack, strategies } = result.output;
  if ([data, model, trainer, attack, strategies].every((part) => part === undefined))
    throw new FloeError('usage', `${from}: expected data, model or trainer among its exports`);
  return task as SimulationModule;
};

/**
 * Imports a simulation module. @param url `file:` or what `import` takes @throws FloeError `usage`,
 * `file_not_found`
 */
export const loadTask = async (url: string): Promise<SimulationModule> =>
  checkTask(await importModule(url), url);

/** The examples of a task. @throws FloeError `usage` for invalid examples */
export const dataOfTask = async (
  { data }: SimulationModule,
  seed: Uint8Array,
): Promise<SimulationData | undefined> => {
  if (typeof data !== 'function') return data;
  const made = await data(seed);
  checkTask({ data: made }, 'data()');
  return made;
};

/** The base of a task's model, as an option of the trainer. @throws FloeError `usage` */
export const baseOfTask = async (
  task: SimulationModule | undefined,
): Promise<{ readonly base?: BaseWeights }> => {
  const { base, model } = task ?? {};
  if (base === undefined) return {};
  if (typeof base !== 'function') return { base };
  const made = await base();
  checkTask({ base: made, model }, 'base()');
  return { base: made };
};
