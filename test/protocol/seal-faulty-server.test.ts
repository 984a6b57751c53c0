/**
 * @module A key server whose answers are no keys: the error has a name of its own, and nothing
 * waits for it. The texts are the SDK's own, asked from its file, since it exports neither class
 * nor name.
 */
import { describe, expect, it } from 'vitest';
import { unavailable } from '../../protocol/net/seal/errors.ts';

interface Curve {
  readonly G1Element: { fromBytes(bytes: Uint8Array): unknown };
  readonly G2Element: { fromBytes(bytes: Uint8Array): unknown };
}

const sdk = new URL('./bls12381.mjs', import.meta.resolve('@mysten/seal'));
const curve = (await import(sdk.href)) as Curve;

const throwing = (thrown: unknown): never => {
  throw thrown;
};

const thrownBy = (work: () => unknown): unknown => {
  try {
    work();
  } catch (thrown) {
    return thrown;
  }
  throw new Error('expected it to throw');
};

describe('what the Seal SDK throws', () => {
  it.each([
    ['an answer that is no point', () => curve.G1Element.fromBytes(new Uint8Array(48).fill(255))],
    ['a public key that is none', () => curve.G2Element.fromBytes(new Uint8Array(96).fill(255))],
    ['nothing, where keys do not verify', () => throwing(undefined)],
  ])('is permanent: %s', (_, spoiled) => {
    const thrown = thrownBy(spoiled);
    const error = unavailable(thrown);
    expect(error.code).toBe('key_server_faulty');
    expect(error.retryable).toBe(false);
    expect(error.cause).toBe(thrown);
  });

  it('is an outage where servers do not answer', () => {
    const error = unavailable(new TypeError('fetch failed'));
    expect(error.code).toBe('gate_unavailable');
    expect(error.retryable).toBe(true);
  });
});
