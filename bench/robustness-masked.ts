/**
 * @module Attacks by sizes of groups, with masks: 100 participants, 5 of them false, all in every
 * round; the beacon draws groups of 3, 4 or 5, and a rule runs over their means. A part of MNIST,
 * dealt evenly; one hidden layer of 32. The table has the test accuracy, the mean over the last
 * fifth of the rounds; each row gives its ratio to the same run without an attack, and the last
 * lines say whether every cell is within 2 points of that. The mean has no rule, so no groups.
 *
 *   node bench/robustness-masked.ts [--groups 3,4,5] [--rule median] [--attacks none,alie,...]
 *     [--rounds 20] [--examples 12000] [--state robustness-masked.json] [--budget SECONDS]
 */
import { parseArgs } from 'node:util';
import type { ScenarioInput } from '../sim/index.ts';
import { openCells } from './learning/cells.ts';
import { formatComparison } from './learning/comparison.ts';
import { curveOf, meanOfLast, type Curve } from './learning/curve.ts';
import { budgetOf, cellOptions, namesOf, wholeOf } from './learning/flags.ts';
import { mnist } from './learning/mnist.ts';
import { report } from './table.ts';

const PARTICIPANTS = 100;
const BYZANTINE = 5;
/** Points of accuracy that an attack may cost. */
const POINTS = 2;

const RULES = {
  median: { type: 'median' },
  'trimmed-mean': { type: 'trimmed-mean' },
  krum: { type: 'krum' },
  'multi-krum': { type: 'multi-krum' },
  rfa: { type: 'rfa', iterations: 8, smoothing: 0.1 },
  clipping: { type: 'centred-clipping', iterations: 3, radius: 1 },
} as const satisfies Record<string, ScenarioInput['aggregation']>;

/** Sizes of the groups; `mean` is the run without groups. */
const GROUPS = { 3: 3, 4: 4, 5: 5, mean: undefined } as const;
type Group = keyof typeof GROUPS;

/** As `--attack` takes them, with the fraction of the participants. */
const ATTACKS = {
  none: undefined,
  'label-flip': 'label-flip:0.05',
  'sign-flip': 'sign-flip:0.05',
  'sign-flip x10': 'scaled-sign-flip:0.05',
  gaussian: 'gaussian:0.05',
  alie: 'alie:0.05',
  'ipm .1': 'ipm:0.05,epsilon=0.1',
  'ipm 1.1': 'ipm:0.05,epsilon=1.1',
  mimic: 'mimic:0.05',
  'min-max': 'min-max:0.05',
} as const satisfies Record<string, string | undefined>;
type Attack = keyof typeof ATTACKS;

const { values } = parseArgs({
  options: {
    ...cellOptions('robustness-masked.json'),
    groups: { type: 'string', default: '3,4,5,mean' },
    rule: { type: 'string', default: 'median' },
    attacks: { type: 'string', default: Object.keys(ATTACKS).join() },
    rounds: { type: 'string', default: '20' },
    examples: { type: 'string', default: '12000' },
  },
});
const groups = namesOf('groups', values.groups, GROUPS as Readonly<Record<string, unknown>>);
const attacks = namesOf('attacks', values.attacks, ATTACKS);
const [rule] = namesOf('rule', values.rule, RULES);
const rounds = wholeOf('rounds', values.rounds);
const examples = wholeOf('examples', values.examples);
const cells = await openCells<Curve>(values.state, budgetOf(values.budget));
const data = await mnist({ examples, tests: 2000 });

const settingsOf = (group: Group): ScenarioInput => {
  const groupSize = GROUPS[group];
  return groupSize === undefined
    ? {}
    : { groupSize, aggregation: RULES[rule!], byzantine: BYZANTINE };
};

const run = (label: string, group: Group, attack: Attack, seed: number): Promise<Curve> => {
  const named = ATTACKS[attack];
  return curveOf(label, {
    data,
    model: 'mlp:32',
    participants: PARTICIPANTS,
    cohort: PARTICIPANTS,
    minimum: PARTICIPANTS / 2,
    rounds,
    epochs: 2,
    batchSize: 10,
    learningRate: 0.1,
    clipNorm: 4,
    seed: String(seed),
    ...settingsOf(group),
    ...(named === undefined ? {} : { attack: [named] }),
  });
};

const accuracyOf = async (group: Group, attack: Attack): Promise<number | undefined> => {
  const found: number[] = [];
  for (let seed = 1; seed <= wholeOf('seeds', values.seeds); seed += 1) {
    const of = group === 'mean' ? 'mean' : `${rule}, groups of ${group}`;
    const key = `${attack}, ${of}, seed ${seed}, ${rounds} rounds, ${examples} examples`;
    const curve = await cells.take(key, () => run(key, group, attack, seed));
    if (curve === undefined) return undefined;
    found.push(100 * meanOfLast(curve, Math.ceil(rounds / 5)));
  }
  return found.reduce((a, b) => a + b, 0) / found.length;
};

const measured = new Map<string, number | undefined>();
const beyond: string[] = [];
for (const group of groups as readonly Group[]) {
  const honest = await accuracyOf(group, 'none');
  for (const attack of attacks) {
    const value = await accuracyOf(group, attack);
    measured.set(`${attack} ${group}`, value);
    if (value === undefined || honest === undefined) continue;
    const ratio = { value: value / honest, to: 'no attack' };
    const what = group === 'mean' ? `${attack}, mean` : `${attack}, ${rule}, groups of ${group}`;
    report({ what, value, unit: '%', ...(attack === 'none' ? {} : { ratio }) });
    if (group !== 'mean' && honest - value > POINTS) beyond.push(what);
  }
}
console.log(
  `\n${formatComparison({
    title: `test accuracy in % over the last fifth of ${rounds} rounds, ${PARTICIPANTS} participants, ${BYZANTINE} false, ${rule}`,
    source: 'none published',
    columns: groups.map((group) => (group === 'mean' ? 'mean' : `groups of ${group}`)),
    rows: attacks.map((attack) => ({
      name: attack,
      cells: groups.map((group) => ({ measured: measured.get(`${attack} ${group}`) })),
    })),
    digits: 1,
  })}\n`,
);
console.log(
  beyond.length === 0
    ? `no attack costs a run in groups more than ${POINTS} points`
    : `more than ${POINTS} points lost: ${beyond.join('; ')}`,
);
console.log(cells.tally());
