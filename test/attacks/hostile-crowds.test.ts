/**
 * @module Crowds of one address that push a slow honest peer of another address out, where places
 * are few: messages whose end has not come, answers that are being read.
 */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Limits } from '../../coordinator/limits.ts';
import { serve } from '../../coordinator/index.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { createStage, silent, testSpec } from '../support/run.ts';
import { rawLogin } from '../support/raw-login.ts';
import { eventually } from './real-run.ts';

beforeAll(() => cryptoReady);

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const MIB = 1 << 20;
const HONEST = '127.0.0.10';
const CROWD = '127.0.0.11';

const served = async (over: Partial<Limits>) => {
  const stage = await createStage(await testSpec());
  const coordinator = stage.create({ limits: over });
  await coordinator.start();
  coordinator.finished.catch(() => undefined);
  const { store, journal } = stage;
  const service = await serve(coordinator, { host: '127.0.0.1', port: 0, store, log: silent });
  closing.push(
    () => coordinator.stop(),
    () => service.close(),
  );
  return { coordinator, service, journal };
};

/** The socket of a member that has logged in from this address. */
const loggedIn = (port: number, name: string, localAddress: string): Promise<Socket> =>
  rawLogin(`ws://127.0.0.1:${port}`, name, closing, localAddress);

/** Begins a message of 2 MiB (RFC 6455, section 5.2), and sends so much of it. */
const begin = (raw: Socket, bytes: number): void => {
  const head = Buffer.alloc(14);
  head[0] = 0x82;
  head[1] = 0xff;
  head.writeBigUInt64BE(BigInt(2 * MIB - 65_536), 2);
  raw.write(Buffer.concat([head, Buffer.alloc(bytes)]));
};

// Elsewhere a machine has one address on the loopback.
describe.runIf(process.platform === 'linux')('a slow peer stays', () => {
  it('where many of another address leave their messages unfinished', async () => {
    const { service, coordinator } = await served({ unfinishedBytes: 4 * MIB });
    const honest = await loggedIn(service.port, 'honest', HONEST);
    let ended = false;
    honest.on('close', () => (ended = true));
    begin(honest, MIB);
    const crowd: Socket[] = [];
    for (let i = 0; i < 6; i += 1) {
      const raw = await loggedIn(service.port, `outsider ${i}`, CROWD);
      begin(raw, MIB);
      crowd.push(raw);
    }
    await eventually(() => coordinator.status().loggedIn < 5, 'those beyond the limit are ended');
    expect(ended).toBe(false);
    expect(crowd.filter(({ destroyed }) => !destroyed).length).toBeLessThan(4);
  });

  it('where many of another address ask for the same', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    closing.push(() => said.mockRestore());
    const { service, journal } = await served({ openTranscripts: 4 });
    const records = Array.from({ length: 40 }, (_, index) => ({
      at: index * MIB,
      index,
      attempt: 1,
      hash: Buffer.alloc(32, index),
      link: Buffer.alloc(32),
      bytes: Buffer.alloc(MIB - 36, 1),
      blobs: [],
      loose: false,
    }));
    await journal.write({ events: [], records, sealed: [] });
    const ask = async (localAddress: string): Promise<IncomingMessage> => {
      const request = get({
        host: '127.0.0.1',
        port: service.port,
        path: '/transcript',
        localAddress,
      });
      closing.push(() => request.destroy());
      request.on('error', () => undefined);
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      answer.on('error', () => undefined);
      return answer;
    };
    const honest = await ask(HONEST);
    for (let i = 0; i < 8; i += 1) await ask(CROWD);
    let read = 0;
    honest.on('data', (chunk: Buffer) => (read += chunk.length));
    await once(honest, 'close');
    expect(read).toBe(40 * MIB);
    // Outsiders must not fill what the process prints, behind its log.
    expect(said).not.toHaveBeenCalled();
  });
});
