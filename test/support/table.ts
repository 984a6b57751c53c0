/**
 * @module A small table that can be learnt: Gaussian-like clouds around one centre for each class,
 * the same for the same seed.
 */
import { writeFile } from 'node:fs/promises';
import { cipherStream } from '../../protocol/ports/random.ts';
import { normal } from '../../client/data/sampling.ts';

export interface TableInit {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  readonly seed?: number;
}

/** CSV text with a header; the last column is the label. */
export const tableText = ({ rows, features, classes, seed = 1 }: TableInit): string => {
  const random = cipherStream(new Uint8Array(32).fill(seed));
  const centres = Array.from({ length: classes }, () =>
    Array.from({ length: features }, () => 2 * normal(random)),
  );
  const header = [...Array.from({ length: features }, (_, i) => `x${i}`), 'label'].join(',');
  const lines = Array.from({ length: rows }, (_, row) => {
    const label = row % classes;
    const values = (centres[label] ?? []).map((centre) => (centre + normal(random)).toFixed(5));
    return [...values, label].join(',');
  });
  return `${[header, ...lines].join('\n')}\n`;
};

export const writeTable = async (path: string, init: TableInit): Promise<string> => {
  await writeFile(path, tableText(init));
  return path;
};
