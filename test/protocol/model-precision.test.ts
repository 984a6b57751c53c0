/**
 * Models committed as bfloat16: a step is rounded by chance and right on average, also where
 * rounding to nearest would lose it; a run is the same masked and unmasked, verifies, and one with
 * another rounding does not; a spot check of one block finds it.
 */
import { describe, expect, it } from 'vitest';
import { attemptEntries, journalLedger, wholeTranscript } from '../../coordinator/index.ts';
import {
  blocksOf,
  checkBlock,
  createFold,
  encodingFor,
  extrasFor,
  finishRound,
  layoutOf,
  leavesOfCheck,
  segmentsFor,
} from '../../protocol/algorithm/round.ts';
import { toHex } from '../../protocol/bytes.ts';
import { encodeUpdate, pack } from '../../protocol/encoding/index.ts';
import { blockOf } from '../../protocol/encoding/lanes.ts';
import { fromBfloat16, roundToTypes, toBfloat16 } from '../../protocol/model/index.ts';
import { toBfloat16ByChance } from '../../protocol/model/floats.ts';
import { roundStep, roundStepAt, tensorsAt } from '../../protocol/model/precision.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { storedBy } from '../../protocol/spec/size-of-run.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { connect, createStage, testSpec, type Stage } from '../support/run.ts';
import { normal, uniform } from './support.ts';

const seedOf = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const tensors = [
  { name: 'frozen', shape: [50], dtype: 'float32' as const, role: 'frozen' as const },
  { name: 'w', shape: [5000], dtype: 'float32' as const },
  { name: 'norm/moving_mean', shape: [30], dtype: 'float32' as const, role: 'statistic' as const },
];
const manifest = { tensors: tensorsAt('bfloat16', tensors) };
const SIZE = 5080;

const numbers = (label: number, size: number, deviation = 1): Float32Array => {
  const next = uniform(label);
  return Float32Array.from({ length: size }, () => deviation * normal(next));
};

const specOf = (over: Parameters<typeof testSpec>[0] = {}): Promise<RunSpec> =>
  testSpec({
    model: { architecture: 'custom', tensors },
    encoding: { clipNorm: 10, weightCap: 10, modelPrecision: 'bfloat16' },
    ...over,
  });

describe('rounding by chance', () => {
  it('gives a neighbour, the value on average, and keeps what bfloat16 holds', () => {
    const values = Float32Array.of(1, -0.3, 1e-40, 3.3e38, Infinity, -Infinity, 0, -0);
    const exact = fromBfloat16(toBfloat16(Float32Array.of(0.30078125)))[0]!;
    for (const draw of [0, 1, 65_535]) {
      const draws = new Uint16Array(values.length).fill(draw);
      const rounded = fromBfloat16(toBfloat16ByChance(values, draws));
      expect(rounded[0]).toBe(1);
      expect([...rounded.subarray(4)]).toEqual([Infinity, -Infinity, 0, -0]);
      expect(Math.abs(rounded[1]! + 0.3)).toBeLessThan(2 ** -9);
    }
    expect(exact).toBe(0.30078125);
    const nan = Float32Array.of(NaN);
    new Uint32Array(nan.buffer)[0] = 0x7f80_0001;
    expect(fromBfloat16(toBfloat16ByChance(nan, Uint16Array.of(65_535)))[0]).toBeNaN();
    // A third of a unit in the last place: all 2^16 draws together give it exactly.
    const third = Float32Array.of(1 + 2 ** -7 / 4);
    let ups = 0;
    for (let draw = 0; draw < 2 ** 16; draw += 1)
      if (toBfloat16ByChance(third, Uint16Array.of(draw))[0] === 0x3f81) ups += 1;
    expect(ups).toBe(2 ** 14);
  });

  it('does not lose small steps, which rounding to nearest does', () => {
    const step = 2 ** -12;
    let [chance, nearest] = [1, 1];
    const one = { tensors: [{ name: 'w', shape: [5000], dtype: 'bfloat16' as const }] };
    let values: Float32Array = new Float32Array(5000).fill(1);
    for (let round = 0; round < 64; round += 1) {
      values = roundStep(
        one,
        values.map((value) => value + step),
        {
          precision: 'bfloat16',
          seed: seedOf(round),
        },
      );
      nearest = fromBfloat16(toBfloat16(Float32Array.of(nearest + step)))[0]!;
    }
    chance = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(nearest).toBe(1);
    // 64 steps: 1/64 in all; the deviation of the mean over 5000 elements is 1 % of that.
    expect(chance - 1).toBeGreaterThan(0.95 / 64);
    expect(chance - 1).toBeLessThan(1.05 / 64);
  });

  it('rounds single elements as it rounds the whole, and statistics not at all', () => {
    const flat = numbers(1, SIZE);
    const rounding = { precision: 'bfloat16', seed: seedOf(3) } as const;
    const whole = roundStep(manifest, flat, rounding);
    const at = Int32Array.from([0, 49, 50, 4095, 4096, 4097, 5049, 5050, 5079]);
    const some = roundStepAt(
      manifest,
      at,
      Float32Array.from(at, (i) => flat[i]!),
      rounding,
    );
    expect([...some]).toEqual([...at].map((i) => whole[i]));
    expect(whole.subarray(5050)).toEqual(flat.subarray(5050));
    expect(roundToTypes(manifest, whole)).toEqual(whole);
    expect(roundStep(manifest, flat, { ...rounding, seed: seedOf(4) })).not.toEqual(whole);
    expect(roundStep({ tensors }, flat, { precision: undefined, seed: seedOf(3) })).toBe(flat);
  });
});

