/**
 * @module The chain as Seal's SDK reads it, with its failures named: a full node that does not
 * answer is no key server that does not.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { FloeError, installationFault } from '../../errors.ts';

/**
 * `ledger_unavailable`, unless it says more than that: an error of Floe, or that something is not
 * there.
 */
export const chainError = (thrown: unknown): unknown =>
  thrown instanceof FloeError || (thrown as { readonly reason?: unknown }).reason === 'notFound'
    ? thrown
    : (installationFault(thrown) ??
      new FloeError(
        'ledger_unavailable',
        `reading the chain for a sealed key: ${(thrown as Error).message}`,
        {},
        { cause: thrown },
      ));

const isPromise = (value: unknown): value is Promise<unknown> => value instanceof Promise;

/** Each method of `target`, whose rejections are named. */
const named = <Target extends object>(target: Target): Target =>
  new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        const result: unknown = Reflect.apply(value, target, args);
        return isPromise(result)
          ? result.catch((thrown: unknown) => {
              throw chainError(thrown);
            })
          : result;
      };
    },
  });

/** The same client. @throws FloeError `ledger_unavailable` where the chain does not answer */
export const namedChain = (client: ClientWithCoreApi): ClientWithCoreApi => {
  const core = named(client.core);
  return new Proxy(client, {
    get: (target, name) => {
      if (name === 'core') return core;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
};
