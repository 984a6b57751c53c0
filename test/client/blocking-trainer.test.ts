/**
 * A trainer that holds the event loop for 75 s, five heartbeats: the participant keeps its place,
 * over real sockets, with the time of the coordinator in the test's hands. While the trainer runs
 * its socket is not read, as in a blocked process.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { functionTrainer, joinRun, webSocketConnect } from '../../client/index.ts';
import type { Participant, ParticipantEvent } from '../../client/index.ts';
import { serve, type ServerConnection } from '../../coordinator/index.ts';
import { DEFAULT_LIMITS } from '../../coordinator/limits.ts';
import { webSocketGate } from '../../coordinator/websocket.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { httpBlobStore } from '../../protocol/ports/http-store.ts';
import { manualClock, systemClock, type Clock } from '../../protocol/ports/clock.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import {
  keystoreOf,
  start,
  startAll,
  stepOf,
  stopAll,
  testTrainer,
} from '../support/participants.ts';
import { createStage, DIMENSION, silent, testSpec, turns, until } from '../support/run.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { dial, type HeldConnection } from '../support/ws-client.ts';

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const BLOCKED_MS = 75_000;

it('one participant of four blocks for 75 s in every round, and its update counts', async () => {
  const clock = manualClock(1_000_000);
  const spec = await testSpec({
    rounds: 2,
    deadlines: {
      register: 60,
      share: 60,
      upload: 1800,
      // The others upload at once, and wait for it all the same.
      uploadFloor: 1800,
      consistency: 60,
      unmask: 60,
      grace: 30,
    },
  });
  const stage = await createStage(spec, { clock });
  const coordinator = stage.create();
  await coordinator.start();
  const served = await serve(coordinator, {
    host: '127.0.0.1',
    port: 0,
    store: stage.store,
    log: silent,
  });
  const events: ParticipantEvent[] = [];
  const people: Participant[] = await Promise.all(
    [0, 1, 2, 3].map(async (index) => {
      const keystore = await keystoreOf(index);
      let line: HeldConnection | undefined;
      return joinRun({
        connect: async () => (line = await dial(served.url)),
        keystore,
        trainer: functionTrainer({
          manifest: { tensors: [{ name: 'w', shape: [DIMENSION], dtype: 'float32' }] },
          train: async ({ weights, seed }) => {
            if (index === 0) {
              line?.hold();
              await until(() => coordinator.status().phase === 'upload', 'all shares are there');
              for (let held = 0; held < BLOCKED_MS; held += DEFAULT_LIMITS.heartbeatMs) {
                clock.advance(DEFAULT_LIMITS.heartbeatMs);
                await turns();
              }
              line?.letGo();
            }
            return { weights: stepOf(weights, seed), examples: 5, lossSum: 1, correct: 2 };
          },
        }),
        store: (run) => httpBlobStore({ url: served.url, identity: keystore.identity, run }),
        gate: sealedBoxGate(keystore.identity),
        clock: systemClock,
        random: seededRandom(new Uint8Array(32).fill(index)),
        require: TEST_ADMISSION,
        onEvent: (event) => events.push(event),
      });
    }),
  );
  closing.push(
    () => coordinator.stop(),
    () => served.close(),
    () => Promise.all(people.map((one) => one.stop())),
  );
  await coordinator.finished;
  await Promise.all(people.map(({ finished }) => finished));
  expect(events.filter(({ type }) => type === 'reconnecting')).toEqual([]);
  const survivors = stage.progress.flatMap((progress) =>
    progress.type === 'committed' ? [progress.survivors] : [],
  );
  expect(survivors).toEqual([4, 4]);
});

it('the shares have left before the trainer is called: it may hold the loop beyond their deadline', async () => {
  const coordinator = await ScriptedCoordinator.create();
  const running = await startAll(coordinator, 3);
  closing.push(() => stopAll(running));
  const seen: number[] = [];
  const honest = testTrainer(10);
  const victim = await start(coordinator, 3, {
    trainer: {
      ...honest,
      train: (request) => {
        seen.push(coordinator.recordsOf(victim.key, 'share').length);
        return honest.train(request);
      },
    },
  });
  running.push(victim);
  await coordinator.loggedIn(4);
  await coordinator.playRound();
  expect(seen).toEqual([1]);
});

/**
 * The coordinator's end of one socket whose other end reads nothing, with frames waiting for it.
 */
