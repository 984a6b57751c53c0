import { beginningOf, join, loadData, memoryKeystore, readContract } from '../../client/index.ts';
import { newRun, startCoordinator } from '../../coordinator/index.ts';
import { model } from './model.ts';

const contract = await readContract('contract', 'contract.json');
const settings = { contract, cohort: 3, minimum: 3, rounds: 2 };
const run = await newRun('run', { settings, begin: (given) => beginningOf({ ...given, model }) });
const keys = await memoryKeystore(crypto.getRandomValues(new Uint8Array(32)));
await using coordinator = await startCoordinator({ folder: 'run', keys, run });
const require = { minimum: 3, known: 0 };
for (const site of ['oslo.csv', 'lyon.csv', 'bergen.csv'])
  await join(coordinator.joinUrl, { data: await loadData(site), require });
console.log(`rounds: ${(await coordinator.finished).outcome.rounds}`);
