/**
 * @module Time is passed in: no source of protocol, client or coordinator asks the machine for it
 * but the system clock itself, and a clock that is moved by hand drives every wait on a network.
 */
import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { deadline, manualClock } from '../../protocol/ports/clock.ts';
import { FloeError } from '../../protocol/errors.ts';
import { httpBlobStore } from '../../protocol/ports/http-store.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { bounded, withRetry } from '../../protocol/net/sui/bounds.ts';
import { directCodec } from '../../protocol/net/walrus/codec.ts';
import { createReading } from '../../protocol/net/walrus/read.ts';
import type { NetworkConfig } from '../../protocol/net/config.ts';

const ROOT = new URL('../../', import.meta.url);
const FORBIDDEN =
  /Date\.now|performance\.now|\bsetTimeout\(|\bsetInterval\(|AbortSignal\.timeout|new Date\(\)/gu;

/** By file: what it may use, how often, and why. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  // The system clock itself: the only place that knows the machine's time.
  'protocol/ports/clock.ts': [
    'performance.now',
    'performance.now',
    'setTimeout(',
    'setTimeout(',
    'Date.now',
    'performance.now',
    'Date.now',
  ],
  // Lets a browser's event loop turn between stretches of training; measures nothing.
  'client/tfjs/trainer.ts': ['setTimeout('],
};

const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//gu, '').replaceAll(/^\s*\/\/.*$/gmu, '');

it('no source goes round the clock', async () => {
  const found: Record<string, string[]> = {};
  let sources = 0;
  for (const room of ['protocol', 'client', 'coordinator'])
    for (const name of await readdir(new URL(room, ROOT), { recursive: true })) {
      if (!name.endsWith('.ts')) continue;
      sources += 1;
      const text = withoutComments(await readFile(new URL(`${room}/${name}`, ROOT), 'utf8'));
      const uses = text.match(FORBIDDEN);
      if (uses !== null) found[`${room}/${name}`] = [...uses];
    }
  expect(sources).toBeGreaterThan(150);
  expect(found).toEqual(EXCEPTIONS);
});

/** Lets promises settle without any time passing. */
const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i += 1) await new Promise(setImmediate);
};
const never = (): Promise<never> => new Promise(() => undefined);
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'no failure',
    (thrown: unknown) => thrown,
  );

describe('a clock moved by hand', () => {
  it('ends a call that never settles', async () => {
    const clock = manualClock();
    const bounds = { timeoutMs: 5_000, code: 'ledger_unavailable', what: 'asking', clock } as const;
    let over: unknown;
    const ended = failure(bounded(bounds, never)).then((thrown) => (over = thrown));
    clock.advance(4_999);
    await turns();
    expect(over).toBeUndefined();
    clock.advance(1);
    await ended;
    expect(over).toMatchObject({ code: 'ledger_unavailable' });
    expect(clock.next()).toBeUndefined();
  });

  it('drives the pauses between attempts, which double', async () => {
    const clock = manualClock();
    const tries: number[] = [];
    const random = (length: number) => new Uint8Array(length);
    const plan = { retries: 3, firstMs: 100, longestMs: 300, clock, random };
    const ended = failure(
      withRetry(plan, async () => {
        tries.push(clock.now());
        throw new FloeError('store_unavailable', 'not now');
      }),
    );
    for (let i = 0; i < 4; i += 1) {
      await turns();
      clock.advance((clock.next() ?? clock.now()) - clock.now());
    }
    expect(await ended).toMatchObject({ code: 'store_unavailable' });
    expect(tries).toEqual([0, 100, 300, 600]);
  });

  it('releases what a deadline has armed', () => {
    const clock = manualClock();
    const { signal, release } = deadline(clock, 10);
    release();
    clock.advance(100);
    expect(signal.aborted).toBe(false);
    const outer = new AbortController();
    const both = deadline(clock, 10, outer.signal);
    clock.advance(10);
    expect(both.signal.aborted).toBe(true);
    expect(outer.signal.aborted).toBe(false);
  });

  it('ends a request over HTTP that gets no answer', async () => {
    const clock = manualClock();
    const identity = await identityFromSeed(new Uint8Array(32));
    const fetch = (_url: unknown, init?: RequestInit): Promise<Response> =>
      new Promise((_, reject) => {
        const { signal } = init as { signal: AbortSignal };
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const store = httpBlobStore({
      url: 'http://nowhere.test',
      identity,
      run: new Uint8Array(32),
      timeoutMs: 60_000,
      clock,
      fetch,
    });
    const ended = failure(store.put(new Uint8Array(3)));
    await turns();
    clock.advance(60_000);
    expect(await ended).toMatchObject({ code: 'store_unavailable' });
  });

  it('gives up a blob that nobody knows, attempt after attempt', async () => {
    const clock = manualClock();
    let asked = 0;
    const codec = {
      ...directCodec({} as never, clock),
      reset: () => undefined,
      read: async () => {
        asked += 1;
        throw Object.assign(Object.create({ constructor: { name: 'NotFoundError' } }), {
          message: 'nobody knows it',
        });
      },
    };
    const read = createReading({
      network: { walrus: {} } as NetworkConfig,
      codec: () => codec,
      quilts: { get: () => undefined, add: () => undefined },
      shardsOf: async () => 10,
      readTimeoutMs: 60_000,
      missingMs: 5_000,
      fetch: never,
      warn: () => undefined,
      clock,
    });
    const ref = { id: 'a'.repeat(43), sha256: new Uint8Array(32), size: 4 };
    const ended = failure(read(ref, undefined, new AbortController().signal));
    for (let i = 0; i < 12; i += 1) {
      await turns();
      clock.advance((clock.next() ?? clock.now()) - clock.now());
    }
    expect(await ended).toMatchObject({ code: 'blob_not_found' });
    expect(asked).toBeGreaterThan(4);
    expect(clock.now()).toBeGreaterThan(5_000);
  });
});
