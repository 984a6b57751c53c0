/**
 * @module Sessions and the attacks on them, over connections in memory and a clock that is set by
 * hand.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { cryptoReady, verifySignature, type Identity } from '../../protocol/ports/identity.ts';
import {
  CLOSE_WITH_ERROR,
  decodeServerFrame,
  encodeFrame,
  loginPayload,
  type ServerFrame,
} from '../../protocol/wire/messages.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { DEFAULT_LIMITS, type Limits } from '../../coordinator/limits.ts';
import { logIn } from '../../client/participant/host/session.ts';
import { createSessions, type ServerConnection } from '../../coordinator/sessions.ts';
import { connectionPair } from '../support/connection.ts';
import { silent, testIdentity, turns } from '../support/run.ts';

beforeAll(() => cryptoReady);

const RUN = new Uint8Array(32).fill(3);
const NONCE = new Uint8Array(32).fill(4);

const setUp = async (over: { limits?: Partial<Limits>; allow?: readonly Identity[] } = {}) => {
  const clock = manualClock(1000);
  const events: string[] = [];
  const identity = await testIdentity('coordinator');
  const sessions = createSessions({
    identity,
    run: RUN,
    specBytes: new Uint8Array([1]),
    clock,
    random: seededRandom(new Uint8Array(32)),
    limits: { ...DEFAULT_LIMITS, ...over.limits },
    members: over.allow && new Set(over.allow.map(({ publicKey }) => toHex(publicKey))),
    lastRegister: () => undefined,
    log: silent,
    onJoin: (key) => events.push(`join ${toHex(key).slice(0, 4)}`),
    onLeave: (key) => events.push(`leave ${toHex(key).slice(0, 4)}`),
    onFrame: (_key, frame) => events.push(frame.type),
  });
  return { clock, events, identity, sessions };
};
type SetUp = Awaited<ReturnType<typeof setUp>>;

class Peer {
  readonly frames: ServerFrame[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly client: Connection;

  constructor(set: SetUp, change: (connection: Connection) => ServerConnection = (same) => same) {
    const [server, client] = connectionPair();
    this.client = client;
    client.receive({
      message: (bytes) => this.frames.push(decodeServerFrame(bytes)),
      close: (code, reason) => {
        this.closed = { code, reason };
      },
    });
    set.sessions.accept(change(server));
  }

  send(frame: Parameters<typeof encodeFrame>[0]): void {
    this.client.send(encodeFrame(frame));
  }

  async hello(identity: Identity): Promise<ServerFrame & { type: 'challenge' }> {
    this.send({ type: 'hello', key: identity.publicKey, nonce: NONCE });
    await turns();
    return this.frames.at(-1) as ServerFrame & { type: 'challenge' };
  }

  signature(identity: Identity, challenge: ServerFrame & { type: 'challenge' }): Uint8Array {
    return identity.sign('login', payloadOf(identity, challenge));
  }

  async login(identity: Identity): Promise<void> {
    const challenge = await this.hello(identity);
    if (challenge.type !== 'challenge') return;
    this.send({ type: 'login', signature: this.signature(identity, challenge) });
    await turns();
  }
}

const payloadOf = (identity: Identity, challenge: ServerFrame & { type: 'challenge' }) =>
  loginPayload({
    clientNonce: NONCE,
    serverNonce: challenge.nonce,
    client: identity.publicKey,
    coordinator: challenge.coordinator,
    run: challenge.run,
  });

const closedWith = (code: string) => ({ code: CLOSE_WITH_ERROR, reason: code });

/**
 * The head of a frame in raw bytes: a map of `fields` fields with `v` first, then what no decoder
 * may read, an array that claims 2^32 elements.
 */
const headOfVersion = (version: number, fields = 4): Uint8Array =>
  new Uint8Array([0xa0 + fields, 0x61, 0x76, version, 0x9a, 0xff, 0xff, 0xff, 0xff]);

