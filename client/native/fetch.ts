/**
 * @module The downloads of `floe setup native`: packages by npm, the wheel by pip, each checked
 * against its digest. Node only.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, copyFile, lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FloeError } from '../../protocol/errors.ts';
import { isMissing } from '../../protocol/ports/disk.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import type { NpmPart, Recipe } from './recipe.ts';
import type { RunOptions } from './tools.ts';

/** One build on its way. */
export interface Build {
  /** The folder that becomes the build. */
  readonly place: string;
  readonly recipe: Recipe;
  /** A wheel that was downloaded elsewhere. */
  readonly wheel: string | undefined;
  readonly run: (
    program: string,
    args: readonly string[],
    options?: Omit<RunOptions, 'signal'>,
  ) => Promise<string>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told every two seconds of a download. */
  readonly fetched: (bytes: number) => void;
}

/** Below a build's folder: removed when it is done. */
export const SCRATCH = 'scratch';

/** Bytes of the files in a folder; 0 where there is none. Links are not followed. */
export const bytesBelow = async (path: string): Promise<number> => {
  try {
    const found = await lstat(path);
    if (!found.isDirectory()) return found.size;
    let sum = 0;
    for (const name of await readdir(path)) sum += await bytesBelow(join(path, name));
    return sum;
  } catch (thrown) {
    // Files of a download come and go.
    if (isMissing(thrown)) return 0;
    throw thrown;
  }
};

/** @throws FloeError `file_not_found`, `download_altered` */
const mustHash = async (
  path: string,
  algorithm: 'sha256' | 'sha512',
  wanted: string,
  what: string,
  signal: AbortSignal,
): Promise<void> => {
  const hash = createHash(algorithm);
  try {
    await pipeline(createReadStream(path), hash, { signal });
  } catch (cause) {
    if (isMissing(cause)) throw new FloeError('file_not_found', path, {}, { cause });
    throw cause;
  }
  const found = hash.digest(algorithm === 'sha256' ? 'hex' : 'base64');
  if (found !== wanted)
    throw new FloeError(
      'download_altered',
      `${what}: expected ${algorithm} ${wanted}, got ${found}`,
    );
};

/** The one file in a folder whose name ends so. @throws FloeError `setup_failed` */
const onlyFile = async (folder: string, ending: string, by: string): Promise<string> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ending));
  const [name] = names;
  if (name === undefined || names.length > 1)
    throw new FloeError(
      'setup_failed',
      `expected one file *${ending} from ${by}, found ${names.length}`,
    );
  return join(folder, name);
};

const packed = async (build: Build, part: NpmPart, at: string): Promise<void> => {
  const spec = `${part.name}@${part.version}`;
  const into = join(build.place, SCRATCH, part.name.replace('/', '+'));
  await mkdir(into, { recursive: true });
  await build.run('npm', ['pack', spec, '--pack-destination', into, '--ignore-scripts']);
  const file = await onlyFile(into, '.tgz', `npm pack ${spec}`);
  await mustHash(file, 'sha512', part.sha512, spec, build.signal);
  const to = join(build.place, at);
  await mkdir(to, { recursive: true });
  await build.run('tar', ['-xzf', file, '-C', to, '--strip-components=1', '--no-same-owner']);
};

/** Programs that are missing are found before the long download. */
export const packageStep = async (build: Build): Promise<void> => {
  await build.run('g++', ['--version']);
  await build.run('strip', ['--version']);
  if (build.wheel === undefined) await build.run('python3', ['-m', 'pip', '--version']);
  const { node, headers, needs } = build.recipe;
  await packed(build, node, '.');
  await packed(build, headers, join(SCRATCH, 'node-api'));
  for (const part of needs) await packed(build, part, join('node_modules', part.name));
};

/** Between two words about a download, ms. */
const TELL_MS = 2_000;

/** Tells the bytes in a folder until it is stopped. */
const watch = (folder: string, { clock, fetched }: Build): (() => void) => {
  let stopped = false;
  const look = async (): Promise<void> => {
    const bytes = await bytesBelow(folder);
    if (stopped) return;
    fetched(bytes);
    cancel = clock.after(TELL_MS, () => void look());
  };
  let cancel = clock.after(TELL_MS, () => void look());
  return () => {
    stopped = true;
    cancel();
  };
};

/** Where the wheel is; it has the digest of the recipe. */
export const wheelOf = ({ place }: Build): Promise<string> =>
  onlyFile(join(place, SCRATCH, 'wheel'), '.whl', 'pip download');

/** A given wheel may be where others write: what is checked and unpacked is a copy of it. */
const copied = async (wheel: string, into: string): Promise<void> => {
  try {
    await copyFile(wheel, join(into, 'given.whl'), constants.COPYFILE_FICLONE);
  } catch (cause) {
    if (isMissing(cause)) throw new FloeError('file_not_found', wheel, {}, { cause });
    throw cause;
  }
};

export const downloadStep = async (build: Build): Promise<void> => {
  const { name, version, python, platforms, sha256 } = build.recipe.wheel;
  const into = join(build.place, SCRATCH, 'wheel');
  await mkdir(into, { recursive: true });
  if (build.wheel !== undefined) await copied(build.wheel, into);
  else {
    const stop = watch(into, build);
    try {
      const options = '--no-deps --only-binary=:all: --disable-pip-version-check --no-cache-dir';
      const asked = `-m pip download ${options} --progress-bar=off --python-version ${python}`;
      const systems = platforms.flatMap((platform) => ['--platform', platform]);
      await build.run(
        'python3',
        [...asked.split(' '), ...systems, '--dest', into, `${name}==${version}`],
        // pip writes what it is fetching there: a small /tmp would not hold it.
        { env: { TMPDIR: into } },
      );
    } finally {
      stop();
    }
  }
  const what = `${name} ${version} for CPython ${python}`;
  await mustHash(await wheelOf(build), 'sha256', sha256, what, build.signal);
};