const silentPeer = async (mayBeSilent: boolean) => {
  const clock = manualClock(0);
  const server = createServer();
  const accepted = Promise.withResolvers<ServerConnection>();
  const gate = webSocketGate(DEFAULT_LIMITS, clock, accepted.resolve);
  server.on('upgrade', gate.upgrade);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { WebSocket: Client } = await import('ws');
  const client = new Client(`ws://127.0.0.1:${port}`);
  await new Promise((resolve) => client.once('open', resolve));
  const connection = await accepted.promise;
  connection.mayBeSilent = () => mayBeSilent;
  let closed = false;
  connection.receive({ message: () => undefined, close: () => (closed = true) });
  closing.push(
    () => void server.close(),
    () => gate.close(),
    () => client.terminate(),
  );
  client.pause();
  return { clock, client, connection, isClosed: () => closed };
};

describe('a peer that reads nothing for 75 s', () => {
  it('is cut off where nothing excuses it', async () => {
    const { clock, isClosed } = await silentPeer(false);
    clock.advance(BLOCKED_MS);
    await until(isClosed, 'the coordinator has closed the connection');
  });

  it('keeps its connection while it trains, and finds every frame that was sent meanwhile', async () => {
    const { clock, client, connection, isClosed } = await silentPeer(true);
    const frames: Buffer[] = [];
    client.on('message', (data) => frames.push(data as Buffer));
    for (let i = 0; i < 40; i += 1) connection.send(new Uint8Array(100_000).fill(i));
    clock.advance(BLOCKED_MS);
    client.resume();
    await new Promise<void>((resolve) =>
      client.on('message', () => frames.length === 40 && resolve()),
    );
    expect(frames.map((frame) => frame[0])).toEqual([...frames.keys()]);
    expect(isClosed()).toBe(false);
  });
});

/** A clock whose timers fire late, each once, as after a loop that was held up. */
const lateClock = () => {
  let now = 0;
  let timers: { readonly at: number; readonly callback: () => void }[] = [];
  const schedule: Clock['at'] = (at, callback) => {
    const timer = { at, callback };
    timers.push(timer);
    return () => void (timers = timers.filter((other) => other !== timer));
  };
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    at: schedule,
    after: (ms, callback) => schedule(now + ms, callback),
  };
  const jump = (ms: number): void => {
    now += ms;
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { callback } of due) callback();
  };
  return { clock, jump };
};

describe("the participant's own heartbeat", () => {
  const connected = async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false });
    await new Promise((resolve) => server.once('listening', resolve));
    const peer = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
    const { clock, jump } = lateClock();
    const { port } = server.address() as AddressInfo;
    const connect = webSocketConnect(`ws://127.0.0.1:${port}`, { clock, heartbeatMs: 15_000 });
    const connection = await connect(new AbortController().signal);
    let closed = false;
    connection.receive({ message: () => undefined, close: () => (closed = true) });
    const socket = await peer;
    closing.push(() => {
      socket.terminate();
      server.close();
    });
    return { jump, socket, isClosed: () => closed };
  };

  it('does not take a loop that was held up for a coordinator that is gone', async () => {
    const { jump, socket, isClosed } = await connected();
    const pinged = new Promise((resolve) => socket.once('ping', resolve));
    jump(15_000);
    await pinged;
    socket.pong();
    // The answer lies in the socket, unread, when the trainer lets go.
    jump(BLOCKED_MS);
    await until(() => true, '');
    for (let i = 0; i < 200; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed()).toBe(false);
  });

  it('notices a coordinator that answers nothing', async () => {
    const { jump, isClosed } = await connected();
    jump(15_000);
    jump(15_000);
    await until(isClosed, 'the participant has closed the connection');
  });
});
