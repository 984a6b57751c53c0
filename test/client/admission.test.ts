/**
 * @module The admission policy: what each requirement refuses, by which name and flag, and what
 * lowers it.
 */
import { describe, expect, it } from 'vitest';
import {
  ADMISSION_DEFAULTS,
  admitRun,
  admitTraining,
  cohortRefusal,
  loweringFlags,
  makeAdmission,
  type AdmissionInput,
} from '../../client/admission.ts';
import { loweredFields } from '../../client/lowered-requirements.ts';
import { compareBytes, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import type { FloeError } from '../../protocol/errors.ts';
import type { RunSpec, RunSpecInput } from '../../protocol/spec/run-spec.ts';
import { testSpec } from '../support/run.ts';

const keys = Array.from({ length: 8 }, (_, i) => sha256(utf8(`key ${i}`))).toSorted(compareBytes);
const [self = new Uint8Array(32)] = keys;
const members = { type: 'closed' as const, keys };
const parent = { modelHash: new Uint8Array(32).fill(7) };
const grown = { modelHash: new Uint8Array(32).fill(7), stateHash: new Uint8Array(32).fill(8) };

type Over = Partial<Omit<RunSpecInput, 'id' | 'coordinator' | 'model'>>;
const offer = (over: Over = {}): Promise<RunSpec> =>
  testSpec({ members, cohort: { size: 8, minimum: 5 }, ...over });

const refusal = (spec: RunSpec, require: AdmissionInput = {}): FloeError | undefined => {
  try {
    admitRun(makeAdmission(require), spec, self);
    return undefined;
  } catch (thrown) {
    return thrown as FloeError;
  }
};

describe('the default policy', () => {
  it('takes a closed, masked run of five with a seeded first model, as the specification defaults', async () => {
    expect(refusal(await offer())).toBeUndefined();
    expect(loweredFields(makeAdmission())).toEqual([]);
    expect(loweringFlags(await offer())).toEqual([]);
  });

  const CASES: readonly (readonly [string, string, Over, AdmissionInput, string])[] = [
    ['masked', 'WITHOUT masks', { secagg: 'none' }, { masked: false }, '--no-require-masked'],
    ['minimum', 'sums of 4', { cohort: { minimum: 4 } }, { minimum: 4 }, '--require-minimum 4'],
    ['known', 'open run', { members: { type: 'open' } }, { known: 0 }, '--require-known 0'],
    [
      'parents',
      toHex(parent.modelHash),
      { parent },
      { parents: [parent.modelHash] },
      '--require-parent',
    ],
    // A state of the coordinator's own making would move an agreed model wherever it likes.
    [
      'parents',
      toHex(grown.stateHash),
      { parent: grown, strategy: { name: 'fedadam' } },
      { parents: [grown.modelHash, grown.stateHash] },
      `--require-parent ${toHex(grown.stateHash)}`,
    ],
    [
      'clipNorm',
      '1000000',
      { encoding: { clipNorm: 1e6 } },
      { clipNorm: { min: 1, max: 1e6 } },
      '--require-clip-norm 0.001..1000000',
    ],
    [
      'clipNorm',
      '0.0001',
      { encoding: { clipNorm: 1e-4 } },
      { clipNorm: { min: 1e-4, max: 1 } },
      '--require-clip-norm 0.0001..64',
    ],
    // An adaptive norm may go wherever its bounds let it.
    [
      'clipNorm',
      '1000000',
      {
        encoding: {
          clipping: { type: 'adaptive', quantile: 0.5, rate: 0.2, floor: 1, ceiling: 1e6 },
        },
      },
      { clipNorm: { min: 1, max: 1e6 } },
      '--require-clip-norm 0.001..1000000',
    ],
    [
      'batchSize',
      '65536',
      { training: { batchSize: 65_536 } },
      { batchSize: { min: 1, max: 65_536 } },
      '--require-batch-size 1..65536',
    ],
    [
      'weightCap',
      '16777216',
      { encoding: { weightCap: 2 ** 24 } },
      { weightCap: { min: 1, max: 2 ** 24 } },
      '--require-weight-cap 1..16777216',
    ],
  ];

  it.each(CASES)(
    'refuses %s by name (%s), and the participant lowers it',
    async (field, offered, over, require, flag) => {
      const spec = await offer(over);
      const error = refusal(spec);
      expect(error).toMatchObject({
        code: 'admission_refused',
        retryable: false,
        details: { field },
      });
      const [name = ''] = flag.split(' ');
      expect(error?.message).toContain(offered);
      expect(error?.message).toContain(name);
      expect(error?.message).toContain(`\`require.${field}\``);
      expect(refusal(spec, require)).toBeUndefined();
      expect(loweredFields(makeAdmission(require)).join()).toMatch(new RegExp(`^${field} `, 'u'));
      expect(loweringFlags(spec).join(' ')).toContain(flag);
    },
  );

  it('refuses a state of a strategy that comes with a model that it named', async () => {
    const spec = await offer({ parent: grown, strategy: { name: 'fedadam' } });
    expect(refusal(spec, { parents: [grown.modelHash] })).toMatchObject({
      code: 'admission_refused',
      message: expect.stringContaining(`the state ${toHex(grown.stateHash)}`) as string,
    });
  });

  it('refuses another architecture than those named', async () => {
    const spec = await offer();
    expect(refusal(spec, { architectures: ['mlp-2nn'] })).toMatchObject({
      details: { field: 'architectures', offered: 'custom' },
    });
    expect(refusal(spec, { architectures: ['mlp-2nn', 'custom'] })).toBeUndefined();
  });

  it('refuses a round of one local step, where the trainer knows its examples', async () => {
    const spec = await offer({ training: { epochs: 1, batchSize: 10 } });
    const admit = (examples: number | undefined, steps = ADMISSION_DEFAULTS.steps) =>
      admitTraining(makeAdmission({ steps }), spec, examples);
    expect(() => admit(10)).toThrow(
      expect.objectContaining({
        details: {
          field: 'steps',
          offered: '1 local steps on 10 examples',
          required: 'at least 2',
          flag: '--require-steps',
        },
      }),
    );
    expect(() => admit(11)).not.toThrow();
    expect(() => admit(10, 1)).not.toThrow();
    expect(() => admit(undefined)).not.toThrow();
  });

  it('is not put aside by what is not given, and refuses what makes no sense', () => {
    const given = { minimum: undefined, masked: undefined };
    expect(makeAdmission(given)).toEqual(ADMISSION_DEFAULTS);
    for (const [require, field] of [
      [{ minimum: 2 }, 'minimum'],
      [{ known: 1.5 }, 'known'],
      [{ clipNorm: { min: 2, max: 1 } }, 'clipNorm'],
    ] as const)
      expect(() => makeAdmission(require)).toThrow(
        expect.objectContaining({
          code: 'usage',
          message: expect.stringContaining(field) as string,
        }),
      );
  });
});

describe('members that a participant knows itself', () => {
  const known = keys.slice(0, 6);

  it('count instead of those that the specification lists', async () => {
    const spec = await offer();
    expect(refusal(spec, { members: known })).toMatchObject({ details: { field: 'known' } });
    expect(refusal(spec, { members: keys })).toBeUndefined();
    expect(refusal(spec, { members: known, known: 0.7 })).toBeUndefined();
  });

  it('are counted in every cohort: one with too many strangers is sat out', async () => {
    const open = await offer({ members: { type: 'open' } });
    const policy = makeAdmission({ members: known, known: 0.75 });
    expect(refusal(open, { members: known, known: 0.75 })).toBeUndefined();
    const refused = (cohort: readonly Uint8Array[]) => cohortRefusal(policy, open, cohort, self);
    // Four others: at most one may be unknown.
    expect(refused([...known.slice(0, 4), keys[6] as Uint8Array])).toBeUndefined();
    expect(refused([...known.slice(0, 3), ...keys.slice(6)])).toMatchObject({
      code: 'admission_refused',
      details: { field: 'known', offered: '2 unknown keys among 4 others of the cohort' },
    });
  });

  it('a cohort below the minimum is sat out', async () => {
    const spec = await offer();
    expect(cohortRefusal(makeAdmission(), spec, keys.slice(0, 4), self)).toMatchObject({
      details: { field: 'minimum' },
    });
    expect(cohortRefusal(makeAdmission(), spec, keys.slice(0, 5), self)).toBeUndefined();
  });
});
