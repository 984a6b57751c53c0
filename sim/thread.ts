/**
 * @module A worker thread that answers calls: one request, one answer; errors keep their code. Both
 * sides import one `Calls` table, whose types check the messages.
 */
import { parentPort, Worker, type Transferable } from 'node:worker_threads';
import { FloeError, isErrorCode, toFloeError, type ErrorCode } from '../protocol/errors.ts';
import { keepGenericWrappers } from '../protocol/wasm-wrappers.ts';

/** Name of a call to its argument and its answer. */
export type Calls = Readonly<Record<string, (argument: never) => unknown>>;

type ArgumentOf<Table extends Calls, Name extends keyof Table> = Parameters<Table[Name]>[0];
type AnswerOf<Table extends Calls, Name extends keyof Table> = Awaited<ReturnType<Table[Name]>>;

interface Request {
  readonly type: 'call';
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

type Answer = { readonly type: 'answer'; readonly id: number } & (
  | { readonly value: unknown }
  | { readonly error: { readonly code: string; readonly message: string } }
);

/** The main thread's handle of a worker. */
export interface Thread<Table extends Calls> {
  call<Name extends keyof Table & string>(
    name: Name,
    argument: ArgumentOf<Table, Name>,
    transfer?: readonly Transferable[],
  ): Promise<AnswerOf<Table, Name>>;
  /** Sends something that has no answer. */
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Rejects when the worker dies before it is ended; never resolves. */
  readonly failed: Promise<never>;
  end(): Promise<void>;
}

/** Room for new objects, in MB; V8's own choice is twice that for each thread. */
const YOUNG_MB = 24;

/** Workers are run from the sources as TypeScript and from `dist` as JavaScript. */
const workerUrl = (name: string): URL =>
  new URL(`./${name}.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

/**
 * Starts the module `name` of this folder as a worker.
 *
 * @param onMessage receives the messages of the worker other than answers
 */
export const startThread = <Table extends Calls>(
  name: string,
  workerData: unknown,
  onMessage: (message: unknown) => void = () => undefined,
): Thread<Table> => {
  keepGenericWrappers();
  // The backends' own chatter (tfjs greets on stderr) is not the command's output.
  const worker = new Worker(workerUrl(name), {
    workerData,
    stdout: true,
    stderr: true,
    // Short-lived bytes are collected sooner: every thread of a simulation has a young generation.
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  worker.stdout.resume();
  worker.stderr.resume();
  const waiting = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >();
  let next = 0;
  let ended = false;
  const death = Promise.withResolvers<never>();
  // Pending calls report the failure; `failed` may stay unobserved.
  death.promise.catch(() => undefined);
  const die = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    death.reject(error);
  };
  worker.on('message', (message: Answer | { readonly type: string }) => {
    if (message.type !== 'answer') {
      onMessage(message);
      return;
    }
    const answer = message as Answer;
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (!('error' in answer)) {
      call?.resolve(answer.value);
      return;
    }
    const { code, message: text } = answer.error;
    const known: ErrorCode = isErrorCode(code) ? code : 'internal';
    call?.reject(new FloeError(known, text));
  });
  worker.on('error', (error) => die(toFloeError(error)));
  worker.on('exit', (code) => {
    if (!ended) die(new FloeError('internal', `the worker ${name} ended with code ${code}`));
  });
  return {
    call: (callName, argument, transfer = []) =>
      new Promise((resolve, reject) => {
        const id = next;
        next += 1;
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
        const request: Request = { type: 'call', id, name: callName, argument };
        worker.postMessage(request, transfer);
      }),
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    failed: death.promise,
    end: async () => {
      ended = true;
      die(new FloeError('aborted', 'The operation was cancelled.'));
      await worker.terminate();
    },
  };
};

/** The worker's side: answers calls from the table, any number at a time. */
export const answerCalls = (table: Calls): void => {
  const port = parentPort;
  if (port === null) throw new FloeError('internal', 'expected to run in a worker thread');
  const handle = async ({ id, name, argument }: Request): Promise<void> => {
    try {
      const value = await (table[name] as (argument: unknown) => unknown)(argument);
      port.postMessage({ type: 'answer', id, value });
    } catch (thrown) {
      const { code, message } = toFloeError(thrown);
      port.postMessage({ type: 'answer', id, error: { code, message } });
    }
  };
  port.on('message', (request: Request) => {
    if (request.type === 'call') void handle(request);
  });
};
