/**
 * @module The wasm backend of tfjs and the process that it runs in: a rejection that the program
 * handles itself does not end it, and the program's listeners stay when the backend goes.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { keepListeners, withoutListeners } from '../../client/tfjs/process-listeners.ts';

const run = promisify(execFile);
const BACKENDS = join(import.meta.dirname, '../../client/tfjs/backends.ts');

/** Runs a program that logs what nobody handles, after it has started tfjs by `start`. */
const survives = async (start: string): Promise<string> => {
  const program = `
    process.on('unhandledRejection', (reason) => console.log('logged', reason.message));
    ${start}
    Promise.reject(new Error('a'));
    await new Promise((resolve) => setImmediate(resolve));
    tf.removeBackend('wasm');
    Promise.reject(new Error('b'));
    await new Promise((resolve) => setImmediate(resolve));
    console.log('alive');`;
  try {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
    return stdout;
  } catch (thrown) {
    return (thrown as { stdout: string }).stdout;
  }
};

const FLOE = `
  const { selectBackend } = await import(${JSON.stringify(BACKENDS)});
  const { tf } = await selectBackend({ prefer: 'wasm' });`;
const TFJS = `
  const { default: tf } = await import('@tensorflow/tfjs');
  await import('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');`;

test('a rejection that the program logs does not end it, before and after disposal', async () => {
  expect(await survives(FLOE)).toBe('logged a\nlogged b\nalive\n');
});

test('tfjs itself ends such a program: the listeners are still as they are described', async () => {
  expect(await survives(TFJS)).not.toContain('alive');
});

type Listeners = Record<string, unknown[]>;

/** A process with these listeners. */
const hostWith = (listeners: Listeners) =>
  ({
    rawListeners: (event: string) => [...(listeners[event] ?? [])],
    on: (event: string, listener: unknown) => void (listeners[event] ??= []).push(listener),
    removeListener: (event: string, listener: unknown) => {
      listeners[event] = (listeners[event] ?? []).filter((other) => other !== listener);
    },
  }) as unknown as NodeJS.Process;

test('listeners of others that come meanwhile stay, and a start that fails leaves none', async () => {
  const own = (): void => undefined;
  const meanwhile = (reason: unknown): void => console.log(reason);
  // oxlint-disable-next-line func-names, prefer-arrow-callback
  const rethrow = function (reason: unknown): never {
    throw reason;
  };
  const listeners: Listeners = { unhandledRejection: [own], uncaughtException: [rethrow] };
  const host = hostWith(listeners);
  const start = async (): Promise<never> => {
    host.on('unhandledRejection', rethrow);
    host.on('unhandledRejection', meanwhile);
    throw new Error('no wasm');
  };
  await expect(withoutListeners(start, host)).rejects.toThrow('no wasm');
  expect(listeners).toEqual({
    unhandledRejection: [own, meanwhile],
    uncaughtException: [rethrow],
  });
});

test('disposal that removes every listener gives them back once', () => {
  const own = (): void => undefined;
  const listeners: Listeners = { unhandledRejection: [own], uncaughtException: [] };
  const host = hostWith(listeners);
  const backend = { dispose: () => host.removeListener('unhandledRejection', own) };
  keepListeners(backend, host);
  backend.dispose();
  expect(listeners['unhandledRejection']).toEqual([own]);
});
