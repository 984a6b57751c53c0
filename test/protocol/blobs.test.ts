import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { blobStoreSuite } from '../../testing/index.ts';

const flipFile = async (file: string): Promise<void> => {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(file, bytes);
};

blobStoreSuite({ describe, expect, it }, 'memory', async () => {
  const store = memoryStore();
  return {
    store,
    corrupt: async (id) => {
      const bytes = store.blobs.get(id);
      if (bytes === undefined) throw new Error('not there');
      bytes[7] = (bytes[7] ?? 0) ^ 1;
    },
  };
});

blobStoreSuite({ describe, expect, it }, 'directory', async () => {
  const path = await mkdtemp(join(tmpdir(), 'floe-blobs-'));
  return {
    store: directoryStore(path),
    corrupt: (id) => flipFile(join(path, id.slice(0, 2), id)),
    close: () => rm(path, { recursive: true }),
  };
});

it('the directory holds no temporary file after a put, nor after a refused one', async () => {
  const path = await mkdtemp(join(tmpdir(), 'floe-blobs-'));
  const store = directoryStore(path, { maxBytes: 10 });
  await store.put(new Uint8Array(10));
  await expect(store.put(new Uint8Array(11))).rejects.toMatchObject({ code: 'blob_too_large' });
  const files = (await readdir(path, { recursive: true })).filter((name) => name.length > 2);
  expect(files).toHaveLength(1);
  await rm(path, { recursive: true });
});