describe('the welcome', () => {
  const welcomeTo = async (set: SetUp, name: string): Promise<Uint8Array | undefined> => {
    const sent: Uint8Array[] = [];
    const peer = new Peer(set, (connection) => ({
      remote: name,
      bufferedBytes: 0,
      send: (frame) => {
        sent.push(frame);
        connection.send(frame);
      },
      close: (code, reason) => connection.close(code, reason),
      receive: (handlers) => connection.receive(handlers),
    }));
    await peer.login(await testIdentity(name));
    return sent.at(-1);
  };
  const timeOf = (bytes: Uint8Array | undefined): number | undefined => {
    const frame = decodeServerFrame(bytes ?? new Uint8Array());
    return frame.type === 'welcome' ? frame.time : undefined;
  };

  it('is one frame for those who log in at the same moment, and tells the time of now later', async () => {
    const set = await setUp();
    const first = await welcomeTo(set, 'first');
    set.clock.advance(50);
    expect(await welcomeTo(set, 'second')).toBe(first);
    expect(timeOf(first)).toBe(1000);
    set.clock.advance(1);
    expect(timeOf(await welcomeTo(set, 'third'))).toBe(1051);
  });
});

describe('a peer of another version', () => {
  it.each([
    [1, 'upgrade the other side'],
    [4, 'upgrade this side'],
  ])('is refused at its first frame, of which nothing else is read: %s', async (version, whose) => {
    const set = await setUp();
    const peer = new Peer(set);
    peer.client.send(headOfVersion(version));
    await turns();
    const [frame] = peer.frames;
    expect(frame).toMatchObject({ type: 'error', code: 'version_unsupported' });
    expect(frame?.type === 'error' && frame.message).toMatch(
      new RegExp(`this side speaks version 3 .*the other one ${version}: ${whose}`, 'u'),
    );
    expect(peer.closed).toEqual(closedWith('version_unsupported'));
    expect(set.events).toEqual([]);
  });

  it('is refused by its version even where all else of the frame is another', async () => {
    const set = await setUp();
    for (const bytes of [
      // {v: 9}, {v: "x"}, {v: 1, type: 7}
      [0xa1, 0x61, 0x76, 0x09],
      [0xa1, 0x61, 0x76, 0x61, 0x78],
      [0xa2, 0x61, 0x76, 0x01, 0x64, 0x74, 0x79, 0x70, 0x65, 0x07],
    ]) {
      const peer = new Peer(set);
      peer.client.send(new Uint8Array(bytes));
      await turns();
      expect(peer.closed).toEqual(closedWith('version_unsupported'));
    }
  });

  it('ends a participant by name where it is the coordinator, which learns the same', async () => {
    const [server, client] = connectionPair();
    const sent: Uint8Array[] = [];
    let closed = '';
    server.receive({
      message: (bytes) => {
        sent.push(bytes);
        // {v: 1, code: "x", ...}: how a coordinator of version 1 refuses the hello.
        server.send(headOfVersion(1));
      },
      close: (_code, reason) => {
        closed = reason;
      },
    });
    const identity = await testIdentity('anna');
    const refused = logIn(client, {
      identity,
      expect: {},
      clock: manualClock(0),
      random: seededRandom(new Uint8Array(32)),
      timeoutMs: 1000,
      signal: new AbortController().signal,
      onFrame: () => undefined,
    });
    await expect(refused).rejects.toMatchObject({
      code: 'version_unsupported',
      retryable: false,
      message: expect.stringContaining('upgrade the other side') as string,
    });
    await turns();
    expect(closed).toBe('version_unsupported');
    // The hello itself begins with the version.
    expect([...(sent[0] ?? new Uint8Array()).subarray(1, 4)]).toEqual([0x61, 0x76, 3]);
  });
});

