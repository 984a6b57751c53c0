/**
 * @module Bytes that are more than a record names: an upload that was checked with another size, a
 * state with vectors that the strategy does not have, and a store whose answers claim a fault of
 * the participant's own program.
 */
import { expect, it } from 'vitest';
import { createReceived } from '../../coordinator/received-blobs.ts';
import { makeStrategySpec } from '../../protocol/algorithm/registry.ts';
import { stateTensorsOf } from '../../protocol/algorithm/round.ts';
import { hashState, initialState } from '../../protocol/algorithm/state.ts';
import { strategyOf } from '../../protocol/algorithm/registry.ts';
import { toHex } from '../../protocol/bytes.ts';
import { encryptBlob } from '../../protocol/model/envelope.ts';
import { hashModel } from '../../protocol/model/index.ts';
import { decryptModel, encodeVersion } from '../../protocol/model/open-model.ts';
import { httpBlobStore } from '../../protocol/ports/http-store.ts';
import { testIdentity, testSpec } from '../support/run.ts';

const hash = new Uint8Array(32).fill(7);

it('an upload counts as checked with its own size only', () => {
  const received = createReceived();
  received.note(hash, 101);
  expect(received.has({ id: toHex(hash), sha256: hash, size: 101 })).toBe(true);
  expect(received.has({ id: toHex(hash), sha256: hash, size: 100 })).toBe(false);
});

it('a state has the vectors of the strategy and no other, whatever its hash', async () => {
  const tensors = [{ name: 'w', shape: [4], dtype: 'float32' as const }];
  const spec = await testSpec({
    model: { architecture: 'custom', tensors },
    strategy: { name: 'fedadam' },
  });
  expect(spec.strategy).toEqual(makeStrategySpec({ name: 'fedadam' }));
  const weights = new Float32Array(4);
  const own = stateTensorsOf(spec);
  const state = initialState(strategyOf(spec), 4);
  const key = new Uint8Array(32).fill(1);
  const run = new Uint8Array(32).fill(2);
  const open = async (names: typeof own, values: Float32Array) => {
    const file = encodeVersion({ tensors }, names, { weights, state: values });
    const purpose = { run, attempt: 1, role: 'model' } as const;
    const model = {
      version: 1,
      blob: { id: 'b', sha256: hash, size: file.length },
      hash: hashModel({ tensors }, weights),
      state: hashState(names, values),
      envelope: new Uint8Array(1),
    };
    const cipher = await encryptBlob(key, purpose, file);
    return decryptModel({ run, model, cipher, key, stateTensors: own }, { tensors });
  };
  await expect(open(own, state)).resolves.toMatchObject({ state });
  const extra = { name: 'strategy/extra', shape: [4], dtype: 'float32' as const };
  const mismatch = expect.objectContaining({ code: 'tensor_mismatch' });
  await expect(open([...own, extra], new Float32Array(4 + state.length))).rejects.toEqual(mismatch);
  await expect(open(own.slice(1), state.slice(4))).rejects.toEqual(mismatch);
  await expect(open(own.toReversed(), state)).rejects.toEqual(mismatch);
});

it.each(['internal', 'installation_broken'])(
  'a store that answers %s is an outage of the store',
  async (code) => {
    const store = httpBlobStore({
      url: 'http://127.0.0.1:1',
      identity: await testIdentity('anna'),
      run: hash,
      fetch: async () => new Response(null, { status: 500, headers: { 'x-floe-error': code } }),
    });
    await expect(store.get({ id: toHex(hash), sha256: hash, size: 1 })).rejects.toMatchObject({
      code: 'store_unavailable',
    });
  },
);
