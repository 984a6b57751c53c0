/**
 * @module The coordinator on a real port of 127.0.0.1: a run over WebSocket with the blobs over
 * HTTP, the endpoints, and what they refuse.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { blobAuthorization, httpBlobStore } from '../../protocol/ports/http-store.ts';
import { sha256, toHex } from '../../protocol/bytes.ts';
import { decodeRunSpec, hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { CLOSE_WITH_ERROR } from '../../protocol/wire/messages.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { startCoordinator } from '../../coordinator/start-coordinator.ts';
import { serve, type Coordinator, type Served } from '../../coordinator/index.ts';
import { createStage, silent, testIdentity, testSpec, until, type Stage } from '../support/run.ts';
import { dial } from '../support/ws-client.ts';

let spec: RunSpec;
let stage: Stage;
let coordinator: Coordinator;
let served: Served;

beforeEach(async () => {
  spec = await testSpec();
  stage = await createStage(spec);
  coordinator = stage.create({
    limits: { frameBytes: 100_000, blobsPerMinute: 3, heartbeatMs: 1000 },
  });
  await coordinator.start();
  served = await serve(coordinator, {
    host: '127.0.0.1',
    port: 0,
    store: stage.store,
    log: silent,
  });
});
afterEach(async () => {
  await served.close();
  await coordinator.stop();
});

const storeOf = async (name: string) =>
  httpBlobStore({ url: served.url, identity: await testIdentity(name), run: hashRunSpec(spec) });

/** Logs one participant in over WebSocket. */
const login = async (name: string) => {
  const one = await stage.participant(name, { store: await storeOf(name) });
  const before = coordinator.status().loggedIn;
  one.connect(await dial(served.url));
  await until(() => coordinator.status().loggedIn > before, `${name} is logged in`);
  return one;
};

const codeOf = async (response: Response): Promise<string | null> => {
  await response.body?.cancel();
  return response.headers.get('x-floe-error');
};

describe('over WebSocket and HTTP', () => {
  it('a run is played; health, metrics, specification and transcript tell of it', async () => {
    const names = ['anna', 'berta', 'caesar', 'dorothea'];
    const people = await Promise.all(names.map(login));
    const outcome = await coordinator.finished;
    await until(() => people.every(({ finished }) => finished), 'all know that it is finished');

    const health = await fetch(`${served.url}/health`);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ ok: true, phase: 'finished', committed: 1 });
    const metrics = await (await fetch(`${served.url}/metrics`)).text();
    expect(metrics).toContain('floe_rounds_committed 1');
    expect(metrics).toContain('floe_uploads_total{outcome="folded"} 4');
    expect(metrics).toContain('floe_participants 4');
    const run = (await (await fetch(`${served.url}/run`)).json()) as Record<string, string>;
    expect(decodeRunSpec(new Uint8Array(Buffer.from(run['spec'] ?? '', 'base64url')))).toEqual(
      spec,
    );
    expect(run['coordinator']).toBe(toHex(spec.coordinator));
    const transcript = await (await fetch(`${served.url}/transcript`)).arrayBuffer();
    const { entries } = decodeTranscript(hashRunSpec(spec), new Uint8Array(transcript));
    expect(entries.at(-1)?.record.type).toBe('commit');
    const blob = await (await storeOf('stranger')).get(outcome.model.blob);
    expect(sha256(blob)).toEqual(outcome.model.blob.sha256);
    const part = await (await storeOf('stranger')).getRange(outcome.model.blob, 5, 90);
    expect(part).toEqual(blob.slice(5, 90));
    const address = `${served.url}/blobs/${outcome.model.blob.id}`;
    const ranged = await fetch(address, { headers: { range: 'bytes=0-9' } });
    expect([ranged.status, ranged.headers.get('content-range')]).toEqual([
      206,
      `bytes 0-9/${blob.length}`,
    ]);
    await ranged.body?.cancel();
    // Ranges that are none are answered with the whole.
    for (const range of ['bytes=9-0', `bytes=0-${blob.length}`, 'bytes=-5', 'bytes=0-1,4-5', 'x']) {
      const whole = await fetch(address, { headers: { range } });
      expect([whole.status, (await whole.arrayBuffer()).byteLength]).toEqual([200, blob.length]);
    }
  });

  it('the connection is closed by name for a text message and for a frame too large', async () => {
    const ends = await Promise.all(
      (['text', new Uint8Array(100_001)] as const).map(async (message) => {
        const socket = new WebSocket(served.url.replace('http', 'ws'));
        const end = new Promise((resolve) =>
          socket.on('close', (code, reason) => resolve([code, reason.toString()])),
        );
        socket.on('open', () => socket.send(message));
        return end;
      }),
    );
    expect(ends).toEqual([
      [CLOSE_WITH_ERROR, 'frame_malformed'],
      [CLOSE_WITH_ERROR, 'frame_too_large'],
    ]);
  });

  it('a peer that answers no ping is cut off, one that does stays', async () => {
    const deaf = new WebSocket(served.url.replace('http', 'ws'), { autoPong: false });
    const alive = new WebSocket(served.url.replace('http', 'ws'));
    const code = await new Promise((resolve) => deaf.on('close', resolve));
    expect(code).toBe(1006);
    expect(alive.readyState).toBe(WebSocket.OPEN);
    alive.terminate();
  });

  it('another path is not upgraded, another page not found', async () => {
    const socket = new WebSocket(`${served.url.replace('http', 'ws')}/other`);
    const error = await new Promise<Error>((resolve) => socket.on('error', resolve));
    expect(error.message).toContain('404');
    expect((await fetch(`${served.url}/nothing`)).status).toBe(404);
  });

  it('a port that is taken is named, with what to do', async () => {
    const at = { host: '127.0.0.1', port: served.port, store: stage.store, log: silent };
    await expect(serve(coordinator, at)).rejects.toMatchObject({
      code: 'port_unavailable',
      message: `port ${served.port} of 127.0.0.1 is in use by another process`,
      remedy: expect.stringMatching(/--port/u),
    });
  });

  it('a port that is taken is named before keys are derived or a run is begun', async () => {
    const begun = startCoordinator({
      folder: join(tmpdir(), 'floe-no-such-folder'),
      port: served.port,
      keys: () => Promise.reject(new Error('the keystore was opened')),
      run: { spec: () => Promise.reject(new Error('a run was begun')) } as never,
    });
    await expect(begun).rejects.toMatchObject({ code: 'port_unavailable' });
  });

  it('a stopped coordinator is not healthy', async () => {
    await coordinator.stop();
    expect((await fetch(`${served.url}/health`)).status).toBe(503);
  });
});

