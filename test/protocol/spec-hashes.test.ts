/**
 * The bytes of a run specification name the run in every signed record. These hashes were taken
 * when `strategy` and `metrics` replaced `optimiser`, and differ from those before the settings had
 * one table in nothing else: the same run files, scenarios and calls must still give them.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatherSettings } from '../../cli/run-flags.ts';
import type { SettingFlags } from '../../protocol/spec/setting-flags.ts';
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
  ['defaults', {}, '952c093b0cd1223c1d44f19562954695cd419311f3f3cb1d959f4b582bfea519'],
  [
    'a cohort below the default minimum',
    { cohort: { size: 4 } },
    '2a118528ec58149cf1b8f945bf9b6df981ee0b24eacb6efad7c0bdd0c062b459',
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
    'faa76bb6d7d8f3ee1e83ee80d97e4919234ab40919447fb042c5a15d49630638',
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
    ['nothing', {}, {}, '952c093b0cd1223c1d44f19562954695cd419311f3f3cb1d959f4b582bfea519'],
    [
      'a file',
      { name: 'trial', rounds: 12, cohort: 6, minimum: 4, mask: false },
      {},
      '80cfea23de17aef249dd3019ccff6734d99b055b8da3ba5831a83c05d35bcfdc',
    ],
    [
      'flags over a file',
      { rounds: 12, epochs: 4 },
      { rounds: 3, clipNorm: 0.5 },
      'f9c6a82aba78d8ac1856f2fcbb6fbeac43ab96a544f635af63afd2624072e5d2',
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
      'ed6fef6840bf81495922f3a96f3b5b1edf0c98c25173ad2ae27af67be265d6f0',
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
    ['defaults', {}, 'e1c55494e2952624a14cb15dad6fce49d82346c60fc34934be8b1f27ad825238'],
    [
      'a small cohort',
      { participants: 5, cohort: 5, rounds: 2, seed: 'small' },
      '7a8c5b49d814ab4dcaff8ced89433ade1847a65581d3a67c6090d2ac9181ef32',
    ],
    [
      'a minimum',
      { participants: 12, cohort: 8, minimum: 7, epochs: 1, bits: 6 },
      '06b769654f70f647efea16c17e01122ed0659467ae56e95d6b536325d219a0fc',
    ],
    [
      'batches without masks',
      { participants: 12, cohort: 6, selection: 'batches', mask: false },
      'ce8a9da01999da9a33b069ed198f2a8e021cb1049daf185f86f1c41890dd2114',
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
      '210c9adc634c82697ff8eb10770bfcae43fb559d23c5aa34d818d1374cb00019',
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
