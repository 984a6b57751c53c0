/**
 * @module `floe setup native`: builds TensorFlow's addon for Node from a Python wheel where the
 * optional package tfjs-node could not download its own library. Every file is fetched by the
 * user's pip and npm, from the registries they are configured for, and checked against the digest
 * of the recipe before anything of it is used. The build is made in a folder of its own and renamed
 * when its trial has run, so nothing half-done is ever loaded. Node only.
 */
import { lstatSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { FloeError } from '../../protocol/errors.ts';
import { info, result, type Line } from '../../protocol/line.ts';
import { systemClock, type Clock } from '../../protocol/ports/clock.ts';
import { type Built, findBuilt, nativeFolder } from './built.ts';
import { bytesBelow, type Build, downloadStep, packageStep } from './fetch.ts';
import { compileStep, recordStep, tidyStep, tryStep, unpackStep } from './make.ts';
import { canBeReplaced } from './own-folder.ts';
import { misfitOf, RECIPE, type Host, type Recipe, thisHost } from './recipe.ts';
import { type Run, runProgram } from './tools.ts';

/** What will be done, to be confirmed. */
export interface SetupPlan {
  readonly folder: string;
  readonly recipe: Recipe;
  /** A wheel that is there already. */
  readonly wheel: string | undefined;
}

export type SetupEvent =
  | { readonly type: 'step'; readonly step: number; readonly of: number; readonly text: string }
  | { readonly type: 'fetched'; readonly bytes: number; readonly total: number };

export interface SetupOptions {
  /** Where builds are kept. Default: the user's cache folder. */
  readonly root?: string;
  /** A wheel that was downloaded elsewhere; its digest is checked all the same. */
  readonly wheel?: string | undefined;
  /** Shows the plan and asks; false ends without a change. */
  readonly confirm: (plan: SetupPlan) => Promise<boolean>;
  readonly emit?: (event: SetupEvent) => void;
  readonly signal?: AbortSignal;
  readonly recipe?: Recipe;
  readonly host?: Host;
  readonly run?: Run;
  readonly clock?: Clock;
  /** Bytes free on the disk of a folder. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

export interface SetupResult {
  readonly outcome: 'built' | 'there' | 'declined';
  readonly folder: string;
  /** Bytes of the build. */
  readonly bytes: number;
}

const BUILDING = '.building-';

const freeOnDisk = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

const megabytes = (bytes: number): string => {
  const value = bytes / 1e6;
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
};

/** Lines of a plan, for the question. */
export const describePlan = ({ folder, recipe, wheel }: SetupPlan): readonly Line[] => {
  const { wheel: of, node, headers, needs } = recipe;
  const packages = [node, headers, ...needs].map(({ name, version }) => `${name} ${version}`);
  const library =
    wheel === undefined
      ? `pip downloads  ${of.name} ${of.version}, ${megabytes(of.bytes)} MB, from the index it is configured for`
      : `takes          ${of.name} ${of.version} from ${wheel}`;
  return [
    info(library),
    info(
      `npm downloads  ${packages.join(', ')}, under 1 MB, from the registry it is configured for`,
    ),
    info('both are checked against digests that Floe knows; no script of theirs is run'),
    info(
      `g++ compiles   the addon; ${megabytes(recipe.peakBytes)} MB on the disk meanwhile, ${megabytes(recipe.keptBytes)} MB kept`,
    ),
    info(`in             ${folder}`),
  ];
};

export const describeSetup = (event: SetupEvent): readonly Line[] =>
  event.type === 'step'
    ? [info(`${event.step}/${event.of}  ${event.text}`)]
    : [info(`     ${megabytes(event.bytes)} of ${megabytes(event.total)} MB`)];

export const describeResult = ({ outcome, folder, bytes }: SetupResult): Line => {
  if (outcome === 'declined') return result('nothing was changed');
  const size = `${folder}, ${megabytes(bytes)} MB`;
  return outcome === 'there'
    ? result(`already built: ${size}; floe doctor measures it`)
    : result(`built: ${size}; --backend tensorflow uses it, floe doctor measures it`);
};

const sizeOf = ({ record }: Built): number =>
  Object.values(record.files).reduce((sum, { size }) => sum + size, 0);

/** Ended builds of processes that were killed. */
const removeLeftovers = async (root: string): Promise<void> => {
  for (const name of await readdir(root)) {
    const pid = name.startsWith(BUILDING) ? Number(name.slice(BUILDING.length)) : undefined;
    if (pid === undefined || (Number.isSafeInteger(pid) && pid > 0 && isRunning(pid))) continue;
    await rm(join(root, name), { recursive: true, force: true });
  }
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return pid !== process.pid;
  } catch (thrown) {
    // EPERM: it is another user's.
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Programs run from there. @throws FloeError `setup_failed` */
const requireOwn = (root: string): void => {
  const found = lstatSync(root);
  const user = process.getuid?.();
  // Its mode is set next; a link would set that of another folder.
  const isOurs = found.isDirectory() && (user === undefined || found.uid === user);
  if (isOurs && !canBeReplaced(root)) return;
  throw new FloeError(
    'setup_failed',
    `${root} is a link, another user's, or others can replace it: set XDG_CACHE_HOME to a folder that only you can write`,
  );
};

const makeRoom = async (root: string, options: SetupOptions, recipe: Recipe): Promise<void> => {
  await mkdir(root, { recursive: true, mode: 0o700 });
  requireOwn(root);
  await chmod(root, 0o700);
  await removeLeftovers(root);
  const free = await (options.freeBytes ?? freeOnDisk)(root);
  if (free < recipe.peakBytes)
    throw new FloeError(
      'storage_full',
      `${root}: expected ${megabytes(recipe.peakBytes)} MB free, found ${megabytes(free)}`,
    );
};

const STEPS = [
  ['looks for the programs it needs, gets the packages', packageStep],
  ['gets the library', downloadStep],
  ['unpacks the library', unpackStep],
  ['compiles the addon', compileStep],
  ['trains a step with it', tryStep],
  ['removes what only the build needs', tidyStep],
  ['records digests of all files', recordStep],
] as const;

/**
 * Builds the addon, unless it is there.
 *
 * @throws FloeError `setup_failed` with the program at fault, `download_altered`, `storage_full`,
 * `backend_unavailable` on another system, `aborted`; nothing is left behind
 */
export const setupNative = async (options: SetupOptions): Promise<SetupResult> => {
  const { root = nativeFolder(), recipe = RECIPE, emit = () => undefined } = options;
  const { signal = new AbortController().signal, run = runProgram, clock = systemClock } = options;
  const folder = join(root, recipe.id);
  const misfit = misfitOf(recipe, options.host ?? thisHost());
  if (misfit !== undefined) throw new FloeError('backend_unavailable', misfit);
  const found = findBuilt(root, recipe);
  if (found.type === 'built') return { outcome: 'there', folder, bytes: sizeOf(found.built) };
  if (found.type === 'refused') throw new FloeError('setup_failed', found.reason);
  if (!(await options.confirm({ folder, recipe, wheel: options.wheel })))
    return { outcome: 'declined', folder, bytes: 0 };
  await makeRoom(root, options, recipe);
  const place = join(root, `${BUILDING}${process.pid}`);
  await mkdir(place, { mode: 0o700 });
  try {
    const total = recipe.wheel.bytes;
    const build: Build = {
      place,
      recipe,
      wheel: options.wheel,
      run: (program, args, more) => run(program, args, { signal, ...more }),
      clock,
      signal,
      // pip copies what it has fetched.
      fetched: (bytes) => emit({ type: 'fetched', bytes: Math.min(bytes, total), total }),
    };
    for (const [at, [text, step]] of STEPS.entries()) {
      signal.throwIfAborted();
      emit({ type: 'step', step: at + 1, of: STEPS.length, text });
      await step(build);
    }
    await rename(place, folder);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
  return { outcome: 'built', folder, bytes: await bytesBelow(folder) };
};

/** Removes every build, with what interrupted ones left. @returns the bytes that were freed */
export const undoNative = async (root: string = nativeFolder()): Promise<number> => {
  const bytes = await bytesBelow(root);
  await rm(root, { recursive: true, force: true });
  return bytes;
};
