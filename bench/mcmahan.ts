/**
 * @module The published settings of McMahan et al. 2017 ("Communication-Efficient Learning of Deep
 * Networks from Decentralized Data", tables 1 and 2), masked: 100 participants, ten a round. Prints
 * the rounds to the target accuracy next to those of the paper, as medians over seeds. Finished
 * runs are recorded in `--state` and not repeated: a setting can take hours. `--unmasked` gives the
 * same models in a quarter of the time.
 *
 *   node bench/mcmahan.ts [--only 2nn-iid,cnn-iid] [--seeds 3] [--unmasked]
 *     [--state mcmahan.json] [--budget SECONDS]
 */
import { parseArgs } from 'node:util';
import type { ScenarioInput } from '../sim/scenario.ts';
import { openCells } from './learning/cells.ts';
import { curveOf, roundsTo, type Curve } from './learning/curve.ts';
import { budgetOf, cellOptions, namesOf, wholeOf } from './learning/flags.ts';
import { median } from './learning/statistics.ts';
import { report } from './table.ts';

/**
 * Rounds to the target by the paper; a run may take twice as many before it is called a failure.
 */
interface Published {
  readonly paper: number;
  readonly scenario: ScenarioInput;
}

const SHARDS = { type: 'shards', perParticipant: 2 } as const;
const NN = { model: 'mlp-2nn', epochs: 1, learningRate: 0.1, targetAccuracy: 0.97 } as const;
const CNN = { model: 'cnn', epochs: 5, learningRate: 0.1, targetAccuracy: 0.99 } as const;

const SETTINGS: Readonly<Record<string, Published>> = {
  '2nn-iid': { paper: 87, scenario: { ...NN, partition: { type: 'iid' } } },
  '2nn-shards': { paper: 664, scenario: { ...NN, learningRate: 0.05, partition: SHARDS } },
  'cnn-iid': { paper: 20, scenario: { ...CNN, partition: { type: 'iid' } } },
  'cnn-shards': { paper: 229, scenario: { ...CNN, learningRate: 0.05, partition: SHARDS } },
};

const { values } = parseArgs({
  options: {
    ...cellOptions('mcmahan.json'),
    seeds: { type: 'string', default: '3' },
    only: { type: 'string', default: Object.keys(SETTINGS).join() },
    unmasked: { type: 'boolean', default: false },
    backend: { type: 'string', default: 'auto' },
  },
});
const chosen = namesOf('only', values.only, SETTINGS);
const seeds = wholeOf('seeds', values.seeds);
const cells = await openCells<Curve>(values.state, budgetOf(values.budget));

const take = (name: string, seed: number): Promise<Curve | undefined> => {
  const label = `${name} seed ${seed}${values.unmasked ? ', unmasked' : ''}`;
  const { paper, scenario } = SETTINGS[name] as Published;
  return cells.take(label, () =>
    curveOf(label, {
      ...scenario,
      participants: 100,
      cohort: 10,
      batchSize: 10,
      rounds: 2 * paper,
      mask: !values.unmasked,
      seed: String(seed),
      backend: values.backend as 'auto',
    }),
  );
};

for (const name of chosen) {
  const { paper, scenario } = SETTINGS[name] as Published;
  const target = scenario.targetAccuracy as number;
  const rounds: number[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    // One after the other: they would disturb each other.
    const curve = await take(name, seed);
    if (curve === undefined) continue;
    rounds.push(roundsTo(curve, target));
    console.log(`${name}, seed ${seed}: ${rounds.at(-1)} rounds`);
  }
  if (rounds.length < seeds) continue;
  const value = median(rounds);
  report({
    what: `${name}: rounds to ${100 * target} %, median of ${seeds}`,
    value,
    unit: 'rounds',
    ratio: { value: value / paper, to: `the paper's ${paper}` },
  });
}
console.log(cells.tally());
