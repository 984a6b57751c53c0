import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { manualClock } from '../../protocol/ports/clock.ts';
import { scenarioClock } from '../../sim/clock.ts';
import { quickClock } from './quick-clock.ts';
import { CLOSE_ABNORMAL, portConnection, tapped, type Count } from '../../sim/network.ts';

const pair = () => {
  const { port1, port2 } = new MessageChannel();
  return { near: portConnection(port1, 'near'), far: portConnection(port2, 'far'), port1, port2 };
};

const closeOf = (connection: ReturnType<typeof pair>['near'], frames: Uint8Array[] = []) =>
  new Promise<readonly [number, string]>((resolve) => {
    connection.receive({
      message: (frame) => frames.push(frame),
      close: (code, reason) => resolve([code, reason]),
    });
  });

describe('portConnection', () => {
  it('delivers frames in order, those before the handlers too, and the close with its reason', async () => {
    const { near, far } = pair();
    for (let i = 0; i < 5; i += 1) near.send(new Uint8Array([i]));
    near.close(4000, 'rate_limited');
    near.send(new Uint8Array([9]));
    const frames: Uint8Array[] = [];
    expect(await closeOf(far, frames)).toEqual([4000, 'rate_limited']);
    expect(frames.map((frame) => frame[0])).toEqual([0, 1, 2, 3, 4]);
  });

  it('tells its own side of its own close, once', async () => {
    const { near, far } = pair();
    let closes = 0;
    near.receive({ message: () => undefined, close: () => (closes += 1) });
    near.close(1000, 'done');
    near.close(1000, 'done');
    await closeOf(far);
    expect(closes).toBe(1);
  });

  it('a peer that vanishes is an abnormal close', async () => {
    const { near, port2 } = pair();
    const closed = closeOf(near);
    port2.close();
    expect((await closed)[0]).toBe(CLOSE_ABNORMAL);
  });

  it('what is sent is a copy', async () => {
    const { near, far } = pair();
    const frame = new Uint8Array([1, 2, 3]);
    near.send(frame);
    frame.fill(0);
    near.close(1000, '');
    const frames: Uint8Array[] = [];
    await closeOf(far, frames);
    expect(frames).toEqual([new Uint8Array([1, 2, 3])]);
  });
});

describe('tapped', () => {
  it('counts both ways and shows every frame', async () => {
    const { near, far } = pair();
    const traffic = { up: 0, down: 0 };
    const seen: string[] = [];
    const count: Count = (way, bytes) => void (traffic[way] += bytes);
    const inner = tapped(near, count, {
      up: (frame) => seen.push(`up ${frame.length}`),
      down: (frame) => seen.push(`down ${frame.length}`),
    });
    const closed = closeOf(inner);
    inner.send(new Uint8Array(7));
    far.send(new Uint8Array(3));
    far.close(1000, '');
    await closed;
    expect(traffic).toEqual({ up: 3, down: 7 });
    expect(seen.toSorted()).toEqual(['down 7', 'up 3']);
  });
});

describe('scenarioClock', () => {
  it('leaps over what is waited for, and stands still while frozen', () => {
    const base = manualClock(1000);
    const clock = scenarioClock(base);
    const fired: string[] = [];
    clock.at(clock.now() + 500, () => fired.push('a'));
    const cancel = clock.at(clock.now() + 500, () => fired.push('never'));
    cancel();
    base.advance(100);
    expect(fired).toEqual([]);
    clock.leap(400);
    expect(clock.now()).toBe(1500);
    base.advance(0);
    expect(fired).toEqual(['a']);
    clock.at(clock.now() + 50, () => fired.push('b'));
    clock.freeze();
    base.advance(10_000);
    clock.leap(1000);
    expect(clock.now()).toBe(1500);
    expect(fired).toEqual(['a']);
    clock.thaw();
    expect(clock.now()).toBe(1500);
    base.advance(50);
    expect(fired).toEqual(['a', 'b']);
  });

  it('a quick clock shortens waits by its factor', () => {
    const base = manualClock(0);
    const clock = quickClock(10, base);
    let fired = false;
    clock.at(clock.now() + 1000, () => (fired = true));
    base.advance(99);
    expect(fired).toBe(false);
    base.advance(1);
    expect(fired).toBe(true);
    expect(clock.now()).toBe(1000);
  });
});
