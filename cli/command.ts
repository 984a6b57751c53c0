/**
 * @module A command as data: its arguments, flags, help and body. While the body runs, signals fire
 * one AbortSignal; an error is printed as a line with a remedy and sets the exit code.
 */
import { Command } from 'commander';
import { toFloeError, type FloeError } from '../protocol/errors.ts';
import type { StrategyFlags } from '../protocol/spec/setting-flags.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { on, withFlags, type FlagTable, type FlagValues, type Read } from './flags.ts';
import { createOutput, type Output } from './output.ts';
import { loadModules } from './run-flags.ts';

const OUTPUT = 'Output';

/** Every command has these. */
const COMMON = {
  json: {
    ...on('print JSON lines on stdout and nothing else: events, then the result or the error'),
    group: OUTPUT,
  },
  quiet: { ...on('print only the result'), group: OUTPUT },
  debug: { ...on('print the stack of an error'), group: OUTPUT },
};
export type CommonFlags = Partial<FlagValues<typeof COMMON>>;

export interface Context<Flags = object> {
  /** In their order; an optional one may be missing. */
  readonly args: readonly string[];
  readonly flags: Flags;
  readonly output: Output;
  /** Fires on Ctrl-C or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
  readonly command: Command;
}

export interface CommandInit<Table> {
  readonly name: string;
  readonly about: string;
  /** Arguments such as `<source>` or `[run-file]`. */
  readonly args?: Readonly<
    Record<string, string | { readonly help: string; readonly read: Read<string> }>
  >;
  readonly flags?: Table;
  /** Shown after the flags. */
  readonly notes?: string;
  readonly examples: readonly string[];
  readonly exit?: string;
  /** Adds flags that are not in a table. */
  readonly extend?: (command: Command) => Command;
  /** @returns the exit code; default 0 */
  readonly run: (context: Context<FlagValues<Table>>) => Promise<number | void>;
}

const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;
const NAMES = { [EXIT.interrupted]: 'Ctrl-C', [EXIT.terminated]: 'SIGTERM' } as const;

const STOPPING = {
  [EXIT.interrupted]: 'stopping; press Ctrl-C again to stop at once',
  [EXIT.terminated]: 'stopping after SIGTERM; a second one stops at once',
} as const;

/** The line after Ctrl-C or SIGTERM: the signal, and the kept files if the error names them. */
const stoppedText = (by: keyof typeof NAMES, { message }: FloeError): string => {
  const kept = message === 'The operation was cancelled.' ? '' : `; ${message}`;
  return `stopped by ${NAMES[by]}${kept}`;
};

/** Its name below `floe`, as `contract check`; empty for `floe` itself. */
const pathOf = (made: Command): string =>
  made.parent === null ? '' : `${pathOf(made.parent)} ${made.name()}`.trim();

/** @param made the command, in whose name errors speak */
export const outputOf = ({ json, quiet, debug }: CommonFlags, made?: Command): Output =>
  createOutput({
    command: made === undefined ? undefined : pathOf(made),
    json: json === true,
    quiet: quiet === true,
    debug: debug === true,
    stdout: process.stdout,
    stderr: process.stderr,
  });

/** Runs the body of a command; a signal wins over its exit code. */
const runBody = async (
  output: Output,
  body: (signal: AbortSignal) => Promise<number | void>,
): Promise<void> => {
  const abort = new AbortController();
  let stopped: keyof typeof NAMES | undefined;
  const handlers = Object.entries(SIGNALS).map(([name, code]) => {
    const handler = (): void => {
      if (stopped !== undefined) process.exit(code);
      stopped = code;
      output.warn(STOPPING[code]);
      abort.abort();
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  try {
    const code = await body(abort.signal);
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

const EXIT_HELP = 'Exit codes: floe help exit-codes.';

const examples = new WeakMap<Command, readonly string[]>();

/** Of a command made here; none of another one. */
export const examplesOf = (made: Command): readonly string[] => examples.get(made) ?? [];

/** The text after the flags of a command. */
export const helpText = ({
  notes,
  examples: shown,
  exit = EXIT_HELP,
}: Pick<CommandInit<object>, 'notes' | 'examples' | 'exit'>): string =>
  [
    ...(notes === undefined ? [] : [`\n${notes}`]),
    `\nExamples:\n${shown.map((example) => `  ${example}`).join('\n')}`,
    `\n${exit}`,
  ].join('\n');

export const command = <const Table extends FlagTable>(init: CommandInit<Table>): Command => {
  const { args = {}, flags, extend = (made) => made } = init;
  const made = extend(
    withFlags(new Command(init.name), { ...flags, ...COMMON }).description(init.about),
  ).addHelpText('after', helpText(init));
  examples.set(made, init.examples);
  for (const [place, argument] of Object.entries(args)) {
    if (typeof argument === 'string') made.argument(place, argument);
    else {
      const label = place.replaceAll(/[<>[\]]/gu, '');
      made.argument(place, argument.help, (text: string) => argument.read(label, text));
    }
  }
  return made.action(async (...given: unknown[]) => {
    // commander's last two are the flags and the command.
    const values = given.at(-2) as FlagValues<Table> & CommonFlags & StrategyFlags;
    const output = outputOf(values, made);
    await runBody(output, async (signal) => {
      await loadModules(values.strategyModule);
      const words = given.slice(0, -2) as string[];
      return init.run({ args: words, flags: values, output, signal, command: made });
    });
  });
};
