/**
 * The bytes of a run specification name the run in every signed record. These hashes were taken
 * before the settings had one table: the same run files, scenarios and calls must still give them.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatherSettings } from '../../cli/run-file.ts';
import type { SettingFlags } from '../../cli/run-flags.ts';
import { toHex } from '../../protocol/bytes.ts';
import { hashRunSpec, makeRunSpec, type RunSpecInput } from '../../protocol/spec/run-spec.ts';
import { specOfSettings } from '../../protocol/spec/spec-of-settings.ts';
import { masterSeed } from '../../protocol/spec/master-seed.ts';
import { makeScenario, type ScenarioInput } from '../../sim/scenario.ts';
import { specOf } from '../../sim/setup.ts';

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const hex = (byte: number): string => toHex(key(byte));
const tensors = [
  { name: 'w', shape: [6, 3], dtype: 'float32' as const },
  { name: 'b', shape: [3], dtype: 'float32' as const },
];
const fixed = {
  id: new Uint8Array(16).fill(7),
  coordinator: key(9),
  model: { architecture: 'custom', tensors },
};

const CALLS: readonly (readonly [string, Partial<RunSpecInput>, string])[] = [
  ['defaults', {}, '75ccd8328bc9c1a4d8c995f44abc6296b164c9e99046d84de6c1ae0493b153f2'],
  [
    'a cohort below the default minimum',
    { cohort: { size: 4 } },
    'e7ba10423550dfb13ee300c2c4299dbc50610264b41d67d2e69fd3d8220bf46c',
  ],
  [
    'every field',
    {
      name: 'every field',
      auditors: [key(2), key(1)],
      rounds: 7,
      members: { type: 'closed', keys: [6, 5, 4, 3, 2, 1].map(key) },
      selection: 'batches',
      cohort: { size: 3, minimum: 3, overSelect: 1 },
      training: { epochs: 2, batchSize: 16, learningRate: 0.05 },
      encoding: { ring: 'ring24', bits: 10, clipNorm: 1.5, rotation: false, weightCap: 50 },
      secagg: 'none',
      access: { models: ['pass', 'compute'] },
      deadlines: {
        register: 1,
        share: 2,
        upload: 3,
        uploadFactor: 1.5,
        uploadFloor: 4,
        consistency: 5,
        unmask: 6,
        grace: 0,
      },
    },
    '2464ae65d61983c8c9a27c8732007b4e4f1e24c48f6f378e8264601ee95e039b',
  ],
];

it.each(CALLS)('makeRunSpec: %s', (_, input, hash) => {
  expect(toHex(hashRunSpec(makeRunSpec({ ...fixed, ...input })))).toBe(hash);
});

describe('run files and flags', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'floe-hashes-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const FILES: readonly (readonly [string, object, SettingFlags, string])[] = [
    ['nothing', {}, {}, '75ccd8328bc9c1a4d8c995f44abc6296b164c9e99046d84de6c1ae0493b153f2'],
    [
      'a file',
      { name: 'trial', rounds: 12, cohort: 6, minimum: 4, mask: false },
      {},
      'd50efe1c9dcfca9f6115b47bd1f1e97f923b5b663306352c9829800147362632',
    ],
    [
      'flags over a file',
      { rounds: 12, epochs: 4 },
      { rounds: 3, clipNorm: 0.5 },
      '6a2a5d5611f5131b7bbd9f2fa5f07c05e1c3b15c8b193860d2ef96db5ee99677',
    ],
    [
      'every key',
      {
        name: 'every key',
        rounds: 9,
        cohort: 4,
        minimum: 3,
        startWith: 5,
        epochs: 2,
        batchSize: 32,
        learningRate: 0.3,
        clipNorm: 2,
        ring: 'ring32',
        bits: 12,
        mask: true,
        registerDeadline: 11,
        shareDeadline: 12,
        uploadDeadline: 13,
        uploadFactor: 2.5,
        uploadFloor: 3,
        consistencyDeadline: 14,
        unmaskDeadline: 15,
        grace: 16,
        auditors: [hex(8)],
        allow: [4, 3, 2, 1].map(hex),
        selection: 'batches',
        access: ['subscription', 'time-lock'],
      },
      {},
      '4f6dc5a4530dbbd907ba8553fe904f0fac0b1df3449d02b5663f4a4ff650eb82',
    ],
  ];

  it.each(FILES)('%s', async (_, file, flags, hash) => {
    const path = join(folder, 'run.json');
    await writeFile(path, JSON.stringify(file));
    const { settings } = await gatherSettings(path, flags);
    const spec = specOfSettings(settings, fixed);
    expect(toHex(hashRunSpec(spec))).toBe(hash);
  });
});

describe('scenarios', () => {
  const SCENARIOS: readonly (readonly [string, ScenarioInput, string])[] = [
    ['defaults', {}, 'a68227e2acee1f307c4787ab2733b5770740fd26a627754e58d4eb1fd7fc16cd'],
    [
      'a small cohort',
      { participants: 5, cohort: 5, rounds: 2, seed: 'small' },
      '9fe443460480fb0430bc10d832600e6309cae8f3253311e51ee58d08992b883e',
    ],
    [
      'a minimum',
      { participants: 12, cohort: 8, minimum: 7, epochs: 1, bits: 6 },
      '2ee1b7ee9ff076b49270876fa011a520dd1d507b0880c27379c914f8aaae60c1',
    ],
    [
      'batches without masks',
      { participants: 12, cohort: 6, selection: 'batches', mask: false },
      '91c5750e2b2430e94e76cbdf16deaeaebb7a056fcdf4df999f763cf7c19c26cd',
    ],
    [
      'training, encoding and deadlines',
      {
        batchSize: 50,
        learningRate: 0.1,
        clipNorm: 3,
        ring: 'ring24',
        bits: 9,
        uploadDeadline: 40,
        uploadFactor: 3,
        uploadFloor: 5,
        grace: 2,
      },
      'f6cb9d4792a359bec7b73c50f3f85acbd8d31ffdb0f9e2f42373682af22b5800',
    ],
  ];

  it.each(SCENARIOS)('%s', (_, input, hash) => {
    const scenario = makeScenario(input);
    const members = Array.from({ length: scenario.participants }, (__, i) => {
      const member = key(1);
      member[0] = i;
      return member;
    });
    const keys = { coordinator: key(9), auditor: key(8) };
    const model = { architecture: 'custom', tensors, topology: '{}', backend: 'cpu' };
    const spec = specOf(scenario, 0, masterSeed(scenario.seed), keys, model, members);
    expect(toHex(hashRunSpec(spec))).toBe(hash);
  });
});
