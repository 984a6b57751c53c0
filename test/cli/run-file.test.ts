/**
 * One file of settings for a simulation and for a real run, in JSON and in YAML; flags win over it.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatherSettings } from '../../cli/run-flags.ts';
import { specOfSettings } from '../../protocol/spec/spec-of-settings.ts';
import { makeScenario, summarySchema } from '../../sim/index.ts';
import { floeIn } from '../support/floe.ts';
import { resultOf } from '../support/json-lines.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-run-file-'));
  await writeTable(join(folder, 'table.csv'), { rows: 120, features: 6, classes: 3 });
  await writeFile(
    join(folder, 'run.yaml'),
    `# the trial of our consortium
name: trial
rounds: 3
cohort: 4        # of five
minimum: 3
model: mlp:8
inputs: 6
classes: 3
epochs: 2
learningRate: 0.1
local: true
access: []
participants: 5
partition: {type: dirichlet, alpha: 5}
drops: {unmask: 0.25}
data: table.csv
backend: wasm
workers: 1
baseline: false
`,
  );
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const floe = floeIn(() => folder);
const at = (name: string): string => join(folder, name);
const write = async (name: string, text: string): Promise<string> => {
  await writeFile(at(name), text);
  return name;
};

describe('one file', () => {
  it('is simulated, and each key that a simulation does not use is named', async () => {
    const { code, stdout, stderr } = await floe(['sim', '--scenario', 'run.yaml', '--rounds', '2']);
    expect(stderr).toBe('warning: run.yaml: not used by floe sim: name, inputs, classes, access\n');
    expect(code).toBe(0);
    expect(stdout).toContain('partition  dirichlet:5 over 5 participants');
    const summary = v.parse(
      summarySchema,
      JSON.parse(await readFile(at('runs/latest/summary.json'), 'utf8')),
    );
    expect(summary).toMatchObject({
      rounds: 2,
      cohort: 4,
      participants: 5,
      drops: 'unmask:0.25',
      training: { epochs: 2, learningRate: 0.1 },
    });
  });

  it('is the run of a coordinator, and each key that only a simulation uses is named', async () => {
    const { code, stderr } = await floe(['coordinator', '--run', 'run.yaml']);
    // The file is read before the passphrase is asked for.
    expect(stderr).toMatch(
      /^warning: run.yaml: not used by floe coordinator: participants, partition, drops, data, backend, workers, baseline\nerror passphrase_missing/u,
    );
    expect(code).toBe(4);
    const { stdout } = await floe(['cost', 'run.yaml', '--json']);
    expect(resultOf(stdout)).toMatchObject({ rounds: 3, cohort: 4 });
  });

  it('makes the same training, encoding and cohorts in both', async () => {
    const [simulated, real] = await Promise.all([
      gatherSettings(at('run.yaml'), {}, 'sim'),
      gatherSettings(at('run.yaml'), {}),
    ]);
    const scenario = makeScenario(simulated.settings);
    const tensors = [{ name: 'w', shape: [3], dtype: 'float32' as const }];
    const spec = specOfSettings(real.settings, {
      id: new Uint8Array(16),
      coordinator: new Uint8Array(32),
      model: { architecture: 'custom', tensors },
    });
    expect(spec).toMatchObject({
      rounds: scenario.rounds,
      cohort: { size: scenario.cohort, minimum: scenario.minimum },
      training: {
        epochs: scenario.epochs,
        batchSize: scenario.batchSize,
        learningRate: scenario.learningRate,
      },
      encoding: { ring: scenario.ring, clipNorm: scenario.clipNorm },
      secagg: 'masked',
    });
    expect(spec.encoding.bits).toBe(scenario.bits);
  });

  it('is the same in JSON', async () => {
    const json = await write('same.json', '{"rounds": 3, "access": ["pass"], "mask": false}');
    const yaml = await write('same.yml', 'rounds: 3\naccess:\n  - pass # sold\nmask: false\n');
    const read = async (name: string) => (await gatherSettings(at(name), {})).settings;
    expect(await read(yaml)).toEqual(await read(json));
    expect(await read(await write('empty.yaml', '# nothing yet\n'))).toEqual({});
  });
});

describe('flags win over the file', () => {
  it('also to turn on what the file turns off', async () => {
    const path = await write('off.json', '{"mask": false, "local": true, "rotation": true}');
    const masks = async (...flags: readonly string[]) =>
      (
        await floe([
          'cost',
          path,
          '--json',
          '--model',
          'mlp:8',
          '--inputs',
          '6',
          '--classes',
          '3',
          ...flags,
        ])
      ).stdout;
    const upload = (text: string) => (resultOf(text) as { bytes: { upload: number } }).bytes.upload;
    // Without masks an upload travels in an envelope, which is larger.
    expect(upload(await masks('--mask'))).toBeLessThan(upload(await masks()));
    expect(upload(await masks('--no-mask'))).toBe(upload(await masks()));
  });

  it('and a flag for one place takes the other out of the file', async () => {
    const path = at(await write('place.json', '{"local": true, "rounds": 2}'));
    const { settings } = await gatherSettings(path, { network: 'net.json' });
    expect(settings).toEqual({ rounds: 2, network: 'net.json' });
    const other = at(await write('other.json', '{"network": "net.json"}'));
    expect((await gatherSettings(other, { local: true })).settings).toEqual({ local: true });
  });

  it('and an error names where the value is from', async () => {
    const path = await write('large.json', '{"cohort": 4, "participants": 9}');
    const failed = async (...args: readonly string[]) =>
      (await floe(['sim', '--scenario', path, ...args])).stderr.split('\n')[0];
    expect(await failed('--minimum', '5')).toBe(
      'error usage: --minimum: expected at most large.json: cohort (4), got 5',
    );
    expect(await failed('--participants', '3')).toBe(
      'error usage: large.json: cohort: expected at most --participants (3), got 4',
    );
  });
});

describe('what is refused', () => {
  it.each([
    [
      'typo.json',
      '{"cohrt": 5}',
      /typo\.json: unknown key "cohrt"; the nearest known key is cohort/,
    ],
    ['range.yaml', 'cohort: 300', /range\.yaml: cohort: expected .* from 3 to 255, got 300/],
    ['twice.yaml', 'cohort: 5\ncohort: 6', /twice\.yaml: Map keys must be unique at line 2/],
    ['syntax.json', '{"cohort": 5', /syntax\.json: /],
    ['syntax.yaml', 'cohort: [5', /syntax\.yaml: .* at line 1/],
    ['alias.yaml', 'name: &a x\nseed: *a', /alias\.yaml: Alias resolution is disabled/],
    ['two.yaml', 'cohort: 5\n---\ncohort: 6', /two\.yaml: /],
    ['list.json', '[1]', /list\.json: expected settings such as/],
    [
      'ring.json',
      '{"ring": "ring16", "bits": 14}',
      /ring\.json: bits: expected 4 to 12 for .*ring16/,
    ],
    [
      'places.json',
      '{"local": true, "network": "net.json"}',
      /expected places\.json: network or places\.json: local, not both/,
    ],
  ])('%s: %s', async (name, text, message) => {
    await write(name, text);
    const { code, stdout, stderr } = await floe(['sim', '--scenario', name]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^error [a-z_]+: .+\nwhat to do: .+\n$/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('two run files', async () => {
    const { code, stderr } = await floe(['coordinator', 'run.yaml', '--run', 'run.yaml']);
    expect(stderr).toMatch(/^error usage: expected one run file, got run.yaml and --run run.yaml/);
    expect(code).toBe(2);
  });
});
