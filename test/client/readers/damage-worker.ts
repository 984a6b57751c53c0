/**
 * @module Reads one damaged file after the other in a thread, so that the test can end a reader
 * that does not return. `progress[0]` is the case at hand; a fault is posted with its case.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { loadData } from '../../../client/data/load-node.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { type DamagedFile, damaged } from './damage.ts';
import { FILES, IDX_LABELS } from './right-files.ts';

const port = parentPort;
if (port === null) throw new Error('expected to run in a worker thread');

const { cases, progress } = workerData as {
  readonly cases: readonly DamagedFile[];
  readonly progress: Int32Array;
};

const folder = await mkdtemp(join(tmpdir(), 'floe-damage-'));
try {
  await writeFile(join(folder, IDX_LABELS.name), IDX_LABELS.bytes);
  for (const [i, { name, damage }] of cases.entries()) {
    progress[0] = i;
    const path = join(folder, name);
    const isImage = name.startsWith('images/');
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, damaged(FILES[name] as Uint8Array, damage));
    try {
      await loadData(isImage ? join(folder, 'images') : path);
    } catch (thrown) {
      const isNamed = thrown instanceof FloeError && thrown.code === 'data_malformed';
      const file = isNamed ? thrown.details['file'] : undefined;
      if (typeof file !== 'string') port.postMessage([i, String(thrown)]);
    }
    if (isImage) await rm(path);
  }
} finally {
  await rm(folder, { recursive: true });
}
