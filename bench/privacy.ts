/**
 * @module Accuracy under differential privacy: MNIST at 1,000 simulated participants, epsilon 2, 4,
 * 8 and none at delta 1e-5, with the noise of the participants beside central noise at the same
 * epsilon, both as a run has them. A linear model, so that the noise and not the machine decides;
 * updates go through the production encoding, sums through the production decoding. Masks change
 * nothing of a sum (test/sim/private.test.ts). Then the audit: the empirical bound beside the
 * claim, with the noise as it is and cut by ten.
 *
 *   node bench/privacy.ts [--participants 1000] [--rounds 8] [--clip 2] [--figure privacy.svg]
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { loadMnist } from '../client/data/mnist-node.ts';
import {
  addCentralNoise,
  addInto,
  createLanes,
  decodeSum,
  encodeUpdate,
  ringLayout,
  type EncodingSpec,
} from '../protocol/encoding/index.ts';
import { latticesOf } from '../protocol/encoding/stages/noise.ts';
import { cipherStream, deriveSeed } from '../protocol/ports/random.ts';
import { auditNoise } from '../protocol/privacy/audit-run.ts';
import { calibrate, honestSurvivors } from '../protocol/privacy/noise.ts';
import { report } from './table.ts';

const { values } = parseArgs({
  options: {
    participants: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '8' },
    clip: { type: 'string', default: '2' },
    figure: { type: 'string' },
  },
});
const N = Number(values.participants);
const ROUNDS = Number(values.rounds);
const CLIP = Number(values.clip);
const DELTA = 1e-5;
const EPSILONS = [2, 4, 8] as const;
const [PIXELS, CLASSES, BATCH, RATE] = [784, 10, 10, 0.05];
const DIMENSION = (PIXELS + 1) * CLASSES;
const SEED = new Uint8Array(32).fill(14);

const [train, test] = await Promise.all([loadMnist('train'), loadMnist('test')]);

/** Scores of one example: W x + b, in `out`. */
const scoresOf = (weights: Float32Array, x: ArrayLike<number>, at: number, out: Float64Array) => {
  for (let c = 0; c < CLASSES; c += 1) out[c] = weights[PIXELS * CLASSES + c]!;
  for (let p = 0; p < PIXELS; p += 1) {
    const value = x[at * PIXELS + p]! * SCALE;
    if (value === 0) continue;
    for (let c = 0; c < CLASSES; c += 1) out[c] = out[c]! + weights[p * CLASSES + c]! * value;
  }
};

const pixels = train.features;
const SCALE = pixels instanceof Uint8Array ? 1 / 255 : 1;

/** One epoch of softmax regression over the examples of a participant. */
const trained = (before: Float32Array, rows: readonly number[]): Float32Array => {
  const weights = before.slice();
  const out = new Float64Array(CLASSES);
  for (let from = 0; from < rows.length; from += BATCH) {
    const batch = rows.slice(from, from + BATCH);
    const step = new Float32Array(DIMENSION);
    for (const row of batch) {
      scoresOf(weights, pixels, row, out);
      const most = Math.max(...out);
      const total = out.reduce((sum, value) => sum + Math.exp(value - most), 0);
      for (let c = 0; c < CLASSES; c += 1) {
        const error = Math.exp(out[c]! - most) / total - Number(train.labels[row] === c);
        out[c] = (error * RATE) / batch.length;
        step[PIXELS * CLASSES + c]! += out[c]!;
      }
      for (let p = 0; p < PIXELS; p += 1) {
        const value = pixels[row * PIXELS + p]! * SCALE;
        if (value === 0) continue;
        for (let c = 0; c < CLASSES; c += 1) step[p * CLASSES + c]! += value * out[c]!;
      }
    }
    for (let i = 0; i < DIMENSION; i += 1) weights[i]! -= step[i]!;
  }
  return weights;
};

const accuracyOf = (weights: Float32Array): number => {
  const out = new Float64Array(CLASSES);
  let right = 0;
  for (let i = 0; i < test.size; i += 1) {
    scoresOf(weights, test.features, i, out);
    right += Number(out.indexOf(Math.max(...out)) === test.labels[i]);
  }
  return right / test.size;
};

const MINIMUM = Math.ceil(0.6 * N);
const HONEST = honestSurvivors(N, MINIMUM, 0.9);
const PER = Math.floor(train.size / N);

type Mechanism = 'none' | 'distributed' | 'central';

