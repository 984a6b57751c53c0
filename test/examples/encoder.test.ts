/**
 * @module The example of an encoder as a user runs it, with a random encoder of a few hundred
 * weights: a masked simulation in workers, verified; what a site with another base is told; the
 * merged model.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mergedModel, openRun, parseEncoderConfig, readEncoder } from '../../client/index.ts';
import { selectBackend } from '../../client/tfjs/backends.ts';
import { readJournalLedger } from '../../coordinator/index.ts';
import { requireBase } from '../../protocol/model/base.ts';
import { simulate, type RunResult } from '../../sim/index.ts';
import { TINY, tinyConfig, tinyFile, tinyTensors, tinyTokenizer } from '../support/tiny-encoder.ts';

let folder: string;
let result: RunResult;

const texts = (): string => {
  const [spam, ham] = [
    ['win free money now !', 'call now to win $ 20', 'your free prize !'],
    ['the meeting list', 'thanks , a patch to the code', 'we code the lists'],
  ];
  const lines = Array.from({ length: 100 }, (_, i) => {
    const label = (i * 7) % 3 === 0 ? 1 : 0;
    const text = (label === 1 ? spam : ham)[i % 3];
    return JSON.stringify({ text, label });
  });
  return `${lines.join('\n')}\n`;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-encoder-'));
  await writeFile(join(folder, 'config.json'), tinyConfig());
  await writeFile(join(folder, 'tokenizer.json'), tinyTokenizer());
  await writeFile(join(folder, 'model.safetensors'), tinyFile(tinyTensors()));
  await writeFile(join(folder, 'texts.jsonl'), texts());
  process.env['FLOE_ENCODER'] = folder;
  process.env['FLOE_TOKENS'] = '10';
  process.env['FLOE_ADAPTED'] = '2';
  result = await simulate({
    module: new URL('../../examples/encoder/task.ts', import.meta.url),
    participants: 5,
    cohort: 5,
    rounds: 4,
    epochs: 4,
    batchSize: 4,
    learningRate: 0.5,
    weightCap: 16,
    workers: 1,
    backend: 'wasm',
    baseline: false,
    substrate: 'local',
    outDir: join(folder, 'runs'),
  });
});
afterAll(async () => {
  for (const name of ['ENCODER', 'TOKENS', 'ADAPTED']) delete process.env[`FLOE_${name}`];
  await rm(folder, { recursive: true, force: true });
});

it('trains adapters and head alone, masked, and learns', async () => {
  const { summary } = result;
  // Two blocks, query and value of each, [8, 8]; a head of [8, 2] and 2.
  expect(summary.parameters).toBe(2 * 2 * 8 * 8 + 18);
  expect(summary).toMatchObject({ rounds: 4, attemptsAborted: 0, masked: true });
  expect(summary.backend).toContain('recorded once');
  expect(summary.testAccuracy).toBeGreaterThan(0.9);
  // The base is not in the folder, so a model file for tfjs would lack it.
  expect(await readdir(result.folder)).not.toContain('tfjs');
});

it('verifies, names its base, and gives the merged model to those who have it', async () => {
  await using run = await openRun(result.folder, { journalLedger: readJournalLedger });
  expect(await run.verify()).toMatchObject({ ok: true, level: 'L1' });
  const { spec } = run;
  const config = parseEncoderConfig(JSON.stringify(TINY));
  const { tf } = await selectBackend({ prefer: 'wasm' });
  const { weights } = await run.pull();
  const base = readEncoder(config, tinyFile(tinyTensors()));
  const model = await mergedModel(tf, spec, weights, base);
  expect(model.layers.some((layer) => layer.getClassName() === 'AdaptedDense')).toBe(false);
  model.dispose();
  const other = readEncoder(config, tinyFile(tinyTensors(2)), 'another one');
  await expect(mergedModel(tf, spec, weights, other)).rejects.toMatchObject({
    code: 'base_mismatch',
    message: expect.stringContaining('another one'),
  });
  expect(() => requireBase(spec.model.base, undefined)).toThrow('got none');
});
