import { expect, it } from 'vitest';
import { NO_STATE } from '../../protocol/algorithm/state.ts';
import { createFold, finishRound, layoutOf } from '../../protocol/algorithm/round.ts';
import {
  extrasOf,
  metricValue,
  reportMetrics,
  weighMetrics,
} from '../../protocol/algorithm/metrics.ts';
import { encodeUpdate, pack } from '../../protocol/encoding/index.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { testSpec } from '../support/run.ts';

it('above the weight cap, loss and accuracy are means over the participants as their weights count', async () => {
  const spec = await testSpec({
    encoding: { ring: 'ring32', bits: 20, clipNorm: 1, weightCap: 100 },
  });
  const dimension = 20;
  const seed = new Uint8Array(32);
  const layout = layoutOf(spec, 3, 100);
  const fold = createFold(layout);
  // Two participants far above the cap, one below it: weights 100, 100, 50.
  const people = [
    { examples: 20_000, loss: 10_000, accuracy: 18_000 },
    { examples: 400, loss: 100, accuracy: 200 },
    { examples: 50, loss: 5, accuracy: 10 },
  ];
  for (const [i, person] of people.entries()) {
    const { lanes } = encodeUpdate({
      delta: new Float32Array(dimension).fill(0.01),
      examples: person.examples,
      metrics: weighMetrics(spec.metrics, person, person.examples, spec.encoding.weightCap),
      extras: extrasOf(spec.metrics),
      spec: spec.encoding,
      n: 3,
      rotationSeed: seed,
      random: seededRandom(new Uint8Array(32).fill(i)),
    });
    fold.add(pack(lanes, layout.modulusBits));
  }
  const { weight, metrics } = finishRound({
    spec,
    n: 3,
    survivors: 3,
    lanes: fold.lanes,
    before: { weights: new Float32Array(dimension), state: NO_STATE },
    meanExamples: 100,
    rotationSeed: seed,
  });
  expect(weight).toBe(250);
  // 100 * 0.9 + 100 * 0.5 + 50 * 0.2 of 250, and the losses per example 0.5, 0.25, 0.1 likewise.
  const means = reportMetrics(spec.metrics, metrics, weight);
  expect(metricValue(means, 'trainAccuracy')).toBeCloseTo(150 / 250, 6);
  expect(metricValue(means, 'trainLoss')).toBeCloseTo(80 / 250, 6);
});
