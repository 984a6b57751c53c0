/**
 * The whole catalogue: each code is thrown somewhere in the product, what its remedy names exists,
 * and codes survive frames, the close of a connection, and worker threads.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../cli/main.ts';
import { DEFAULT_LIMITS } from '../../coordinator/limits.ts';
import { ERRORS, type Fault } from '../../protocol/error-catalogue.ts';
import { FloeError, toFloeError, type ErrorCode } from '../../protocol/errors.ts';
import {
  CLOSE_WITH_ERROR,
  decodeClientFrame,
  decodeServerFrame,
  encodeFrame,
  errorOfClose,
} from '../../protocol/wire/messages.ts';

const ROOMS = ['protocol', 'coordinator', 'client', 'sim', 'cli'];

const sourcesIn = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    (entry) =>
      entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('error-catalogue'),
  );
  return Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8')));
};
const sources = (await Promise.all(ROOMS.map(sourcesIn))).flat();
const product = sources.join('\n');

const withAllUnder = (command: Command): Command[] => [
  command,
  ...command.commands.flatMap(withAllUnder),
];
const commands = withAllUnder(createProgram());
const commandNames = commands.map((command) => command.name());
const flags = commands.flatMap(({ options }) => options.flatMap(({ long }) => long ?? []));

const CODES = Object.keys(ERRORS) as ErrorCode[];

/** Places where a code is made into an error, rather than compared with or looked up. */
const MAKES = (code: string): RegExp =>
  new RegExp(
    [
      // new FloeError('code', fail('code', refuse('code', abort(..., 'code', ...
      `\\(\\s*(?:[\\w.]+,\\s*)*'${code}'`,
      // a rule, a named default, a verdict: code: 'code'
      `(?:code|failure|keystore|store|gate|ledger|trainer|[\\w]+): '${code}'`,
      // one of two: condition ? 'code' : ...
      `[?:] '${code}'`,
      // a close or a parameter: , 'code')
      `, '${code}'[,)]`,
      // close(CLOSE_WITH_ERROR, 'code') and defaults: = 'code'
      `= '${code}'`,
      // a refusal in raw HTTP
      `x-floe-error: ${code}`,
    ].join('|'),
    'u',
  );

describe('each code', () => {
  it.each(CODES)('%s is made somewhere in the product', (code) => {
    expect(sources.some((text) => MAKES(code).test(text))).toBe(true);
  });

  it('every `new FloeError` names an entry of the catalogue', () => {
    const named = [...product.matchAll(/new (?:FloeError|Breach)\(\s*'([a-z_]+)'/gu)].map(
      ([, code]) => code as string,
    );
    expect(named.length).toBeGreaterThan(200);
    expect(named.filter((code) => !Object.hasOwn(ERRORS, code))).toEqual([]);
  });
});

describe('what a remedy names', () => {
  const named = CODES.flatMap((code) =>
    [...ERRORS[code].remedy.matchAll(/`([^`]+)`|(--[a-z][a-z-]+)|\b(FLOE_[A-Z_]+)/gu)].map(
      (match) => [code, (match[1] ?? match[2] ?? match[3]) as string] as const,
    ),
  );

  it.each(named)('%s: %s exists', (_code, name) => {
    for (const [flag] of name.matchAll(/--[a-z][a-z-]+/gu))
      expect(['--help', ...flags]).toContain(flag);
    const [, command] = /^floe ([a-z]+)/u.exec(name) ?? [];
    if (command !== undefined) expect(['help', ...commandNames]).toContain(command);
    const [, limit] = /^limits\.(\w+)/u.exec(name) ?? [];
    if (limit !== undefined) expect(Object.keys(DEFAULT_LIMITS)).toContain(limit);
    // A setting, a field of an option, a variable of the environment.
    if (/^[A-Za-z_.]+$/u.test(name)) expect(product).toContain(name.split('.').at(-1));
  });

  it('is a sentence that says what to do, and the meaning one that says what happened', () => {
    for (const code of CODES) {
      const { meaning, remedy } = ERRORS[code];
      for (const text of [meaning, remedy]) expect(text, code).toMatch(/^[A-Z`].*[.]$/su);
    }
  });
});

describe('whose doing an error is', () => {
  const of = (...faults: readonly Fault[]): ErrorCode[] =>
    CODES.filter((code) => faults.includes(ERRORS[code].fault));

  it('no remedy speaks of a malicious coordinator where its doing is not what the code says', () => {
    const accusing = CODES.filter((code) => /coordinator as malicious/u.test(ERRORS[code].remedy));
    expect(accusing.length).toBeGreaterThan(0);
    for (const code of accusing) expect(ERRORS[code].fault, code).toBe('coordinator');
  });

  it('an outage is no party of the run, and what a repeat can help is no lie', () => {
    for (const code of of('service', 'network')) {
      expect(ERRORS[code].remedy, code).not.toMatch(/malicious/u);
      expect(['store', 'access', 'ledger', 'wire']).toContain(ERRORS[code].area);
    }
    for (const code of of('coordinator')) expect(ERRORS[code].retryable, code).toBe(false);
  });
});

describe('a code survives', () => {
  it.each(CODES)('%s: frames both ways, and the close of a connection', (code) => {
    const error = decodeServerFrame(encodeFrame({ type: 'error', code, message: 'x' }));
    expect(error).toMatchObject({ code });
    for (const type of ['withdraw', 'report'] as const)
      expect(decodeClientFrame(encodeFrame({ type, attempt: 1, code }))).toMatchObject({ code });
    expect(
      decodeServerFrame(encodeFrame({ type: 'finished', rounds: 1, failure: code })),
    ).toMatchObject({ failure: code });
    expect(errorOfClose(CLOSE_WITH_ERROR, code)).toBe(code);
    // RFC 6455, section 5.5: a reason has at most 123 bytes.
    expect(code.length).toBeLessThanOrEqual(60);
  });

  it('a worker thread, thrown and posted', async () => {
    const program = `
      const { FloeError } = await import(${JSON.stringify(import.meta.resolve('../../protocol/errors.ts'))});
      const { parentPort } = await import('node:worker_threads');
      parentPort.postMessage(new FloeError('blob_not_found', 'posted'));
      throw new FloeError('store_unavailable', 'thrown');`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
    const thrown = new Promise((resolve) => worker.once('error', resolve));
    const error = toFloeError(await thrown);
    expect(error).toBeInstanceOf(FloeError);
    expect(error).toMatchObject({ code: 'store_unavailable', message: 'thrown' });
  });
});
