/**
 * @module Trains the 2NN on 40 images in a worker thread: a fresh context for the test of
 * determinism.
 */
import { initialModel } from '../../protocol/model/first-model.ts';
import { parentPort } from 'node:worker_threads';
import { subset } from '../../client/data/dataset.ts';
import { loadMnist } from '../../client/data/mnist-node.ts';
import { mlp2nn } from '../../client/tfjs/models.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';

const data = subset(await loadMnist('test'), [...Array(40).keys()]);
const trainer = await tfjsTrainer({ model: mlp2nn, data, backend: { prefer: 'wasm' } });
const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
const { weights } = await trainer.train({
  weights: initialModel({ ...trainer.manifest, seed }),
  round: 1,
  epochs: 1,
  batchSize: 10,
  learningRate: 0.1,
  seed,
});
// A worker's port has no origin.
// oxlint-disable-next-line unicorn/require-post-message-target-origin
parentPort?.postMessage(weights);
