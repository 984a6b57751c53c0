/**
 * @module The frame around every command: signals become one AbortSignal, errors become a line, a
 * remedy and an exit code.
 */
import type { Command } from 'commander';
import { toFloeError, type FloeError } from '../protocol/errors.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { createOutput, type Output } from './output.ts';

export interface Context {
  readonly output: Output;
  /** Fires on Ctrl-C or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
}

/** The flags of {@link withCommonOptions}. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;
const NAMES = { [EXIT.interrupted]: 'Ctrl-C', [EXIT.terminated]: 'SIGTERM' } as const;

/** What a user reads who has stopped a command: by what, and what is kept, where the command says. */
const stoppedText = (by: keyof typeof NAMES, { message }: FloeError): string => {
  const kept = message === 'The operation was cancelled.' ? '' : `; ${message}`;
  return `stopped by ${NAMES[by]}${kept}`;
};

/** The output that the flags of a command ask for. */
export const outputOf = (options: CommonOptions): Output =>
  createOutput({
    json: options.json === true,
    quiet: options.quiet === true,
    debug: options.debug === true,
    stdout: process.stdout,
    stderr: process.stderr,
  });

/** Every command has these. */
export const withCommonOptions = (command: Command): Command =>
  command
    .option('--json', 'print one JSON document on stdout and nothing else')
    .option('--quiet', 'print only what was asked for')
    .option('--debug', 'print the stack of an error');

/**
 * Runs the body of a command. Its number, or 0, becomes the exit code; a signal wins over it.
 */
export const runCommand = async (
  options: CommonOptions,
  body: (context: Context) => Promise<number | void>,
): Promise<void> => {
  const output = outputOf(options);
  const abort = new AbortController();
  let stopped: keyof typeof NAMES | undefined;
  const handlers = Object.entries(SIGNALS).map(([name, code]) => {
    const handler = (): void => {
      if (stopped !== undefined) process.exit(code);
      stopped = code;
      output.warn('stopping; once more to stop at once');
      abort.abort();
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  try {
    const code = await body({ output, signal: abort.signal });
    process.exitCode = stopped ?? code ?? EXIT.ok;
  } catch (thrown) {
    const error = toFloeError(thrown);
    if (stopped !== undefined && error.code === 'aborted')
      output.stopped(stoppedText(stopped, error), error);
    else output.error(error);
    process.exitCode = stopped ?? exitCodeOf(error.code);
  } finally {
    for (const [name, handler] of handlers) process.off(name, handler);
  }
};
