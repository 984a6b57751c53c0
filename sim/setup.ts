/**
 * @module The parts of a scenario that are fixed before the first round: the partition, the model,
 * the specification, and the seed of every participant. All follow from the scenario and its data.
 */
import { loadStrategies } from '../protocol/algorithm/load-module.ts';
import { deriveSeed } from '../protocol/ports/random.ts';
import { identityFromSeed, type Identity } from '../protocol/ports/identity.ts';
import { type Contract, taskOfContract } from '../protocol/spec/contract.ts';
import { FloeError } from '../protocol/errors.ts';
import { hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { specOfSettings } from '../protocol/spec/spec-of-settings.ts';
import { attackNamed } from './attackers/model-attacks.ts';
import { createAnalyst, type AnalystCalls, type AnalystData } from './analysis.ts';
import type { Member } from './participant-host.ts';
import type { Mapping } from '../client/data/contract/mapping.ts';
import { readOptionsOf } from '../client/data/read-options.ts';
import { loadScenarioData, shareData, type ScenarioData } from './data.ts';
import type { ModelDescription } from '../client/tfjs/describe.ts';
import { keystoreKey } from './identities.ts';
import {
  dealRows,
  partitionStatistics,
  type PartitionStatistics,
} from '../client/data/partition.ts';
import { settingsOf, type Scenario } from './scenario.ts';
import { masterSeed } from '../protocol/spec/master-seed.ts';
import { localThread } from './local-thread.ts';
import { dataOfTask, loadTask, type SimulationModule } from './task.ts';
import { startThread, type Thread } from './thread.ts';
import { summariseWorld, type WorldSummary } from './world-summary.ts';
import { goalOf, worldOf, type CrowdWorld } from './world.ts';

export interface Setup {
  readonly scenario: Scenario;
  /** As it was given: `scenario` names a model of the caller's by its own name. */
  readonly given: Scenario;
  /** The caller's trainers or model, which work in this thread; undefined where workers do. */
  readonly own: SimulationModule | undefined;
  /** Names the model in reports. */
  readonly modelName: string;
  readonly master: Uint8Array;
  readonly data: ScenarioData;
  readonly statistics: PartitionStatistics;
  readonly model: Awaited<ReturnType<AnalystCalls['describe']>>;
  readonly spec: RunSpec;
  /** Hash of the specification. */
  readonly run: Uint8Array;
  readonly coordinator: Identity;
  readonly auditor: Identity;
  readonly auditorSeed: Uint8Array;
  readonly members: readonly (Member & { readonly key: Uint8Array })[];
  readonly analyst: Thread<AnalystCalls>;
  readonly world: CrowdWorld;
  /** The same as the outputs have it. */
  readonly worldSummary: WorldSummary;
}

/**
 * On an external network a scenario is a new run each time, with another name and therefore another
 * hash. Invitations and training depend on the id and the seed, and do not change.
 */
const nameOf = ({ seed, substrate }: Scenario, now: number): string => {
  const when = substrate.type === 'network' ? ` ${new Date(now).toISOString()}` : '';
  return `simulation${when} ${seed}`.slice(0, 100);
};

/**
 * The specification of a scenario, from its keys and its model alone. @param now milliseconds since
 * 1970
 */
export const specOf = (
  scenario: Scenario,
  now: number,
  master: Uint8Array,
  keys: { readonly coordinator: Uint8Array; readonly auditor: Uint8Array },
  model: ModelDescription,
  members: readonly Uint8Array[],
  contract?: Contract,
): RunSpec =>
  specOfSettings(settingsOf(scenario), {
    id: deriveSeed(master, 'run').slice(0, 16),
    name: nameOf(scenario, now),
    coordinator: keys.coordinator,
    auditors: [keys.auditor],
    model: {
      architecture: model.architecture,
      tensors: model.tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
      ...(model.architecture === 'custom' && model.topology !== undefined
        ? { topology: model.topology }
        : {}),
      ...(model.base === undefined ? {} : { base: model.base }),
    },
    members: { type: 'closed', keys: [...members] },
    ...(contract === undefined ? {} : { data: contract }),
  });

/** The caller's parts: a module by its URL, or values. */
export interface TaskOptions {
  readonly module?: string | undefined;
  readonly task?: SimulationModule | undefined;
  /** The data's columns and values, by those of the contract. */
  readonly map?: Mapping | undefined;
}

/**
 * Loads the data and derives the run. The analyst's worker is started here, since it builds the
 * model; `resources` ends it.
 *
 * @param now milliseconds since 1970
 * @throws FloeError `usage`, `file_not_found`, `data_malformed`, `data_unfit`,
 * `backend_unavailable`
 */
export const setUp = async (
  scenario: Scenario,
  resources: AsyncDisposableStack,
  now: number,
  { module, task: brought, map }: TaskOptions = {},
): Promise<Setup> => {
  await Promise.all(scenario.strategyModules.map(loadStrategies));
  const master = masterSeed(scenario.seed);
  const task = brought ?? (module === undefined ? undefined : await loadTask(module));
  const dataSeed = deriveSeed(master, 'data');
  const ownData = task && (await dataOfTask(task, dataSeed));
  if (ownData !== undefined && map !== undefined)
    throw new FloeError(
      'usage',
      '--map: the task brings its own data, which have no columns to map',
    );
  const data =
    ownData === undefined
      ? await loadScenarioData(scenario.data, dataSeed, {
          bytes: task?.trainer === undefined,
          read: readOptionsOf(scenario),
          contract: scenario.contract,
          task: scenario.task?.type,
          mapping: map,
          key: scenario.partition.type === 'key' ? scenario.partition.column : undefined,
        })
      : shareData(ownData);
  const { contract } = data;
  const taskOfRun = scenario.task ?? (contract && ({ type: taskOfContract(contract) } as const));
  if (taskOfRun?.type === 'regression' && scenario.targetAccuracy !== undefined)
    throw new FloeError('usage', '--target-accuracy: regression has no accuracy');
  const hasOwnModel = task?.model !== undefined || task?.trainer !== undefined;
  const modelName = hasOwnModel ? (task.name ?? 'own model') : scenario.model;
  // A function of the caller's cannot go to another thread; a module is imported there.
  const own = module === undefined && hasOwnModel ? task : undefined;
  const { labels, size, classes } = data.train;
  const rows = dealRows({
    partition: scenario.partition,
    labels,
    size,
    classes,
    participants: scenario.participants,
    keys: data.keys,
    seed: deriveSeed(master, 'partition'),
  });
  const world = worldOf(scenario, rows, data.train, master);
  if (world.attacks.some(({ kind }) => kind === 'own')) attackNamed('own', task?.attack);
  const analystData: AnalystData = {
    train: data.train,
    test: data.test,
    model: scenario.model,
    task: taskOfRun,
    contract,
    backend: scenario.backend,
    baselineSeed: deriveSeed(master, 'baseline'),
    goal: goalOf(world.attacks),
    ...(module !== undefined && hasOwnModel ? { module } : {}),
  };
  const analyst: Thread<AnalystCalls> =
    own === undefined
      ? startThread<AnalystCalls>('analyst', analystData)
      : localThread(createAnalyst(analystData, own));
  resources.defer(() => analyst.end());
  const model = await analyst.call('describe', undefined);
  const coordinator = await identityFromSeed(deriveSeed(master, 'coordinator'));
  const auditorSeed = deriveSeed(master, 'auditor');
  const auditor = await identityFromSeed(auditorSeed);
  const keys = { coordinator: coordinator.publicKey, auditor: auditor.publicKey };
  const members = await Promise.all(
    rows.map(async (share, index) => {
      const keystoreSeed = deriveSeed(master, 'participant', index);
      return {
        index,
        rows: share,
        keystoreSeed,
        key: await keystoreKey(keystoreSeed),
        randomSeed: deriveSeed(master, 'random', index),
      };
    }),
  );
  const memberKeys = members.map(({ key }) => key);
  const spec = specOf(scenario, now, master, keys, model, memberKeys, contract);
  const statistics = partitionStatistics(rows, labels, classes);
  const run = hashRunSpec(spec);
  return {
    scenario: { ...scenario, model: modelName },
    given: scenario,
    own,
    modelName,
    master,
    data,
    statistics,
    model,
    spec,
    run,
    coordinator,
    auditor,
    auditorSeed,
    members,
    analyst,
    world,
    worldSummary: summariseWorld(scenario, world, rows, statistics),
  };
};
