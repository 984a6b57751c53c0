/**
 * @module Reaching a coordinator: what cannot heal is said at once and by its name, what may heal
 * is tried for a stated time, and a run that was reached once is never left for an outage.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { functionTrainer, join, webSocketConnect } from '../../client/index.ts';
import { serve } from '../../coordinator/index.ts';
import { fetchBytes } from '../../protocol/records/announcement.ts';
import { httpBlobStore } from '../../protocol/ports/http-store.ts';
import { patientConnect } from '../../client/connect/patience.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { connectionPair } from '../support/connection.ts';
import { FloeError } from '../../protocol/errors.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { CERTIFICATE, CERTIFICATE_KEY } from '../support/certificate.ts';
import { createStage, DIMENSION, silent, testIdentity, testSpec } from '../support/run.ts';

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const trainer = functionTrainer({
  manifest: { tensors: [{ name: 'w', shape: [DIMENSION], dtype: 'float32' }] },
  train: ({ weights }) => ({ weights, examples: 5, lossSum: 1, correct: 2 }),
});

/** A coordinator, with the certificate or without. */
const coordinatorAt = async (secure: boolean): Promise<string> => {
  const stage = await createStage(await testSpec());
  const coordinator = stage.create();
  coordinator.finished.catch(() => undefined);
  await coordinator.start();
  const folder = await mkdtemp(joinPath(tmpdir(), 'floe-tls-'));
  const [certFile, keyFile] = [joinPath(folder, 'c.pem'), joinPath(folder, 'k.pem')];
  await writeFile(certFile, CERTIFICATE);
  await writeFile(keyFile, CERTIFICATE_KEY);
  const { store } = stage;
  const served = await serve(coordinator, {
    host: '127.0.0.1',
    port: 0,
    store,
    log: silent,
    ...(secure ? { tls: { certFile, keyFile } } : {}),
  });
  closing.push(
    () => rm(folder, { recursive: true }),
    () => coordinator.stop(),
    () => served.close(),
  );
  return `127.0.0.1:${served.port}`;
};

const httpServer = async (status: number): Promise<string> => {
  const server: Server = createServer((_, response) => response.writeHead(status).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const endOf = async (url: string, patienceMs = 60_000): Promise<FloeError> => {
  const log: string[] = [];
  const options = { trainer, require: TEST_ADMISSION, patienceMs };
  const run = await join(url, { ...options, log: (_, line) => log.push(line) });
  closing.push(() => run.stop());
  const ended = await run.finished.catch((thrown: unknown) => thrown);
  expect(ended).toBeInstanceOf(FloeError);
  return ended as FloeError;
};

describe('what cannot heal', () => {
  it('a certificate that nobody has vouched for: the cause is named, and what would have it accepted', async () => {
    const address = await coordinatorAt(true);
    const error = await endOf(`wss://${address}`);
    expect(error).toMatchObject({ code: 'certificate_refused', retryable: false });
    expect(error.message).toContain('self-signed');
    expect(error.remedy).toContain('--ca');
    expect(error.remedy).toContain('NODE_EXTRA_CA_CERTS');
  });

  it('is named by the socket and by the blob store alike', async () => {
    const address = await coordinatorAt(true);
    const dial = webSocketConnect(`wss://${address}`);
    const refused = { code: 'certificate_refused' };
    await expect(dial(new AbortController().signal)).rejects.toMatchObject(refused);
    await expect(fetchBytes(`https://${address}/run`, 1000)).rejects.toMatchObject(refused);
    const identity = await testIdentity('bob');
    const store = httpBlobStore({ url: `https://${address}`, identity, run: new Uint8Array(32) });
    const ref = { id: 'x', sha256: new Uint8Array(32), size: 1 };
    await expect(store.get(ref)).rejects.toMatchObject(refused);
    const trusting = webSocketConnect(`wss://${address}`, { ca: CERTIFICATE });
    (await trusting(new AbortController().signal)).close(1000, '');
  });

  it('wss where the address speaks no TLS', async () => {
    const error = await endOf(`wss://${await coordinatorAt(false)}`);
    expect(error).toMatchObject({ code: 'wrong_protocol', retryable: false });
    expect(error.message).toContain('no TLS');
  });

  it('an address where something else answers', async () => {
    const address = await httpServer(404);
    expect(await endOf(`ws://${address}`)).toMatchObject({ code: 'wrong_protocol' });
    const dial = webSocketConnect(`ws://${address}`);
    const wrong = { code: 'wrong_protocol' };
    await expect(dial(new AbortController().signal)).rejects.toMatchObject(wrong);
  });
});

describe('what may heal, for a stated time', () => {
  it('an address where nobody listens', async () => {
    const address = await httpServer(200);
    await closing.pop()?.();
    const error = await endOf(`ws://${address}`, 1);
    expect(error).toMatchObject({ code: 'coordinator_unreachable', retryable: false });
    expect(error.message).toContain(address);
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.remedy).toContain('--wait');
  });

  it('a name that nobody knows', async () => {
    const error = await endOf('ws://no-such-host.invalid:7700', 1);
    expect(error.code).toBe('coordinator_unreachable');
    expect(error.message).toMatch(/ENOTFOUND|EAI_AGAIN/u);
  });

  it('a proxy before a coordinator that is away', async () => {
    const error = await endOf(`ws://${await httpServer(502)}`, 1);
    expect(error.code).toBe('coordinator_unreachable');
    expect(error.message).toContain('502');
  });
});

describe('patience', () => {
  it('ends for who was never reached, and not for who was', async () => {
    const clock = manualClock(0);
    let up = false;
    const [, client] = connectionPair();
    const connect = patientConnect(
      async () => {
        if (up) return client;
        throw new FloeError('connection_lost', 'nobody there');
      },
      { address: 'ws://host:1', patienceMs: 1000, clock },
    );
    const { signal } = new AbortController();
    const code = (): Promise<string> =>
      connect(signal).then(
        () => 'connected',
        (thrown: FloeError) => thrown.code,
      );
    expect(await code()).toBe('connection_lost');
    clock.advance(999);
    expect(await code()).toBe('connection_lost');
    clock.advance(1);
    expect(await code()).toBe('coordinator_unreachable');
    up = true;
    expect(await code()).toBe('connected');
    up = false;
    clock.advance(1_000_000);
    expect(await code()).toBe('connection_lost');
  });
});
