/**
 * @module Memory settings that a process can only be started with, for `floe sim`: the young
 * generation of V8 in the main thread (of workers, `sim/thread.ts` sets it), and what glibc's
 * allocator keeps of freed memory (mallopt(3)). The command replaces itself once with the same
 * command under these settings (`execve`: the same process). Windows has no such call, and runs
 * without them.
 */

/** MB of a semi-space; V8's own choice grows to 64. */
const SEMI_SPACE = '--max-semi-space-size';
const SEMI_SPACE_MB = 8;

/** Of glibc; other systems ignore these variables. */
const ALLOCATOR: Readonly<Record<string, string>> = {
  // Each arena keeps free memory of its own; the default is eight for each core.
  MALLOC_ARENA_MAX: '2',
  // Larger buffers go back to the system when they are freed. Unset, the limit grows to 32 MB.
  MALLOC_MMAP_THRESHOLD_: '262144',
  MALLOC_TRIM_THRESHOLD_: '1048576',
};

export interface Launch {
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Replaces the process. Undefined where the system has none. */
  readonly execve?: typeof process.execve | undefined;
}

/**
 * Starts the command again where it is `sim` and runs without the settings. What the user has set
 * stays as it is. Before anything else: nothing that the process holds survives.
 */
export const beginLean = (launch: Launch = process): void => {
  const { execPath, execArgv, argv, env, execve } = launch;
  if (execve === undefined || argv[2] !== 'sim') return;
  const flags = [...execArgv, env['NODE_OPTIONS'] ?? ''].join(' ').replaceAll('_', '-');
  if (flags.includes(SEMI_SPACE)) return;
  execve(execPath, [execPath, `${SEMI_SPACE}=${SEMI_SPACE_MB}`, ...execArgv, ...argv.slice(1)], {
    ...ALLOCATOR,
    ...env,
  });
};
