/**
 * @module The compliance suite of the BlobStore port: every implementation runs it.
 */
import type { TestApi } from './api.ts';
import { withFixtures } from './fixture.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { sha256 } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { seededRandom } from '../protocol/ports/random.ts';

export interface BlobStoreFixture {
  readonly store: BlobStore;
  /** Flips one byte of the stored blob behind the store's back. */
  corrupt(id: string): Promise<void>;
  close?(): Promise<void>;
}

export const blobStoreSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  open: () => Promise<BlobStoreFixture>,
): void => {
  describe(`BlobStore: ${name}`, () => {
    const bytes = seededRandom(new Uint8Array(32))(300_000);
    const withFixture = withFixtures(open);

    it(
      'gives back what was put, under its hash and size',
      withFixture(async ({ store }) => {
        const ref = await store.put(bytes);
        expect(ref.size).toBe(bytes.length);
        expect(ref.sha256).toEqual(sha256(bytes));
        expect(await store.get(ref)).toEqual(bytes);
      }),
    );

    it(
      'takes the hash from a caller that knows it',
      withFixture(async ({ store }) => {
        const ref = await store.put(bytes, { sha256: sha256(bytes) });
        expect(ref.sha256).toEqual(sha256(bytes));
        expect(await store.put(bytes)).toEqual(ref);
        expect(await store.get(ref)).toEqual(bytes);
      }),
    );

    it(
      'keeps an empty blob',
      withFixture(async ({ store }) => {
        expect(await store.get(await store.put(new Uint8Array(0)))).toEqual(new Uint8Array(0));
      }),
    );

    it(
      'is idempotent',
      withFixture(async ({ store }) => {
        const first = await store.put(bytes);
        expect(await store.put(bytes)).toEqual(first);
        expect(await store.get(first)).toEqual(bytes);
      }),
    );

    it(
      'takes many puts at once',
      withFixture(async ({ store }) => {
        const all = Array.from({ length: 16 }, (_, i) => new Uint8Array(1000).fill(i % 8));
        const refs = await Promise.all(all.map((blob) => store.put(blob)));
        expect(await Promise.all(refs.map((ref) => store.get(ref)))).toEqual(all);
      }),
    );

    it(
      'names a blob that is not there',
      withFixture(async ({ store }) => {
        const ref = { id: 'ab'.repeat(32), sha256: new Uint8Array(32), size: 3 };
        await expect(store.get(ref)).rejects.toMatchObject({
          code: 'blob_not_found',
          retryable: true,
        });
      }),
    );

    it(
      'refuses an id that is no id',
      withFixture(async ({ store }) => {
        const ref = { id: '../secret', sha256: new Uint8Array(32), size: 3 };
        await expect(store.get(ref)).rejects.toMatchObject({ code: 'blob_not_found' });
      }),
    );

    it(
      'notices one changed byte',
      withFixture(async ({ store, corrupt }) => {
        const ref = await store.put(bytes);
        await corrupt(ref.id);
        await expect(store.get(ref)).rejects.toMatchObject({ code: 'blob_corrupt' });
      }),
    );

    it(
      'gives a part of a blob, and no part beyond its end',
      withFixture(async ({ store }) => {
        const ref = await store.put(bytes);
        for (const [start, end] of [
          [0, 1],
          [7, 70_000],
          [bytes.length - 5, bytes.length],
          [0, bytes.length],
          [9, 9],
        ] as const)
          expect(await store.getRange(ref, start, end)).toEqual(bytes.slice(start, end));
        for (const [start, end] of [
          [-1, 2],
          [4, 3],
          [0, bytes.length + 1],
          [0.5, 2],
        ] as const)
          await expect(store.getRange(ref, start, end)).rejects.toMatchObject({ code: 'internal' });
      }),
    );

    it(
      'names a blob that is not there, asked for a part, and one that is shorter than its record says',
      withFixture(async ({ store }) => {
        const missing = { id: 'ab'.repeat(32), sha256: new Uint8Array(32), size: 3 };
        await expect(store.getRange(missing, 0, 2)).rejects.toMatchObject({
          code: 'blob_not_found',
        });
        const ref = await store.put(bytes);
        const longer = { ...ref, size: ref.size + 8 };
        await expect(store.getRange(longer, ref.size - 8, ref.size + 8)).rejects.toBeInstanceOf(
          FloeError,
        );
      }),
    );

    it(
      'stops reading a part when told to',
      withFixture(async ({ store }) => {
        const ref = await store.put(bytes);
        const signal = AbortSignal.abort();
        await expect(store.getRange(ref, 0, 9, { signal })).rejects.toBeInstanceOf(Error);
      }),
    );

    it(
      'refuses a record that claims another size',
      withFixture(async ({ store }) => {
        const ref = await store.put(bytes);
        await expect(store.get({ ...ref, size: ref.size - 1 })).rejects.toMatchObject({
          code: 'blob_corrupt',
        });
        await expect(store.get({ ...ref, size: ref.size + 1 })).rejects.toMatchObject({
          code: 'blob_corrupt',
        });
      }),
    );

    it(
      'stops when told to',
      withFixture(async ({ store }) => {
        const ref = await store.put(bytes);
        await expect(store.get(ref, { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(Error);
        await expect(
          store.put(new Uint8Array(9), { signal: AbortSignal.abort() }),
        ).rejects.toBeInstanceOf(Error);
      }),
    );
  });
};
