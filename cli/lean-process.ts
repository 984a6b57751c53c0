/**
 * @module Memory settings that a process can only be started with, for `floe sim`: the young
 * generation of V8 in the main thread (of workers, `sim/thread.ts` sets it), and the arenas of
 * glibc's allocator, of which each thread would have its own, with free memory in each. The command
 * replaces itself once with the same command under these settings (`execve`: the same process).
 * Windows has no such call, and runs without them.
 */

/** MB of a semi-space; V8's own choice grows to 64. */
const SEMI_SPACE = '--max-semi-space-size';
const SEMI_SPACE_MB = 8;
/** glibc's own choice is eight for each core. Others ignore the variable. */
const ARENAS = 'MALLOC_ARENA_MAX';
const ARENA_COUNT = '2';

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
    [ARENAS]: ARENA_COUNT,
    ...env,
  });
};
