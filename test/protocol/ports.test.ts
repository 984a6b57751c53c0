/**
 * @module The compliance suites of Clock, Disk and Connection, on every implementation there is;
 * and that the suites bring no test runner of their own.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { webSocketConnect } from '../../client/connect/web-socket.ts';
import { DEFAULT_LIMITS } from '../../coordinator/limits.ts';
import type { ServerConnection } from '../../coordinator/sessions.ts';
import { webSocketGate } from '../../coordinator/websocket.ts';
import { manualClock, systemClock } from '../../protocol/ports/clock.ts';
import { nodeFiles } from '../../protocol/ports/disk.ts';
import { memoryDisk } from '../../protocol/ports/memory-disk.ts';
import { scenarioClock } from '../../sim/clock.ts';
import { quickClock } from '../sim/quick-clock.ts';
import { portConnection } from '../../sim/network.ts';
import { clockSuite, connectionSuite, diskSuite } from '../../testing/index.ts';
import { connectionPair } from '../support/connection.ts';

const api = { describe, expect, it };

clockSuite(api, 'manual', async () => {
  const clock = manualClock(1_000_000);
  return {
    clock,
    pass: async (ms) => {
      clock.advance(ms);
      await new Promise(setImmediate);
    },
  };
});

for (const [name, clock, factor] of [
  ['system', () => systemClock, 1],
  ['of a scenario', () => scenarioClock(), 1],
  ['ten times as fast', () => quickClock(10), 10],
] as const)
  clockSuite(api, name, async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
    return {
      clock: clock(),
      pass: async (ms) => void (await vi.advanceTimersByTimeAsync(ms / factor)),
      close: async () => void vi.useRealTimers(),
    };
  });

diskSuite(api, 'in memory', async () => ({ disk: memoryDisk(), folder: '/folder' }));

for (const durable of [true, false])
  diskSuite(api, durable ? 'of Node' : 'of Node, not synced', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'floe-disk-'));
    return {
      disk: nodeFiles({ durable }),
      folder: `${parent}/folder`,
      close: () => rm(parent, { recursive: true }),
    };
  });

connectionSuite(api, 'in memory', async () => {
  const [near, far] = connectionPair();
  return { near, far };
});

connectionSuite(api, 'message ports', async () => {
  const { port1, port2 } = new MessageChannel();
  return { near: portConnection(port1, 'near'), far: portConnection(port2, 'far') };
});

/** Both WebSocket ends, over one socket of this machine. */
const webSocketPair = async () => {
  const accepted = Promise.withResolvers<ServerConnection>();
  const gate = webSocketGate(DEFAULT_LIMITS, systemClock, (connection) => {
    connection.admit?.();
    accepted.resolve(connection);
  });
  const server = createServer();
  server.on('upgrade', (...upgrade) => gate.upgrade(...upgrade));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = await webSocketConnect(`ws://127.0.0.1:${port}`)(new AbortController().signal);
  return {
    client,
    server: await accepted.promise,
    close: async () => {
      gate.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

connectionSuite(api, 'WebSocket, from the participant', async () => {
  const { client, server, close } = await webSocketPair();
  return { near: client, far: server, close };
});

connectionSuite(api, 'WebSocket, from the coordinator', async () => {
  const { client, server, close } = await webSocketPair();
  return { near: server, far: client, close };
});

it('the suites import no test runner', async () => {
  const folder = new URL('../../testing/', import.meta.url);
  const names = await readdir(folder);
  expect(names.length).toBeGreaterThan(8);
  for (const name of names) {
    const text = await readFile(new URL(name, folder), 'utf8');
    const imported = [...text.matchAll(/^(?:import|export) .*from '(?<from>[^']+)'/gmu)];
    expect(imported.filter(({ groups }) => !groups?.['from']?.startsWith('.'))).toEqual([]);
  }
});
