/**
 * @module Rounds to an accuracy by strategy and similarity of the participants: the shape of table
 * 3 of Karimireddy et al. 2020 (SCAFFOLD, ICML). Logistic regression, 100 participants, a
 * fifth of them in a round; an epoch is five steps, each on a fifth of the participant's examples;
 * global rate 1, FedProx with mu = 1. SGD makes one step a round on all of them.
 *
 * Other than there: MNIST for EMNIST, so the target is 87 % for 50 %; at most 150 rounds for 1,000;
 * the local rate is the best of two for each cell, where the paper tunes it. So rounds cannot be
 * compared with the paper's, but ratios to SGD of the same column can: the second table has both.
 * Without masks, which change no model (test/protocol/strategies-run.test.ts).
 *
 *   node bench/scaffold.ts [--only scaffold,fedavg] [--similarities 0,10,100] [--epochs 1,5,10]
 *     [--rates .05,.2] [--rounds 150] [--state scaffold.json] [--budget SECONDS]
 */
import { parseArgs } from 'node:util';
import { tfjsTrainer } from '../client/tfjs/trainer.ts';
import { subset } from '../client/data/dataset.ts';
import { deriveSeed } from '../protocol/ports/random.ts';
import type { ScenarioInput } from '../sim/index.ts';
import { openCells } from './learning/cells.ts';
import { formatComparison } from './learning/comparison.ts';
import { curveOf, roundsTo, type Curve } from './learning/curve.ts';
import { budgetOf, cellOptions, namesOf, wholeOf } from './learning/flags.ts';
import { mnist } from './learning/mnist.ts';
import { partsOfSimilarity } from './learning/similarity.ts';
import { report } from './table.ts';

const PARTICIPANTS = 100;
const COHORT = 20;
const EXAMPLES = 600;
const STEPS_AN_EPOCH = 5;
const TARGET = 0.87;

type Strategy = NonNullable<ScenarioInput['strategy']>;
const METHODS = {
  sgd: { name: 'fedavg', parameters: {} },
  scaffold: { name: 'scaffold', parameters: {} },
  fedavg: { name: 'fedavg', parameters: {} },
  fedprox: { name: 'fedprox', parameters: { mu: 1 } },
} as const satisfies Record<string, Strategy>;
type Method = keyof typeof METHODS;

/** In per cent of the examples; the column of the published table. */
const SIMILARITIES = { '0': 0, '10': 1, '100': 2 } as const;
type Percent = keyof typeof SIMILARITIES;
const BEYOND = Infinity;

/** Rounds by epochs at 0, 10 and 100 % similarity. */
const PUBLISHED: Readonly<Record<Method, Readonly<Record<number, readonly number[]>>>> = {
  sgd: { 1: [317, 365, 416] },
  scaffold: { 1: [77, 62, 60], 5: [152, 20, 10], 10: [286, 16, 7], 20: [266, 11, 4] },
  fedavg: { 1: [258, 74, 83], 5: [428, 34, 10], 10: [711, 25, 6], 20: [BEYOND, 18, 4] },
  fedprox: {
    1: [BEYOND, 979, 459],
    5: [BEYOND, 794, 351],
    10: [BEYOND, 894, 308],
    20: [BEYOND, 916, 351],
  },
};

const { values } = parseArgs({
  options: {
    ...cellOptions('scaffold.json'),
    only: { type: 'string', default: Object.keys(METHODS).join() },
    similarities: { type: 'string', default: Object.keys(SIMILARITIES).join() },
    epochs: { type: 'string', default: '1,5,10' },
    rates: { type: 'string', default: '.05,.2' },
    rounds: { type: 'string', default: '150' },
  },
});
const methods = namesOf('only', values.only, METHODS);
const similarities = namesOf('similarities', values.similarities, SIMILARITIES);
const epochs = namesOf('epochs', values.epochs, PUBLISHED.scaffold).map(Number);
const rates = values.rates.split(',').map(Number);
const most = wholeOf('rounds', values.rounds);
const cells = await openCells<Curve>(values.state, budgetOf(values.budget));
const { train, test, source } = await mnist({ tests: 2000 });
const shared = await tfjsTrainer({
  model: (tf) =>
    tf.sequential({
      layers: [
        tf.layers.flatten({ name: 'flatten', inputShape: [28, 28, 1] }),
        tf.layers.dense({
          name: 'output',
          units: 10,
          activation: 'softmax',
          kernelInitializer: 'zeros',
        }),
      ],
    }),
  data: test,
});
const parts = Object.fromEntries(
  similarities.map((percent) => [
    percent,
    partsOfSimilarity(
      train.labels,
      PARTICIPANTS,
      Number(percent) / 100,
      deriveSeed(new Uint8Array(32), 'similarity'),
    ),
  ]),
);

