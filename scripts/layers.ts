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

/** What follows the table. */
const PERSONAL = [
  '## Layers that stay at a site',
  '',
  'Sites whose features differ in scale or in their devices fit one set of normalisation statistics',
  'badly. With `--statistics local` (`training.statistics` in the specification) each layer that keeps',
  'statistics stays at its site whole: moving mean, moving variance, scale and offset, as in FedBN (Li',
  'et al. 2021, "FedBN: Federated Learning on Non-IID Features via Local Batch Normalization"). A layer',
  "is the part of a tensor's name before its last slash. Layer norm keeps no statistics and is averaged.",
  '',
  '- Nothing of these layers travels, masked or not; uploads are shorter by them.',
  '- A participant keeps its values in its keystore for each run, sealed in a folder. They survive a',
  '  crash; a participant without a keystore folder begins with the first values after each start.',
  '- An attempt that is repeated on a model trains from the same values again.',
  '- The model of the run has the first values of these layers. `floe verify` checks that no commit moves',
  '  them; `floe verify` and `floe pull` print their names. Scores of a simulation are of that model.',
  '- `personalModel(keystore, spec, weights)` of `floe/client` gives a site its own model: the weights of',
  '  the run with the values of the site.',
  '',
  'A site that joins later, or that only reads, has no values of its own: it trains at least one round, or',
  'estimates the statistics on its own examples. To share scale and offset and to keep only the statistics',
  'apart is another method (SiloBN, Andreux et al. 2020), which Floe does not have.',
];

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
          'This run did not include WebGPU (`--webgpu`); its tests are in `test/client/recorded.test.ts`.',
        ]),
    '',
    line(titles),
    line(titles.map(() => '---')),
    ...lines,
    '',
    ...PERSONAL,
    '',
  ].join('\n');
  await writeFile(new URL('../docs/layers.md', import.meta.url), text);
  console.log(text);
}
