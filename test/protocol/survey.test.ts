/**
 * @module The arithmetic of a survey without a run: grids, limbs, the specification, totals that
 * contradict each other, and cells of few rows.
 */
import { describe, expect, it } from 'vitest';
import { createTable } from '../../client/data/table.ts';
import { surveySite, surveySteps, VALUES_PER_STEP } from '../../client/survey/site.ts';
import { surveyOf } from '../../client/survey/read.ts';
import { encodeUpdate, decodeSum, createLanes } from '../../protocol/encoding/index.ts';
import { addInto } from '../../protocol/encoding/index.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { makeRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { binOf, gridOf, stepsOf } from '../../protocol/survey/grid.ts';
import { surveyFacts, toldCounts } from '../../protocol/survey/facts.ts';
import { surveyPlan } from '../../protocol/survey/plan.ts';
import { surveyParts } from '../../protocol/survey/survey-run.ts';
import { readTotals } from '../../protocol/survey/totals.ts';

const contractOf = (range: [number, number] | undefined = [0, 100]): Contract => ({
  version: 1,
  input: {
    type: 'table',
    features: [
      { type: 'number', name: 'age', ...(range === undefined ? {} : { range }) },
      { type: 'category', name: 'sex', values: ['f', 'm'] },
    ],
  },
  target: { type: 'classes', name: 'ill', classes: ['no', 'yes'] },
});

const specOf = (over: object = {}, contract = contractOf()): RunSpec => {
  const id = new Uint8Array(16).fill(3);
  return makeRunSpec({
    id,
    coordinator: new Uint8Array(32).fill(9),
    cohort: { size: 5, minimum: 3 },
    ...surveyParts({ id, contract, cohort: 5 }),
    ...over,
  });
};

const table = (ages: number[], sexes: number[], ill: number[]) =>
  createTable([
    { type: 'number', name: 'age', values: Float64Array.from(ages) },
    { type: 'text', name: 'sex', codes: Int32Array.from(sexes), texts: ['m', 'f'] },
    { type: 'text', name: 'ill', codes: Int32Array.from(ill), texts: ['yes', 'no'] },
  ]);

describe('the grid of a column', () => {
  it('holds whole numbers and the ends of the range exactly', () => {
    for (const range of [
      [0, 100],
      [-5, 5],
      [0, 2 ** 19],
      [1e6, 1e6 + 10],
      [7, 7],
      [0, 0],
    ] as const) {
      const grid = gridOf('x', range);
      expect(Number.isInteger(Math.log2(grid.step))).toBe(true);
      expect(grid.span).toBeLessThan(2 ** 21);
      for (const value of range)
        expect((stepsOf(grid, value) + grid.origin) * grid.step).toBe(value);
    }
    const grid = gridOf('x', [0, 100]);
    expect(stepsOf(grid, -3)).toBe(0);
    expect(stepsOf(grid, 1000)).toBe(grid.span);
    expect([-1, 0, 49.9, 50, 100, 101].map((value) => binOf(grid, 4, value))).toEqual([
      0, 1, 2, 3, 4, 5,
    ]);
  });

  it('is refused where its sums would overflow', () => {
    for (const range of [
      [-1e308, 1e308],
      [0, 5e-324],
      [1e15, 1e15 + 0.5],
    ] as const)
      expect(() => gridOf('x', range)).toThrow(/column x: the range .* overflows a sum/u);
  });
});

describe('the plan', () => {
  it('refuses a column without a range by name, and more than its vector holds', () => {
    const { input, ...rest } = contractOf();
    const open = {
      ...rest,
      input: { type: 'table' as const, features: [{ type: 'number' as const, name: 'height' }] },
    };
    expect(input.type).toBe('table');
    expect(() => surveyPlan(open, 64, 5)).toThrow(/column height: a survey needs its range/u);
    const many: Contract = {
      ...rest,
      input: {
        type: 'table',
        features: Array.from({ length: 100_000 }, (_, i) => ({
          type: 'number' as const,
          name: `x${i}`,
          range: [0, 1] as [number, number],
        })),
      },
    };
    expect(() => surveyPlan(many, 1024, 5)).toThrow(/fewer columns at once/u);
  });

  it.each([3, 100, 255])('survives the encoding of %i sites at its largest numbers', (n) => {
    const plan = surveyPlan(contractOf(), 8, n);
    const full = new Float32Array(plan.coordinates).fill(2 ** plan.limbBits - 1);
    const { encoding } = surveyParts({ id: new Uint8Array(16), contract: contractOf(), cohort: n });
    const spec = { ...encoding, weightScale: 1 };
    const seed = new Uint8Array(32);
    const random = seededRandom(seed);
    const { lanes, layout, clipped } = encodeUpdate({
      delta: full,
      examples: 1,
      spec,
      n,
      rotationSeed: seed,
      random,
    });
    expect(clipped).toBe(false);
    const sum = createLanes(layout.lanes, layout.modulusBits);
    for (let i = 0; i < n; i += 1) addInto(sum, lanes, layout.modulusBits);
    const { meanDelta } = decodeSum({
      lanes: sum,
      spec,
      n,
      survivors: n,
      rotationSeed: seed,
      dimension: full.length,
    });
    expect([...meanDelta].every((value, i) => Math.round(value * n) === full[i]! * n)).toBe(true);
  });
});

