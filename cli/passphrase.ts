/**
 * @module Where a passphrase comes from: a file, a file descriptor, the variable FLOE_PASSPHRASE,
 * or a person at the terminal, who sees nothing of it. Never a flag, which every process of the
 * machine could read; it is never printed.
 */
import type { Command } from 'commander';
import {
  MAX_PASSPHRASE_BYTES,
  notEmpty,
  passphraseOfDescriptor,
  passphraseOfFile,
  passphraseTooLong,
} from '../client/keystore/passphrase.ts';
import { FloeError } from '../protocol/errors.ts';
import { wholeNumber } from './flags.ts';
import { secretVariable } from './secret-variables.ts';

export interface PassphraseFlags {
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
}

export const withPassphrase = (command: Command): Command =>
  command
    .option('--passphrase-file <path>', 'file with the passphrase of the keystore')
    .option(
      '--passphrase-fd <n>',
      'descriptor to read it from, up to the first line break (or FLOE_PASSPHRASE, or asked for)',
      wholeNumber('--passphrase-fd', 0, 1024),
    );

/** A terminal, or what stands in for one in a test. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & {
    readonly isTTY?: boolean;
    setRawMode?(on: boolean): unknown;
  };
  readonly output: { write(text: string): unknown };
}

/** Questions stand on stderr: stdout is the command's own. */
const ownTerminal = (): Terminal => ({ input: process.stdin, output: process.stderr });

const INTERRUPT = '\u0003';
const END = '\u0004';

/**
 * Asks at the terminal; what is typed is not shown.
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
    // Else the process would wait for more of it.
    input.pause();
    output.write('\n');
  }
};

/** A descriptor is read once, and one command may open two keystores with it. */
const descriptors = new WeakMap<PassphraseFlags, Promise<string>>();

const fromDescriptor = (flags: PassphraseFlags, fd: number): Promise<string> => {
  const known = descriptors.get(flags) ?? passphraseOfDescriptor(fd);
  descriptors.set(flags, known);
  return known;
};

const ask = async ({ folder, isNew }: KeystorePlace, terminal: Terminal): Promise<string> => {
  const question = `${isNew ? 'New passphrase' : 'Passphrase'} of ${folder}: `;
  const first = notEmpty(await askPassphrase(question, terminal), 'what was typed');
  if (isNew && (await askPassphrase('Once more: ', terminal)) !== first)
    throw new FloeError('usage', 'the two passphrases differ');
  return first;
};

/** The keystore that is opened; a new one is made with the passphrase, which is asked for twice. */
export interface KeystorePlace {
  readonly folder: string;
  readonly isNew: boolean;
}

/**
 * The passphrase from where the flags say, else from the environment, else from the terminal.
 *
 * @throws FloeError `passphrase_missing`, `file_not_found`, `usage`, `aborted`
 */
export const readPassphrase = async (
  flags: PassphraseFlags,
  place: KeystorePlace,
  terminal: Terminal = ownTerminal(),
): Promise<string> => {
  const { passphraseFile: file, passphraseFd: fd } = flags;
  if (file !== undefined && fd !== undefined)
    throw new FloeError('usage', 'expected --passphrase-file or --passphrase-fd, not both');
  if (file !== undefined) return passphraseOfFile(file);
  if (fd !== undefined) return fromDescriptor(flags, fd);
  const given = secretVariable('FLOE_PASSPHRASE');
  if (given !== undefined) return given;
  if (terminal.input.isTTY === true) return ask(place, terminal);
  throw new FloeError(
    'passphrase_missing',
    'expected --passphrase-file, --passphrase-fd, FLOE_PASSPHRASE or a terminal to ask at',
  );
};
