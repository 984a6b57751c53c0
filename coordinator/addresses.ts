/**
 * @module Limits on clients by address: new connections, open connections and requests are counted
 * before any of their bytes are read. An IPv6 address counts by its first 64 bits, because one site
 * controls the whole /64 (RFC 4291, section 2.5.4).
 */
import type { Socket } from 'node:net';
import type { Clock } from '../protocol/ports/clock.ts';
import { tokenBuckets, type Limits } from './limits.ts';

/** The key that an address is counted under; `unknown` for a socket that has already closed. */
export const countedAddress = (address: string | undefined): string => {
  if (address === undefined) return 'unknown';
  const plain = address.replace(/^::ffff:(?=\d+\.)/u, '');
  if (!plain.includes(':')) return plain;
  const [before = '', after] = plain.replace(/%.*$/u, '').split('::');
  const groups = before === '' ? [] : before.split(':');
  // `::` replaces groups of zeros; the first four of the eight groups are the /64.
  const rest = after === undefined || after === '' ? [] : after.split(':');
  const zeros: string[] = Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0');
  return `${[...groups, ...zeros, ...rest].slice(0, 4).join(':')}::/64`;
};

/**
 * The first of these, of the address that has most of all: a crowd of one address makes room
 * itself.
 */
export const firstOfMost = <Item extends { readonly address: string }>(
  items: Iterable<Item>,
  sizeOf: (item: Item) => number = () => 1,
): Item | undefined => {
  const sizes = new Map<string, number>();
  const first = new Map<string, Item>();
  for (const item of items) {
    const { address } = item;
    sizes.set(address, (sizes.get(address) ?? 0) + sizeOf(item));
    if (!first.has(address)) first.set(address, item);
  }
  let most: string | undefined;
  for (const [address, size] of sizes)
    if (most === undefined || size > sizes.get(most)!) most = address;
  return most === undefined ? undefined : first.get(most);
};

/** The key of an open connection: address and port of its peer. */
export const remoteOf = ({
  remoteAddress = 'unknown',
  remotePort = 0,
}: Pick<Socket, 'remoteAddress' | 'remotePort'>): string => `${remoteAddress}:${remotePort}`;

export interface AddressGate {
  /** Whether the connection stays; one that does not is ended at once, without an answer. */
  accept(socket: Socket): boolean;
  /** The peer of this connection, see {@link remoteOf}, has logged in: it is never evicted. */
  keep(remote: string): void;
}

export const addressGate = (limits: Limits, clock: Clock): AddressGate => {
  const rates = tokenBuckets(limits.acceptsPerSecond, limits.acceptBurst);
  /** By address, the oldest first. */
  const open = new Map<string, Set<Socket>>();
  const byRemote = new Map<string, Socket>();
  const kept = new WeakSet<Socket>();
  let total = 0;

  const forget = (address: string, socket: Socket): void => {
    const here = open.get(address);
    if (here?.delete(socket) !== true) return;
    total -= 1;
    if (here.size === 0) open.delete(address);
  };
  /**
   * Ends the oldest connection without a login, of the address that has the most. A client that
   * opens every free connection therefore cannot lock others out.
   */
  const makeRoom = (): boolean => {
    let most: readonly [string, Socket] | undefined;
    let count = 0;
    for (const [address, here] of open) {
      if (here.size <= count) continue;
      const oldest = [...here].find((socket) => !kept.has(socket));
      if (oldest === undefined) continue;
      count = here.size;
      most = [address, oldest];
    }
    if (most === undefined) return false;
    forget(...most);
    most[1].destroy();
    return true;
  };
  return {
    accept: (socket) => {
      const address = countedAddress(socket.remoteAddress);
      const fits =
        (open.get(address)?.size ?? 0) < limits.socketsPerAddress &&
        rates.take(address, clock.monotonic()) &&
        (total < limits.sockets || makeRoom());
      if (!fits) {
        socket.destroy();
        return false;
      }
      const remote = remoteOf(socket);
      open.set(address, (open.get(address) ?? new Set()).add(socket));
      byRemote.set(remote, socket);
      total += 1;
      socket.once('close', () => {
        forget(address, socket);
        if (byRemote.get(remote) === socket) byRemote.delete(remote);
      });
      return true;
    },
    keep: (remote) => {
      const socket = byRemote.get(remote);
      if (socket !== undefined) kept.add(socket);
    },
  };
};