describe('uploads are refused', () => {
  const bytes = new Uint8Array(50).fill(1);
  const put = async (
    headers: Record<string, string>,
    body: Uint8Array = bytes,
    id = toHex(sha256(bytes)),
  ) =>
    codeOf(
      await fetch(`${served.url}/blobs/${id}`, {
        method: 'PUT',
        headers,
        body: new Uint8Array(body),
      }),
    );
  const authorize = async (name: string, size = bytes.length) => ({
    authorization: blobAuthorization(
      await testIdentity(name),
      hashRunSpec(spec),
      sha256(bytes),
      size,
    ),
  });

  /** Four members whose models never arrive: the round waits for their uploads. */
  const cohort = async (): Promise<void> => {
    for (const name of ['anna', 'berta', 'caesar', 'dorothea']) {
      const store = await storeOf(name);
      const never = () => new Promise<never>(() => undefined);
      const one = await stage.participant(name, { store: { ...store, get: never } });
      one.connect(await dial(served.url));
    }
    const { publicKey } = await testIdentity('anna');
    await vi.waitUntil(() => coordinator.isMember(toHex(publicKey)), { timeout: 20_000 });
  };

  it('without a signature, with a wrong one, from who is in no cohort', async () => {
    await cohort();
    await login('eve');
    expect(await put({})).toBe('login_refused');
    expect(await put({ authorization: 'Floe a.b' })).toBe('login_refused');
    expect(await put(await authorize('anna', 49))).toBe('login_refused');
    // Logged in, and not drawn: eve has nothing to upload.
    expect(await put(await authorize('eve'))).toBe('store_refused');
    expect(stage.store.blobs.size).toBe(1);
  });

  it('with other bytes than were signed, with another id, above the size, above the rate', async () => {
    await cohort();
    const headers = await authorize('anna');
    expect(await put(headers, new Uint8Array(50))).toBe('blob_corrupt');
    expect(await put(headers, bytes, 'nonsense')).toBe('frame_malformed');
    expect(await put(headers, new Uint8Array(100_000))).toBe('blob_too_large');
    // The rate, and the allowance of the attempt.
    for (let i = 0; i < 4; i += 1) expect(await put(headers)).toBeNull();
    expect(await put(headers)).toBe('rate_limited');
  });

  it('and nothing is served that no record names', async () => {
    await cohort();
    await put(await authorize('anna'));
    const response = await fetch(`${served.url}/blobs/${toHex(sha256(bytes))}`);
    expect([response.status, await codeOf(response)]).toEqual([404, 'blob_not_found']);
  });
});
