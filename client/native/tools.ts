/**
 * @module Programs of this machine that `floe setup native` runs, without a shell. Node only.
 */
import { spawn } from 'node:child_process';
import { FloeError } from '../../protocol/errors.ts';

export interface RunOptions {
  readonly cwd?: string;
  /** In addition to those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Runs a program to its end; resolves to what it printed on stdout. */
export type Run = (
  program: string,
  args: readonly string[],
  options: RunOptions,
) => Promise<string>;

/** Characters of a program's output that are kept for its error. */
const KEPT = 20_000;
const LINES = 4;

const lastLines = (text: string): string =>
  text
    .trim()
    .split('\n')
    .slice(-LINES)
    .map((line) => line.trim())
    .join('\n');

/**
 * @throws FloeError `setup_failed` where the program is missing, or ends with another code than 0,
 * with its last lines; `aborted`
 */
export const runProgram: Run = (program, args, { cwd, env, signal }) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    });
    let printed = '';
    let tail = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-KEPT);
      tail = (tail + text).slice(-KEPT);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-KEPT);
    });
    child.on('error', (cause) => {
      if (signal.aborted) return;
      const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      const reason = missing ? `${program} is not installed` : `${program}: ${cause.message}`;
      reject(new FloeError('setup_failed', reason, { program }, { cause }));
    });
    child.on('close', (code, by) => {
      if (signal.aborted) reject(new FloeError('aborted', 'The operation was cancelled.'));
      else if (code === 0) resolve(printed);
      else
        reject(
          new FloeError(
            'setup_failed',
            `${program} ${args.slice(0, 3).join(' ')} ended with ${by ?? `exit code ${code}`}:\n${lastLines(tail)}`,
            { program },
          ),
        );
    });
  });
