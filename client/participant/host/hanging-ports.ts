/**
 * @module A store, gate or ledger that hangs: the participant names it to its user and to the
 * coordinator, as an outage. The call is not cancelled: the end of the attempt does that.
 */
import { FloeError, type ErrorCode } from '../../../protocol/errors.ts';
import type { Clock } from '../../../protocol/ports/clock.ts';
import { PENDING_MS, watchCalls } from '../../../protocol/ports/hanging-calls.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import { PortFault, type RemotePort } from '../machine/verdict.ts';
import type { OnRun, ParticipantOptions } from '../options.ts';

export const UNAVAILABLE: Readonly<Record<RemotePort, ErrorCode>> = {
  store: 'store_unavailable',
  gate: 'gate_unavailable',
  ledger: 'ledger_unavailable',
};

/** A line of this many bytes a second is slow, and does not hang. */
const SLOW_BYTES_PER_MS = 128;

const isSized = (value: unknown): value is { readonly size: number } =>
  typeof value === 'object' && value !== null && 'size' in value && typeof value.size === 'number';

/** The bytes that a call of a blob store moves. */
const bytesOf = (method: string, [first, start, end]: readonly unknown[]): number => {
  if (method === 'put') return first instanceof Uint8Array ? first.length : 0;
  if (method === 'get') return isSized(first) ? first.size : 0;
  return typeof start === 'number' && typeof end === 'number' ? end - start : 0;
};

export interface HangingInit {
  readonly clock: Clock;
  readonly onWaiting: (fault: PortFault) => void;
  readonly onOver: (port: RemotePort, milliseconds: number) => void;
}

/**
 * Returns a function that gives the same port; a call that has no answer after 10 s, and for a
 * store after the time that its bytes take on a slow line, is given to `onWaiting` as a fault of
 * the port.
 *
 * @param until the end of the wait, as text
 */
export const portWatcher =
  (until: string, { clock, onWaiting, onOver }: HangingInit) =>
  <Port extends object>(name: RemotePort, port: Port): Port =>
    watchCalls(
      port,
      clock,
      (method, milliseconds) => {
        const message = `the ${name} has not answered ${method} for ${Math.round(milliseconds / 1000)} s; this participant waits ${until}`;
        onWaiting(new PortFault(name, new FloeError(UNAVAILABLE[name], message), undefined));
      },
      {
        afterMs: (method, args) =>
          PENDING_MS + (name === 'store' ? bytesOf(method, args) / SLOW_BYTES_PER_MS : 0),
        onAnswer: (milliseconds) => onOver(name, milliseconds),
      },
    );

/** Opens the ports of a run, one after the other; one that hangs meanwhile is named. */
export const openPorts = async (
  { store, gate, ledger }: Pick<ParticipantOptions, RemotePort>,
  run: Uint8Array,
  spec: RunSpec,
  init: HangingInit,
) => {
  const watch = portWatcher('until it answers', init);
  const open = async <Port extends object | undefined>(
    name: RemotePort,
    port: OnRun<Port>,
  ): Promise<Port> =>
    typeof port === 'function' ? watch(name, { open: async () => port(run, spec) }).open() : port;
  return {
    store: await open('store', store),
    gate: await open('gate', gate),
    ledger: await open('ledger', ledger),
  };
};
