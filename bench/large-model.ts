/**
 * @module Memory of a large model: `npx node bench/large-model.ts [million parameters]`, default
 * 26. The trainer starts and trains one step; its update is encoded, packed as an upload, unpacked
 * and folded, in sequence in this process. After each part it prints the peak resident set so far,
 * as a ratio to the float32 size of the model. The first line is Node with tfjs alone.
 */
import { randomBytes } from 'node:crypto';
import { createDataset } from '../client/data/dataset.ts';
import { selectBackend } from '../client/tfjs/backends.ts';
import { chooseModel } from '../client/tfjs/choose-model.ts';
import { tfjsTrainer } from '../client/tfjs/trainer.ts';
import {
  addInto,
  createLanes,
  encodeUpdate,
  pack,
  ringLayout,
  unpack,
  type EncodingSpec,
} from '../protocol/encoding/index.ts';
import { parameterCount } from '../protocol/model/manifest.ts';
import { report } from './table.ts';

const millions = Number(process.argv[2] ?? 26);
const INPUTS = 784;
const CLASSES = 10;
const PARTICIPANTS = 10;

const spec: EncodingSpec = {
  ring: 'ring16',
  bits: 8,
  clipNorm: 4,
  rotation: true,
  weightCap: 1000,
};
const data = createDataset({
  features: Float32Array.from({ length: 2 * INPUTS }, (_, i) => Math.sin(i)),
  labels: Int32Array.of(1, 2),
  featureShape: [INPUTS],
  classes: CLASSES,
});

const backend = await selectBackend({ prefer: 'wasm' });
// Two hidden layers of the same width: width^2 + (inputs + classes + 2) width parameters.
const sides = INPUTS + CLASSES + 2;
const units = Math.round((Math.sqrt(sides ** 2 + 4e6 * millions) - sides) / 2);
const bytes = (units ** 2 + sides * units + CLASSES) * 4;
let began = performance.now();
/** Says how far the peak has come. */
const part = (what: string): void => {
  const peak = process.resourceUsage().maxRSS * 1024;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  report({
    what: `${what} (${seconds} s)`,
    value: peak / 1e6,
    unit: 'MB peak',
    ratio: { value: peak / bytes, to: 'the model' },
  });
  began = performance.now();
};

part('Node and tfjs');
const trainer = await tfjsTrainer({
  model: chooseModel(`mlp:${units},${units}`, data).build,
  data,
  backend,
});
const dimension = parameterCount(trainer.manifest);
part(`start, ${(dimension / 1e6).toFixed(1)} M parameters`);

const weights = new Float32Array(dimension).fill(0.001);
const { weights: delta } = await trainer.train({
  weights,
  round: 1,
  epochs: 1,
  batchSize: data.size,
  learningRate: 0.1,
  seed: new Uint8Array(32),
});
trainer.dispose();
part('one step');

for (let i = 0; i < dimension; i++) delta[i] = (delta[i] ?? 0) - (weights[i] ?? 0);
const { modulusBits, lanes: count } = ringLayout(spec, PARTICIPANTS, dimension);
const { lanes } = encodeUpdate({
  delta,
  examples: data.size,
  spec,
  n: PARTICIPANTS,
  rotationSeed: new Uint8Array(32),
  random: randomBytes,
});
part('encode');
const upload = pack(lanes, modulusBits);
part(`pack, ${(upload.length / 1e6).toFixed(0)} MB`);
const sum = createLanes(count, modulusBits);
addInto(sum, unpack(upload, modulusBits, count), modulusBits);
part('fold');
