/**
 * @module Models by name for examples of any shape: the published ones stay as they are, others end
 * as their task wants; and what a coordinator's settings describe.
 */
import { describe, expect, it } from 'vitest';
import { beginningOf } from '../../client/run-start.ts';
import { chooseModel } from '../../client/tfjs/choose-model.ts';
import { parameterCount } from '../../protocol/model/manifest.ts';

describe('chooseModel', () => {
  it('names the published models for MNIST, and sizes them to other data', () => {
    const digits = { featureShape: [28, 28, 1], classes: 10 };
    for (const name of ['cnn', 'mlp-2nn'])
      expect(chooseModel(name, digits).architecture).toBe(name);
    for (const name of ['cnn', 'mlp-2nn'])
      expect(chooseModel(name, { featureShape: [32, 32, 3], classes: 10 }).architecture).toBe(
        'custom',
      );
    expect(() => chooseModel('cnn', { featureShape: [784], classes: 10 })).toThrow(
      /--model cnn: expected images \[height, width, channels\]/u,
    );
    expect(() => chooseModel('linear', { ...digits, task: 'sequence' })).toThrow(/one answer/u);
  });
});

describe('a beginning', () => {
  it('of the CNN for coloured images, and of the published one', async () => {
    const { model: published } = await beginningOf({ model: 'cnn' });
    expect(published.architecture).toBe('cnn');
    expect(parameterCount(published)).toBe(1_663_370);
    const { model } = await beginningOf({ model: 'cnn', shape: '8x12x3', classes: 5 });
    expect(model.architecture).toBe('custom');
    const dense = 2 * 3 * 64 * 512 + 512 + 512 * 5 + 5;
    expect(parameterCount(model)).toBe(5 * 5 * 3 * 32 + 32 + 5 * 5 * 32 * 64 + 64 + dense);
  });

  it('ends as its task wants', async () => {
    const sizeOf = async (settings: Parameters<typeof beginningOf>[0]): Promise<number> =>
      parameterCount((await beginningOf({ model: 'linear', inputs: 8, ...settings })).model);
    expect(await sizeOf({ classes: 3 })).toBe(27);
    expect(await sizeOf({ task: { type: 'binary' } })).toBe(9);
    expect(await sizeOf({ classes: 4, task: { type: 'multi-label' } })).toBe(36);
    expect(await sizeOf({ task: { type: 'regression' } })).toBe(9);
    expect(await sizeOf({ classes: 2, task: { type: 'regression', loss: 'huber' } })).toBe(18);
    await expect(beginningOf({ model: 'cnn', classes: 3 })).rejects.toThrow(/--shape/u);
    await expect(beginningOf({ model: 'cnn', shape: '8xx3', classes: 3 })).rejects.toThrow(
      /--shape: expected sizes such as 32x32x3, got 8xx3/u,
    );
  });
});
