/**
 * @module What a command prints and where: lines for people, or with `--json` one JSON document on
 * stdout and nothing else. Colours only where a terminal reads them.
 */
import { styleText } from 'node:util';
import type { FloeError } from '../protocol/errors.ts';

export type Style = Parameters<typeof styleText>[0];

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
  readonly stdout: Sink;
  readonly stderr: Sink;
}

export interface Output {
  readonly json: boolean;
  /** Whether a progress bar makes sense. */
  readonly interactive: boolean;
  /** A line for people; silent with `--json` or `--quiet`. */
  line(text?: string): void;
  /** A line for people that `--quiet` keeps. */
  say(text: string): void;
  /** Something to notice, on stderr; kept by `--quiet`, silent with `--json`. */
  warn(text: string): void;
  /** The outcome, with `--json` only. */
  document(value: unknown): void;
  error(error: FloeError): void;
  /** Ended by its user, which is no error: a plain line on stderr; with `--json` a document too. */
  stopped(text: string, error: FloeError): void;
  style(style: Style, text: string): string;
}

/** How the command is called: by npm's script in a clone, by its own name where it is installed. */
export const commandName = (script = process.env['npm_lifecycle_event']): string =>
  script === 'start' || script === 'floe' ? 'npm run floe --' : 'floe';

/**
 * Others wrote some of what is printed, and it may steer the terminal, hide or turn around what
 * stands beside it, or begin a line as if Floe had written it. Floe's own colours are let through;
 * a new line is indented.
 */
export const printable = (text: string): string =>
  text
    .replaceAll(
      // oxlint-disable-next-line no-control-regex
      /(?!\u001B\[(?:1|2|22|3[123]|39)m)(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
      '\u{FFFD}',
    )
    .replaceAll('\n', '\n  ');

const causes = (error: unknown): string => {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    parts.push(`${parts.length === 0 ? '' : 'caused by '}${at.stack ?? at.message}`);
  return parts.join('\n');
};

const asDocument = ({ code, message, remedy, retryable, details }: FloeError): string =>
  `${JSON.stringify({ error: { code, message, remedy, retryable, details } }, null, 2)}\n`;

const styled = (sink: Sink, style: Style, text: string): string =>
  sink.isTTY === true ? styleText(style, text, { validateStream: false }) : text;

export const createOutput = ({ json, quiet, debug, stdout, stderr }: OutputInit): Output => {
  const silent = json || quiet;
  return {
    json,
    interactive: stdout.isTTY === true && !silent,
    line: (text = '') => {
      if (!silent) stdout.write(`${printable(text)}\n`);
    },
    say: (text) => {
      if (!json) stdout.write(`${printable(text)}\n`);
    },
    warn: (text) => {
      if (!json) stderr.write(`${styled(stderr, 'yellow', 'warning')}: ${printable(text)}\n`);
    },
    document: (value) => {
      if (json) stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    },
    error: (error) => {
      const { code, message, remedy } = error;
      if (json) stdout.write(asDocument(error));
      stderr.write(
        `${styled(stderr, 'red', 'error')} ${code}: ${printable(message)}\nwhat to do: ${remedy}\n`,
      );
      if (debug) stderr.write(`${printable(causes(error))}\n`);
    },
    stopped: (text, error) => {
      if (json) stdout.write(asDocument(error));
      stderr.write(`${printable(text)}\n`);
    },
    style: (style, text) => styled(stdout, style, text),
  };
};
