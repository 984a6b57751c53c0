/**
 * Passphrases from a file, a descriptor, the environment, and a person at a terminal.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  askPassphrase,
  readPassphrase,
  type Terminal,
} from '../../client/keystore/ask-passphrase.ts';

const PLACE = { folder: 'me', isNew: false };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-passphrase-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A terminal at which these keys are pressed, one chunk for each question. */
const terminalWith = (...answers: readonly string[]) => {
  const written: string[] = [];
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (on: boolean) => raw.push(on),
  });
  const left = [...answers];
  const terminal: Terminal = {
    input,
    output: {
      write: (text) => {
        written.push(text);
        const answer = text === '\n' ? undefined : left.shift();
        if (answer !== undefined) setImmediate(() => input.write(answer));
      },
    },
  };
  return { terminal, written, raw };
};
const NOBODY: Terminal = { input: new PassThrough(), output: { write: () => undefined } };

it('of a file: without its last line break; an empty one is none', async () => {
  const path = join(folder, 'file');
  await writeFile(path, 'two words \r\n');
  expect(await readPassphrase({ file: path }, PLACE, NOBODY)).toBe('two words ');
  await writeFile(path, '\n');
  await expect(readPassphrase({ file: path }, PLACE, NOBODY)).rejects.toMatchObject({
    code: 'passphrase_missing',
  });
});

it('of a descriptor: the first line, once for both keystores of a command', async () => {
  const path = join(folder, 'lines');
  await writeFile(path, 'first line\nanother secret\n');
  const flags = { fd: openSync(path, 'r') };
  expect(await readPassphrase(flags, PLACE, NOBODY)).toBe('first line');
  expect(await readPassphrase(flags, PLACE, NOBODY)).toBe('first line');
  await expect(readPassphrase({ fd: 1023 }, PLACE, NOBODY)).rejects.toMatchObject({
    code: 'usage',
  });
  await writeFile(path, 'x'.repeat(5000));
  const long = openSync(path, 'r');
  await expect(readPassphrase({ fd: long }, PLACE, NOBODY)).rejects.toMatchObject({
    code: 'usage',
  });
  await expect(readPassphrase({ fd: 0, file: path }, PLACE, NOBODY)).rejects.toMatchObject({
    code: 'usage',
  });
});

it('of a person: nothing that is typed is shown, mistakes can be corrected', async () => {
  const { terminal, written, raw } = terminalWith('sekrex\u007Ft\r');
  expect(await readPassphrase({}, PLACE, terminal)).toBe('sekret');
  expect(written).toEqual(['Passphrase of me: ', '\n']);
  expect(raw).toEqual([true, false]);
  expect(await askPassphrase('? ', terminalWith('wrong\u0015right\n').terminal)).toBe('right');
});

it('of a person for a new keystore: twice the same', async () => {
  const isNew = { folder: 'me', isNew: true };
  expect(await readPassphrase({}, isNew, terminalWith('one\r', 'one\r').terminal)).toBe('one');
  await expect(
    readPassphrase({}, isNew, terminalWith('one\r', 'two\r').terminal),
  ).rejects.toMatchObject({ code: 'usage' });
});

it('of a person who gives up, types nothing, or is not there', async () => {
  for (const [keys, code] of [
    ['se\u0003', 'aborted'],
    ['\u0004', 'passphrase_missing'],
    ['\r', 'passphrase_missing'],
    ['x'.repeat(5000), 'usage'],
  ] as const) {
    const { terminal, raw } = terminalWith(keys);
    await expect(readPassphrase({}, PLACE, terminal)).rejects.toMatchObject({ code });
    expect(raw).toEqual([true, false]);
  }
  await expect(readPassphrase({}, PLACE, NOBODY)).rejects.toMatchObject({
    code: 'passphrase_missing',
  });
});

const MAIN = join(import.meta.dirname, '../../cli/main.ts');
const ENVIRONMENT = { ...process.env, FLOE_PASSPHRASE: '', FLOE_NETWORK: '' };

it('a process reads it from a pipe, and opens the same keystore with the same one only', async () => {
  const keystore = join(folder, 'piped');
  const showKey = (passphrase: string): Promise<{ code: number | null; stdout: string }> =>
    new Promise((resolve, reject) => {
      const child = spawn(
        process.execPath,
        [MAIN, 'join', '--keystore', keystore, '--show-key', '--passphrase-fd', '3'],
        { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore', 'pipe'] },
      );
      let stdout = '';
      child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stdout }));
      const pipe = child.stdio[3] as NodeJS.WritableStream;
      // Without a line break or an end the process would wait.
      pipe.write(`${passphrase}\n`);
    });
  const made = await showKey('over a pipe');
  expect(made).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/) as string,
  });
  expect(await showKey('over a pipe')).toEqual(made);
  expect((await showKey('another')).code).not.toBe(0);
});

it('a process whose input is no terminal says where it can come from', async () => {
  const ended = promisify(execFile)(
    process.execPath,
    [MAIN, 'join', '--keystore', join(folder, 'none'), '--show-key'],
    { env: ENVIRONMENT },
  );
  await expect(ended).rejects.toMatchObject({
    stderr: expect.stringContaining('--passphrase-fd') as string,
  });
});