describe('the specification of a survey', () => {
  it('is what its contract gives, and nothing else', () => {
    const spec = specOf();
    expect(spec.model.survey).toEqual({ bins: 32 });
    expect(spec.model.tensors).toHaveLength(1);
    const { encoding, model } = spec;
    const refused: [object, RegExp][] = [
      [{ secagg: 'none' }, /one masked round/u],
      [{ rounds: 2 }, /one masked round/u],
      [{ encoding: { ...encoding, clipNorm: 4 } }, /encoding\.clipNorm/u],
      [{ encoding: { ...encoding, rotation: true } }, /encoding\.rotation/u],
      [{ encoding: { ...encoding, weightCap: 10 } }, /encoding\.weightCap/u],
      [
        { strategy: { name: 'fedavg', parameters: { serverLearningRate: 2 } } },
        /one masked round/u,
      ],
      [{ model: { ...model, survey: { bins: 33 } } }, /model\.tensors/u],
      [{ model: { ...model, architecture: 'custom' } }, /model\.architecture/u],
      [{ model: { ...model, survey: undefined } }, /model\.survey/u],
      [{ id: new Uint8Array(16).fill(4) }, /model\.tensors/u],
    ];
    for (const [over, message] of refused) expect(() => specOf(over)).toThrow(message);
    expect(() =>
      specOf({ data: { ...contractOf(), target: { type: 'values', columns: [{ name: 'y' }] } } }),
    ).toThrow(/column y: a survey needs its range/u);
  });
});

it('a large table is counted in steps, with the result of all at once', () => {
  const rows = 3 * VALUES_PER_STEP + 5;
  const ages = Array.from({ length: rows }, (_, i) => 20 + (i % 60));
  const large = table(
    ages,
    ages.map((_, i) => i % 2),
    ages.map(() => 1),
  );
  const plan = surveyPlan(contractOf(), 32, 5);
  const steps = surveySteps(large, contractOf(), plan);
  const done: number[] = [];
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      expect(step.value).toEqual(surveySite(large, contractOf(), plan));
      break;
    }
    done.push(step.value);
  }
  expect(Math.max(...done)).toBe(VALUES_PER_STEP);
  expect(done.filter((values) => values === VALUES_PER_STEP).length).toBeGreaterThanOrEqual(3);
});

