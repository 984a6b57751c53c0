/**
 * A finished model, trained further at one site: it scores better on the site's held-out examples,
 * and its file says where it is from.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { evaluateModel, fineTune, openModelToUse, saveTuned } from '../../../client/index.ts';
import { decodeSafetensors, MODEL_FILE_LIMITS } from '../../../protocol/model/index.ts';
import { floeIn } from '../../support/floe.ts';
import { resultOf } from '../../support/json-lines.ts';
import { exportModel, TUMOUR } from './exported.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-tune-'));
  await exportModel(join(folder, 'model'), TUMOUR);
  // At this site the radius decides, which the model does not know.
  const rows = Array.from({ length: 60 }, (_, i) => {
    const radius = 10 + (i % 12);
    return `${40 + (i % 20)},${i % 2 === 0 ? 'left' : 'right'},${radius},${radius < 14 ? 'benign' : 'malignant'}`;
  });
  await writeFile(join(folder, 'site.csv'), ['age,site,radius,diagnosis', ...rows].join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const options = { epochs: 40, learningRate: 0.1, batchSize: 8, seed: new Uint8Array(32).fill(1) };

it('scores better on held-out examples, and the same seed gives the same model', async () => {
  const model = await openModelToUse(join(folder, 'model'));
  const given = model.weights.slice();
  const data = join(folder, 'site.csv');
  const { before, after, examples, model: own } = await fineTune(model, data, options);
  expect([examples, before.examples, after.examples]).toEqual([48, 12, 12]);
  expect(after.scores['accuracy']).toBeGreaterThan((before.scores['accuracy'] ?? 1) + 0.2);
  expect(after.scores['loss']).toBeLessThan((before.scores['loss'] ?? 0) / 2);
  expect(model.weights).toEqual(given);
  expect((await fineTune(model, data, options)).model.modelHash).toBe(own.modelHash);
  // As a file it gives the same scores, and claims no run.
  await saveTuned(own, join(folder, 'own'));
  const read = await openModelToUse(join(folder, 'own'));
  expect(await evaluateModel(read, data)).toEqual(await evaluateModel(own, data));
  expect([read.run, read.modelHash]).toEqual([undefined, own.modelHash]);
  expect(read.origin).toContain(`fine-tuned from ${model.modelHash.slice(0, 16)}`);
  const file = await readFile(join(folder, 'own/model.safetensors'));
  const { metadata } = decodeSafetensors(file, MODEL_FILE_LIMITS);
  expect(metadata).toMatchObject({ 'floe.tuned_from': model.modelHash });
  expect(metadata['floe.run']).toBeUndefined();
});

it('a model that is there is kept', async () => {
  const model = await openModelToUse(join(folder, 'model'));
  await expect(saveTuned(model, join(folder, 'model'))).rejects.toMatchObject({
    code: 'file_exists',
  });
});

it('refuses examples that are too few to compare on', async () => {
  const model = await openModelToUse(join(folder, 'model'));
  const path = join(folder, 'one.csv');
  await writeFile(path, 'age,site,radius,diagnosis\n40,left,12,benign\n');
  await expect(fineTune(model, path)).rejects.toMatchObject({ code: 'data_unfit' });
});

it('floe fine-tune', async () => {
  const floe = floeIn(() => folder);
  const flags = ['--epochs', '5', '--learning-rate', '0.1', '--out', 'tuned'];
  const done = await floe(['fine-tune', 'model', 'site.csv', ...flags, '--json']);
  expect(resultOf(done.stdout)).toMatchObject({ examples: 48, heldOut: 12, epochs: 5 });
  const again = await floe(['fine-tune', 'model', 'site.csv', ...flags]);
  expect([again.code, again.stderr]).toEqual([
    expect.any(Number),
    expect.stringMatching('--force'),
  ]);
  const used = await floe(['evaluate', 'tuned', 'site.csv']);
  expect(used.stdout).toContain('fine-tuned from');
});
