/**
 * @module Correctness of training over a zoo of models, as one table: `npx node bench/zoo.ts
 * [--rounds 30] [--only NAME] [--webgpu] [--no-federated]`. For each engine that runs here: the
 * largest difference between its gradients and central differences in float32, as a ratio to the
 * limit of 1e-3. For each model a masked run on local ports over sites of 5, 60 and 1000 examples
 * at default settings, beside FedAvg in floats: accuracies, error of the mean, frozen elements that
 * moved, the least variance. Ends with 1 where a limit does not hold.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { selectBackend } from '../client/tfjs/backends.ts';
import { federate, type FederatedResult } from './zoo/federated.ts';
import {
  ENGINES,
  gradientError,
  openEngine,
  slopesOf,
  type OpenedEngine,
} from './zoo/gradients.ts';
import { ZOO, type ZooModel } from './zoo/models.ts';
import { report } from './table.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    only: { type: 'string' },
    /** Takes a software adapter too, whose shaders take minutes to make. */
    webgpu: { type: 'boolean', default: false },
    federated: { type: 'boolean', default: true },
  },
  allowNegative: true,
});

const LIMITS = {
  /** Of a gradient against central differences in float32. */
  gradient: 1e-3,
  /** Of the last model's accuracy, below that of the float run. */
  accuracy: 0.01,
  /** Of the mean, relative to an update; at the median round. */
  mean: 0.05,
} as const;
const SITES = [5, 60, 1000];
const TEST = 2000;
const PROBES = 6;

const misses: string[] = [];
const hold = (what: string, isKept: boolean): void => {
  if (!isKept) misses.push(what);
};

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;

const gradients = async (small: ZooModel, engines: readonly OpenedEngine[]): Promise<void> => {
  const slopes = await slopesOf(small, await selectBackend({ prefer: 'cpu' }), PROBES);
  const probed = slopes.indices.length;
  if (slopes.kinks > 0) console.log(`${small.name}: ${slopes.kinks} probes lie at a kink`);
  hold(`${small.name}: probes`, probed > slopes.kinks);
  for (const engine of engines) {
    const what = `${small.name}: gradient, ${engine.title}`;
    try {
      const error = await gradientError(small, engine, slopes);
      const ratio = { value: error / LIMITS.gradient, to: 'the limit' };
      report({ what, value: error, unit: 'most', ratio });
      hold(what, error < LIMITS.gradient);
    } catch (thrown) {
      console.log(`${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      misses.push(what);
    }
  }
};

const tell = (small: ZooModel, result: FederatedResult): void => {
  const { masked, float, errors, frozenMoved, leastVariance, verified } = result;
  const name = small.name;
  report({
    what: `${name}: accuracy, masked`,
    value: masked,
    unit: '',
    ratio: { value: masked / float, to: `of floats (${float.toFixed(4)})` },
  });
  // Before the first commit nobody knows the sizes.
  const later = errors.slice(1);
  const middle = median(later);
  report({
    what: `${name}: error of the mean, median round`,
    value: middle,
    unit: 'updates',
    ratio: { value: middle / LIMITS.mean, to: 'the limit' },
  });
  report({ what: `${name}: error of the mean, worst`, value: Math.max(...later), unit: 'updates' });
  if (frozenMoved > 0 || /frozen/u.test(name))
    report({ what: `${name}: frozen elements that moved`, value: frozenMoved, unit: '' });
  if (leastVariance !== undefined)
    report({ what: `${name}: least variance`, value: leastVariance, unit: '' });
  hold(`${name}: accuracy`, masked >= float - LIMITS.accuracy);
  hold(`${name}: error of the mean`, middle < LIMITS.mean);
  hold(`${name}: frozen`, frozenMoved === 0);
  hold(`${name}: variance`, leastVariance === undefined || leastVariance >= 0);
  hold(`${name}: verified`, verified);
};

const engines: OpenedEngine[] = [];
for (const engine of ENGINES) {
  const opened = await openEngine(engine);
  if (typeof opened === 'string') console.log(`${engine.title} does not run here: ${opened}`);
  else if (engine.title === 'WebGPU' && !values.webgpu) {
    opened.opened.gpu?.destroy();
    console.log(`WebGPU runs here (${opened.opened.description}); --webgpu measures it`);
  } else engines.push(opened);
}
const wasm = await selectBackend({ prefer: 'wasm' });
for (const small of ZOO) {
  if (values.only !== undefined && !small.name.includes(values.only)) continue;
  await gradients(small, engines);
  if (!values.federated) continue;
  const folder = await mkdtemp(join(tmpdir(), 'floe-zoo-'));
  const init = { sites: SITES, rounds: Number(values.rounds), backend: wasm, test: TEST, folder };
  tell(small, await federate(small, init));
}
for (const engine of engines) engine.opened.gpu?.destroy();
console.log(misses.length === 0 ? 'all limits hold' : `not held: ${misses.join('; ')}`);
if (misses.length > 0) process.exitCode = 1;
