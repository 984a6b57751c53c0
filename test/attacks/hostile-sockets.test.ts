/**
 * @module Sockets of outsiders: frames before the login, refused connections that continue sending,
 * messages that never end, floods of connections and of requests, requests that never end. Counted
 * is what the coordinator's side has read and holds, socket by socket, not how long anything took.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { DEFAULT_LIMITS, type Limits } from '../../coordinator/limits.ts';
import { createSessions } from '../../coordinator/sessions.ts';
import { serve, type Coordinator, type Journal } from '../../coordinator/index.ts';
import { webSocketGate } from '../../coordinator/websocket.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { webSocketConnect } from '../../client/index.ts';
import { createStage, silent, testIdentity, testSpec } from '../support/run.ts';
import { logInAs, rawLogin } from '../support/raw-login.ts';
import { encodeRunSpec, hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { eventually } from './real-run.ts';

beforeAll(() => cryptoReady);

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/**
 * The two chunks that a socket may have handed over before it can be told to stop, and the login.
 */
const FEW_BYTES = 3 * 65_536;
const MIB = 1 << 20;

/** Sessions behind the real gate on a real port, with the coordinator's ends of the sockets. */
const setUp = async (over: Partial<Limits> = {}) => {
  const limits = { ...DEFAULT_LIMITS, ...over };
  const spec = await testSpec();
  const sockets: Socket[] = [];
  const sessions = createSessions({
    identity: await testIdentity('coordinator'),
    run: hashRunSpec(spec),
    specBytes: encodeRunSpec(spec),
    clock: systemClock,
    random: systemRandom,
    limits,
    lastRegister: () => undefined,
    log: silent,
    onJoin: () => undefined,
    onLeave: () => undefined,
    onFrame: () => undefined,
  });
  const gate = webSocketGate(limits, systemClock, (connection) => sessions.accept(connection));
  const server = createServer()
    .on('connection', (socket) => sockets.push(socket))
    .on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      gate.upgrade(request, socket, head);
    })
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    sessions.stop();
    gate.close();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}`;
  const read = (): number => sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  const open = (): number => sockets.filter(({ destroyed }) => !destroyed).length;
  return { sessions, sockets, url, port, read, open };
};
type SetUp = Awaited<ReturnType<typeof setUp>>;

/** Entries in the journal that are no records. */
const fill = async (
  { journal }: { readonly journal: Journal },
  count: number,
  size: number,
  attemptOf: (index: number) => number,
): Promise<void> => {
  const nameOf = (index: number): Buffer => {
    const name = Buffer.alloc(32);
    name.writeUInt32LE(index);
    return name;
  };
  const records = Array.from({ length: count }, (_, index) => ({
    at: index * (size + 36),
    index,
    attempt: attemptOf(index),
    hash: nameOf(index),
    link: Buffer.alloc(32, index),
    bytes: Buffer.alloc(size, index),
    blobs: [],
    loose: false,
  }));
  await journal.write({ events: [], records, sealed: [] });
};

/** A connection by hand, which ignores every frame and never closes. */
const rawWebSocket = async (port: number): Promise<Socket> => {
  const socket = connectTcp(port, '127.0.0.1');
  closing.push(() => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.write(
    [
      'GET / HTTP/1.1',
      'Host: x',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      '',
      '',
    ].join('\r\n'),
  );
  await once(socket, 'data');
  socket.resume();
  return socket;
};

/** The head of a masked frame (RFC 6455, section 5.2) with a mask of zeros. */
const head = (opcode: number, length: number, last = true): Buffer => {
  const bytes = Buffer.alloc(14);
  bytes[0] = (last ? 0x80 : 0) | opcode;
  bytes[1] = 0x80 | 127;
  bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
};

/** Sends as the other side takes it, until all is gone or the connection is. */
const pour = async (socket: Socket, bytes: number): Promise<void> => {
  const chunk = Buffer.alloc(65_536, 0x80);
  for (let at = 0; at < bytes && !socket.destroyed; at += chunk.length)
    if (!socket.write(chunk))
      await Promise.race(['drain', 'close'].map((event) => once(socket, event))).catch(() =>
        socket.destroy(),
      );
};

const loggedIn = async ({ url }: Pick<SetUp, 'url'>, name: string) =>
  logInAs(name, await webSocketConnect(url)(new AbortController().signal));

describe('before the login', () => {
  it('eight MiB in one frame are not read', async () => {
    const set = await setUp();
    const socket = await rawWebSocket(set.port);
    socket.write(head(2, 8 * MIB));
    await pour(socket, 8 * MIB);
    await eventually(() => set.open() === 0, 'the connection is ended');
    expect(set.read()).toBeLessThan(FEW_BYTES);
  });

  it('nor in fragments, in pings, or in messages of one byte', async () => {
    const set = await setUp();
    const [fragments, pings, small] = await Promise.all([
      rawWebSocket(set.port),
      rawWebSocket(set.port),
      rawWebSocket(set.port),
    ]);
    const one = (opcode: number, last: boolean): Buffer =>
      Buffer.from([(last ? 0x80 : 0) | opcode, 0x81, 0, 0, 0, 0, 1]);
    const many = (unit: Buffer): Buffer => Buffer.concat(Array(100_000).fill(unit));
    fragments.write(one(2, false));
    fragments.write(many(one(0, false)));
    pings.write(many(one(9, true)));
    small.write(many(one(2, true)));
    await eventually(() => set.open() === 0, 'the connections are ended');
    expect(set.read()).toBeLessThan(3 * FEW_BYTES);
  });

  it('a hundred messages of 1 MiB that never end are not held', async () => {
    const set = await setUp();
    const sockets = await Promise.all(
      Array.from({ length: 100 }, async () => rawWebSocket(set.port)),
    );
    for (const socket of sockets) socket.write(head(2, 2 * MIB));
    await Promise.all(sockets.map((socket) => pour(socket, MIB)));
    await eventually(() => set.open() === 0, 'the connections are ended');
    expect(set.read()).toBeLessThan(100 * FEW_BYTES);
  });

  it('a refused connection that continues sending is read no further, and ended', async () => {
    const set = await setUp({ connections: 0 });
    const socket = await rawWebSocket(set.port);
    for (let i = 0; i < 20; i += 1) {
      socket.write(head(2, MIB));
      await pour(socket, MIB);
    }
    await eventually(() => set.open() === 0, 'the connection is ended');
    expect(set.read()).toBeLessThan(FEW_BYTES);
  });

  it('silent connections do not keep newcomers out', async () => {
    const set = await setUp({ pendingLogins: 20 });
    for (let i = 0; i < 40; i += 1) await rawWebSocket(set.port);
    const session = await loggedIn(set, 'newcomer');
    expect(set.sessions.loggedIn).toBe(1);
    session.close();
  });

  it('an honest login fits, and is told by name why another is refused', async () => {
    const set = await setUp();
    const session = await loggedIn(set, 'bob');
    expect(set.sessions.loggedIn).toBe(1);
    const large = new WebSocket(set.url);
    large.on('open', () => large.send(new Uint8Array(50_000)));
    const [, reason] = (await once(large, 'close')) as [number, Buffer];
    expect(reason.toString()).toBe('frame_too_large');
    session.close();
  });
});

describe('after the login', () => {
  it('messages that never end are held up to a sum; the oldest are ended', async () => {
    const set = await setUp({ unfinishedBytes: 3 * MIB });
    for (let i = 0; i < 6; i += 1) {
      const raw = await rawLogin(set.url, `outsider ${i}`, closing);
      raw.write(head(2, 2 * MIB));
      await pour(raw, MIB);
    }
    await eventually(() => set.sessions.loggedIn <= 3, 'the oldest are ended');
    const honest = await loggedIn(set, 'honest');
    expect(set.sessions.loggedIn).toBeLessThanOrEqual(4);
    honest.close();
  });

  it('a flood of pings is not answered without an end', async () => {
    const set = await setUp();
    const raw = await rawLogin(set.url, 'bob', closing);
    expect(set.sessions.loggedIn).toBe(1);
    const ping = Buffer.from([0x89, 0x81, 0, 0, 0, 0, 1]);
    raw.pause();
    raw.write(Buffer.concat(Array(50_000).fill(ping)));
    await eventually(() => set.sessions.loggedIn === 0, 'the connection is ended');
  });
});

describe('floods of connections and requests', () => {
  const served = async (over: Partial<Limits>) => {
    const stage = await createStage(await testSpec());
    const coordinator: Coordinator = stage.create({ limits: over });
    await coordinator.start();
    coordinator.finished.catch(() => undefined);
    const { store } = stage;
    const service = await serve(coordinator, { host: '127.0.0.1', port: 0, store, log: silent });
    closing.push(
      () => coordinator.stop(),
      () => service.close(),
    );
    return { coordinator, service, stage };
  };

  it('of one address are ended beyond its rate', async () => {
    const { service } = await served({ acceptsPerSecond: 1, acceptBurst: 20 });
    let ended = 0;
    const sockets = Array.from({ length: 100 }, () => {
      const socket = connectTcp(service.port, '127.0.0.1');
      closing.push(() => socket.destroy());
      socket.on('error', () => socket.destroy());
      socket.on('close', () => (ended += 1));
      socket.resume();
      return socket;
    });
    expect(sockets).toHaveLength(100);
    await eventually(() => ended >= 70, 'most are ended');
  });

  // Elsewhere a machine has one address on the loopback.
  it.runIf(process.platform === 'linux')(
    'of several addresses, which hold all sockets there are, keep nobody out',
    async () => {
      const { service } = await served({ sockets: 40, socketsPerAddress: 10 });
      const member = await loggedIn({ url: `ws://127.0.0.1:${service.port}` }, 'member');
      let ended = false;
      void member.over.then(() => (ended = true));
      for (let i = 0; i < 60; i += 1) {
        const idle = connectTcp({
          port: service.port,
          host: '127.0.0.1',
          localAddress: `127.0.0.${10 + (i % 6)}`,
        });
        closing.push(() => idle.destroy());
        idle.on('error', () => idle.destroy());
        await once(idle, 'connect');
      }
      expect((await fetch(`${service.url}/health`)).status).toBe(200);
      expect(ended).toBe(false);
      member.close();
    },
  );

  it('a request that never ends is ended', async () => {
    const { service } = await served({ headersTimeoutMs: 300 });
    const socket = connectTcp(service.port, '127.0.0.1');
    closing.push(() => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    socket.resume();
    await once(socket, 'close');
  });

  it('the transcript is served as it is stored: nothing of it is decoded or verified', async () => {
    const { service, stage } = await served({});
    // What is no record: decoding it would fail.
    await fill(stage, 300, 5000, (i) => 1 + Math.floor(i / 100));
    const all = await fetch(`${service.url}/transcript`);
    expect(all.status).toBe(200);
    const bytes = new Uint8Array(await all.arrayBuffer());
    expect(bytes).toHaveLength(300 * 5036);
    const later = await fetch(`${service.url}/transcript?from=${290 * 5036}`);
    expect(new Uint8Array(await later.arrayBuffer())).toEqual(bytes.subarray(290 * 5036));
    const attempt = await fetch(`${service.url}/transcript?attempt=3`);
    expect(new Uint8Array(await attempt.arrayBuffer())).toEqual(bytes.subarray(200 * 5036));
    expect((await fetch(`${service.url}/transcript?from=-1`)).status).toBe(400);
  });

  it('a transcript that is asked for and not read is not held in memory', async () => {
    const { service, stage } = await served({});
    await fill(stage, 100, MIB - 36, () => 1);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 6; i += 1) {
      const socket = connectTcp(service.port, '127.0.0.1');
      closing.push(() => socket.destroy());
      socket.write('GET /transcript HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'readable');
    }
    // 600 MiB were asked for.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MIB);
  });

  it('requests of one address beyond its rate are refused by name', async () => {
    const { service } = await served({
      transcriptsPerMinute: 3,
      requestsPerMinute: 10,
      blobRequestsPerMinute: 2,
    });
    const codes = async (path: string, count: number): Promise<(string | null)[]> => {
      const list: (string | null)[] = [];
      for (let i = 0; i < count; i += 1) {
        const response = await fetch(`${service.url}${path}`);
        await response.body?.cancel();
        list.push(response.headers.get('x-floe-error'));
      }
      return list;
    };
    expect(await codes('/transcript', 4)).toEqual([null, null, null, 'rate_limited']);
    const others = [
      ...(await codes('/metrics', 3)),
      ...(await codes('/health', 3)),
      ...(await codes('/run', 3)),
    ];
    expect(others.at(-1)).toBe('rate_limited');
    expect(others.filter((code) => code === 'rate_limited').length).toBeGreaterThan(1);
    expect(await codes('/blobs/x', 3)).toEqual([
      'blob_not_found',
      'blob_not_found',
      'rate_limited',
    ]);
  });
});
