/**
 * @module The tables of docs/guide: `node hospitals.ts FOLDER` writes three hospitals' tables of
 * one disease, each in its own way (language, separator, order of the columns, missing values), and
 * two of other patients. The numbers are drawn from a fixed seed.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Patient {
  readonly age: number;
  readonly radius: number;
  readonly density: number;
  readonly side: 'left' | 'right';
  readonly diagnosis: 'benign' | 'malignant';
}

/** Uniform in [0, 1), the same on every machine. */
const generator = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

/** A malignant finding is larger and denser, and its patient older; both kinds overlap. */
const patients = (seed: number, count: number): readonly Patient[] => {
  const random = generator(seed);
  // The sum of three uniform draws: a bell between -1.5 and 1.5.
  const bell = (): number => random() + random() + random() - 1.5;
  return Array.from({ length: count }, () => {
    const isMalignant = random() < 0.4;
    return {
      age: Math.round(52 + (isMalignant ? 6 : 0) + 16 * bell()),
      radius: Number((13 + (isMalignant ? 5 : 0) + 4 * bell()).toFixed(1)),
      density: Number((0.9 + (isMalignant ? 0.1 : 0) + 0.1 * bell()).toFixed(3)),
      side: random() < 0.5 ? 'left' : 'right',
      diagnosis: isMalignant ? 'malignant' : 'benign',
    } as const;
  });
};

const lines = (rows: readonly (readonly (string | number)[])[], separator: string): string =>
  `${rows.map((row) => row.join(separator)).join('\n')}\n`;

const comma = (value: number): string => String(value).replace('.', ',');

/** Semicolons, decimal commas, German names, an identifier. */
const berlin = (rows: readonly Patient[]): string => {
  const german = { left: 'links', right: 'rechts', benign: 'gutartig', malignant: 'bösartig' };
  const cells = rows.map(({ age, radius, density, side, diagnosis }, i) => [
    `B-${1000 + i}`,
    german[diagnosis],
    comma(radius),
    comma(density),
    german[side],
    age,
  ]);
  return lines([['Fall', 'Befund', 'Radius', 'Dichte', 'Seite', 'Alter'], ...cells], ';');
};

/** The columns in another order; some ages are not known. */
const lyon = (rows: readonly Patient[]): string => {
  const cells = rows.map(({ age, radius, density, side, diagnosis }, i) => [
    diagnosis,
    side,
    density,
    radius,
    i % 20 === 7 ? '' : age,
  ]);
  return lines([['diagnosis', 'side', 'density', 'radius', 'age'], ...cells], ',');
};

/** The plain table, from which the others draft the contract; `ward` is of no use to a model. */
const oslo = (rows: readonly Patient[]): string => {
  const cells = rows.map(({ age, radius, density, side, diagnosis }, i) => [
    3 + (i % 5),
    i % 30 === 4 ? '' : age,
    radius,
    density,
    side,
    diagnosis,
  ]);
  return lines([['ward', 'age', 'radius', 'density', 'side', 'diagnosis'], ...cells], ',');
};

/** Patients without a diagnosis. */
const unseen = (rows: readonly Patient[]): string => {
  const cells = rows.map(({ age, radius, density, side }) => [age, radius, density, side]);
  return lines([['age', 'radius', 'density', 'side'], ...cells], ',');
};

/** Patients with their diagnoses, that no site trained on. */
const labelled = (rows: readonly Patient[]): string => {
  const cells = rows.map((of) => [of.age, of.radius, of.density, of.side, of.diagnosis]);
  return lines([['age', 'radius', 'density', 'side', 'diagnosis'], ...cells], ',');
};

export const TABLES: Readonly<Record<string, string>> = {
  'oslo.csv': oslo(patients(1, 240)),
  'lyon.csv': lyon(patients(2, 200)),
  'berlin.csv': berlin(patients(3, 160)),
  'new.csv': unseen(patients(4, 12)),
  'bergen.csv': labelled(patients(5, 100)),
};

if (import.meta.main) {
  const [folder = '.'] = process.argv.slice(2);
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(TABLES)) await writeFile(join(folder, name), text);
  console.log(`${Object.keys(TABLES).join(', ')} in ${folder}`);
}
