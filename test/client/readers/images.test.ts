/** @module Folders of images by class, single images, and every form of PNG. */
import { join } from 'node:path';
import { encode } from 'jpeg-js';
import { describe, expect, it } from 'vitest';
import { applyDatasetInputs } from '../../../client/data/contract/arrays.ts';
import type { Dataset } from '../../../client/data/dataset.ts';
import { loadData } from '../../../client/data/load-node.ts';
import { readPng } from '../../../client/data/readers/png-node.ts';
import { predictionsAsCsv } from '../../../client/evaluate/prediction-file.ts';
import type { Contract } from '../../../protocol/spec/contract.ts';
import { grey, png } from './make-files.ts';
import { examples, placesOf } from './places.ts';

const place = placesOf('floe-images-');

describe('images by class', () => {
  it('reads every form of PNG', () => {
    const two = { width: 2, height: 1 };
    const samples = (parts: Parameters<typeof png>[0]) => [...readPng(png(parts)).data];
    expect(samples({ ...two, colour: 0, depth: 1, lines: [[0b0100_0000]] })).toEqual([0, 255]);
    expect(samples({ ...two, colour: 0, depth: 16, lines: [[0x80, 0, 0xff, 0xff]] })).toEqual([
      128, 255,
    ]);
    expect(
      samples({ ...two, colour: 3, depth: 4, lines: [[0x10]], palette: [1, 2, 3, 4, 5, 6] }),
    ).toEqual([4, 5, 6, 1, 2, 3]);
    expect(samples({ ...two, colour: 4, lines: [[7, 255, 8, 0]] })).toEqual([7, 8]);
    // Each byte is the difference to its left neighbour, to the one above, and to their mean.
    expect(samples({ width: 3, height: 1, colour: 0, lines: [[5, 1, 1]], filter: 1 })).toEqual([
      5, 6, 7,
    ]);
    expect(samples({ width: 1, height: 2, colour: 0, lines: [[5], [1]], filter: 2 })).toEqual([
      5, 6,
    ]);
    expect(
      samples({
        ...two,
        height: 2,
        colour: 0,
        lines: [
          [4, 2],
          [1, 1],
        ],
        filter: 3,
      }),
    ).toEqual([4, 4, 3, 4]);
    expect(
      samples({
        ...two,
        height: 2,
        colour: 0,
        lines: [
          [4, 2],
          [1, 1],
        ],
        filter: 4,
      }),
    ).toEqual([4, 6, 5, 7]);
    // Adam7 of 3 x 3: passes 1, 5, 6 and 7 hold 1, 2, 2 and 3 pixels, pass 4 one.
    const interlaced = { width: 3, height: 3, colour: 0, interlaced: true };
    expect(samples({ ...interlaced, lines: [[1], [3], [7, 9], [2], [8], [4, 5, 6]] })).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
  });

  it('reads classes from folders, grey and colours, PNG and JPEG', async () => {
    const jpeg = encode({ width: 2, height: 2, data: Buffer.alloc(16, 200) }, 100).data;
    const files = {
      'cat/a.png': grey(2, 2, 51),
      'cat/deep/b.jpg': jpeg,
      'dog/c.png': grey(2, 2, 255),
      'dog/notes.txt': 'x',
      'empty/notes.txt': 'x',
    };
    const read = await examples(await place(files));
    expect(read).toMatchObject({
      labels: [0, 0, 1],
      featureShape: [2, 2, 3],
      classes: 3,
      classNames: ['cat', 'dog', 'empty'],
      hasTest: false,
    });
    expect(read.features.slice(0, 3)).toEqual([0.2, 0.2, 0.2]);
    expect(read.notes?.join('\n')).toMatch(
      /2 grey images.*\n.*no image of class empty\n2 other files/u,
    );
    const one = await examples(await place(files), { imageSize: '1x1x1' });
    expect(one).toMatchObject({ featureShape: [1, 1, 1], features: [0.2, 0.784, 1] });
  });

  it('takes the parts of a folder', async () => {
    const path = await place({ 'train/a/1.png': grey(1, 1, 0), 'test/a/1.png': grey(1, 1, 255) });
    expect(await examples(path)).toMatchObject({ features: [0], hasTest: true });
    expect(await examples(path, { part: 'test' })).toMatchObject({ features: [1] });
  });

  it('takes a folder of images and one image without labels, where none are needed', async () => {
    const flat = await place({ '1.png': grey(1, 1, 0), '2.png': grey(1, 1, 255) });
    const bare = { unlabelled: true };
    const named = await loadData(flat, bare);
    expect(named).toMatchObject({ data: { rowNames: ['1.png', '2.png'] } });
    const contract: Contract = {
      version: 1,
      input: { type: 'image', shape: [1, 1, 1] },
      target: { type: 'classes', name: 'class', classes: ['a', 'b'] },
    };
    const inputs = applyDatasetInputs((named as { data: Dataset }).data, contract);
    expect(inputs.rowNames).toEqual(['1.png', '2.png']);
    const values = Float64Array.of(1, 0, 0.25, 0.75);
    const common = { task: 'multi-class', names: ['a', 'b'], target: 'class', values } as const;
    const found = { ...common, examples: 2, classes: ['a', 'b'], files: ['1.png', 'x/2.png'] };
    expect(predictionsAsCsv(found).split('\r\n').slice(0, 3)).toEqual([
      'row,file,class,probability a,probability b',
      '1,1.png,a,1,0',
      '2,x/2.png,b,0.25,0.75',
    ]);
    expect(await examples(flat, bare)).toMatchObject({ features: [0, 1], labels: [0, 0] });
    expect(await examples(join(flat, '2.png'), bare)).toMatchObject({ features: [1] });
    await expect(examples(join(flat, '2.png'))).rejects.toThrow(/one image has no class/u);
  });

  it.each([
    [
      'sizes that differ',
      { 'a/1.png': grey(1, 1, 0), 'a/2.png': grey(2, 1, 0) },
      /2 x 1 pixels.*--image-size 1x1/u,
    ],
    [
      'another kind of image',
      { 'a/1.png': grey(1, 1, 0), 'a/2.tiff': 'II*' },
      /2\.tiff is no PNG or JPEG: convert/u,
    ],
    ['a name that lies', { 'a/1.png': 'GIF89a' }, /1\.png: its bytes are no PNG or JPEG/u],
    ['an image in no class', { '1.png': grey(1, 1, 0) }, /1\.png is in no class/u],
    [
      'an image cut short',
      { 'a/1.png': grey(4, 4, 0).subarray(0, 50) },
      /1\.png: the image is cut off/u,
    ],
    [
      'an image that is damaged',
      { 'a/1.png': grey(4, 4, 0).map((byte, i) => (i === 20 ? 1 : byte)) },
      /damaged/u,
    ],
    [
      'more pixels than the limit',
      { 'a/1.png': png({ width: 2 ** 20, height: 2 ** 20, colour: 0, lines: [[0]] }) },
      /make it smaller/u,
    ],
    ['a folder of nothing', { 'readme.md': 'x' }, /no data of the train part.*found readme\.md/u],
  ])('refuses %s', async (_, files, message) => {
    await expect(loadData(await place(files))).rejects.toMatchObject({
      code: 'data_malformed',
      message: expect.stringMatching(message) as string,
    });
  });
});
