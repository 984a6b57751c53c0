/**
 * @module Starts the process of a point and waits for its end.
 */
import { fork } from 'node:child_process';
import { FloeError, isErrorCode } from '../../protocol/errors.ts';
import type { FromPoint, ToPoint } from './point-messages.ts';

/** Processes are run from the sources as TypeScript and from `dist` as JavaScript. */
const POINT = new URL(
  `./point-process.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);

/** Characters of what a process printed last that an error repeats. */
const TAIL = 400;

/**
 * Runs a point in a process of its own.
 *
 * @throws FloeError the error of the run; `aborted` where the signal stopped it; `internal` where
 * the process ended without a result
 */
export const runInChild = (
  order: Extract<ToPoint, { readonly type: 'run' }>,
  signal: AbortSignal,
  onRound: (version: number, of: number, pid: number | undefined) => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = fork(POINT, {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let outcome: FromPoint | undefined;
    let printed = '';
    const send = (message: ToPoint): void => {
      if (child.connected) child.send(message);
    };
    const stop = (): void => send({ type: 'stop' });
    child.stderr?.on('data', (text: Buffer) => {
      printed = `${printed}${text.toString()}`.slice(-TAIL);
    });
    child.on('message', (message) => {
      const said = message as FromPoint;
      if (said.type === 'round') onRound(said.version, said.of, child.pid);
      else outcome = said;
    });
    child.on('error', (cause) => {
      reject(new FloeError('internal', `a point's process: ${cause.message}`, {}, { cause }));
    });
    child.on('close', (code, ended) => {
      signal.removeEventListener('abort', stop);
      if (outcome?.type === 'done') resolve();
      else if (outcome?.type === 'failed')
        reject(
          new FloeError(isErrorCode(outcome.code) ? outcome.code : 'internal', outcome.message),
        );
      else
        reject(
          new FloeError(
            'internal',
            `the process of this point ended by ${ended ?? `code ${code}`} ${printed.trim()}`.trim(),
          ),
        );
    });
    send(order);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
