/**
 * @module Differential privacy in a run specification: what follows from a budget, and what is
 * refused beside it.
 */
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../protocol/bytes.ts';
import { privacyClaim, releasedIn } from '../../../protocol/algorithm/privacy.ts';
import { layoutOf, noiseFor } from '../../../protocol/algorithm/segments.ts';
import { guaranteeOf } from '../../../protocol/privacy/noise.ts';
import { privateMinimum } from '../../../protocol/spec/private-run.ts';
import { makeRunSpec, type RunSpecInput } from '../../../protocol/spec/run-spec.ts';

const keys = Array.from({ length: 100 }, (_, i) => new Uint8Array(32).fill(i + 1));
const PRIVACY = {
  type: 'skellam',
  epsilon: 4,
  delta: 1e-5,
  participations: 0,
  honest: 0.9,
  noiseMultiplier: 0,
} as const;
const base: RunSpecInput = {
  id: new Uint8Array(16),
  coordinator: new Uint8Array(32).fill(9),
  model: {
    architecture: 'custom',
    tensors: [{ name: 'w', shape: [784, 10], dtype: 'float32' }],
  },
  rounds: 20,
  cohort: { size: 20 },
  members: { type: 'closed', keys },
  privacy: PRIVACY,
};

const made = (changes: Partial<RunSpecInput> = {}) => makeRunSpec({ ...base, ...changes });

describe('a private run', () => {
  const spec = made();

  it('is completed: participations, noise, bits, equal weights, no metrics', () => {
    expect(spec.privacy).toMatchObject({ participations: 4, epsilon: 4 });
    expect(spec.privacy?.noiseMultiplier).toBeGreaterThan(1);
    expect(spec.encoding).toMatchObject({ ring: 'ring24', weightCap: 1 });
    expect(spec.encoding.bits).toBeGreaterThan(4);
    expect(spec.cohort.minimum).toBe(12);
    expect(spec.metrics).toEqual([]);
    expect(noiseFor(spec)).toMatchObject({ honestSurvivors: 10 });
    expect(layoutOf(spec, 20, 5)).toMatchObject({ modulusBits: 24 });
  });

  it('stays as it is when it is made again', () => {
    expect(toHex(new Uint8Array(Buffer.from(JSON.stringify(made()))))).toBe(
      toHex(new Uint8Array(Buffer.from(JSON.stringify(spec)))),
    );
  });

  it('takes a multiplier that is larger than needed', () => {
    const more = 2 * spec.privacy!.noiseMultiplier;
    expect(made({ privacy: { ...PRIVACY, noiseMultiplier: more } }).privacy).toMatchObject({
      noiseMultiplier: more,
    });
  });
});

describe('a private run in groups', () => {
  const MEDIAN = { rule: { type: 'median' }, byzantine: 1, groupSize: 20 } as const;
  const grouped = (changes: Partial<RunSpecInput> = {}) =>
    made({ cohort: { size: 60, minimum: 36 }, robust: MEDIAN, ...changes });
  const spec = grouped();

  it('sizes the noise for one group, in which all that add none may be', () => {
    // t of 20 is 14, and 6 of 60 are not honest.
    expect(noiseFor(spec)).toMatchObject({ honestSurvivors: 8 });
    expect(privacyClaim(spec)).toMatchObject({ minimum: 14, honestSurvivors: 8 });
    // The group of a draw that puts all of them into one, with as few survivors as may be summed.
    const z = spec.privacy!.noiseMultiplier;
    const parts = releasedIn(spec, 1).noise.map((segment) => ({
      ...segment,
      variance: (segment.variance / noiseFor(spec)!.honestSurvivors) * (14 - 6),
    }));
    const { participations, delta } = spec.privacy!;
    expect(guaranteeOf(parts, participations, delta).epsilon).toBeLessThanOrEqual(4);
    const short = parts.map((segment) => ({ ...segment, variance: (segment.variance * 7) / 8 }));
    expect(guaranteeOf(short, participations, delta).epsilon).toBeGreaterThan(4);
    const whole = made({
      cohort: { size: 60, minimum: 36 },
      privacy: { ...PRIVACY, participations },
    });
    expect(z).toBeCloseTo(whole.privacy!.noiseMultiplier, 1);
  });

  it('takes the adaptive clip norm, whose bit is a vector of each group', () => {
    const clipping = {
      type: 'adaptive',
      quantile: 0.5,
      rate: 0.2,
      floor: 0.01,
      ceiling: 100,
    } as const;
    const adaptive = grouped({ encoding: { clipping } });
    expect(releasedIn(adaptive, 1).noise).toHaveLength(releasedIn(spec, 1).noise.length + 1);
  });

  it.each<readonly [string, Partial<RunSpecInput>, string]>([
    [
      'groups that can be without an honest member',
      { robust: { ...MEDIAN, groupSize: 6 } },
      'a sum of 5 may have no honest noise',
    ],
    ['a rule over single updates', { secagg: 'none' }, 'robust.groupSize: groups are opened'],
    [
      'single updates with noise for a sum',
      { secagg: 'none', robust: { rule: { type: 'median' } } },
      'robust.rule: it reads single updates',
    ],
    [
      'a rule before central noise',
      {
        secagg: 'none',
        robust: { rule: { type: 'median' } },
        privacy: {
          type: 'central',
          epsilon: 4,
          delta: 1e-5,
          participations: 0,
          noiseMultiplier: 0,
        },
      },
      'robust.rule: it reads single updates',
    ],
  ])('refuses %s', (_, changes, message) => {
    expect(() => grouped(changes)).toThrow(
      expect.objectContaining({
        code: 'spec_invalid',
        message: expect.stringContaining(message) as string,
      }),
    );
  });
});

