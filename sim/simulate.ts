/**
 * @module Runs a simulation in one call, optionally with the caller's data, model or trainer.
 */
import type { ModelFunction } from '../client/tfjs/models.ts';
import { FloeError } from '../protocol/errors.ts';
import { runScenario, type RunOptions, type RunResult } from './run.ts';
import { makeScenario, type ScenarioInput } from './scenario.ts';
import { overModule } from './module-settings.ts';
import { checkTask, type SimulationModule } from './task.ts';

export interface SimulateOptions
  extends
    Omit<ScenarioInput, 'data' | 'model'>,
    Omit<RunOptions, 'task' | 'module'>,
    Pick<SimulationModule, 'trainer' | 'base' | 'name'> {
  /**
   * `mnist`, a CSV table, a folder of IDX files; or examples, or a function that makes them.
   * Default `mnist`.
   */
  readonly data?: string | SimulationModule['data'];
  /** `mlp-2nn`, `cnn`, `linear`, `mlp:UNITS,...`; or a model of tfjs. Default `mlp-2nn`. */
  readonly model?: string | ModelFunction;
  /**
   * URL of a {@link SimulationModule}, imported by every worker. Functions given here instead work
   * in the calling thread, one participant after another.
   */
  readonly module?: string | URL;
}

/** The parts of a task that the caller supplies. */
const taskOf = ({
  data,
  model,
  trainer,
  base,
  name,
}: SimulateOptions): SimulationModule | undefined => {
  const parts = {
    ...(data === undefined || typeof data === 'string' ? {} : { data }),
    ...(typeof model === 'function' ? { model } : {}),
    ...(trainer === undefined ? {} : { trainer }),
    ...(base === undefined ? {} : { base }),
  };
  return Object.keys(parts).length === 0
    ? undefined
    : checkTask({ ...parts, ...(name === undefined ? {} : { name }) }, 'simulate');
};

/**
 * Simulates a federated run with the production coordinator and participants.
 *
 * @example
 * const { summary } = await simulate({ participants: 10, substrate: 'local', trainer, data });
 * @throws FloeError `usage` naming the option, and what `runScenario` throws
 */
export const simulate = async (options: SimulateOptions = {}): Promise<RunResult> => {
  const {
    outDir,
    folderName,
    resume,
    exports,
    signal,
    onEvent,
    clock,
    log,
    limits,
    module,
    ...input
  } = options;
  const { data, model, trainer: _trainer, base: _base, name: _name, ...scenario } = input;
  const task = taskOf(options);
  if (task !== undefined && module !== undefined)
    throw new FloeError('usage', 'expected a module, or own data, model and trainer, not both');
  const { substrate, ...settings } = scenario;
  const given = {
    ...settings,
    ...(typeof data === 'string' ? { data } : {}),
    ...(typeof model === 'string' ? { model } : {}),
  };
  return runScenario(
    makeScenario({
      ...(await overModule(given, module === undefined ? undefined : String(module))),
      ...(substrate === undefined ? {} : { substrate }),
    }),
    {
      ...(outDir === undefined ? {} : { outDir }),
      ...(folderName === undefined ? {} : { folderName }),
      ...(resume === undefined ? {} : { resume }),
      ...(exports === undefined ? {} : { exports }),
      ...(signal === undefined ? {} : { signal }),
      ...(onEvent === undefined ? {} : { onEvent }),
      ...(clock === undefined ? {} : { clock }),
      ...(log === undefined ? {} : { log }),
      ...(limits === undefined ? {} : { limits }),
      ...(module === undefined ? {} : { module: String(module) }),
      ...(task === undefined ? {} : { task }),
    },
  );
};
