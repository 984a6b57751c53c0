/**
 * @module The compliance suite of the Disk port.
 */
import type { Disk } from '../protocol/ports/disk.ts';
import type { TestApi } from './api.ts';
import { withFixtures } from './fixture.ts';

export interface DiskFixture {
  readonly disk: Disk;
  /** A folder that does not exist yet. */
  readonly folder: string;
  close?(): Promise<void>;
}

export const diskSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  open: () => Promise<DiskFixture>,
): void => {
  describe(`Disk: ${name}`, () => {
    const withDisk = withFixtures(open);
    const withFixture = (run: (disk: Disk, folder: string) => Promise<void>) =>
      withDisk(({ disk, folder }) => run(disk, folder));
    const bytes = (value: number, length = 5): Uint8Array => new Uint8Array(length).fill(value);

    it(
      'finds nothing at first',
      withFixture(async (disk, folder) => {
        expect(await disk.read(`${folder}/file`)).toBeUndefined();
        expect(await disk.list(folder)).toEqual([]);
        await disk.remove(`${folder}/file`);
      }),
    );

    it(
      'makes folders with their parents, any number of times',
      withFixture(async (disk, folder) => {
        await disk.makeFolder(`${folder}/a/b`);
        await disk.makeFolder(`${folder}/a/b`);
        await disk.write(`${folder}/a/b/file`, bytes(1));
        expect(await disk.read(`${folder}/a/b/file`)).toEqual(bytes(1));
      }),
    );

    it(
      'replaces a file whole, and keeps no other',
      withFixture(async (disk, folder) => {
        await disk.makeFolder(folder);
        const content = bytes(1, 3000);
        await disk.write(`${folder}/file`, content);
        content.fill(9);
        expect(await disk.read(`${folder}/file`)).toEqual(bytes(1, 3000));
        await disk.write(`${folder}/file`, bytes(2, 10));
        await disk.write(`${folder}/empty`, new Uint8Array());
        expect(await disk.read(`${folder}/file`)).toEqual(bytes(2, 10));
        expect(await disk.read(`${folder}/empty`)).toEqual(new Uint8Array());
        expect((await disk.list(folder)).toSorted()).toEqual(['empty', 'file']);
      }),
    );

    it(
      'gives one of two writes that come together, never a mixture',
      withFixture(async (disk, folder) => {
        await disk.makeFolder(folder);
        const writes = [1, 2, 3, 4].map((value) => disk.write(`${folder}/file`, bytes(value, 999)));
        await Promise.all(writes);
        const found = await disk.read(`${folder}/file`);
        expect(found).toEqual(bytes(found?.[0] ?? 0, 999));
        expect(await disk.list(folder)).toEqual(['file']);
      }),
    );

    it(
      'reads a part, cut at the end of the file',
      withFixture(async (disk, folder) => {
        await disk.makeFolder(folder);
        const whole = new Uint8Array(1000).map((_, i) => i);
        await disk.write(`${folder}/file`, whole);
        for (const [start, end] of [
          [0, 1000],
          [10, 10],
          [17, 400],
          [990, 1005],
          [2000, 2005],
        ] as const)
          expect(await disk.readRange(`${folder}/file`, start, end)).toEqual(
            whole.slice(start, end),
          );
        expect(await disk.readRange(`${folder}/none`, 0, 1)).toBeUndefined();
      }),
    );

    it(
      'removes a file, and hands out bytes that are the caller’s own',
      withFixture(async (disk, folder) => {
        await disk.makeFolder(folder);
        await disk.write(`${folder}/file`, bytes(1));
        (await disk.read(`${folder}/file`))?.fill(0);
        expect(await disk.read(`${folder}/file`)).toEqual(bytes(1));
        await disk.remove(`${folder}/file`);
        await disk.remove(`${folder}/file`);
        expect(await disk.read(`${folder}/file`)).toBeUndefined();
      }),
    );

    it(
      'locks for one holder at a time',
      withFixture(async (disk, folder) => {
        await disk.makeFolder(folder);
        const unlock = await disk.lock(`${folder}/lock`);
        await expect(disk.lock(`${folder}/lock`)).rejects.toMatchObject({
          code: 'keystore_locked',
        });
        unlock();
        (await disk.lock(`${folder}/lock`))();
      }),
    );
  });
};
