/**
 * @module The cost of Walrus, Seal and Sui in a round: the default job on its embedded devnet,
 * compared with the same job on local ports, whose models must be identical; and the price of a
 * round's blobs on mainnet's committee, in one quilt and separately.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobCost, quiltSizes } from '../protocol/net/cost.ts';
import { makeScenario } from '../sim/scenario.ts';
import { runScenario } from '../sim/run.ts';
import type { Summary } from '../sim/summary.ts';
import { report } from './table.ts';

const ROUNDS = 6;
/** The first round pays for loading code and data. */
const WARM_UP = 2;

/** Walrus mainnet; a ratio does not depend on the prices. */
const MAINNET = { shards: 1000, storagePerUnit: 1n, writePerUnit: 1n };
const COHORT = 100;
/** Bytes of one upload: 16 bits for each parameter of the 2NN. */
const UPLOAD_BYTES = 2 * 199_210;

const folder = await mkdtemp(join(tmpdir(), 'floe-bench-'));
const play = async (substrate: 'local' | 'devnet'): Promise<Summary> => {
  const scenario = makeScenario({ rounds: ROUNDS, baseline: false, substrate });
  return (await runScenario(scenario, { outDir: join(folder, substrate) })).summary;
};
const secondsOf = ({ history }: Summary): number => {
  const rounds = history.slice(WARM_UP).map(({ seconds }) => seconds);
  return rounds.reduce((sum, seconds) => sum + seconds, 0) / rounds.length;
};

try {
  const local = await play('local');
  const devnet = await play('devnet');
  if (local.modelHash !== devnet.modelHash) throw new Error('the models differ');
  report({ what: 'a round on local ports', value: secondsOf(local), unit: 's' });
  report({
    what: 'a round on Walrus, Seal and Sui (devnet)',
    value: secondsOf(devnet),
    unit: 's',
    ratio: { value: secondsOf(devnet) / secondsOf(local), to: 'local ports' },
  });
  for (const [name, { seconds, share, besideTraining }] of Object.entries(devnet.activities)) {
    report({
      what: `  ${name}, of a round on the devnet`,
      value: seconds / devnet.rounds,
      unit: 's',
      ratio: { value: share, to: "the rounds' time" },
    });
    if (name !== 'training')
      report({
        what: `  ${name} during training`,
        value: (seconds * besideTraining) / devnet.rounds,
        unit: 's',
        ratio: { value: besideTraining, to: `all of ${name}` },
      });
  }
  const one = Number(blobCost(UPLOAD_BYTES, 1, MAINNET));
  const together = quiltSizes(COHORT, UPLOAD_BYTES, MAINNET.shards)
    .map((size) => Number(blobCost(size, 1, MAINNET)))
    .reduce((sum, cost) => sum + cost, 0);
  report({
    what: `storage of ${COHORT} uploads, a blob each`,
    value: COHORT * one,
    unit: 'units',
    ratio: { value: (COHORT * one) / together, to: 'one quilt' },
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}
