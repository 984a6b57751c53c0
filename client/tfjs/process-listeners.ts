/**
 * @module tfjs's wasm backend listens to the Node process (emscripten's NODEJS_CATCH_EXIT and
 * NODEJS_CATCH_REJECTION): it throws every uncaught exception and unhandled rejection again, so it
 * ends a program that logs them and continues. When it is disposed it removes the program's own
 * listeners of both events as well. Here its listeners go as soon as it has started, and those of
 * the program stay.
 */

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;
type Event = (typeof EVENTS)[number];

/** The two functions of emscripten: they throw what they are given, and do nothing else. */
const RETHROWS = [
  /^function ?\((\w+)\) ?\{\s*if ?\(!\(\1 instanceof ExitStatus\)\) ?\{?\s*throw \1;?\s*\}?\s*\}$/u,
  /^function ?\((\w+)\) ?\{\s*throw \1;?\s*\}$/u,
];

const rethrows = (listener: object): boolean =>
  RETHROWS.some((form) => form.test(Function.prototype.toString.call(listener)));

/** The part of `process` that is needed; undefined in a browser. */
type Host = Pick<NodeJS.Process, 'rawListeners' | 'on' | 'removeListener'>;

type Listener = Parameters<Host['removeListener']>[1];

const hostOf = (): Host | undefined =>
  typeof process === 'object' && typeof process.rawListeners === 'function' ? process : undefined;

const listenersOf = (host: Host, event: Event): readonly Listener[] =>
  host.rawListeners(event) as Listener[];

/** Starts the backend, and removes the listeners that it has added, also where it fails. */
export const withoutListeners = async <Result>(
  start: () => Promise<Result>,
  host = hostOf(),
): Promise<Result> => {
  if (host === undefined) return start();
  const before = EVENTS.map((event) => [event, new Set(listenersOf(host, event))] as const);
  try {
    return await start();
  } finally {
    for (const [event, own] of before)
      for (const listener of listenersOf(host, event))
        if (!own.has(listener) && rethrows(listener)) host.removeListener(event, listener);
  }
};

/** Makes `dispose` of a backend leave the program's listeners where they are. */
export const keepListeners = (backend: { dispose(): void }, host = hostOf()): void => {
  if (host === undefined) return;
  const dispose = backend.dispose.bind(backend);
  backend.dispose = () => {
    const before = EVENTS.map((event) => [event, listenersOf(host, event)] as const);
    try {
      dispose();
    } finally {
      for (const [event, listeners] of before) {
        const left = new Set(listenersOf(host, event));
        for (const listener of listeners) if (!left.has(listener)) host.on(event, listener);
      }
    }
  };
};
