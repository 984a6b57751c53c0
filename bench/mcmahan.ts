/**
 * @module The published settings of McMahan et al. 2017 ("Communication-Efficient Learning of Deep
 * Networks from Decentralized Data", tables 1 and 2), masked: 100 participants, ten a round. Prints
 * the rounds to the target accuracy next to those of the paper, as medians over seeds. Finished
 * runs are recorded in `--state` and not repeated: a setting can take hours.
 *
 *   node bench/mcmahan.ts [--only 2nn-iid,cnn-iid] [--seeds 3] [--state mcmahan.json]
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runScenario } from '../sim/run.ts';
import { makeScenario, type ScenarioInput } from '../sim/scenario.ts';
import { readFinished } from './finished.ts';
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
    only: { type: 'string', default: Object.keys(SETTINGS).join() },
    seeds: { type: 'string', default: '3' },
    state: { type: 'string', default: 'mcmahan.json' },
    backend: { type: 'string', default: 'auto' },
  },
});

const chosen = values.only.split(',');
const unknown = chosen.find((name) => !(name in SETTINGS));
if (unknown !== undefined)
  throw new Error(`--only: expected some of ${Object.keys(SETTINGS).join(', ')}, got ${unknown}`);
const seeds = Number(values.seeds);
if (!Number.isSafeInteger(seeds) || seeds < 1)
  throw new Error(`--seeds: expected a whole number from 1, got ${values.seeds}`);

/** Rounds by setting and seed; null where the target was not reached. */
type Noted = Record<string, number | null>;

const noted: Noted = await readFinished<Noted>(values.state);
const folder = await mkdtemp(join(tmpdir(), 'floe-bench-mcmahan-'));

/** Rounds to the target, or infinity. */
const roundsOf = async (name: string, seed: number): Promise<number> => {
  const label = `${name} seed ${seed}`;
  if (!(label in noted)) {
    const { paper, scenario } = SETTINGS[name] as Published;
    const { summary } = await runScenario(
      makeScenario({
        ...scenario,
        participants: 100,
        cohort: 10,
        batchSize: 10,
        rounds: 2 * paper,
        seed: String(seed),
        backend: values.backend as 'auto',
        substrate: 'local',
      }),
      {
        outDir: folder,
        onEvent: (event) => {
          if (event.type === 'scored' && event.version % 10 === 0)
            console.log(
              `${label}: round ${event.version}, ${(100 * (event.testAccuracy ?? 0)).toFixed(2)} %`,
            );
        },
      },
    );
    noted[label] = summary.status === 'target' ? summary.rounds : null;
    await writeFile(values.state, `${JSON.stringify(noted, null, 2)}\n`);
  }
  return noted[label] ?? Infinity;
};

const medianOf = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};

try {
  for (const name of chosen) {
    const rounds: number[] = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      // One after the other: they would disturb each other.
      rounds.push(await roundsOf(name, seed));
      console.log(`${name}, seed ${seed}: ${rounds.at(-1)} rounds`);
    }
    const { paper, scenario } = SETTINGS[name] as Published;
    const target = `${100 * (scenario.targetAccuracy as number)} %`;
    const median = medianOf(rounds);
    report({
      what: `${name}: rounds to ${target}, median of ${rounds.length}`,
      value: median,
      unit: 'rounds',
      ratio: { value: median / paper, to: `the paper's ${paper}` },
    });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
