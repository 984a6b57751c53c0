/**
 * @module Any bytes under any name: read, or refused as `data_malformed`. Bytes at random, and
 * files that were right before some of their bytes changed.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadData } from '../../../client/data/load-node.ts';
import { readArrow } from '../../../client/data/readers/arrow-node.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { FILES, IDX_LABELS } from './right-files.ts';

describe('any bytes', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'floe-fuzz-'));
    for (const name of ['images/a', 'images/b'])
      await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, IDX_LABELS.name), IDX_LABELS.bytes);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const tryBytes = async (name: string, bytes: Uint8Array): Promise<void> => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    const source = name.startsWith('images/') ? join(folder, 'images') : path;
    try {
      await loadData(source);
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(FloeError);
      expect(thrown).toMatchObject({
        code: 'data_malformed',
        details: { file: expect.any(String) as string },
      });
    } finally {
      if (name.startsWith('images/')) await rm(path);
    }
  };

  it.each(Object.keys(FILES))('are read or refused as %s', async (name) => {
    const right = FILES[name] as Uint8Array;
    const mutated = fc
      .array(fc.tuple(fc.nat(right.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const bytes = Uint8Array.from(right);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    const cut = fc.nat(right.length).map((length) => right.subarray(0, length));
    const random = fc.uint8Array({ maxLength: 64 });
    const bytes = fc.oneof({ weight: 4, arbitrary: mutated }, cut, random);
    await fc.assert(
      fc.asyncProperty(bytes, (given) => tryBytes(name, given)),
      { seed: 12, numRuns: Number(process.env['FUZZ_RUNS'] ?? 25) },
    );
  });

  it.each(['s.arrows', 'f.arrow'])(
    '%s with a length of 2^31 - 1 in any place is not read entry by entry',
    async (name) => {
      const right = FILES[name] as Uint8Array;
      // Lists are made by Array.from, of what their length says.
      const from = vi.spyOn(Array, 'from');
      for (let at = 0; at + 4 <= right.length; at += 4) {
        const bytes = Uint8Array.from(right);
        bytes.set([0xff, 0xff, 0xff, 0x7f], at);
        await readArrow(bytes, name).catch((thrown: unknown) => {
          expect(thrown).toMatchObject({ code: 'data_malformed' });
        });
      }
      const longest = Math.max(
        ...from.mock.calls.map(([list]) => (list as ArrayLike<unknown>).length),
      );
      from.mockRestore();
      expect(longest).toBeLessThan(right.length * 8);
    },
  );
});
