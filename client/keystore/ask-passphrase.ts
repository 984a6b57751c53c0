/**
 * @module Reads a keystore's passphrase from the first available source: a file, a file descriptor,
 * a given text, or a prompt at the terminal, without echo. It is never printed. Node only.
 */
import { FloeError } from '../../protocol/errors.ts';
import {
  MAX_PASSPHRASE_BYTES,
  notEmpty,
  passphraseOfDescriptor,
  passphraseOfFile,
  passphraseTooLong,
} from './passphrase.ts';

/** A terminal; a test passes a substitute. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & {
    readonly isTTY?: boolean;
    setRawMode?(on: boolean): unknown;
  };
  readonly output: { write(text: string): unknown };
}

/** Questions go to stderr: stdout carries results. */
const ownTerminal = (): Terminal => ({ input: process.stdin, output: process.stderr });

const INTERRUPT = '\u0003';
const END = '\u0004';

/**
 * Asks at the terminal; typed keys are not shown.
 *
 * @throws FloeError `aborted` on Ctrl-C, `passphrase_missing` when the input ends
 */
export const askPassphrase = async (
  question: string,
  { input, output }: Terminal = ownTerminal(),
): Promise<string> => {
  output.write(question);
  // Without raw mode the terminal itself would show every key.
  input.setRawMode?.(true);
  input.setEncoding('utf8');
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed: string[] = [];
      const settle = (act: () => void): void => {
        input.off('data', keys);
        input.off('end', ended);
        act();
      };
      const ended = (): void =>
        settle(() => reject(new FloeError('passphrase_missing', 'the input ended')));
      const keys = (chunk: string | Buffer): void => {
        for (const key of String(chunk)) {
          if (key === '\r' || key === '\n') return settle(() => resolve(typed.join('')));
          if (key === INTERRUPT)
            return settle(() => reject(new FloeError('aborted', 'The operation was cancelled.')));
          if (key === END) return ended();
          if (key === '\u007F' || key === '\b') typed.pop();
          else if (key === '\u0015') typed = [];
          else typed.push(key);
          if (typed.length > MAX_PASSPHRASE_BYTES)
            return settle(() => reject(passphraseTooLong('the terminal')));
        }
      };
      input.on('data', keys);
      input.on('end', ended);
      input.resume();
    });
  } finally {
    input.setRawMode?.(false);
    // Otherwise the process would wait for more input.
    input.pause();
    output.write('\n');
  }
};

/** Where a passphrase comes from: `file` or `fd`, else `text`, else the terminal. */
export interface PassphraseSources {
  readonly file?: string | undefined;
  /** An open descriptor, read up to the first line break. */
  readonly fd?: number | undefined;
  readonly text?: string | undefined;
}

/** The keystore to open; for a new one a person types the passphrase twice. */
export interface KeystorePlace {
  readonly folder: string;
  readonly isNew: boolean;
}

/** A descriptor is read once; the same sources may open two keystores with it. */
const descriptors = new WeakMap<PassphraseSources, Promise<string>>();

const fromDescriptor = (sources: PassphraseSources, fd: number): Promise<string> => {
  const known = descriptors.get(sources) ?? passphraseOfDescriptor(fd);
  descriptors.set(sources, known);
  return known;
};

const ask = async ({ folder, isNew }: KeystorePlace, terminal: Terminal): Promise<string> => {
  const question = `${isNew ? 'New passphrase' : 'Passphrase'} of ${folder}: `;
  const first = notEmpty(await askPassphrase(question, terminal), 'the typed passphrase');
  if (isNew && (await askPassphrase('Once more: ', terminal)) !== first)
    throw new FloeError('usage', 'the two passphrases differ');
  return first;
};

/**
 * The passphrase of a keystore from the first source that is given.
 *
 * @throws FloeError `passphrase_missing`, `file_not_found`, `usage`, `aborted`
 */
export const readPassphrase = async (
  sources: PassphraseSources,
  place: KeystorePlace,
  terminal: Terminal = ownTerminal(),
): Promise<string> => {
  const { file, fd, text } = sources;
  if (file !== undefined && fd !== undefined)
    throw new FloeError('usage', 'expected --passphrase-file or --passphrase-fd, not both');
  if (file !== undefined) return passphraseOfFile(file);
  if (fd !== undefined) return fromDescriptor(sources, fd);
  if (text !== undefined) return text;
  if (terminal.input.isTTY === true) return ask(place, terminal);
  throw new FloeError(
    'passphrase_missing',
    'expected --passphrase-file, --passphrase-fd, FLOE_PASSPHRASE or a terminal to ask at',
  );
};
