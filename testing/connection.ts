/**
 * @module The compliance suite of the Connection port: two ends of one connection.
 */
import type { Connection } from '../protocol/wire/connection.ts';
import type { TestApi } from './api.ts';
import { withFixtures } from './fixture.ts';

export interface ConnectionFixture {
  readonly near: Connection;
  readonly far: Connection;
  close?(): Promise<void>;
}

/** What one end receives, with promises for the moments that tests wait for. */
const collect = (connection: Connection) => {
  const frames: Uint8Array[] = [];
  const closes: (readonly [code: number, reason: string])[] = [];
  const closed = Promise.withResolvers<void>();
  const waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();
  connection.receive({
    message: (frame) => {
      frames.push(frame.slice());
      for (const each of waiting) if (frames.length >= each.count) each.resolve();
    },
    close: (code, reason) => {
      closes.push([code, reason]);
      closed.resolve();
    },
  });
  return {
    frames,
    closes,
    closed: closed.promise,
    received: (count: number): Promise<void> => {
      if (frames.length >= count) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add({ count, resolve });
      return promise;
    },
  };
};

const numbered = (count: number, size = 3): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => new Uint8Array(size).fill(i));

const NORMAL = 1000;
const WITH_ERROR = 4000;

export const connectionSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  open: () => Promise<ConnectionFixture>,
): void => {
  describe(`Connection: ${name}`, () => {
    const withFixture = withFixtures(async () => {
      const fixture = await open();
      const close = async (): Promise<void> => {
        fixture.near.close(NORMAL, 'the test is over');
        await fixture.close?.();
      };
      return { ...fixture, close };
    });

    it(
      'carries frames both ways, whole and in order',
      withFixture(async ({ near, far }) => {
        const [here, there] = [collect(near), collect(far)];
        for (const frame of numbered(20)) near.send(frame);
        for (const frame of numbered(7, 5)) far.send(frame);
        await Promise.all([here.received(7), there.received(20)]);
        expect(there.frames).toEqual(numbered(20));
        expect(here.frames).toEqual(numbered(7, 5));
      }),
    );

    it(
      'delivers frames that came before the handlers first, and a close after them',
      withFixture(async ({ near, far }) => {
        const here = collect(near);
        for (const frame of numbered(3)) near.send(frame);
        // An answer to a second connection would not be ordered with the first one's frames.
        far.send(new Uint8Array([9]));
        await here.received(1);
        const there = collect(far);
        near.send(new Uint8Array(3).fill(3));
        await there.received(4);
        expect(there.frames).toEqual(numbered(4));
        near.close(NORMAL, 'done');
        await there.closed;
        expect(there.frames).toHaveLength(4);
      }),
    );

    it(
      'carries an empty frame and a large one',
      withFixture(async ({ near, far }) => {
        const there = collect(far);
        const large = new Uint8Array(400_000).map((_, i) => i * 7);
        near.send(new Uint8Array());
        near.send(large);
        await there.received(2);
        expect(there.frames.map(({ length }) => length)).toEqual([0, large.length]);
        // A comparison of two long arrays takes a runner minutes to print.
        expect(there.frames[1]?.every((byte, i) => byte === large[i])).toBe(true);
      }),
    );

    it(
      'tells both ends of a close exactly once, with its code and reason',
      withFixture(async ({ near, far }) => {
        const [here, there] = [collect(near), collect(far)];
        far.close(WITH_ERROR, 'frame_malformed');
        far.close(NORMAL, 'again');
        await Promise.all([here.closed, there.closed]);
        near.close(NORMAL, 'too late');
        expect(here.closes).toEqual([[WITH_ERROR, 'frame_malformed']]);
        expect(there.closes).toHaveLength(1);
      }),
    );

    it(
      'sends nothing once it is closed, and throws nothing',
      withFixture(async ({ near, far }) => {
        const [here, there] = [collect(near), collect(far)];
        near.send(new Uint8Array([1]));
        near.close(NORMAL, 'done');
        near.send(new Uint8Array([2]));
        await Promise.all([here.closed, there.closed]);
        near.send(new Uint8Array([3]));
        far.send(new Uint8Array([4]));
        expect(there.frames).toEqual([new Uint8Array([1])]);
        expect(here.frames).toEqual([]);
      }),
    );

    it(
      'says where the peer is, and how much has not left',
      withFixture(async ({ near, far }) => {
        for (const end of [near, far]) {
          expect(typeof end.remote).toBe('string');
          expect(end.bufferedBytes).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
};
