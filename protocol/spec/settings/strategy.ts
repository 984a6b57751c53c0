/**
 * @module Settings of what becomes of the updates: the strategy with its parameters, the modules of
 * strategies that are not Floe's, and what participants measure. Which strategies and parameters
 * there are is known to algorithm/registry.ts, so these have separate schemas and flags.
 */
import * as v from 'valibot';
import { DEFAULT_METRICS, metricsSchema } from '../../algorithm/metrics.ts';
import { DEFAULT_STRATEGY, strategyInput } from '../../algorithm/registry.ts';
import { EVERY_RUN, REAL_RUNS, type SettingsTable } from '../setting.ts';

export const STRATEGY_SETTINGS = {
  strategy: {
    area: 'training',
    type: 'data',
    schema: strategyInput,
    expected: 'a strategy such as {"name": "fedavg", "parameters": {"serverLearningRate": 0.5}}',
    flags: true,
    default: { name: DEFAULT_STRATEGY, parameters: {} },
    otherwise: DEFAULT_STRATEGY,
    help: 'how updates become the next model; `floe strategies` lists the names and their parameters',
    spec: 'strategy',
    commands: [...EVERY_RUN, 'cost'],
  },
  strategyModules: {
    area: 'training',
    type: 'data',
    schema: v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(4096))),
    expected: 'a list of paths or `file:` URLs of modules',
    flags: true,
    flag: 'strategy-module',
    default: [],
    otherwise: 'none',
    help: 'modules with your own strategies, which run as code in this process, see examples/strategy; the flag may be repeated',
    commands: [...EVERY_RUN, 'cost', 'join'],
  },
  metrics: {
    area: 'training',
    type: 'data',
    schema: metricsSchema,
    expected: 'a list of metrics such as {"name": "loss", "kind": "mean", "scale": 1000}',
    flags: false,
    otherwise: DEFAULT_METRICS.map(({ name }) => name).join(' and '),
    help: 'metrics of the run; the trainers of participants must measure them',
    spec: 'metrics',
    commands: REAL_RUNS,
  },
} as const satisfies SettingsTable;
