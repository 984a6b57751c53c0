/**
 * @module Who connects how often: new connections, open ones and requests, counted by address before anything of them is read.
 * An IPv6 address counts by its first 64 bits, which one site has to itself (RFC 4291, section 2.5.4).
 */
import type { Socket } from 'node:net';
import type { Clock } from '../protocol/clock.ts';
import { tokenBuckets, type Limits } from './limits.ts';

/** What an address counts as; `unknown` for a socket that is gone already. */
export const countedAddress = (address: string | undefined): string => {
  if (address === undefined) return 'unknown';
  const plain = address.replace(/^::ffff:(?=\d+\.)/u, '');
  if (!plain.includes(':')) return plain;
  const [before = '', after] = plain.replace(/%.*$/u, '').split('::');
  const groups = before === '' ? [] : before.split(':');
  // What stands for zeros lies within the first half, or behind it.
  const rest = after === undefined || after === '' ? [] : after.split(':');
  const zeros: string[] = Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0');
  return `${[...groups, ...zeros, ...rest].slice(0, 4).join(':')}::/64`;
};

export interface AddressGate {
  /** Whether the connection stays; one that does not is ended at once, without an answer. */
  accept(socket: Socket): boolean;
}

export const addressGate = (limits: Limits, clock: Clock): AddressGate => {
  const rates = tokenBuckets(limits.acceptsPerSecond, limits.acceptBurst);
  const open = new Map<string, number>();
  let total = 0;
  return {
    accept: (socket) => {
      const address = countedAddress(socket.remoteAddress);
      const here = open.get(address) ?? 0;
      const fits =
        total < limits.sockets &&
        here < limits.socketsPerAddress &&
        rates.take(address, clock.now());
      if (!fits) {
        socket.destroy();
        return false;
      }
      open.set(address, here + 1);
      total += 1;
      socket.once('close', () => {
        const left = (open.get(address) ?? 1) - 1;
        total -= 1;
        if (left === 0) open.delete(address);
        else open.set(address, left);
      });
      return true;
    },
  };
};
