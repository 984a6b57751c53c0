/**
 * @module Asks a person at the terminal to go ahead.
 */
import { createInterface } from 'node:readline/promises';
import { FloeError } from '../protocol/errors.ts';

/** A terminal; a test passes a substitute. */
export interface Asked {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

/**
 * True on `y` or `yes`; any other line, and the end of the input, is a no. The question goes to
 * stderr: stdout carries results.
 *
 * @throws FloeError `usage` without a terminal, `aborted`
 */
export const confirm = async (
  question: string,
  signal: AbortSignal,
  { input, output }: Asked = { input: process.stdin, output: process.stderr },
): Promise<boolean> => {
  if (input.isTTY !== true) throw new FloeError('usage', 'expected --yes, or a terminal to ask at');
  const lines = createInterface({ input, output });
  try {
    const answer = await Promise.race([
      lines.question(`${question} [y/N] `, { signal }),
      new Promise<string>((resolve) => {
        lines.once('close', () => resolve(''));
      }),
    ]);
    return /^y(?:es)?$/iu.test(answer.trim());
  } finally {
    lines.close();
  }
};
