/**
 * @module Participants that are made when they are first invited: the coordinator sees a login like
 * any other, what everybody is told wakes nobody, and the session is handed over whole.
 */
import { beforeAll, expect, test } from 'vitest';
import { logIn } from '../../client/participant/host/session.ts';
import { sha256 } from '../../protocol/bytes.ts';
import type { FloeError } from '../../protocol/errors.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { identityFromSeed, verifySignature, type Identity } from '../../protocol/ports/identity.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { encodeRunSpec, hashRunSpec, makeRunSpec } from '../../protocol/spec/run-spec.ts';
import type { Connection, ConnectionHandlers } from '../../protocol/wire/connection.ts';
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeFrame,
  loginPayload,
  type ClientFrame,
  type ServerFrame,
} from '../../protocol/wire/messages.ts';
import { createSleepers, type Sleeper } from '../../sim/sleepers.ts';

const nonce = new Uint8Array(32).fill(3);
let coordinator: Identity;
let participant: Identity;
let spec: ReturnType<typeof makeRunSpec>;
let bytes: Uint8Array;
let run: Uint8Array;

beforeAll(async () => {
  coordinator = await identityFromSeed(new Uint8Array(32).fill(1));
  participant = await identityFromSeed(new Uint8Array(32).fill(2));
  spec = makeRunSpec({
    id: new Uint8Array(16),
    coordinator: coordinator.publicKey,
    model: {
      architecture: 'custom',
      tensors: [{ name: 'w', shape: [4], dtype: 'float32' }],
    },
    rounds: 1,
    cohort: { size: 3 },
  });
  bytes = encodeRunSpec(spec);
  run = hashRunSpec(spec);
});

/** Two ends of a connection in this thread; frames arrive in later turns. */
const createPair = (): readonly [Connection, Connection] => {
  const given: (ConnectionHandlers | undefined)[] = [undefined, undefined];
  const end = (own: 0 | 1): Connection => ({
    remote: 'a test',
    bufferedBytes: 0,
    send: (frame) => queueMicrotask(() => given[1 - own]?.message(frame)),
    close: (code, reason) => queueMicrotask(() => given[1 - own]?.close(code, reason)),
    receive: (handlers) => {
      given[own] = handlers;
    },
  });
  return [end(0), end(1)];
};

const turns = () => new Promise((resolve) => setImmediate(resolve));

/** The coordinator's side of one session, by hand. */
const asleep = async () => {
  const received: ClientFrame[] = [];
  const failures: FloeError[] = [];
  let session: Connection | undefined;
  let woken = 0;
  const closed: number[] = [];
  const sleepers = createSleepers({
    coordinator,
    spec: bytes,
    run,
    clock: systemClock,
    random: seededRandom(new Uint8Array(32)),
    accept: (connection) => {
      session = connection;
      connection.receive({
        message: (frame) => received.push(decodeClientFrame(frame)),
        close: (code) => closed.push(code),
      });
    },
    onFailure: (error) => failures.push(error),
  });
  const sleeper: Sleeper = sleepers.sleep(participant, 'participant 0', () => (woken += 1));
  const send = (frame: Parameters<typeof encodeFrame>[0]) => session?.send(encodeFrame(frame));
  const challenge = (): void => {
    const [hello] = received;
    if (hello?.type !== 'hello') throw new Error('expected a hello');
    const payload = loginPayload({
      clientNonce: hello.nonce,
      serverNonce: nonce,
      client: participant.publicKey,
      coordinator: coordinator.publicKey,
      run,
    });
    const signature = coordinator.sign('challenge', payload);
    send({ type: 'challenge', coordinator: coordinator.publicKey, run, nonce, signature });
  };
  await turns();
  return {
    received,
    failures,
    closed,
    sleeper,
    send,
    challenge,
    session: session as Connection,
    woken: () => woken,
  };
};

const loggedIn = async () => {
  const side = await asleep();
  side.challenge();
  await turns();
  side.send({ type: 'welcome', spec: bytes, time: 0 });
  return side;
};

test('logs in with the signature of the participant', async () => {
  const { received, failures } = await loggedIn();
  const [hello, login] = received;
  if (hello?.type !== 'hello' || login?.type !== 'login') throw new Error('expected a login');
  expect(hello.key).toEqual(participant.publicKey);
  const payload = loginPayload({
    clientNonce: hello.nonce,
    serverNonce: nonce,
    client: participant.publicKey,
    coordinator: coordinator.publicKey,
    run,
  });
  expect(verifySignature('login', payload, login.signature, participant.publicKey)).toBe(true);
  expect(failures).toEqual([]);
});

test('a refused login is a failure of the simulation', async () => {
  const { send, failures } = await asleep();
  send({ type: 'error', code: 'identity_not_admitted', message: 'not a member' });
  expect(failures.map(({ code }) => code)).toEqual(['identity_not_admitted']);
});

test('sleeps through what all are told, wakes once, and hands over what it missed, in order', async () => {
  const { send, woken, sleeper, received, closed, session } = await loggedIn();
  send({ type: 'finished', rounds: 1 });
  await turns();
  expect(woken()).toBe(0);
  send({ type: 'evidence', records: [] });
  send({ type: 'ack', hash: sha256(new Uint8Array(1)) });
  await turns();
  expect(woken()).toBe(1);

  const [near, far] = createPair();
  const frames: ServerFrame['type'][] = [];
  sleeper.handOver(near);
  const joined = await logIn(far, {
    identity: participant,
    expect: { coordinator: coordinator.publicKey, run },
    clock: systemClock,
    random: seededRandom(new Uint8Array(32).fill(9)),
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    onFrame: (frame) => frames.push((frame as ServerFrame).type),
  });
  expect(joined.spec.id).toEqual(spec.id);
  send({ type: 'finished', rounds: 1 });
  joined.send({ type: 'report', attempt: 1, code: 'internal' });
  await turns();
  expect(frames).toEqual(['evidence', 'ack', 'finished']);
  expect(received.map(({ type }) => type)).toEqual(['hello', 'login', 'report']);
  session.close(1000, '');
  expect((await joined.over).code).toBe('connection_lost');
  expect(closed).toEqual([]);
});

test('a participant that leaves ends its session; one that comes too late is sent away', async () => {
  const { send, sleeper, closed, session } = await loggedIn();
  send({ type: 'evidence', records: [] });
  const [near, far] = createPair();
  sleeper.handOver(near);
  far.receive({ message: (frame) => decodeServerFrame(frame), close: () => undefined });
  far.close(1006, 'gone');
  await turns();
  expect(closed).toEqual([1006]);

  const late = await loggedIn();
  late.session.close(1000, '');
  const [other, end] = createPair();
  const codes: number[] = [];
  end.receive({ message: () => undefined, close: (code) => codes.push(code) });
  late.sleeper.handOver(other);
  await turns();
  expect(codes).toEqual([1000]);
  session.close(1000, '');
});
