/**
 * @module A keystore whose process dies at one write: just before it, or just after. The write then
 * never returns, as in a process that is killed.
 */
import type { Keystore } from '../../client/index.ts';

export type KeystoreWrite = 'saveLocal' | 'saveVector';

/** What a participant keeps from round to round, killed before and after each of its writes. */
export const DEATHS = [
  ['saveLocal', 'before'],
  ['saveLocal', 'after'],
  ['saveVector', 'before'],
  ['saveVector', 'after'],
] as const;

export interface MortalKeystore {
  readonly keystore: Keystore;
  /** Resolves at the death. */
  readonly died: Promise<void>;
  readonly isDead: () => boolean;
}

export const never = (): Promise<never> => new Promise(() => undefined);

/** @param k number of the call that kills, from 1 */
export const mortalKeystore = (
  inner: Keystore,
  call: KeystoreWrite,
  when: 'before' | 'after',
  k: number,
): MortalKeystore => {
  const died = Promise.withResolvers<void>();
  let calls = 0;
  let dead = false;
  const die = (): Promise<never> => {
    dead = true;
    died.resolve();
    return never();
  };
  return {
    keystore: {
      ...inner,
      [call]: async (...given: [Uint8Array, never, never]) => {
        calls += 1;
        if (calls === k && when === 'before') return die();
        await inner[call](...given);
        return calls === k ? die() : undefined;
      },
    },
    died: died.promise,
    isDead: () => dead,
  };
};