const run = (mechanism: Mechanism, epsilon: number): number => {
  const target = { epsilon, delta: DELTA, participations: ROUNDS };
  const plain: EncodingSpec = {
    ring: 'ring32',
    bits: 8,
    clipNorm: CLIP,
    rotation: true,
    weightCap: 1,
  };
  const { segments } = ringLayout(plain, N, DIMENSION);
  const isCentral = mechanism === 'central';
  const spec: EncodingSpec =
    mechanism === 'none'
      ? plain
      : {
          ...plain,
          noise: {
            multiplier: calibrate(latticesOf(plain, segments), target),
            honestSurvivors: isCentral ? 1 : HONEST,
            isCentral,
          },
        };
  const layout = ringLayout(spec, N, DIMENSION);
  const weights = new Float32Array(DIMENSION);
  for (let round = 0; round < ROUNDS; round += 1) {
    const sum = createLanes(layout.lanes, layout.modulusBits);
    const rotationSeed = deriveSeed(SEED, 'rotation', round);
    for (let i = 0; i < N; i += 1) {
      const rows = Array.from({ length: PER }, (_, j) => i * PER + j);
      const delta = trained(weights, rows).map((value, j) => value - weights[j]!);
      const { lanes } = encodeUpdate({
        delta,
        examples: 1,
        spec,
        n: N,
        rotationSeed,
        random: cipherStream(deriveSeed(SEED, 'rounding', round, i)),
        noise: cipherStream(deriveSeed(SEED, 'noise', epsilon, round, i)),
      });
      addInto(sum, lanes, layout.modulusBits);
    }
    if (isCentral)
      addCentralNoise(
        sum,
        spec,
        layout,
        N,
        cipherStream(deriveSeed(SEED, 'central', epsilon, round)),
      );
    const input = { lanes: sum, spec, n: N, survivors: N, rotationSeed, dimension: DIMENSION };
    const { meanDelta } = decodeSum(input);
    for (let j = 0; j < DIMENSION; j += 1) weights[j]! += meanDelta[j]!;
  }
  return accuracyOf(weights);
};

const none = run('none', 0);
report({ what: 'accuracy without privacy', value: 100 * none, unit: '%' });
const points = EPSILONS.map((epsilon) => {
  const [distributed, central] = [run('distributed', epsilon), run('central', epsilon)];
  for (const [name, accuracy] of [
    ['noise of the participants', distributed],
    ['central noise', central],
  ] as const)
    report({
      what: `accuracy at epsilon ${epsilon}, ${name}`,
      value: 100 * accuracy,
      unit: '%',
      ratio: { value: accuracy / none, to: 'that without privacy' },
    });
  return { epsilon, distributed, central };
});

for (const noiseFactor of [1, 0.1]) {
  const found = auditNoise({
    epsilon: 4,
    delta: DELTA,
    rounds: 1,
    canaries: 512,
    dimension: 1024,
    noiseFactor,
    seed: SEED,
  });
  report({
    what: `audit: epsilon refuted, ${noiseFactor === 1 ? 'noise as claimed' : 'noise cut by ten'}`,
    value: found.epsilon,
    unit: '',
    ratio: { value: found.epsilon / found.claimed, to: 'the claim' },
  });
}

const y = (accuracy: number): number => 220 - 200 * accuracy;

/** One figure: bars of both mechanisms at each epsilon, a line without privacy. */
const figure = (): string => {
  const bar = (x: number, accuracy: number, colour: string): string =>
    `<rect x="${x}" y="${y(accuracy)}" width="40" height="${220 - y(accuracy)}" fill="${colour}"/>` +
    `<text x="${x + 20}" y="${y(accuracy) - 4}" text-anchor="middle">${(100 * accuracy).toFixed(1)}</text>`;
  const bars = points.map(
    ({ epsilon, distributed, central }, i) =>
      bar(60 + 130 * i, distributed, '#2a6f97') +
      bar(104 + 130 * i, central, '#a9d6e5') +
      `<text x="${102 + 130 * i}" y="238" text-anchor="middle">epsilon ${epsilon}</text>`,
  );
  return (
    '<svg xmlns="http://www.w3.org/2000/svg" width="460" height="270" font-family="sans-serif" font-size="11">' +
    `<line x1="40" x2="440" y1="${y(none)}" y2="${y(none)}" stroke="black" stroke-dasharray="4"/>` +
    `<text x="42" y="${y(none) - 4}">none: ${(100 * none).toFixed(1)} %</text>${bars.join('')}` +
    '<text x="60" y="260">dark: noise of the participants; light: central noise; accuracy in %</text></svg>\n'
  );
};
if (values.figure !== undefined) await writeFile(values.figure, figure());
