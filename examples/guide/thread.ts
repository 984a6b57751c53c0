import { isMainThread } from 'node:worker_threads';
import { applyContract, loadData, readContract, threadTrainer } from '../../client/index.ts';
import { trainer } from './trainer.ts';

/** In the thread. The argument is copied: a path or numbers, not a connection. */
export const createTrainer = async ({ path }: { readonly path: string }) => {
  const loaded = await loadData(path);
  const contract = await readContract('contract', 'contract.json');
  const own = loaded.type === 'table' ? loaded.table : loaded.data;
  return trainer({ data: applyContract(own, contract).data });
};

if (isMainThread) {
  const remote = await threadTrainer({ module: import.meta.url, argument: { path: 'bergen.csv' } });
  const [weights, seed] = [new Float32Array(6), new Uint8Array(32)];
  const request = { weights, seed, round: 1, epochs: 5, batchSize: 10, learningRate: 0.5 };
  const { examples } = await remote.train(request);
  console.log(`trained on ${examples} examples`);
  remote.dispose();
}
