/**
 * An identity whose key has a part of small order: it signs well enough to log in, and nothing can
 * be sealed to it.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { createHash } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../protocol/bytes.ts';
import { decodeServerFrame, encodeFrame, loginPayload } from '../../protocol/wire/messages.ts';
import type { Coordinator } from '../../coordinator/index.ts';
import { connectionPair } from '../support/connection.ts';
import { connect, createStage, testSpec, until } from '../support/run.ts';

let running: Coordinator | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;
const toNumber = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const toBytes = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

/** The key aB + T, T of order two, and a signer that tries nonces until the part of T vanishes. */
const mixedKey = (a: bigint) => {
  const two = Point.fromHex(`ec${'ff'.repeat(30)}7f`);
  const publicKey = new Uint8Array(Point.BASE.multiply(a).add(two).toBytes());
  const sign = (tag: string, payload: Uint8Array): Uint8Array => {
    const message = concatBytes(utf8(`floe/${tag}/v1`), new Uint8Array([0]), payload);
    for (let r = 1n; ; r += 1n) {
      const first = new Uint8Array(Point.BASE.multiply(r).toBytes());
      const digest = createHash('sha512').update(first).update(publicKey).update(message).digest();
      const h = toNumber(new Uint8Array(digest)) % ORDER;
      if (h % 2n === 0n) return concatBytes(first, toBytes((r + h * a) % ORDER));
    }
  };
  return { publicKey, sign };
};

/** Logs in with this key; resolves to what came of it. */
const logIn = (
  coordinator: Coordinator,
  { publicKey, sign }: ReturnType<typeof mixedKey>,
): Promise<string> => {
  const [server, client] = connectionPair('mixed');
  const nonce = new Uint8Array(32).fill(1);
  const { promise, resolve } = Promise.withResolvers<string>();
  client.receive({
    message: (bytes) => {
      const frame = decodeServerFrame(bytes);
      if (frame.type === 'error') resolve(frame.code);
      else if (frame.type === 'welcome') resolve('welcome');
      else if (frame.type === 'challenge') {
        const payload = loginPayload({
          clientNonce: nonce,
          serverNonce: frame.nonce,
          client: publicKey,
          coordinator: frame.coordinator,
          run: frame.run,
        });
        client.send(encodeFrame({ type: 'login', signature: sign('login', payload) }));
      }
    },
    close: () => resolve('closed'),
  });
  coordinator.accept(server);
  client.send(encodeFrame({ type: 'hello', key: publicKey, nonce }));
  return promise;
};

it('a key that nothing can be sealed to is refused at the door, and the run continues', async () => {
  const stage = await createStage(await testSpec({ cohort: { size: 4, minimum: 3 } }));
  running = stage.create();
  await running.start();
  expect(await logIn(running, mixedKey(12_345n))).toBe('key_invalid');
  for (const name of ['a', 'b', 'c', 'd']) connect(running, await stage.participant(name));
  await until(() => stage.progress.some(({ type }) => type === 'committed'), 'a commit');
  expect(stage.progress.filter(({ type }) => type === 'aborted')).toEqual([]);
});
