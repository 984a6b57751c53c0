/**
 * @module The examples of the README and of docs/models.md, executed: a run with a model of one's
 * own, and predictions with NumPy alone. The second needs a python3 with numpy and is skipped by
 * name without.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contractText, inferContract, readTable } from '../../client/index.ts';
import {
  exportModel,
  forward,
  PROGRESSION,
  TUMOUR,
  writeTable,
} from '../client/evaluate/exported.ts';

const run = promisify(execFile);
const hasNumpy = await run('python3', ['-c', 'import numpy']).then(
  () => true,
  () => false,
);
const hasRuntime = await run('python3', ['-c', 'import numpy, onnxruntime']).then(
  () => true,
  () => false,
);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-docs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The fenced blocks of a language on a page. */
const blocksOf = async (page: string, language: string): Promise<readonly string[]> => {
  const text = await readFile(page, 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gmu'))].map(
    ([, code = '']) => code,
  );
};

it("README's second example trains a model of one's own at three sites, in ten lines", async () => {
  const [, code = ''] = await blocksOf('README.md', 'ts');
  expect(code).toContain('beginningOf({ ...given, model })');
  const lines = code.trim().split('\n');
  expect(lines.filter((line) => !line.startsWith('import ')).length).toBeLessThanOrEqual(10);
  for (const [i, site] of ['a', 'b', 'c'].entries()) {
    const rows = Array.from({ length: 12 }, (_, row) => {
      const kind = (row + i) % 3;
      return `${kind},${kind + row / 20},${1 - kind},0.5,${'xyz'[kind]}`;
    });
    await writeFile(join(folder, `${site}.csv`), ['p,q,r,s,kind', ...rows].join('\n'));
  }
  const { contract } = inferContract(await readTable(join(folder, 'a.csv')));
  await writeFile(join(folder, 'c.json'), contractText(contract));
  const here = (name: string): string => pathToFileURL(`${name}/index.ts`).href;
  const local = code.replaceAll(/'floe\/(client|coordinator)'/gu, (_, name: string) =>
    JSON.stringify(here(name)),
  );
  // One round is as good as five.
  const once = local
    .replace('rounds: 5', 'rounds: 1')
    .replace('await coordinator.finished', 'console.log(await coordinator.finished)');
  await writeFile(join(folder, 'example.mjs'), once);
  const { stdout } = await run(process.execPath, ['example.mjs'], { cwd: folder });
  expect(stdout).toMatch(/rounds: 1/u);
}, 60_000);

describe.skipIf(!hasNumpy)('the Python of docs/models.md (needs python3 with numpy)', () => {
  const predictions = async (of: typeof TUMOUR): Promise<number[][]> => {
    const model = join(folder, of.target.type);
    const { weights } = await exportModel(model, of);
    const data = await writeTable(folder, 'new.csv', ['site', 'age', 'id', 'radius']);
    const [code = ''] = await blocksOf('docs/models.md', 'python');
    const { stdout } = await run('python3', ['-c', code, join(model, 'model.safetensors'), data]);
    const found = JSON.parse(stdout) as number[][];
    const expected = forward(weights, of.target.type === 'classes' ? 3 : 1);
    expect(found).toHaveLength(expected.length);
    for (const [i, row] of expected.entries())
      for (const [j, value] of row.entries())
        expect(Math.abs((found[i]?.[j] ?? Number.NaN) - value)).toBeLessThan(1e-5);
    return found;
  };

  it('repeats the predictions of a dense model to 1e-5', async () => {
    expect((await predictions(TUMOUR))[0]).toHaveLength(3);
    expect((await predictions(PROGRESSION))[0]).toHaveLength(1);
  });
});

describe.skipIf(!hasRuntime)('model.onnx in Python (needs python3 with onnxruntime)', () => {
  it('gives the same predictions, and says what it is', async () => {
    const { weights } = await exportModel(join(folder, 'onnx'), TUMOUR, { onnx: true });
    const code = `
import json, sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
x = numpy.array(json.loads(sys.argv[2]), dtype=numpy.float32)
facts = session.get_modelmeta().custom_metadata_map
print(json.dumps([session.run(['output'], {'input': x})[0].tolist(), facts['floe.class_names']]))`;
    const { INPUTS } = await import('../client/evaluate/exported.ts');
    const file = join(folder, 'onnx/model.onnx');
    const { stdout } = await run('python3', ['-c', code, file, JSON.stringify(INPUTS)]);
    const [found, names] = JSON.parse(stdout) as [number[][], string];
    expect(JSON.parse(names)).toEqual(['benign', 'malignant', 'unclear']);
    for (const [i, row] of forward(weights, 3).entries())
      for (const [j, value] of row.entries()) expect(found[i]?.[j]).toBeCloseTo(value, 5);
  });
});