describe('the check of one block', () => {
  it('accepts the rounded step, and finds one that is rounded otherwise', async () => {
    const run = await specOf();
    const [n, meanExamples, seed] = [3, 10, seedOf(6)];
    const layout = layoutOf(run, n, meanExamples);
    const fold = createFold(layout);
    for (let site = 0; site < n; site += 1) {
      const { lanes } = encodeUpdate({
        delta: numbers(site + 1, 5000, 0.005),
        segments: segmentsFor(run),
        others: [numbers(site + 7, 30, 0.01)],
        examples: 10,
        metrics: [0, 0],
        extras: extrasFor(run),
        spec: encodingFor(run, n, meanExamples),
        n,
        rotationSeed: seed,
        random: seededRandom(seedOf(site)),
      });
      fold.add(pack(lanes, layout.modulusBits));
    }
    const weights = roundToTypes(run.model, numbers(77, SIZE));
    const before = { weights, state: new Float32Array() };
    const input = { spec: run, n, survivors: n, lanes: fold.lanes, before, meanExamples };
    const { after } = finishRound({ ...input, rotationSeed: seed });
    expect(roundToTypes(run.model, after.weights)).toEqual(after.weights);
    const blocks = blocksOf(run);
    const found = (of: Float32Array): number[] =>
      Array.from({ length: blocks }, (_, block) => {
        const leaves = leavesOfCheck(layout, block).map((leaf) =>
          blockOf(fold.lanes, layout, leaf),
        );
        const extras = fold.lanes.subarray(layout.padded);
        const checked = { weights: of, state: new Float32Array() };
        return checkBlock({ ...input, rotationSeed: seed, block, leaves, extras, after: checked })
          .differs;
      });
    expect(found(after.weights)).toEqual(Array(blocks).fill(-1));
    const nearest = after.weights.slice();
    const bits = new Uint32Array(nearest.buffer);
    bits[50 + 4321] = bits[50 + 4321]! ^ 0x10000;
    expect(found(nearest).filter((at) => at !== -1)).toEqual([50 + 4321]);
  });
});

const play = async (stage: Stage): Promise<string> => {
  const coordinator = stage.create();
  await coordinator.start();
  for (const name of ['anna', 'berta', 'caesar', 'dorothea'])
    connect(coordinator, await stage.participant(name));
  const { model } = await coordinator.finished;
  await coordinator.stop();
  return toHex(model.hash);
};

const verify = async (stage: Stage, spec: RunSpec = stage.spec) =>
  verifyRun({
    spec,
    transcript: await wholeTranscript(stage.journal),
    store: stage.store,
    gate: sealedBoxGate(stage.coordinatorIdentity),
    ledger: journalLedger(stage.journal),
  });

describe('a run of models in bfloat16', () => {
  const model = { architecture: 'custom', tensors: [tensors[1]!] };

  it.each(['fedavg', 'fedadam'])(
    '%s: is the same masked and unmasked, verifies to level 1, and not as a run of float32',
    async (name) => {
      const hashes: string[] = [];
      for (const secagg of ['masked', 'none'] as const) {
        const over = { rounds: 2, model, secagg, strategy: { name } };
        const stage = await createStage(await specOf(over));
        hashes.push(await play(stage));
        expect(await verify(stage)).toMatchObject({ ok: true, level: 'L1' });
        const encoding = { clipNorm: 10, weightCap: 10 };
        expect(await verify(stage, await specOf({ ...over, encoding }))).toMatchObject({
          ok: false,
        });
      }
      expect(hashes[0]).toBe(hashes[1]);
    },
  );

  it('has a blob of half the size, as the estimate of costs says', async () => {
    const stage = await createStage(await specOf({ model }));
    await play(stage);
    const sizes: number[] = [];
    for (const { record } of await attemptEntries(stage.journal, 1))
      if (record.type === 'commit') sizes.push(record.body.model.blob.size);
    const encoding = { clipNorm: 10, weightCap: 10 };
    const whole = await specOf({ model, encoding });
    const [half, all] = [stage.spec, whole].map((spec) => storedBy(spec, 1, 1).modelBytes);
    expect(all! - half!).toBe(2 * 5000);
    expect(sizes[0]).toBeGreaterThan(2 * 5000);
    expect(sizes[0]).toBeLessThanOrEqual(half!);
  });

  it('is refused from a parent of other numbers, which a fork keeps', async () => {
    const parent = { modelHash: seedOf(1) };
    await expect(specOf({ model, parent })).rejects.toMatchObject({
      code: 'spec_invalid',
      message: expect.stringMatching(/encoding\.modelPrecision: bfloat16.*fork keeps/u),
    });
    const same = { ...model, tensors: tensorsAt('bfloat16', model.tensors) };
    expect((await specOf({ model: same, parent })).model.tensors[0]!.dtype).toBe('bfloat16');
  });
});
