/**
 * An exported model of a run with a data contract, and a file of data for it: weights from a seed,
 * a dense model, numbers that the contract normalises, a category, a missing value.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beginningOf } from '../../../client/run-start.ts';
import { savePulled } from '../../../client/reader/write-model.ts';
import type { SaveOptions } from '../../../client/reader/index.ts';
import { initialModel } from '../../../protocol/model/first-model.ts';
import { hashModel } from '../../../protocol/model/index.ts';
import type { ModelRef } from '../../../protocol/records/records.ts';
import type { Contract } from '../../../protocol/spec/contract.ts';
import { makeRunSpec, type RunSpec } from '../../../protocol/spec/run-spec.ts';

export const TUMOUR: Contract = {
  version: 1,
  input: {
    type: 'table',
    features: [
      { type: 'number', name: 'radius', normalise: { mean: 14, scale: 3.5 } },
      { type: 'number', name: 'age', normalise: { mean: 50, scale: 10 }, missing: 50 },
      { type: 'category', name: 'site', values: ['left', 'right'] },
    ],
  },
  target: { type: 'classes', name: 'diagnosis', classes: ['benign', 'malignant', 'unclear'] },
};

export const PROGRESSION: Contract = {
  ...TUMOUR,
  target: {
    type: 'values',
    columns: [{ name: 'progression', normalise: { mean: 150, scale: 75 } }],
  },
};

/** Columns in another order than the contract's, one that it does not know. */
export const ROWS = [
  { age: '61', id: 'a', diagnosis: 'benign', site: 'right', radius: '11.5', progression: '120' },
  { age: '', id: 'b', diagnosis: 'malignant', site: 'left', radius: '20.25', progression: '210' },
  { age: '44', id: 'c', diagnosis: 'benign', site: 'left', radius: '13', progression: '99.5' },
  { age: '70', id: 'd', diagnosis: 'unclear', site: 'right', radius: '15', progression: '180' },
];

export const tableOf = (columns: readonly (keyof (typeof ROWS)[number])[]): string =>
  [columns, ...ROWS.map((row) => columns.map((name) => row[name]))]
    .map((cells) => cells.join(','))
    .join('\n');

export interface Exported {
  readonly folder: string;
  readonly spec: RunSpec;
  readonly weights: Float32Array;
}

const seed = new Uint8Array(32).fill(9);

/** Writes what `floe pull` writes of the model after round 3. */
export const exportModel = async (
  folder: string,
  contract: Contract,
  options: SaveOptions = {},
): Promise<Exported> => {
  const outputs = contract.target.type === 'classes' ? contract.target.classes.length : 1;
  const { model } = await beginningOf({
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.dense({ units: 5, activation: 'relu', inputShape: [4] }),
          tf.layers.dense({ units: outputs, activation: outputs > 1 ? 'softmax' : 'linear' }),
        ],
      }),
  });
  const spec = makeRunSpec({
    id: new Uint8Array(16).fill(1),
    coordinator: new Uint8Array(32).fill(2),
    model,
    data: contract,
  });
  const manifest = { tensors: spec.model.tensors };
  // Larger than the first weights of a run, so that classes differ.
  const weights = initialModel({ ...manifest, seed }).map((weight, i) => 2 * weight + (i % 3) / 10);
  const hash = hashModel(manifest, weights);
  const ref = { version: 4, hash } as ModelRef;
  const pulled = { model: ref, round: 3, weights, state: new Float32Array() };
  await mkdir(folder, { recursive: true });
  await savePulled({ spec, pull: async () => pulled }, folder, { ...options, force: true });
  return { folder, spec, weights };
};

/** Inputs as the contract orders and normalises them, computed by hand. */
export const INPUTS = ROWS.map(({ age, site, radius }) => [
  (Number(radius) - 14) / 3.5,
  ((age === '' ? 50 : Number(age)) - 50) / 10,
  Number(site === 'left'),
  Number(site === 'right'),
]);

/** What a dense model of five hidden units gives, in float64. */
export const forward = (weights: Float32Array, outputs: number): number[][] =>
  INPUTS.map((x) => {
    const at = (i: number): number => weights[i] ?? 0;
    const hidden = Array.from({ length: 5 }, (_, j) =>
      Math.max(
        0,
        x.reduce((sum, value, i) => sum + value * at(i * 5 + j), at(20 + j)),
      ),
    );
    const raw = Array.from({ length: outputs }, (_, k) =>
      hidden.reduce(
        (sum, value, j) => sum + value * at(25 + j * outputs + k),
        at(25 + 5 * outputs + k),
      ),
    );
    if (outputs === 1) return raw;
    const exps = raw.map((value) => Math.exp(value - Math.max(...raw)));
    return exps.map((value) => value / exps.reduce((a, b) => a + b, 0));
  });

export const writeTable = async (
  folder: string,
  name: string,
  columns: Parameters<typeof tableOf>[0],
): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, tableOf(columns));
  return path;
};
