/**
 * @module Attacks from outside on a coordinator while five honest participants run masked rounds:
 * `npx node bench/hostile-frames.ts [seconds] [attack...]`, by default 10 for each attack.
 * Coordinator and attacker are separate processes; the attacker connects from another address of
 * this machine (127.0.0.2) and has no login. Four attacks: frames of 8 MiB before the login;
 * refused connections that continue to send; a hundred messages without an end; repeated requests
 * for the transcript. Printed for each, next to the same figures without an attack: committed
 * rounds, the longest delay of the event loop, the most CPU of the coordinator's thread in one turn
 * of it (other load on the machine does not affect it), and the largest resident set.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { get, Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { webSocketConnect } from '../client/connect/web-socket.ts';
import { serve } from '../coordinator/index.ts';
import { httpBlobStore } from '../protocol/ports/http-store.ts';
import { memoryStore } from '../protocol/ports/memory-store.ts';
import { hashRunSpec } from '../protocol/spec/run-spec.ts';
import { benchCoordinator, benchKeystore, benchParticipant, benchSpec } from './run.ts';
import { report } from './table.ts';

const HONEST = 5;
const DIMENSION = 1000;
const ROUNDS = 100_000;
const MIB = 1 << 20;
const FRAME = 8 * MIB;
const TICK_MS = 2;
const WARM_UP_S = 15;
const OWN_ADDRESS = '127.0.0.2';
const ATTACKS = ['frames', 'refused', 'unfinished', 'transcript'] as const;
type Attack = (typeof ATTACKS)[number];

interface Measured {
  readonly rounds: number;
  readonly delayMs: number;
  readonly turnMs: number;
  readonly rssMiB: number;
  /** Of these, bytes of buffers outside the heap. */
  readonly buffersMiB: number;
  readonly heapMiB: number;
}

/** CPU of the thread so far, ms. */
const threadCpu = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** The coordinator's process: measures itself from one `begin` to the next `end`. */
const playCoordinator = async (folder: string): Promise<void> => {
  const spec = await benchSpec(HONEST, DIMENSION, ROUNDS);
  const store = memoryStore();
  let rounds = 0;
  const coordinator = await benchCoordinator(spec, store, join(folder, 'journal'), (progress) => {
    if (progress.type === 'committed') rounds += 1;
  });
  await coordinator.start();
  const silent = { debug: () => undefined, info: () => undefined };
  const log = { ...silent, warn: () => undefined, error: console.error };
  const { url } = await serve(coordinator, { host: '127.0.0.1', port: 0, store, log });
  const delay = monitorEventLoopDelay({ resolution: TICK_MS });
  let [turnMs, rss, buffers, heap, before, cpu] = [0, 0, 0, 0, 0, 0];
  setInterval(() => {
    const now = threadCpu();
    turnMs = Math.max(turnMs, now - cpu);
    cpu = now;
    const memory = process.memoryUsage();
    rss = Math.max(rss, memory.rss);
    buffers = Math.max(buffers, memory.arrayBuffers);
    heap = Math.max(heap, memory.heapTotal);
  }, TICK_MS);
  process.on('message', (message) => {
    if (message === 'begin') {
      [turnMs, rss, buffers, heap, before, cpu] = [0, 0, 0, 0, rounds, threadCpu()];
      delay.reset();
      delay.enable();
      return;
    }
    const delayMs = delay.max / 1e6;
    process.send?.({
      rounds: rounds - before,
      delayMs,
      turnMs,
      rssMiB: rss / MIB,
      buffersMiB: buffers / MIB,
      heapMiB: heap / MIB,
    });
  });
  process.send?.(url);
};

const open = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', localAddress: OWN_ADDRESS });
  socket.on('error', () => socket.destroy());
  const upgrade = [
    'GET / HTTP/1.1',
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  socket.write(`${upgrade.join('\r\n')}\r\n\r\n`);
  await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  socket.resume();
  return socket;
};

/** The head of a masked frame (RFC 6455, section 5.2) with a mask of zeros. */
const head = (opcode: number, length: number): Buffer => {
  const bytes = Buffer.alloc(14);
  bytes[0] = 0x80 | opcode;
  bytes[1] = 0x80 | 127;
  bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
};

/** Empty lists in a list, as many as the frame holds. */
const BOMB = ((): Buffer => {
  const bytes = Buffer.alloc(FRAME, 0x80);
  bytes[0] = 0x9a;
  bytes.writeUInt32BE(FRAME - 5, 1);
  return bytes;
})();

