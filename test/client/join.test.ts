/**
 * The short way in, against the real coordinator over real WebSockets, and the WebSocket connection
 * by itself against a server that misbehaves in raw bytes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  createDataset,
  httpAddress,
  join,
  modelOfSpec,
  webSocketConnect,
  type JoinedRun,
  type ParticipantEvent,
} from '../../client/index.ts';
import { type Coordinator } from '../../coordinator/index.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { CLOSE_WITH_ERROR } from '../../protocol/wire/messages.ts';
import { hashModel } from '../../protocol/model/index.ts';
import { mlp2nn } from '../../client/tfjs/models.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { connectionPair } from '../support/connection.ts';
import { keystoreOf, start } from '../support/participants.ts';
import { createStage, DIMENSION, testSpec } from '../support/run.ts';
import { serveRun, stepTrainer as trainer } from '../support/served-run.ts';

const never = new AbortController().signal;
const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const quiet = { log: () => undefined, require: TEST_ADMISSION };

describe('join', () => {
  it('takes part in a run over WebSocket and opens the model at the end', async () => {
    const spec = await testSpec({ rounds: 2 });
    const { url: address, stop } = await serveRun(spec);
    closing.push(stop);
    const folder = await mkdtemp(joinPath(tmpdir(), 'floe-join-'));
    closing.push(() => rm(folder, { recursive: true }));
    const events: ParticipantEvent[] = [];
    const runs: JoinedRun[] = [];
    for (let i = 0; i < 4; i += 1)
      runs.push(
        await join(address, {
          trainer,
          ...quiet,
          onEvent: (event) => i === 0 && events.push(event),
          ...(i === 0 ? { keystore: { path: folder, passphrase: 'x' } } : {}),
          expect: { coordinator: spec.coordinator },
        }),
      );
    const outcomes = await Promise.all(runs.map(({ finished }) => finished));
    const models = await Promise.all(runs.map((run) => run.model()));
    for (const [i, outcome] of outcomes.entries()) {
      expect(outcome).toMatchObject({ type: 'finished', spec });
      expect(outcome.commit?.body.model.version).toBe(2);
      expect(hashModel(spec.model, models[i]!)).toEqual(outcome.commit?.body.model.hash);
    }
    expect(models[0]).not.toEqual(new Float32Array(DIMENSION));
    expect(events.map(({ type }) => type)).not.toContain('violation');
    expect(events.find(({ type }) => type === 'connected')).toMatchObject({
      keystore: 'file',
      store: 'http',
    });
    // The run is over: whoever comes now is told so, and the keystore is free again.
    const late = await join(address, {
      trainer,
      ...quiet,
      keystore: { path: folder, passphrase: 'x' },
    });
    const outcome = await late.finished;
    expect(outcome.type).toBe('finished');
    expect(outcome.commit?.hash).toEqual(outcomes[0]!.commit?.hash);
  });

  it('needs an address, and data or a trainer', async () => {
    for (const url of ['localhost:7700', 'http://localhost', '', 'ws://'])
      await expect(join(url, { trainer, ...quiet })).rejects.toMatchObject({ code: 'usage' });
    await expect(join('ws://localhost', quiet)).rejects.toMatchObject({ code: 'usage' });
    expect(httpAddress('wss://host:1/x?y')).toBe('https://host:1');
  });

  it('stops when it is told to, before anybody has answered', async () => {
    const stop = new AbortController();
    const log: string[] = [];
    const run = await join('ws://127.0.0.1:9', {
      trainer,
      log: (_, line) => log.push(line),
      signal: stop.signal,
    });
    stop.abort();
    expect((await run.finished).type).toBe('stopped');
    expect(await run.model()).toBeUndefined();
    expect(log[0]).toContain('no keystore');
  });

  it('refuses data that does not fit the model of the run', async () => {
    const { url, stop } = await serveRun(await testSpec({}));
    closing.push(stop);
    const data = createDataset({
      features: new Float32Array(8),
      labels: new Int32Array(4),
      featureShape: [2],
      classes: 2,
    });
    const run = await join(url, { data, ...quiet });
    await expect(run.finished).rejects.toMatchObject({ code: 'model_malformed' });
  });

  it('finds the models that specifications name', async () => {
    const spec = await testSpec({});
    const model = (architecture: string, topology?: string) =>
      modelOfSpec({
        ...spec,
        model: { ...spec.model, architecture, ...(topology === undefined ? {} : { topology }) },
      });
    expect(model('mlp-2nn')).toBe(mlp2nn);
    expect(() => model('nothing')).toThrow(expect.objectContaining({ code: 'model_malformed' }));
    for (const topology of ['{', '[]', '3', 'null'])
      expect(() => model('custom', topology)).toThrow(
        expect.objectContaining({ code: 'model_malformed' }),
      );
  });
});

describe('participants and the real coordinator', () => {
  for (const secagg of ['masked', 'none'] as const)
    it(`${secagg}: the coordinator is killed again and again; the model is that of an undisturbed run`, async () => {
      const play = async (kills: number) => {
        const stage = await createStage(
          await testSpec({
            rounds: 3,
            secagg,
            deadlines: {
              register: 60,
              share: 60,
              upload: 60,
              consistency: 60,
              unmask: 60,
              grace: 30,
            },
          }),
        );
        let coordinator = stage.create();
        await coordinator.start();
        const accept = (connection: Parameters<Coordinator['accept']>[0]): void =>
          coordinator.accept(connection);
        const started = await Promise.all(
          Array.from({ length: 4 }, async (_, index) =>
            start({ store: stage.store, accept } as never, index, {
              keystore: await keystoreOf(index),
              trainer,
              link: async () => {
                const [server, client] = connectionPair();
                accept(server);
                return client;
              },
            }),
          ),
        );
        closing.push(async () => {
          await Promise.all(started.map(({ participant }) => participant.stop()));
          await coordinator.stop();
        });
        const [first] = started;
        for (let kill = 0; kill < kills; kill += 1) {
          await first!.event(
            (['registered', 'uploaded', 'committed'] as const)[kill % 3]!,
            1 + Math.floor(kill / 3),
          );
          const old = coordinator;
          await old.stop();
          coordinator = stage.create();
          await coordinator.start();
        }
        const outcomes = await Promise.all(started.map(({ participant }) => participant.finished));
        for (const { events } of started)
          expect(events.filter(({ type }) => type === 'violation')).toEqual([]);
        return outcomes.map(({ commit }) => commit?.body.model.hash);
      };
      const undisturbed = await play(0);
      expect(new Set(undisturbed.map(String)).size).toBe(1);
      expect(await play(6)).toEqual(undisturbed);
    });
});

describe('a WebSocket connection', () => {
  const server = async (onSocket: (socket: WebSocket) => void, options = {}): Promise<string> => {
    const listening = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
    await new Promise((resolve) => listening.once('listening', resolve));
    listening.on('connection', onSocket);
    closing.push(() => {
      for (const client of listening.clients) client.terminate();
      listening.close();
    });
    return `ws://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  };
  const closeOf = async (url: string, options = {}): Promise<readonly [number, string]> => {
    const connection = await webSocketConnect(url, options)(never);
    return new Promise((resolve) => {
      connection.receive({
        message: () => undefined,
        close: (code, reason) => resolve([code, reason]),
      });
    });
  };

  it('gives frames in order, also those that came before anybody listened', async () => {
    const url = await server((socket) => {
      for (let i = 0; i < 50; i += 1) socket.send(new Uint8Array([i]));
      socket.on('message', (data) => socket.send(data));
    });
    const connection = await webSocketConnect(url)(never);
    connection.send(new Uint8Array([99]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const got: number[] = [];
    await new Promise<void>((resolve) => {
      connection.receive({
        message: (frame) => {
          got.push(frame[0]!);
          if (got.length === 51) resolve();
        },
        close: () => undefined,
      });
    });
    expect(got).toEqual([...Array.from({ length: 50 }, (_, i) => i), 99]);
    connection.close(1000, '');
    connection.close(1000, '');
    connection.send(new Uint8Array(1));
  });

  it('cuts off a frame above the limit, and one that is text', async () => {
    const large = await server((socket) => socket.send(new Uint8Array(1001)));
    expect((await closeOf(large, { maxFrameBytes: 1000 }))[0]).toBe(1006);
    const text = await server((socket) => socket.send('hello'));
    expect(await closeOf(text)).toEqual([CLOSE_WITH_ERROR, 'frame_malformed']);
  });

  it('gives a coordinator up that does not answer pings', async () => {
    const clock = manualClock();
    const pinged = Promise.withResolvers<void>();
    const url = await server((socket) => socket.on('ping', () => pinged.resolve()), {
      autoPong: false,
    });
    const closed = closeOf(url, { clock, heartbeatMs: 1000 });
    while (clock.next() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    clock.advance(1000);
    await pinged.promise;
    clock.advance(1000);
    expect((await closed)[0]).toBe(1006);
  });

  it('tells the close code and reason that the coordinator gave', async () => {
    const url = await server((socket) => socket.close(CLOSE_WITH_ERROR, 'rate_limited'));
    expect(await closeOf(url)).toEqual([CLOSE_WITH_ERROR, 'rate_limited']);
  });

  it('names a host that does not answer, and can be cancelled', async () => {
    await expect(webSocketConnect('ws://127.0.0.1:9')(never)).rejects.toMatchObject({
      code: 'connection_lost',
    });
    await expect(webSocketConnect('ws://127.0.0.1:9')(AbortSignal.abort())).rejects.toMatchObject({
      code: 'aborted',
    });
  });
});
