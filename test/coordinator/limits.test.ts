/**
 * @module What counts what outsiders take: token buckets by name, addresses, messages without an
 * end, and answers that nobody reads. The clock is set by hand.
 */
import type { Socket } from 'node:net';
import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { addressGate, countedAddress, remoteOf } from '../../coordinator/addresses.ts';
import { createAnswers } from '../../coordinator/streamed-answers.ts';
import { DEFAULT_LIMITS, tokenBuckets, type Limits } from '../../coordinator/limits.ts';
import { unfinishedMessages } from '../../coordinator/unfinished-messages.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { turns } from '../support/run.ts';

describe('buckets by name', () => {
  it('are one for each name, and forgotten when they are full again', () => {
    const buckets = tokenBuckets(1, 2);
    expect([buckets.take('a', 0), buckets.take('a', 0), buckets.take('a', 0)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(buckets.take('b', 0)).toBe(true);
    for (let i = 0; i < 1000; i += 1) buckets.take(`name ${i}`, 10_000 * (i + 1));
    expect(buckets.size).toBeLessThan(200);
  });

  it('share one beyond so many names at once', () => {
    const buckets = tokenBuckets(1, 1);
    let taken = 0;
    for (let i = 0; i < 20_000; i += 1) taken += buckets.take(`name ${i}`, 0) ? 1 : 0;
    expect(buckets.size).toBeLessThan(16_400);
    expect(taken).toBeLessThan(16_400);
  });
});

describe('addresses', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    [undefined, 'unknown'],
  ])('%s counts as %s', (address, expected) => {
    expect(countedAddress(address)).toBe(expected);
  });

  let remotePort = 0;
  const socketOf = (remoteAddress: string) => {
    remotePort += 1;
    const socket = Object.assign(new EventEmitter(), {
      remoteAddress,
      remotePort,
      destroyed: false,
      destroy: () => {
        socket.destroyed = true;
        socket.emit('close');
      },
    });
    return socket;
  };
  const gateOf = (limits: Partial<Limits>) => {
    const gate = addressGate({ ...DEFAULT_LIMITS, ...limits }, manualClock(0));
    const accept = (address: string) => {
      const socket = socketOf(address);
      return [gate.accept(socket as unknown as Socket), socket] as const;
    };
    return { gate, accept };
  };

  it('may have so many sockets open', () => {
    const { accept } = gateOf({ socketsPerAddress: 2 });
    const [first, socket] = accept('a');
    expect([first, accept('a')[0], accept('a')[0], accept('b')[0]]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    socket.destroy();
    expect([accept('a')[0], accept('a')[0]]).toEqual([true, false]);
  });

  it('give way where all have too many: the oldest without a login, of who has most', () => {
    const { gate, accept } = gateOf({ sockets: 4 });
    const [, other] = accept('b');
    const [, member] = accept('a');
    gate.keep(remoteOf(member));
    const [, oldest] = accept('a');
    const [, newest] = accept('a');
    const gone = () => [other, member, oldest, newest].map(({ destroyed }) => destroyed);
    expect(accept('c')[0]).toBe(true);
    expect(gone()).toEqual([false, false, true, false]);
    expect(accept('d')[0]).toBe(true);
    expect(gone()).toEqual([false, false, true, true]);
  });

  it('with a login give way to nobody', () => {
    const { gate, accept } = gateOf({ sockets: 2 });
    for (const [, socket] of [accept('a'), accept('b')]) gate.keep(remoteOf(socket));
    expect(accept('c')[0]).toBe(false);
  });
});

describe('messages without an end', () => {
  it('end the oldest when all together are too many, and say when they are overdue', () => {
    const clock = manualClock(0);
    const limits = { ...DEFAULT_LIMITS, unfinishedBytes: 1000, messageTimeoutMs: 50 };
    const all = unfinishedMessages(limits, clock);
    const ended: string[] = [];
    const [a, b] = ['a', 'b'].map((name) => all.open(() => ended.push(name), 'x'));
    a!.came(600);
    b!.came(300);
    expect([all.bytes, ended]).toEqual([900, []]);
    clock.advance(50);
    expect([a!.overdue, b!.overdue]).toEqual([true, true]);
    b!.done();
    expect([all.bytes, b!.overdue]).toEqual([600, false]);
    b!.came(500);
    expect([all.bytes, ended]).toEqual([500, ['a']]);
    b!.beside(500);
    expect(all.bytes).toBe(0);
  });

  it('end the oldest of the address that holds most', () => {
    const all = unfinishedMessages({ ...DEFAULT_LIMITS, unfinishedBytes: 1000 }, manualClock(0));
    const ended: string[] = [];
    const [slow, first, second] = ['slow', 'first', 'second'].map((name) =>
      all.open(() => ended.push(name), name === 'slow' ? 'x' : 'crowd'),
    );
    slow!.came(400);
    first!.came(300);
    second!.came(400);
    expect([all.bytes, ended]).toEqual([800, ['first']]);
  });

  it('refuse more than a message and its parts can have', () => {
    const limits = { ...DEFAULT_LIMITS, frameBytes: 1000, fragments: 1 };
    const message = unfinishedMessages(limits, manualClock(0)).open(() => undefined, 'x');
    expect([message.came(60_000), message.came(10_000)]).toEqual([true, false]);
  });
});

describe('answers', () => {
  const endless = async (): Promise<Uint8Array> => new Uint8Array(10);
  const hungUp: string[] = [];
  beforeEach(() => void hungUp.splice(0));
  const reading = (name: string, address = 'x') => ({
    address,
    hangUp: () => void hungUp.push(name),
  });

  it('read no piece before the one before was taken', async () => {
    let read = 0;
    const answers = createAnswers(8, DEFAULT_LIMITS, manualClock(0));
    const stream = answers.stream(async () => {
      read += 1;
      return read > 3 ? undefined : new Uint8Array([read]);
    }, reading('a'));
    await turns();
    expect(read).toBe(1);
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    expect([...bytes]).toEqual([1, 2, 3]);
    expect(answers.open).toBe(0);
    expect(hungUp).toEqual([]);
  });

  it('end when they are not read in time', async () => {
    const clock = manualClock(0);
    const answers = createAnswers(8, { answerTimeoutMs: 100 }, clock);
    const reader = answers.stream(endless, reading('a')).getReader();
    await reader.read();
    await turns();
    clock.advance(100);
    expect(hungUp).toEqual(['a']);
    expect(answers.open).toBe(0);
  });

  it('give way to others, the one that has waited longest first, of the address that has most', async () => {
    const answers = createAnswers(3, DEFAULT_LIMITS, manualClock(0));
    const read = (name: string, address?: string) =>
      answers.stream(endless, reading(name, address)).getReader();
    read('alone', 'y');
    read('idle');
    const busy = read('busy');
    await turns();
    await busy.read();
    await turns();
    const last = read('last');
    await turns();
    expect(answers.open).toBe(3);
    expect(hungUp).toEqual(['idle']);
    expect((await busy.read()).done).toBe(false);
    expect((await last.read()).done).toBe(false);
  });
});