const written = async (socket: Socket, bytes: Buffer): Promise<void> => {
  if (!socket.destroyed && !socket.write(bytes))
    await Promise.race(['drain', 'close'].map((event) => once(socket, event))).catch(() =>
      socket.destroy(),
    );
};

/** One attacker of several, until the process is ended. */
const STEPS: Readonly<Record<Attack, (port: number) => Promise<void>>> = {
  frames: async (port) => {
    const socket = await open(port);
    await written(socket, head(2, FRAME));
    await written(socket, BOMB);
    if (!socket.destroyed) await once(socket, 'close').catch(() => undefined);
  },
  refused: async (port) => {
    const socket = await open(port);
    // Text is no frame of this protocol: the connection is refused.
    await written(socket, Buffer.concat([head(1, 1), Buffer.from('x')]));
    while (!socket.destroyed) {
      await written(socket, head(2, MIB));
      await written(socket, BOMB.subarray(0, MIB));
    }
  },
  unfinished: async (port) => {
    const socket = await open(port);
    await written(socket, head(2, FRAME));
    await written(socket, BOMB.subarray(0, FRAME - 1));
    if (!socket.destroyed) await once(socket, 'close').catch(() => undefined);
  },
  transcript: async (port) => {
    const request = get({
      port,
      host: '127.0.0.1',
      path: '/transcript',
      localAddress: OWN_ADDRESS,
      agent,
    });
    request.on('response', (response) => response.resume());
    await once(request, 'close').catch(() => undefined);
  },
};
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
const CROWD: Readonly<Record<Attack, number>> = {
  frames: 4,
  refused: 8,
  unfinished: 100,
  transcript: 8,
};

const attack = async (name: Attack, port: number): Promise<void> => {
  const forever = async (): Promise<void> => {
    for (;;) {
      await STEPS[name](port);
      // A refused attacker must not saturate this process with its own retries.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  await Promise.all(Array.from({ length: CROWD[name] }, forever));
};

const start = (...args: string[]): ChildProcess =>
  fork(new URL(import.meta.url), args, { stdio: 'inherit' });

const seconds = (count: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, count * 1000));

const show = (what: string, measured: Measured, alone: Measured | undefined): void => {
  const row = (name: string, unit: string, key: keyof Measured): void =>
    report({
      what: `${what}: ${name}`,
      value: measured[key],
      unit,
      ...(alone === undefined || alone[key] === 0
        ? {}
        : { ratio: { value: measured[key] / alone[key], to: 'honest alone' } }),
    });
  row('rounds', 'rounds', 'rounds');
  row('longest delay of the event loop', 'ms', 'delayMs');
  row('most CPU in one turn', 'ms', 'turnMs');
  row('resident set', 'MiB', 'rssMiB');
  row('buffers', 'MiB', 'buffersMiB');
  row('heap', 'MiB', 'heapMiB');
};

const measure = async (length: number, only: readonly string[]): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-hostile-'));
  const coordinator = start('coordinator', folder);
  const [url] = (await once(coordinator, 'message')) as [string];
  const { port } = new URL(url);
  const run = hashRunSpec(await benchSpec(HONEST, DIMENSION, ROUNDS));
  const dial = webSocketConnect(url.replace('http', 'ws'));
  const people = await Promise.all(
    Array.from({ length: HONEST }, async (_, i) => {
      const { identity } = await benchKeystore(i);
      return benchParticipant(i, DIMENSION, httpBlobStore({ url, identity, run }), dial);
    }),
  );
  const over = async (name: Attack | undefined): Promise<Measured> => {
    coordinator.send('begin');
    const attacker = name && start('attack', name, port);
    await seconds(length);
    const answer = once(coordinator, 'message') as Promise<[Measured]>;
    coordinator.send('end');
    const [measured] = await answer;
    attacker?.kill('SIGKILL');
    return measured;
  };
  await seconds(WARM_UP_S);
  const alone = await over(undefined);
  show('honest alone', alone, undefined);
  for (const name of only.length === 0 ? ATTACKS : ATTACKS.filter((one) => only.includes(one))) {
    show(name, await over(name), alone);
    await seconds(2);
  }
  await Promise.all(people.map((one) => one.stop()));
  coordinator.kill();
  await rm(folder, { recursive: true, force: true });
};

const [role = '10', argument = '', port = ''] = process.argv.slice(2);
if (role === 'coordinator') await playCoordinator(argument);
else if (role === 'attack') await attack(argument as Attack, Number(port));
else {
  await measure(Number(role), process.argv.slice(3));
  process.exit();
}