describe('what a private run refuses', () => {
  const refused: readonly (readonly [string, Partial<RunSpecInput>, string])[] = [
    ['weights by examples', { encoding: { weightCap: 1000 } }, 'encoding.weightCap'],
    [
      'error feedback',
      { encoding: { compression: { type: 'random-k', rate: 0.5, mode: 'feedback' } } },
      'encoding.compression',
    ],
    [
      'central noise under masks',
      {
        privacy: {
          type: 'central',
          epsilon: 4,
          delta: 1e-5,
          participations: 0,
          noiseMultiplier: 0,
        },
      },
      'privacy: central noise',
    ],
    ['metrics', { metrics: [{ name: 'loss', kind: 'mean', scale: 1e6 }] }, 'metrics'],
    ['a ring that wraps', { encoding: { ring: 'ring16', bits: 8 } }, 'encoding.ring'],
    [
      'noise below the budget',
      { privacy: { ...PRIVACY, noiseMultiplier: 0.5 } },
      'privacy.noiseMultiplier',
    ],
    [
      'a minimum without an honest survivor',
      { cohort: { size: 60, minimum: 5 }, rounds: 5 },
      'no honest noise',
    ],
    [
      'more rounds than participations',
      { privacy: { ...PRIVACY, participations: 2 }, cohort: { size: 20, minimum: 15 } },
      'privacy.participations',
    ],
  ];
  it.each(refused)('%s', (_, changes, message) => {
    expect(() => made(changes)).toThrow(
      expect.objectContaining({
        code: 'spec_invalid',
        message: expect.stringContaining(message) as string,
      }),
    );
  });

  it('says so for noise that no bits of the ring hold', () => {
    expect(() =>
      made({ encoding: { ring: 'ring16' }, privacy: { ...PRIVACY, epsilon: 0.01 } }),
    ).toThrow('does not hold the noise');
  });
});

describe('a run with correlated noise', () => {
  const FTRL = {
    type: 'ftrl',
    epsilon: 4,
    delta: 1e-5,
    participations: 0,
    honest: 0.9,
    noiseMultiplier: 0,
    bands: 2,
  } as const;
  const correlated = (changes: Partial<RunSpecInput> = {}) =>
    made({ cohort: { size: 100 }, privacy: FTRL, ...changes });
  const minimumOf = (size: number, honest = 0.9) =>
    privateMinimum(size, { ...FTRL, honest, participations: 20, noiseMultiplier: 1 });

  it('is completed: as many attempts as rounds, noise over the whole run', () => {
    const spec = correlated();
    expect(spec.privacy).toMatchObject({ type: 'ftrl', participations: 20, bands: 2 });
    const claim = privacyClaim(spec)!;
    expect(claim).toMatchObject({ mechanism: 'ftrl', honestSurvivors: 56 });
    expect(claim.epsilon).toBeGreaterThan(3.95);
    expect(claim.epsilon).toBeLessThanOrEqual(4);
    const after = [0, 1, 5, 10, 20].map((t) => privacyClaim(spec, t)!.epsilon);
    expect(after[0]).toBe(0);
    for (let i = 1; i < after.length; i += 1) expect(after[i]).toBeGreaterThan(after[i - 1]!);
  });

  it('counts on members that any two sums have in common', () => {
    expect([10, 100, 255].map((size) => minimumOf(size))).toEqual([7, 66, 169]);
    expect(minimumOf(5, 0.8)).toBe(4);
    // 65 members open a sum with 44 of them: 109 are not more than 100 and 10 that may lie.
    expect(() => correlated({ cohort: { size: 100, minimum: 65 } })).toThrow('cohort.minimum');
    expect(() => correlated({ cohort: { size: 100, minimum: 66 } })).not.toThrow();
  });

  it('has room in its ring for the noise of all who may survive', () => {
    expect(() => correlated({ encoding: { ring: 'ring16', bits: 8 } })).toThrow('leaves ring16');
    const { encoding } = correlated({ encoding: { ring: 'ring16' } });
    expect(encoding.bits).toBeLessThan(8);
  });

  it('refuses less noise than its budget needs', () => {
    const { noiseMultiplier } = correlated().privacy!;
    const less = { ...FTRL, noiseMultiplier: 0.98 * noiseMultiplier };
    expect(() => correlated({ privacy: less })).toThrow('keeps epsilon 4.');
  });

  it.each([
    ['a drawn cohort', { cohort: { size: 20 } }, 'cohort.size'],
    ['an open run', { members: { type: 'open' } }, 'members'],
    ['more invited than the cohort', { cohort: { size: 100, overSelect: 1.5 } }, 'overSelect'],
    ['groups', { robust: { rule: 'median', groupSize: 5 } }, 'robust.groupSize'],
    ['a buffer', { buffer: { size: 100 } }, 'buffer'],
    [
      'an adaptive clip norm',
      {
        encoding: {
          clipping: { type: 'adaptive', quantile: 0.5, rate: 0.2, floor: 1e-3, ceiling: 64 },
        },
      },
      'encoding.clipping',
    ],
    [
      'compression',
      { encoding: { compression: { type: 'random-k', rate: 0.5, mode: 'unbiased' } } },
      'encoding.compression',
    ],
    ['fewer attempts than rounds', { privacy: { ...FTRL, participations: 19 } }, 'attempts'],
    ['more bands than rounds', { rounds: 3, privacy: { ...FTRL, bands: 4 } }, 'privacy.bands'],
  ] as const)('refuses %s by name', (_what, changes, named) => {
    expect(() => correlated(changes as never)).toThrow(named);
  });
});
