/**
 * @module The output of a command: lines for people, or with `--json` only JSON lines on stdout:
 * events as `{"event": ...}`, then the result or `{"error": ...}`. Colours are used on a terminal
 * only.
 */
import { relative } from 'node:path';
import { styleText } from 'node:util';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Line } from '../protocol/line.ts';

type Style = Parameters<typeof styleText>[0];

/** The part of a stream that is used, so that tests can read along. */
export interface Sink {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

export interface OutputInit {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Print the stack and the causes of an error. */
  readonly debug: boolean;
  /** The command that runs, without `floe`; empty for `floe` alone. */
  readonly command?: string | undefined;
  readonly stdout: Sink;
  readonly stderr: Sink;
}

export interface Output {
  readonly json: boolean;
  /** Whether a progress bar makes sense. */
  readonly interactive: boolean;
  /** A line for people; silent with `--json` or `--quiet`. */
  line(text?: string): void;
  /** A line of the result, which `--quiet` keeps. */
  say(text: string): void;
  /** A warning, on stderr and kept by `--quiet`; with `--json` an event. */
  warn(text: string): void;
  /** A remark on stderr beside a result that programs read; silent with `--json` or `--quiet`. */
  note(text: string): void;
  print(lines: readonly Line[]): void;
  /** An event: its lines, or with `--json` the event itself. */
  event(event: { readonly type: string }, lines: readonly Line[]): void;
  /** The result, with `--json` only. */
  document(value: unknown): void;
  error(error: FloeError): void;
  /** Ended by its user, which is no error: a plain line on stderr; with `--json` the error. */
  stopped(text: string, error: FloeError): void;
}

/** The command as the user called it: npm's script in a clone, npx, the source, or its own name. */
export const commandName = (
  env: Readonly<Record<string, string | undefined>> = process.env,
  script = process.argv[1] ?? '',
): string => {
  const event = env['npm_lifecycle_event'];
  const [runner = 'npm'] = /pnpm|yarn/u.exec(env['npm_execpath'] ?? '') ?? [];
  if (event === 'start' || event === 'floe') return `${runner} run floe --`;
  if (event === 'npx') return 'npx floe';
  return script.endsWith('cli/main.ts') ? `node ${relative('.', script)}` : 'floe';
};

/**
 * Escapes control and format characters: printed text may come from other parties, and must not
 * control the terminal, hide or reorder other text, or begin a line that looks like Floe's. A new
 * line is indented.
 */
export const printable = (text: string): string =>
  text.replaceAll(/(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{FFFD}').replaceAll('\n', '\n  ');

const causes = (error: unknown): string => {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    parts.push(`${parts.length === 0 ? '' : 'caused by '}${at.stack ?? at.message}`);
  return parts.join('\n');
};

/** The remedy, which names the command that ran. */
const remedyFor = ({ remedy }: FloeError, command: string | undefined): string =>
  command === undefined
    ? remedy
    : remedy.replace('floe <command>', ['floe', command].join(' ').trim());

const styled = (sink: Sink, style: Style, text: string): string =>
  sink.isTTY === true ? styleText(style, text, { validateStream: false }) : text;

/** Words that are emphasised on a terminal. */
const EMPHASIS: readonly (readonly [pattern: RegExp, style: Style])[] = [
  [/\bNOT masked\b/u, ['bold', 'red']],
  [/^verified\b/u, 'green'],
  [/^verification failed\b/u, 'red'],
  [/^yes(?= {2})/u, 'green'],
  [/^no(?= {2})/u, 'red'],
];

const emphasised = (sink: Sink, text: string): string =>
  EMPHASIS.reduce(
    (line, [pattern, style]) => line.replace(pattern, (word) => styled(sink, style, word)),
    text,
  );

/** What JSON has no form for: bytes in hex, large integers and errors. */
const plain = (_: string, value: unknown): unknown => {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return toHex(value);
  if (!(value instanceof FloeError)) return value;
  const { code, message, remedy, retryable, details } = value;
  return { code, message, remedy, retryable, details };
};

export const createOutput = (init: OutputInit): Output => {
  const { json, quiet, debug, command, stdout, stderr } = init;
  const jsonLine = (value: unknown): void => {
    if (json) stdout.write(`${JSON.stringify(value, plain)}\n`);
  };
  const textLine = (text: string): unknown =>
    stdout.write(`${emphasised(stdout, printable(text))}\n`);
  const output: Output = {
    json,
    interactive: stdout.isTTY === true && !json && !quiet,
    line: (text = '') => {
      if (!json && !quiet) textLine(text);
    },
    say: (text) => {
      if (!json) textLine(text);
    },
    warn: (text) => {
      if (json) jsonLine({ event: 'warning', message: text });
      else stderr.write(`${styled(stderr, 'yellow', 'warning')}: ${printable(text)}\n`);
    },
    note: (text) => {
      if (!json && !quiet) stderr.write(`${printable(text)}\n`);
    },
    print: (lines) => {
      if (json) return;
      for (const [level, text] of lines)
        output[({ info: 'line', result: 'say', warn: 'warn' } as const)[level]](text);
    },
    event: ({ type, ...facts }, lines) => {
      jsonLine({ event: type, ...facts });
      output.print(lines);
    },
    document: jsonLine,
    error: (error) => {
      jsonLine({ error });
      // On a terminal both would be one error, printed twice.
      if (!json)
        stderr.write(
          `${styled(stderr, 'red', 'error')} ${error.code}: ${printable(error.message)}\nwhat to do: ${remedyFor(error, command)}\n`,
        );
      if (debug) stderr.write(`${printable(causes(error))}\n`);
    },
    stopped: (text, error) => {
      jsonLine({ error });
      if (!json) stderr.write(`${printable(text)}\n`);
    },
  };
  return output;
};
