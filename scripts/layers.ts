/**
 * @module Writes docs/layers.md, the table of layers that each engine trains, from a run. Each
 * engine takes one step of each small model, and its weights are compared with those of plain
 * JavaScript. Usage: `node scripts/layers.ts`; `--webgpu` also runs on the WebGPU adapter,
 * including a software one.
 */
import { writeFile } from 'node:fs/promises';
import { ALL_MODELS, type SmallModel, examplesFor } from '../bench/gpu-models.ts';
import { type BackendOptions, listBackends } from '../client/tfjs/backends.ts';
import { tfjsTrainer } from '../client/tfjs/trainer.ts';
import { initialModel } from '../protocol/model/first-model.ts';

export interface Column {
  readonly title: string;
  readonly backend: BackendOptions;
  /** Matches the trainer's report of a recorded step; without a match, tfjs runs each step. */
  readonly recorded?: RegExp;
}

const RECORDED = /recorded once/u;

export const COLUMNS: readonly Column[] = [
  { title: 'recorded, wasm', backend: { prefer: 'wasm' }, recorded: RECORDED },
  { title: 'recorded, ONNX Runtime', backend: { prefer: 'onnx' }, recorded: /one graph/u },
  { title: 'tfjs, wasm', backend: { prefer: 'wasm' } },
];
const WEBGPU: Column = {
  title: 'recorded, WebGPU',
  backend: { prefer: 'webgpu', softwareGpu: true },
  recorded: RECORDED,
};

const seed = new Uint8Array(32).fill(3);
const EXAMPLES = 4;
/** Of a weight after one step, against plain JavaScript. */
const TOLERANCE = 1e-4;

const trainOnce = async (small: SmallModel, { backend, recorded }: Column) => {
  const data = examplesFor(small, EXAMPLES);
  const trainer = await tfjsTrainer({
    model: small.model,
    data,
    backend,
    denseFastPath: false,
    recorded: recorded !== undefined,
  });
  try {
    const weights = initialModel({ ...trainer.manifest, seed });
    const request = { weights, round: 1, epochs: 1, batchSize: EXAMPLES, learningRate: 0.1, seed };
    const result = await trainer.train(request);
    return { weights: result.weights, backend: trainer.backend };
  } finally {
    trainer.dispose();
  }
};

/** The result of one engine for a model: `yes`, how, or why not. */
export const cellOf = async (small: SmallModel, column: Column): Promise<string> => {
  const expected = await trainOnce(small, { title: 'cpu', backend: { prefer: 'cpu' } });
  let actual: Awaited<ReturnType<typeof trainOnce>>;
  try {
    actual = await trainOnce(small, column);
  } catch (thrown) {
    return `no: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
  const worst = actual.weights.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (expected.weights[i] ?? NaN))),
    0,
  );
  if (!(worst < TOLERANCE)) return `no: differs by ${worst.toExponential(1)}`;
  if (column.recorded !== undefined && !column.recorded.test(actual.backend))
    return 'tfjs runs each step';
  const [, borrowed] = /; ([\w, ]+) in plain JavaScript/u.exec(actual.backend) ?? [];
  return borrowed === undefined ? 'yes' : `yes, ${borrowed} in plain JavaScript`;
};

export const rowOf = async (small: SmallModel, columns: readonly Column[]): Promise<string[]> => {
  const cells: string[] = [small.name];
  // One after the other: tfjs has one current backend.
  for (const column of columns) cells.push(await cellOf(small, column));
  return cells;
};

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

if (import.meta.main) {
  const here = new Set((await listBackends()).flatMap((r) => (r.available ? [r.name] : [])));
  const wanted = process.argv.includes('--webgpu') ? [...COLUMNS, WEBGPU] : COLUMNS;
  const columns = wanted.filter(
    ({ backend }) => backend === WEBGPU.backend || here.has(backend.prefer as never),
  );
  const lines: string[] = [];
  for (const small of ALL_MODELS) lines.push(line(await rowOf(small, columns)));
  const titles = ['layers', ...columns.map(({ title }) => title)];
  const text = [
    '# Layers and engines',
    '',
    'Written by `node scripts/layers.ts` from a run: each engine takes one step of a small model of',
    'these layers, and "yes" says that its weights are those of plain JavaScript (the backend `cpu`,',
    `which trains them all) within ${TOLERANCE}. What tfjs lacks on wasm comes from plain JavaScript`,
    'and is named. A step that cannot be recorded runs in tfjs, and the first lines of output say why.',
    ...(columns.includes(WEBGPU)
      ? []
      : [
          '',
          'WebGPU was not asked for in this run (`--webgpu`); its tests are in `test/client/recorded.test.ts`.',
        ]),
    '',
    line(titles),
    line(titles.map(() => '---')),
    ...lines,
    '',
  ].join('\n');
  await writeFile(new URL('../docs/layers.md', import.meta.url), text);
  console.log(text);
}
