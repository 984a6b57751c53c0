/**
 * @module A participant whose process dies at one moment: from then on nothing that it saves or
 * sends has an effect, and no call of it returns.
 */
import type { Keystore } from '../../client/keystore/index.ts';

export const never = (): Promise<never> => new Promise(() => undefined);

export type Moment = 'before a save' | 'after a save' | 'before a send' | 'after a send';

/** A life that ends at the `at`-th moment of a kind. */
export const mortal = (inner: Keystore, moment: Moment, at: number, onDeath: () => void) => {
  let dead = false;
  const counts = { save: 0, send: 0 };
  const die = (): Promise<never> => {
    if (!dead) queueMicrotask(onDeath);
    dead = true;
    return never();
  };
  const reached = (what: 'save' | 'send', when: 'before' | 'after'): boolean =>
    moment === `${when} a ${what}` && counts[what] === at;
  const guarded =
    <Args extends readonly unknown[]>(call: (...args: Args) => Promise<void>) =>
    async (...args: Args): Promise<void> => {
      if (dead) return never();
      counts.save += 1;
      if (reached('save', 'before')) return die();
      await call(...args);
      return reached('save', 'after') ? die() : undefined;
    };
  return {
    counts,
    isDead: () => dead,
    keystore: {
      ...inner,
      save: guarded(inner.save),
      saveVector: guarded(inner.saveVector),
      eraseVector: guarded(inner.eraseVector),
      saveLocal: guarded(inner.saveLocal),
      eraseLocal: guarded(inner.eraseLocal),
    } satisfies Keystore,
    send: (send: (frame: Uint8Array) => void) => (frame: Uint8Array) => {
      if (dead) return;
      counts.send += 1;
      if (reached('send', 'before')) {
        void die();
        return;
      }
      send(frame);
      if (reached('send', 'after')) void die();
    },
  };
};
