/** A store that answers 429 is asked again when it says, without a word; not for ever. */
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../protocol/bytes.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { httpBlobStore } from '../../protocol/ports/http-store.ts';
import { testIdentity, turns } from '../support/run.ts';

const bytes = Uint8Array.of(1, 2, 3);

/** @param refusals how many requests are answered 429 */
const storeOf = async (refusals: number, retryAfter: string) => {
  const clock = manualClock(0);
  const asked: number[] = [];
  const store = httpBlobStore({
    url: 'http://store.test',
    identity: await testIdentity('anna'),
    run: new Uint8Array(32),
    clock,
    fetch: async () => {
      asked.push(clock.now());
      return asked.length <= refusals
        ? new Response('', {
            status: 429,
            headers: { 'retry-after': retryAfter, 'x-floe-error': 'rate_limited' },
          })
        : new Response(bytes);
    },
  });
  const ref = { id: 'x', sha256: sha256(bytes), size: bytes.length };
  return { clock, asked, got: store.get(ref) };
};

/** Plays the clock second by second. */
const play = async (clock: ReturnType<typeof manualClock>, seconds: number): Promise<void> => {
  for (let i = 0; i < seconds; i += 1) {
    await turns(5);
    clock.advance(1000);
  }
  await turns(5);
};

describe('a store that answers 429', () => {
  it('is asked again after the seconds that it says', async () => {
    const { clock, asked, got } = await storeOf(2, '7');
    await play(clock, 15);
    expect(await got).toEqual(bytes);
    expect(asked).toEqual([0, 7000, 14_000]);
  });

  it('without a time, or with one of an hour, is asked after one second, and half a minute', async () => {
    for (const [retryAfter, wait] of [
      ['soon', 1000],
      ['3600', 30_000],
    ] as const) {
      const { clock, asked, got } = await storeOf(1, retryAfter);
      await play(clock, 31);
      expect(await got).toEqual(bytes);
      expect(asked).toEqual([0, wait]);
    }
  });

  it('again and again is named', async () => {
    const { clock, asked, got } = await storeOf(100, '2');
    const failed = expect(got).rejects.toMatchObject({ code: 'rate_limited' });
    await play(clock, 10);
    await failed;
    expect(asked).toHaveLength(4);
  });
});
