/**
 * @module Data that the key servers of one process share about a request sent to all of them: the
 * client's one-time key as a checked point, and the number of servers that have answered it. A
 * client usually hangs up once the threshold has answered, so the other servers wait for a moment
 * before they compute.
 */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { toBase64 } from '@mysten/sui/utils';
import type { G1Point } from '../bls12-381.ts';
import { Lru } from '../lru.ts';
import { decodeEncryptionKey } from './ibe.ts';

/** One-time keys that are remembered. */
const MAX_KEYS = 256;
/**
 * How long a server that is probably not needed waits for its client to hang up, in milliseconds.
 */
const SPARE_WAIT_MS = 400;

export class Requesters {
  readonly #points = new Lru<G1Point>(MAX_KEYS);
  readonly #answers = new Lru<number>(MAX_KEYS);
  readonly #threshold: number;

  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  /**
   * The point of a client's one-time key.
   *
   * @throws {Error} when the bytes are not a point of the right order, or the identity.
   */
  point(encryptionKey: Uint8Array): G1Point {
    return this.#points.getOrCreate(toBase64(encryptionKey), () =>
      decodeEncryptionKey(encryptionKey),
    );
  }

  /** Notes that one server has answered this key. */
  answered(encryptionKey: Uint8Array): void {
    const key = toBase64(encryptionKey);
    this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1);
  }

  /**
   * Lets the event loop see who has hung up, and lets enough other servers go first. False when the
   * client is gone.
   */
  async isWaiting(encryptionKey: Uint8Array, signal: AbortSignal): Promise<boolean> {
    await turn();
    const answers = this.#answers.get(toBase64(encryptionKey)) ?? 0;
    if (!signal.aborted && answers >= this.#threshold)
      try {
        await sleep(SPARE_WAIT_MS, undefined, { signal });
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    return !signal.aborted;
  }
}
