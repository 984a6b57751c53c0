/**
 * Whoever can write to the folder of a run changes one byte of a file, and `floe verify` is asked.
 */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FolderReport } from '../../client/reader/examine-folder.ts';
import { listFolder } from '../../client/reader/folder-files.ts';
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { makeScenario, runScenario } from '../../sim/index.ts';
import { floeIn, type Ended } from '../support/floe.ts';
import { writeTable } from '../support/table.ts';
import { resultOf } from '../support/json-lines.ts';

let folder: string;
let own: string;
const floe = floeIn(() => folder);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-folder-'));
  const data = await writeTable(join(folder, 'table.csv'), { rows: 60, features: 4, classes: 2 });
  const scenario = makeScenario({
    participants: 3,
    cohort: 3,
    rounds: 1,
    seed: 'folder',
    data,
    model: 'linear',
    backend: 'wasm',
    workers: 1,
    baseline: false,
    substrate: 'local',
  });
  ({ folder: own } = await runScenario(scenario, { outDir: join(folder, 'runs') }));
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Verifies the folder with one byte of a file changed. */
const verifyWith = async (path: string, change: (bytes: Uint8Array) => void) => {
  const file = join(own, path);
  const before = await readFile(file);
  const bytes = new Uint8Array(before);
  change(bytes);
  await writeFile(file, bytes);
  try {
    return await floe(['verify', own, '--json']);
  } finally {
    await writeFile(file, before);
  }
};

const flip =
  (where: (length: number) => number) =>
  (bytes: Uint8Array): void => {
    const at = where(bytes.length);
    bytes[at] = (bytes[at] as number) ^ 1;
  };
const BYTES = {
  first: () => 0,
  middle: (length: number) => length >> 1,
  last: (length: number) => length - 1,
} as const;

const reportOf = ({ stdout }: Ended) =>
  resultOf(stdout) as { readonly ok: boolean; readonly files: FolderReport };

/** All files of the folder, as it stands. */
const allFiles = async (): Promise<string[]> =>
  (await listFolder(own)).entries.map(({ path }) => path);

it('of a folder that nobody touched every file is vouched for, or listed by name', async () => {
  const paths = await allFiles();
  const ended = await floe(['verify', own, '--json']);
  const { ok, files } = reportOf(ended);
  expect([ended.code, ok, files.wrong]).toEqual([0, true, []]);
  const listed = [...files.vouched, ...files.unverified.map(({ path }) => path)];
  expect(listed.toSorted()).toEqual(paths.toSorted());
  expect(files.unverified.map(({ path }) => path)).toEqual([
    'history.jsonl',
    'journal.sqlite',
    'report.html',
    'scenario.json',
    'summary.json',
  ]);
  expect(files.vouched.filter((path) => !path.startsWith('blobs/'))).toEqual([
    'auditor.key',
    'contract.json',
    'model.safetensors',
    'spec.cbor',
    'spec.json',
    'tfjs/model.json',
    'tfjs/weights.bin',
    'transcript.bin',
  ]);
  // For people, in the output without --json.
  const { stdout } = await floe(['verify', own]);
  for (const { path } of files.unverified) expect(stdout).toContain(`unverified ${path}:`);
});

it('one byte of any file: verification fails and names the file, or had listed it as not vouched for', async () => {
  for (const path of await allFiles())
    for (const [name, where] of Object.entries(BYTES)) {
      const ended = await verifyWith(path, flip(where));
      const at = `${name} byte of ${path}`;
      if (ended.code === 0) {
        const { files } = reportOf(ended);
        expect([at, files.unverified.map((finding) => finding.path)]).toEqual([
          at,
          expect.arrayContaining([path]),
        ]);
        // Only what was listed before anything was changed may be changed unnoticed.
        expect([
          at,
          /^(history\.jsonl|journal\.sqlite|report\.html|scenario\.json|summary\.json)$/u.test(
            path,
          ),
        ]).toEqual([at, true]);
      } else if (ended.stdout.includes('"files"'))
        expect([at, reportOf(ended).files.wrong.map((finding) => finding.path)]).toEqual([
          at,
          expect.arrayContaining([path]),
        ]);
      // What cannot even be read is an error that names the file.
      else
        expect([at, `${ended.stdout}${ended.stderr}`]).toEqual([at, expect.stringContaining(path)]);
    }
});

it('without a key the exported model is compared all the same; a model of another round is named', async () => {
  const key = await readFile(join(own, 'auditor.key'));
  await rm(join(own, 'auditor.key'));
  try {
    const ended = await verifyWith('model.safetensors', flip(BYTES.last));
    expect(ended.code).toBe(1);
    const report = reportOf(ended);
    expect(report).toMatchObject({ ok: false, level: 'L0' });
    expect(report.files.wrong.map(({ path }) => path)).toEqual(['model.safetensors']);
  } finally {
    await writeFile(join(own, 'auditor.key'), key);
  }
});

it('what was put beside the run is listed, not taken for a part of it', async () => {
  const planted = ['model-final.safetensors', `blobs/ab/${'ab'.repeat(32)}`, 'tfjs/weights2.bin'];
  await mkdir(join(own, 'blobs/ab'), { recursive: true });
  for (const path of planted) await writeFile(join(own, path), 'anything');
  // A blob with its own hash that no record names.
  const hash = toHex(sha256(utf8('anything')));
  await mkdir(join(own, 'blobs', hash.slice(0, 2)), { recursive: true });
  await writeFile(join(own, 'blobs', hash.slice(0, 2), hash), 'anything');
  await symlink(join(own, 'model.safetensors'), join(own, 'link.safetensors'));
  const { files } = reportOf(await floe(['verify', own, '--json']));
  expect(files.wrong.map(({ path }) => path)).toEqual([`blobs/ab/${'ab'.repeat(32)}`]);
  expect(files.unverified.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      'model-final.safetensors',
      'tfjs/weights2.bin',
      `blobs/${hash.slice(0, 2)}/${hash}`,
      'link.safetensors',
    ]),
  );
});