describe('the totals', () => {
  const spec = specOf();
  const plan = surveyPlan(contractOf(), 32, 5);
  const ages = Array.from({ length: 40 }, (_, i) => 20 + i);
  const one = surveySite(
    table(
      ages,
      ages.map((_, i) => (i < 37 ? i % 2 : 0)),
      ages.map((_, i) => (i < 3 ? 0 : 1)),
    ),
    contractOf(),
    plan,
  );

  it('are refused where they contradict each other, naming the column', () => {
    expect(() => readTotals(plan, one.vector, 1)).not.toThrow();
    const changed = (at: number, value: number): Float32Array => {
      const vector = one.vector.slice();
      vector[at] = value;
      return vector;
    };
    const [age, sex] = plan.columns;
    if (age?.type !== 'number' || sex?.type !== 'values') throw new Error('unreachable');
    const wrong: [number, number, RegExp][] = [
      [age.sum.at + age.sum.limbs - 2, 3, /column age/u],
      [age.squares.at + age.squares.limbs - 3, 0, /column age/u],
      [age.bins[3]!.at, 7, /column age/u],
      [sex.counts[0]!.at, 300, /column sex/u],
      [plan.rows.at, 0, /0 rows of 1 sites/u],
      [age.sum.at, -1, /number/u],
      [age.sum.at, 2 ** 20, /number/u],
    ];
    for (const [at, value, message] of wrong) {
      expect(() => readTotals(plan, changed(at, value), 1)).toThrow(message);
      expect(() => readTotals(plan, changed(at, value), 1)).toThrow(
        expect.objectContaining({ code: 'survey_implausible' }) as Error,
      );
    }
    expect(() => readTotals(plan, new Float32Array(3), 1)).toThrow(/expected \d+ numbers/u);
  });

  it('tell no cell of few rows, in the facts and in the weights', () => {
    const { facts, contract } = surveyOf(spec, one.vector, 1, { classWeights: true });
    const [, , ill] = facts.columns;
    // 3 of 40 are ill: the others follow from the rows, and are left out with them.
    expect(ill).toMatchObject({
      values: [
        { value: 'no', count: undefined },
        { value: 'yes', count: undefined },
      ],
      missing: 0,
    });
    expect(contract.target).toMatchObject({ weights: [4, 4] });
    for (const column of facts.columns)
      if (column.type === 'number')
        for (const { count } of column.told!.bins) expect(count).toBeGreaterThanOrEqual(5);
    expect(toldCounts([3, 40, 0, 100], 5)).toEqual([undefined, undefined, 0, 100]);
    expect(toldCounts([3, 1, 40], 5)).toEqual([undefined, undefined, undefined]);
    expect(toldCounts([3, 2, 40], 5)).toEqual([undefined, undefined, 40]);
    expect(toldCounts([5, 6], 5)).toEqual([5, 6]);
  });

  it('of a column with few values give no normalisation', () => {
    const few = surveySite(
      table([30, NaN, NaN, NaN, NaN, NaN], [0, 0, 1, 1, 0, 1], [0, 1, 1, 1, 1, 1]),
      contractOf(),
      plan,
    );
    expect(surveyFacts(readTotals(plan, few.vector, 1)).columns[0]).not.toHaveProperty('told');
    expect(() => surveyOf(spec, few.vector, 1)).toThrow(/column age: fewer than 5 values/u);
  });
});

describe('columns of a date, of labels and of values to predict', () => {
  const feature = { type: 'number', name: 'seen', date: true, range: [0, 30_000] } as const;
  const of = (target: Contract['target']): Contract => ({
    version: 1,
    input: { type: 'table', features: [{ ...feature, range: [...feature.range] }] },
    target,
  });
  const seen = {
    type: 'text' as const,
    name: 'seen',
    codes: Int32Array.from({ length: 12 }, (_, i) => (i % 4) - 1),
    texts: ['2026-01-01', '2026-01-02', '2026-01-06'],
  };
  const numbers = (name: string, values: number[]) => ({
    type: 'number' as const,
    name,
    values: Float64Array.from(values),
  });
  const surveyed = (
    contract: Contract,
    ...columns: Parameters<typeof createTable>[0][number][]
  ) => {
    const spec = specOf(surveyParts({ id: new Uint8Array(16).fill(3), contract, cohort: 5 }));
    const plan = surveyPlan(contract, 32, 5);
    const { vector, missing } = surveySite(createTable([seen, ...columns]), contract, plan);
    return { missing, ...surveyOf(spec, vector, 1) };
  };

  it('count days, missing rows and both labels', () => {
    const contract = of({ type: 'labels', names: ['ill', 'old'] });
    const bits = Array.from({ length: 12 }, (_, i) => (i < 5 ? 1 : 0));
    const found = surveyed(
      contract,
      numbers('ill', bits),
      numbers('old', [...bits.slice(0, 11), NaN]),
    );
    expect(found.missing).toBe(3 + 1);
    const [days, ill, old] = found.totals.columns;
    const day = Date.UTC(2026, 0, 1) / 86_400_000;
    expect(days).toMatchObject({ known: 9, missing: 3 });
    expect(found.facts.columns[0]).toMatchObject({
      told: { mean: day + 2, deviation: Math.sqrt((4 + 1 + 9) / 3) },
    });
    expect(ill).toMatchObject({ counts: [7, 5], missing: 0 });
    expect(old).toMatchObject({ counts: [6, 5], missing: 1 });
    expect(found.contract.target).toEqual(contract.target);
  });

  it('normalise the target of a regression', () => {
    const target = {
      type: 'values' as const,
      columns: [{ name: 'price', range: [0, 1000] as [number, number] }],
    };
    const prices = Array.from({ length: 12 }, (_, i) => 100 + (i % 2) * 50);
    const { contract } = surveyed(of(target), numbers('price', prices));
    expect(contract.target).toMatchObject({
      columns: [{ name: 'price', normalise: { mean: 125, scale: 25 } }],
    });
  });
});