describe('login', () => {
  it('proves both identities and is followed by the specification', async () => {
    const set = await setUp();
    const bob = await testIdentity('bob');
    const peer = new Peer(set);
    const challenge = await peer.hello(bob);
    expect(
      verifySignature(
        'challenge',
        payloadOf(bob, challenge),
        challenge.signature,
        set.identity.publicKey,
      ),
    ).toBe(true);
    peer.send({ type: 'login', signature: peer.signature(bob, challenge) });
    await turns();
    expect(peer.frames.at(-1)).toMatchObject({ type: 'welcome' });
    expect(set.events).toEqual([`join ${toHex(bob.publicKey).slice(0, 4)}`]);
    peer.client.close(1000, '');
    await turns();
    expect(set.events.at(-1)).toMatch(/^leave/);
    expect(set.sessions.connections).toBe(0);
  });

  it('refuses a wrong signature and a replayed one', async () => {
    const set = await setUp();
    const [bob, eve] = [await testIdentity('bob'), await testIdentity('eve')];
    const honest = new Peer(set);
    const challenge = await honest.hello(bob);
    const recorded = honest.signature(bob, challenge);
    const replay = new Peer(set);
    await replay.hello(bob);
    replay.send({ type: 'login', signature: recorded });
    const forged = new Peer(set);
    forged.send({
      type: 'login',
      signature: forged.signature(eve, await forged.hello(bob)),
    });
    await turns();
    expect(replay.closed).toEqual(closedWith('login_refused'));
    expect(forged.closed).toEqual(closedWith('login_refused'));
    expect(set.events).toEqual([]);
  });

  it('refuses who is not a member, frames before it, and a second hello', async () => {
    const [bob, eve] = [await testIdentity('bob'), await testIdentity('eve')];
    const set = await setUp({ allow: [bob] });
    const outsider = new Peer(set);
    await outsider.hello(eve);
    expect(outsider.closed).toEqual(closedWith('identity_not_admitted'));
    const hasty = new Peer(set);
    hasty.send({ type: 'withdraw', attempt: 1, code: 'x' });
    const twice = new Peer(set);
    await twice.hello(bob);
    await twice.hello(bob);
    await turns();
    expect(hasty.closed).toEqual(closedWith('login_refused'));
    expect(twice.closed).toEqual(closedWith('unexpected_frame'));
  });

  it('has a time limit', async () => {
    const set = await setUp({ limits: { loginTimeoutMs: 500 } });
    const idle = new Peer(set);
    const quick = new Peer(set);
    await quick.login(await testIdentity('bob'));
    set.clock.advance(500);
    await turns();
    expect(idle.closed).toEqual(closedWith('login_refused'));
    expect(quick.closed).toBeUndefined();
  });

  it('gives an identity one session: the second is refused, unless the first has missed its heartbeat', async () => {
    const set = await setUp();
    const bob = await testIdentity('bob');
    let responsive = true;
    const first = new Peer(set, (connection) => ({
      remote: 'first',
      bufferedBytes: 0,
      get responsive() {
        return responsive;
      },
      send: (frame) => connection.send(frame),
      close: (code, reason) => connection.close(code, reason),
      receive: (handlers) => connection.receive(handlers),
    }));
    await first.login(bob);
    const second = new Peer(set);
    await second.login(bob);
    expect(second.closed).toEqual(closedWith('identity_in_use'));
    expect(first.closed).toBeUndefined();
    responsive = false;
    const third = new Peer(set);
    await third.login(bob);
    expect(first.closed).toEqual(closedWith('connection_lost'));
    expect(third.frames.at(-1)).toMatchObject({ type: 'welcome' });
    expect(set.events.map((text) => text.split(' ')[0])).toEqual(['join', 'leave', 'join']);
  });
});

