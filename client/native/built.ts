/**
 * @module TensorFlow's addon for Node as `floe setup native` has built it: which files it has,
 * whether they are there and the user's own, and how tfjs gets it. Called in Node only; the module
 * loads in browsers.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import * as v from 'valibot';
import { cacheFolder, canBeReplaced, isOwnFolder, type Variables } from './own-folder.ts';
import { RECIPE, type Recipe } from './recipe.ts';

/** Name of the record in the folder; it is written last. */
export const RECORD = 'built.json';

const filePath = v.pipe(v.string(), v.regex(/^(?!.*\.\.)[\w@.-]+(?:\/[\w@.-]+)*$/u));
const builtSchema = v.object({
  format: v.literal(1),
  recipe: v.string(),
  tfjs: v.string(),
  tensorflow: v.string(),
  files: v.record(
    filePath,
    v.object({
      size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
      sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u)),
    }),
  ),
});

/** The record of what was built. */
export type BuiltRecord = v.InferOutput<typeof builtSchema>;

export interface Built {
  readonly folder: string;
  readonly record: BuiltRecord;
}

export type Found =
  | { readonly type: 'built'; readonly built: Built }
  | { readonly type: 'absent' }
  /** Something is there that is not loaded, and why. */
  | { readonly type: 'refused'; readonly reason: string };

/** Where builds are kept: outside `node_modules`, which `npm ci` empties. */
export const nativeFolder = (env?: Variables): string => `${cacheFolder(env)}/native`;

const fileSystem = () => process.getBuiltinModule('node:fs');

const refused = (reason: string): Found => ({
  type: 'refused',
  reason: `${reason}; floe setup native --undo removes it`,
});

/** The build of a recipe below `root`, if all sizes fit and nobody else can write there. */
export const findBuilt = (root: string = nativeFolder(), { id }: Recipe = RECIPE): Found => {
  const { existsSync, readFileSync, statSync } = fileSystem();
  const folder = `${root}/${id}`;
  if (!existsSync(folder)) return { type: 'absent' };
  try {
    if (!isOwnFolder(root) || !isOwnFolder(folder) || canBeReplaced(root))
      return refused(`${folder} is another user's, or others can write there`);
    const text = readFileSync(`${folder}/${RECORD}`, 'utf8');
    const record = v.parse(builtSchema, JSON.parse(text));
    for (const [path, { size }] of Object.entries(record.files))
      if (statSync(`${folder}/${path}`).size !== size)
        return refused(`${folder}/${path} has another size than it was built with`);
    return { type: 'built', built: { folder, record } };
  } catch (thrown) {
    const reason = thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : String(thrown);
    return refused(`${folder} is damaged (${reason})`);
  }
};

/** Names of the files whose bytes are not those that were built; reads all of them. */
export const alteredFiles = async ({ folder, record }: Built): Promise<readonly string[]> => {
  const { createHash } = process.getBuiltinModule('node:crypto');
  const { pipeline } = process.getBuiltinModule('node:stream/promises');
  const altered: string[] = [];
  for (const [path, { sha256 }] of Object.entries(record.files)) {
    const hash = createHash('sha256');
    await pipeline(fileSystem().createReadStream(`${folder}/${path}`), hash);
    if (hash.digest('hex') !== sha256) altered.push(path);
  }
  return altered;
};

/** What tfjs-node's JavaScript asks for, and the file that gives it the tfjs of the process. */
export const TFJS_PLACES = ['@tensorflow/tfjs', '@tensorflow/tfjs-core'] as const;
export const TFJS_STUB = "module.exports = globalThis[Symbol.for('floe.tfjs')];\n";

interface NodeBackend {
  readonly NodeJSKernelBackend: new (addon: unknown, name: string) => Tfjs.KernelBackend;
}

/**
 * Variables that TensorFlow reads when it is loaded, unless the user has set them: one thread, on
 * which small models train in half the time, and none of its lines about compiler flags. It reads
 * those of the process: a worker thread has a copy only, so this is called before one starts.
 */
export const prepareTensorflow = (): void => {
  process.env['TF_NUM_INTRAOP_THREADS'] ??= '1';
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '1';
};

/** tfjs-node 4.22.0 calls a function of Node that Node 23 removed. */
export const mendUtil = (): void => {
  const util = process.getBuiltinModule('node:util') as unknown as Record<string, unknown>;
  util['isNullOrUndefined'] ??= (value: unknown): boolean => value === undefined || value === null;
};

/**
 * Registers the addon as tfjs's backend `tensorflow`, and its kernels. The JavaScript of tfjs-node
 * gets this very tfjs: it is outside of any `node_modules` that has one.
 *
 * @param version of tfjs, that it was built for
 * @throws Error when the addon cannot be loaded, or belongs to another version of tfjs
 */
export const loadAddon = (tf: typeof Tfjs, folder: string, version: string): void => {
  if (tf.version_core !== version)
    throw new Error(`it was built for tfjs ${version}, this is ${tf.version_core}`);
  const load = process.getBuiltinModule('node:module').createRequire(`${folder}/package.json`);
  mendUtil();
  prepareTensorflow();
  Object.assign(globalThis, { [Symbol.for('floe.tfjs')]: tf });
  load('./dist/register_all_kernels.js');
  const { NodeJSKernelBackend } = load('./dist/nodejs_kernel_backend.js') as NodeBackend;
  const addon: unknown = load('./lib/napi-v8/tfjs_binding.node');
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(addon, 'floe setup native'), 3);
};
