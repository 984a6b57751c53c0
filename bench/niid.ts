/**
 * @module The MNIST rows of table 3 of NIID-Bench (Li, Diao, Chen, He 2022, "Federated Learning on
 * Non-IID Data Silos", ICDE): ten parties, all in every round, ten local epochs in batches of 64,
 * SGD of rate .01 with momentum .9, a CNN of two 5x5 convolutions (6 and 16 channels) and two
 * hidden layers (120, 84), 50 rounds. FedProx has mu = .01, the authors' default; they report the
 * best of four.
 *
 * The published figures here are those of Flower's reproduction of that table (adap/flower,
 * baselines/niid_bench, README, "Expected Results", one seed); the paper's own table was not at
 * hand. Flower has no row for noise and for quantity, so these have none.
 *
 * The defaults are the paper's and take hours: `--examples`, `--epochs` and `--rounds` scale down,
 * and the title of the table says so. Without masks, which change no model
 * (test/protocol/strategies-run.test.ts). The noise of party i has the deviation .1 i / 10, as in
 * the authors' code.
 *
 *   node bench/niid.ts [--only '#C=1,dirichlet .5'] [--methods fedavg,fednova] [--rounds 50]
 *     [--epochs 10] [--examples 60000] [--seeds 1] [--state niid.json] [--budget SECONDS]
 */
import { parseArgs } from 'node:util';
import type { ModelFunction } from '../client/tfjs/models.ts';
import type { ScenarioInput } from '../sim/index.ts';
import { openCells } from './learning/cells.ts';
import { formatComparison } from './learning/comparison.ts';
import { curveOf, lastOf, type Curve } from './learning/curve.ts';
import { budgetOf, cellOptions, namesOf, wholeOf } from './learning/flags.ts';
import { mnist } from './learning/mnist.ts';
import { mean } from './learning/statistics.ts';
import { report } from './table.ts';

const PARTIES = 10;

const PARTITIONS = {
  iid: { partition: { type: 'iid' } },
  'dirichlet .5': { partition: { type: 'label-dirichlet', alpha: 0.5 } },
  '#C=1': { partition: { type: 'labels', perParticipant: 1 } },
  '#C=2': { partition: { type: 'labels', perParticipant: 2 } },
  '#C=3': { partition: { type: 'labels', perParticipant: 3 } },
  'noise .1': { partition: { type: 'iid' }, featureSkew: { type: 'noise', sigma: 0.1 } },
  'quantity .5': { partition: { type: 'quantity', alpha: 0.5 } },
} as const satisfies Record<string, ScenarioInput>;
type Partition = keyof typeof PARTITIONS;

const METHODS = ['fedavg', 'fedprox', 'scaffold', 'fednova'] as const;
type Method = (typeof METHODS)[number];

/** In the order of the methods. */
const PUBLISHED: Readonly<Partial<Record<Partition, readonly number[]>>> = {
  iid: [99.1, 99.2, 99.2, 99.0],
  'dirichlet .5': [98.9, 99.0, 99.0, 98.8],
  '#C=1': [10.0, 81.3, 10.0, 55.1],
  '#C=2': [96.6, 96.7, 96.6, 96.5],
  '#C=3': [98.2, 97.8, 97.8, 97.7],
};

const { values } = parseArgs({
  options: {
    ...cellOptions('niid.json'),
    only: { type: 'string', default: Object.keys(PARTITIONS).join() },
    methods: { type: 'string', default: METHODS.join() },
    rounds: { type: 'string', default: '50' },
    epochs: { type: 'string', default: '10' },
    examples: { type: 'string', default: '60000' },
    'learning-rate': { type: 'string', default: '0.01' },
  },
});
const partitions = namesOf('only', values.only, PARTITIONS);
const known = Object.fromEntries(METHODS.map((name) => [name, true])) as Record<Method, true>;
const methods = namesOf('methods', values.methods, known);
const [rounds, epochs] = [wholeOf('rounds', values.rounds), wholeOf('epochs', values.epochs)];
const examples = wholeOf('examples', values.examples);
const seeds = wholeOf('seeds', values.seeds);
const cells = await openCells<Curve>(values.state, budgetOf(values.budget));
const data = await mnist({ examples, tests: Math.min(10_000, examples) });