describe('limits', () => {
  it('remains: on connections: those that have logged in stay, newcomers wait', async () => {
    const set = await setUp({ limits: { connections: 2 } });
    const anna = new Peer(set);
    await anna.login(await testIdentity('anna'));
    const bob = new Peer(set);
    await bob.login(await testIdentity('bob'));
    const late = new Peer(set);
    await turns();
    expect(late.closed).toEqual(closedWith('too_many_connections'));
    expect([anna.closed, bob.closed]).toEqual([undefined, undefined]);
  });

  it('on those that have not logged in: of the address with most of them the oldest gives way', async () => {
    const set = await setUp({ limits: { pendingLogins: 4 } });
    const from = (address: string): Peer =>
      new Peer(set, (connection) => ({
        remote: `${address}:1`,
        address,
        bufferedBytes: 0,
        send: (frame) => connection.send(frame),
        close: (code, reason) => connection.close(code, reason),
        receive: (handlers) => connection.receive(handlers),
      }));
    const honest = from('honest');
    const crowd = Array.from({ length: 8 }, () => from('crowd'));
    await turns();
    expect(honest.closed).toBeUndefined();
    expect(crowd.map(({ closed }) => closed?.reason)).toEqual([
      ...Array<string>(5).fill('too_many_connections'),
      ...Array<undefined>(3).fill(undefined),
    ]);
    await honest.login(await testIdentity('bob'));
    expect(set.sessions.loggedIn).toBe(1);
  });

  it('on bytes of frames each second', async () => {
    const set = await setUp({ limits: { frameBytesPerSecond: 1000, frameBytesBurst: 2000 } });
    const peer = new Peer(set);
    await peer.login(await testIdentity('bob'));
    const large = { type: 'record', record: new Uint8Array(900) } as const;
    peer.send(large);
    await turns();
    expect(peer.closed).toBeUndefined();
    peer.send(large);
    await turns();
    expect(peer.closed).toEqual(closedWith('rate_limited'));
  });

  it('on the bytes of a frame before the login', async () => {
    const set = await setUp();
    const peer = new Peer(set);
    peer.client.send(new Uint8Array(1025));
    await turns();
    expect(peer.closed).toEqual(closedWith('frame_too_large'));
  });

  it('on what is queued for all together: the slowest go', async () => {
    const set = await setUp({ limits: { totalBufferedBytes: 10 << 20 } });
    const queued = [1, 6, 5];
    const peers = queued.map(
      (mib) =>
        new Peer(set, (connection) => ({
          remote: `${mib}`,
          bufferedBytes: mib << 20,
          send: (frame) => connection.send(frame),
          close: (code, reason) => connection.close(code, reason),
          receive: (handlers) => connection.receive(handlers),
        })),
    );
    for (const [i, peer] of peers.entries()) await peer.login(await testIdentity(`peer ${i}`));
    set.sessions.send('everyone', {
      type: 'evidence',
      records: [1, 2, 3].map(() => new Uint8Array(1 << 20)),
    });
    await turns();
    expect(peers.map(({ closed }) => closed?.reason)).toEqual([
      undefined,
      'peer_too_slow',
      undefined,
    ]);
  });

  it('on what is queued for all together: few frames ask few connections', async () => {
    const set = await setUp({ limits: { totalBufferedBytes: 16 << 20 } });
    let asked = 0;
    const peers = Array.from(
      { length: 20 },
      () =>
        new Peer(set, (connection) => ({
          remote: 'peer',
          get bufferedBytes() {
            asked += 1;
            return 0;
          },
          send: (frame) => connection.send(frame),
          close: (code, reason) => connection.close(code, reason),
          receive: (handlers) => connection.receive(handlers),
        })),
    );
    for (const [i, peer] of peers.entries()) await peer.login(await testIdentity(`peer ${i}`));
    asked = 0;
    // 10 MiB in all: ten looks at twenty peers, and each peer is asked before it is sent to.
    set.sessions.send('everyone', { type: 'evidence', records: [new Uint8Array(1 << 19)] });
    expect(asked).toBe(20 + 10 * 20);
  });

  it('on frames each second: a flood is closed, a steady stream is not', async () => {
    const set = await setUp({ limits: { framesPerSecond: 10, frameBurst: 20 } });
    const [bob, eve] = [await testIdentity('bob'), await testIdentity('eve')];
    const steady = new Peer(set);
    await steady.login(bob);
    const flood = new Peer(set);
    await flood.login(eve);
    for (let i = 0; i < 40; i += 1) {
      set.clock.advance(100);
      steady.send({ type: 'withdraw', attempt: 1, code: 'x' });
      await turns(2);
    }
    for (let i = 0; i < 40; i += 1) flood.send({ type: 'withdraw', attempt: 1, code: 'x' });
    await turns();
    expect(steady.closed).toBeUndefined();
    expect(flood.closed).toEqual(closedWith('rate_limited'));
  });

  it('on the size and form of a frame', async () => {
    const set = await setUp({ limits: { frameBytes: 1000 } });
    const large = new Peer(set);
    await large.login(await testIdentity('bob'));
    large.client.send(new Uint8Array(1001));
    const garbage = new Peer(set);
    garbage.client.send(new Uint8Array([1, 2, 3]));
    await turns();
    expect(large.closed).toEqual(closedWith('frame_too_large'));
    expect(garbage.closed).toEqual(closedWith('frame_malformed'));
  });

  it('on what is queued for a slow reader', async () => {
    const set = await setUp({ limits: { bufferedBytes: 5000 } });
    const bob = await testIdentity('bob');
    let buffered = 0;
    const slow = new Peer(set, (connection) => ({
      remote: 'slow',
      get bufferedBytes() {
        return buffered;
      },
      send: (frame) => connection.send(frame),
      close: (code, reason) => connection.close(code, reason),
      receive: (handlers) => connection.receive(handlers),
    }));
    await slow.login(bob);
    buffered = 4990;
    set.sessions.send('everyone', { type: 'ack', hash: new Uint8Array(32) });
    await turns();
    expect(slow.closed).toEqual(closedWith('peer_too_slow'));
    expect(set.sessions.loggedIn).toBe(0);
  });
});
