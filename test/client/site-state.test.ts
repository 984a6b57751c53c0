/**
 * What a participant carries from round to round: it moves on with the commits that its updates are
 * in, and with nothing else.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { memoryKeystore } from '../../client/keystore/index.ts';
import type { Keystore } from '../../client/keystore/keystore.ts';
import { createSiteState } from '../../client/participant/host/site-state.ts';
import * as memories from '../../client/participant/machine/run-memory.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';

const RUN = new Uint8Array(32).fill(1);
const ZEROS = Float32Array.of(0, 0, 0);
const ONES = Float32Array.of(1, 1, 1);
const TWOS = Float32Array.of(2, 2, 2);

describe('the values that a participant carries', () => {
  let keystore: Keystore;
  const site = (size = 3) => createSiteState({ keystore, run: RUN, part: 'strategy', size });
  beforeEach(async () => {
    keystore = await memoryKeystore(new Uint8Array(32).fill(2));
  });

  it('begin at zero, and count once the attempt is committed with the own update', async () => {
    expect(await site().read(undefined)).toEqual(ZEROS);
    await site().propose(4, ZEROS, ONES);
    expect(await site().read(undefined)).toEqual(ZEROS);
    expect(await site().read(4)).toEqual(ONES);
    await site().propose(5, ONES, TWOS);
    expect(await site().read(4)).toEqual(ONES);
    expect(await site().read(5)).toEqual(TWOS);
  });

  it('are those before again after an attempt that was aborted or summed without it', async () => {
    await site().propose(4, ZEROS, ONES);
    await site().propose(5, await site().read(4), TWOS);
    // Attempt 5 was aborted: attempt 6 starts where 5 did, whatever 5 proposed.
    const before = await site().read(4);
    expect(before).toEqual(ONES);
    await site().propose(6, before, Float32Array.of(3, 3, 3));
    expect(await site().read(5)).toEqual(ONES);
    expect(await site().read(6)).toEqual(Float32Array.of(3, 3, 3));
  });

  it('give the same again where an attempt goes on after a crash', async () => {
    await site().propose(4, ZEROS, ONES);
    await site().propose(5, await site().read(4), TWOS);
    const again = await site().read(4);
    expect(again).toEqual(ONES);
    await site().propose(5, again, TWOS);
    expect(await site().read(5)).toEqual(TWOS);
  });

  it('are not accepted from a file of another size, nor kept unless finite', async () => {
    await site().propose(4, ZEROS, ONES);
    await expect(site(4).read(4)).rejects.toMatchObject({ code: 'data_malformed' });
    await expect(site().propose(5, ONES, Float32Array.of(0, Infinity, 0))).rejects.toMatchObject({
      code: 'update_not_finite',
      details: { index: 1 },
    });
    expect(await site().read(4)).toEqual(ONES);
  });
});

describe('the memory of the newest sum', () => {
  const survivors = (attempt: number, fill: number) =>
    ({ attempt, body: { hash: new Uint8Array(32).fill(fill) } }) as SignedRecord<'survivors'>;
  const commit = (attempt: number, fill: number) =>
    ({
      attempt,
      bytes: new Uint8Array(),
      body: { survivors: new Uint8Array(32).fill(fill) },
    }) as SignedRecord<'commit'>;
  const begun: memories.Memory = { v: 2, ...memories.inSurvivors(survivors(7, 1)) };

  it('says that the own update is in a sum when that attempt is committed', () => {
    expect(memories.summedIn({})).toBeUndefined();
    expect(memories.summedIn(begun)).toBeUndefined();
    expect(memories.summedIn(memories.commitTo(begun, undefined, commit(7, 1)))).toBe(7);
    // Also after the participant has left the attempt, and until the next sum that it is in.
    const left = memories.commitTo(memories.end(begun, 'x'), undefined, commit(7, 1));
    expect(memories.summedIn(memories.commitTo(left, commit(7, 1), commit(8, 3)))).toBe(7);
    expect(memories.summedIn({ ...left, ...memories.inSurvivors(survivors(9, 2)) })).toBe(
      undefined,
    );
  });

  it.each([
    ['another attempt', commit(8, 1)],
    ['another survivor set', commit(7, 2)],
  ])('does not with %s', (_, other) => {
    expect(memories.summedIn(memories.commitTo(begun, undefined, other))).toBeUndefined();
  });
});