/** 44,426 parameters. */
const cnn: ModelFunction = (tf) => {
  const shared = { activation: 'relu', kernelInitializer: 'heUniform' } as const;
  return tf.sequential({
    layers: [
      tf.layers.conv2d({
        name: 'convolution1',
        inputShape: [28, 28, 1],
        filters: 6,
        kernelSize: 5,
        ...shared,
      }),
      tf.layers.maxPooling2d({ name: 'pool1', poolSize: 2 }),
      tf.layers.conv2d({ name: 'convolution2', filters: 16, kernelSize: 5, ...shared }),
      tf.layers.maxPooling2d({ name: 'pool2', poolSize: 2 }),
      tf.layers.flatten({ name: 'flatten' }),
      tf.layers.dense({ name: 'hidden1', units: 120, ...shared }),
      tf.layers.dense({ name: 'hidden2', units: 84, ...shared }),
      tf.layers.dense({ name: 'output', units: 10, activation: 'softmax' }),
    ],
  });
};

const parametersOf = (method: Method): Readonly<Record<string, number>> => {
  if (method === 'fedprox') return { mu: 0.01 };
  // The steps of a party that has an even part.
  if (method === 'fednova') return { nominalSteps: Math.ceil(examples / PARTIES / 64) * epochs };
  return {};
};

const run = (label: string, partition: Partition, method: Method, seed: number): Promise<Curve> =>
  curveOf(label, {
    data,
    model: cnn,
    participants: PARTIES,
    cohort: PARTIES,
    minimum: PARTIES,
    rounds,
    epochs,
    batchSize: 64,
    learningRate: Number(values['learning-rate']),
    optimizer: { type: 'momentum', momentum: 0.9 },
    strategy: { name: method, parameters: parametersOf(method) },
    mask: false,
    ring: 'ring32',
    // Above the norm of every update and the size of every party: nothing is cut.
    clipNorm: 100,
    weightCap: examples,
    seed: String(seed),
    ...PARTITIONS[partition],
  });

const rows = [];
for (const partition of partitions) {
  const found: (number | undefined)[] = [];
  for (const method of methods) {
    const ofSeeds: number[] = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      const label = `${partition}, ${method}, seed ${seed}`;
      const key = `${label}, ${rounds} rounds, ${epochs} epochs, ${examples} examples, rate ${values['learning-rate']}`;
      const curve = await cells.take(key, () => run(label, partition, method, seed));
      if (curve === undefined) continue;
      if (curve.clipped > 0) throw new Error(`${label}: ${curve.clipped} updates were cut`);
      ofSeeds.push(100 * lastOf(curve));
    }
    const value = ofSeeds.length < seeds ? undefined : mean(ofSeeds);
    found.push(value);
    const published = PUBLISHED[partition]?.[METHODS.indexOf(method)];
    if (value === undefined) continue;
    const ratio = published && { ratio: { value: value / published, to: 'Flower' } };
    report({ what: `${partition}, ${method}: test accuracy`, value, unit: '%', ...ratio });
  }
  rows.push({
    name: partition,
    cells: methods.map((method, i) => ({
      measured: found[i],
      published: PUBLISHED[partition]?.[METHODS.indexOf(method)],
    })),
  });
}
console.log(
  `\n${formatComparison({
    title: `test accuracy in % after ${rounds} rounds of ${epochs} epochs on ${examples} examples, ${seeds} seed(s)`,
    source: "Flower's reproduction of Li et al. 2022, table 3 (50 rounds of 10 epochs on 60000)",
    columns: methods,
    rows,
    digits: 1,
  })}\n`,
);
console.log(cells.tally());