const run = (
  label: string,
  method: Method,
  percent: Percent,
  work: { readonly epochs: number; readonly learningRate: number; readonly rounds: number },
): Promise<Curve> =>
  curveOf(label, {
    // Trainers have their own examples: what the partition deals is not used.
    data: { train, test, source: source ?? '' },
    trainer: ({ index }) =>
      shared.withData(index === undefined ? test : subset(train, parts[percent]![index]!)),
    participants: PARTICIPANTS,
    cohort: COHORT,
    ...work,
    batchSize: method === 'sgd' ? EXAMPLES : EXAMPLES / STEPS_AN_EPOCH,
    strategy: METHODS[method],
    targetAccuracy: TARGET,
    mask: false,
    ring: 'ring32',
    clipNorm: 100,
    seed: '1',
  });

/** The fewest rounds over the rates; undefined where a cell remains to be done. */
const fewest = async (
  method: Method,
  percent: Percent,
  count: number,
): Promise<number | undefined> => {
  let best = Infinity;
  for (const rate of method === 'sgd' ? rates.map((value) => STEPS_AN_EPOCH * value) : rates) {
    // A rate that is slower than the best so far need not be followed to its end.
    const rounds = Math.min(best, most);
    const label = `${method}, ${count} epochs, ${percent} % similarity, rate ${rate}`;
    const curve = await cells.take(`${label}, ${100 * TARGET} %, ${rounds} rounds`, () =>
      run(label, method, percent, { epochs: count, learningRate: rate, rounds }),
    );
    if (curve === undefined) return undefined;
    best = Math.min(best, roundsTo(curve, TARGET));
  }
  return best;
};

const found = new Map<string, number | undefined>();
const rows = methods.flatMap((method) =>
  (method === 'sgd' ? [1] : epochs).map((count) => ({ method, count })),
);
try {
  for (const { method, count } of rows)
    for (const percent of similarities) {
      const value = await fewest(method, percent, count);
      found.set(`${method} ${count} ${percent}`, value);
      if (value === undefined) continue;
      const sgd = found.get(`sgd 1 ${percent}`) ?? Number.NaN;
      report({
        what: `${method}, ${count} epochs, ${percent} % similarity: rounds to ${100 * TARGET} %`,
        value,
        unit: 'rounds',
        ...(Number.isFinite(value / sgd) ? { ratio: { value: value / sgd, to: 'SGD' } } : {}),
      });
    }
} finally {
  shared.dispose();
}

const publishedOf = (method: Method, count: number, percent: Percent): number =>
  PUBLISHED[method][count]![SIMILARITIES[percent]]!;
/** Undefined where a cell is missing or did not get there. */
const speedUp = (sgd: number | undefined, rounds: number | undefined): number | undefined => {
  const ratio = (sgd ?? Number.NaN) / (rounds ?? Number.NaN);
  return Number.isFinite(ratio) && ratio > 0 ? ratio : undefined;
};
const table = (title: string, digits: number, ofSgd: boolean): string =>
  formatComparison({
    title,
    source: 'Karimireddy et al. 2020, table 3 (EMNIST, 50 %)',
    columns: similarities.map((percent) => `${percent} % similar`),
    rows: rows.map(({ method, count }) => ({
      name: `${method}, ${count} epoch${count === 1 ? '' : 's'}`,
      cells: similarities.map((percent) => {
        const measured = found.get(`${method} ${count} ${percent}`);
        const published = publishedOf(method, count, percent);
        if (!ofSgd) return { measured, published };
        return {
          measured: speedUp(found.get(`sgd 1 ${percent}`), measured),
          published: publishedOf('sgd', 1, percent) / published,
        };
      }),
    })),
    digits,
    beyond: [`${most}+`, '1000+'],
  });
console.log(`\n${table(`rounds to ${100 * TARGET} % test accuracy`, 0, false)}`);
console.log(`\n${table('the same as speed-up over SGD', 1, true)}\n`);
console.log(cells.tally());
