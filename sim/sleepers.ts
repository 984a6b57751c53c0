/**
 * @module Participants that have not been invited yet. Each is logged in at the coordinator like
 * any other, so that it can be drawn, but has no connection of its own, no trainer and no state in
 * memory. When the coordinator first sends it more than what everybody is sent, the participant is
 * made, logs in here, and takes the session over. What it missed is what a participant misses that
 * joins late.
 */
import type { Clock } from '../protocol/ports/clock.ts';
import { FloeError, isErrorCode } from '../protocol/errors.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import type { RandomSource } from '../protocol/ports/random.ts';
import { decodeRecord } from '../protocol/records/records.ts';
import type { Connection, ConnectionHandlers } from '../protocol/wire/connection.ts';
import { CLOSE_ABNORMAL } from './network.ts';
import {
  CLOSE_NORMAL,
  decodeClientFrame,
  decodeServerFrame,
  encodeFrame,
  loginPayload,
} from '../protocol/wire/messages.ts';

export interface SleepersInit {
  /** Signs the challenge that a participant is shown that takes its session over. */
  readonly coordinator: Identity;
  /** Canonical bytes of the specification, and their hash. */
  readonly spec: Uint8Array;
  readonly run: Uint8Array;
  readonly clock: Clock;
  /** Of nonces. */
  readonly random: RandomSource;
  /** The coordinator's side. */
  readonly accept: (connection: Connection) => void;
  readonly onFailure: (error: FloeError) => void;
}

export interface Sleeper {
  /** Gives the session to the participant at the other end of `connection`. */
  handOver(connection: Connection): void;
  /** The connection of one that is asleep breaks. */
  leave(): void;
}

type Stage = 'hello' | 'login' | 'asleep' | 'waking' | 'awake' | 'gone';

/** The end of an attempt and of the run, which everybody is told, leaves a participant asleep. */
const wakes = (bytes: Uint8Array): boolean => {
  const frame = decodeServerFrame(bytes);
  if (frame.type === 'finished') return false;
  if (frame.type !== 'record') return true;
  const { type } = decodeRecord(frame.record);
  return type !== 'commit' && type !== 'abort';
};

export const createSleepers = (init: SleepersInit) => {
  const { coordinator, spec, run, clock, random, accept, onFailure } = init;
  /** The coordinator sends one array of bytes to all, so each is read once. */
  const read = new WeakMap<Uint8Array, boolean>();
  const isCall = (bytes: Uint8Array): boolean => {
    const answer = read.get(bytes) ?? wakes(bytes);
    read.set(bytes, answer);
    return answer;
  };

  const payloadOf = (client: Uint8Array, clientNonce: Uint8Array, serverNonce: Uint8Array) =>
    loginPayload({ clientNonce, serverNonce, client, coordinator: coordinator.publicKey, run });

  /** Repeats the coordinator's part of a login for the participant that takes over a session. */
  const welcome = (near: Connection, key: Uint8Array, onDone: () => void) => {
    const nonce = random(32);
    return (bytes: Uint8Array): void => {
      const frame = decodeClientFrame(bytes);
      if (frame.type === 'hello') {
        const payload = payloadOf(key, frame.nonce, nonce);
        const signature = coordinator.sign('challenge', payload);
        const { publicKey } = coordinator;
        near.send(
          encodeFrame({ type: 'challenge', coordinator: publicKey, run, nonce, signature }),
        );
      } else if (frame.type === 'login') {
        near.send(
          encodeFrame({ type: 'welcome', spec, time: Math.max(0, Math.round(clock.now())) }),
        );
        onDone();
      } else throw new FloeError('internal', `a ${frame.type} frame before the login`);
    };
  };

  /**
   * Logs a participant in.
   *
   * @param remote names the peer
   * @param onWake called once, when the participant is needed
   */
  const sleep = (identity: Identity, remote: string, onWake: () => void): Sleeper => {
    const key = identity.publicKey;
    let signer: Identity | undefined = identity;
    const nonce = random(32);
    const missed: Uint8Array[] = [];
    let stage: Stage = 'hello';
    let handlers: ConnectionHandlers | undefined;
    let near: Connection | undefined;

    // Deferred, because it must not run inside the coordinator's `send`.
    const tell = (frame: Uint8Array): void => queueMicrotask(() => handlers?.message(frame));
    const onChallenge = (bytes: Uint8Array): void => {
      const frame = decodeServerFrame(bytes);
      if (frame.type === 'error') {
        const code = isErrorCode(frame.code) ? frame.code : 'internal';
        onFailure(new FloeError(code, `${remote}: ${frame.message}`));
      } else if (frame.type !== 'challenge' || signer === undefined)
        onFailure(new FloeError('internal', `${remote}: a ${frame.type} frame in a login`));
      else {
        const signature = signer.sign('login', payloadOf(key, nonce, frame.nonce));
        signer = undefined;
        stage = 'login';
        tell(encodeFrame({ type: 'login', signature }));
      }
    };
    const receive = (bytes: Uint8Array): void => {
      // Only a welcome holds the specification.
      if (stage === 'login' && bytes.length > spec.length) stage = 'asleep';
      else if (stage === 'hello' || stage === 'login') onChallenge(bytes);
      else if (stage === 'awake') near?.send(bytes);
      else if (stage === 'waking') missed.push(bytes);
      else if (stage === 'asleep' && isCall(bytes)) {
        stage = 'waking';
        missed.push(bytes);
        queueMicrotask(onWake);
      }
    };
    accept({
      remote,
      get bufferedBytes() {
        return near?.bufferedBytes ?? 0;
      },
      send: receive,
      close: (code, reason) => {
        stage = 'gone';
        near?.close(code, reason);
      },
      receive: (given) => {
        handlers = given;
        tell(encodeFrame({ type: 'hello', key, nonce }));
      },
    });
    return {
      leave: () => {
        if (stage === 'gone') return;
        stage = 'gone';
        handlers?.close(CLOSE_ABNORMAL, 'left');
      },
      handOver: (connection) => {
        near = connection;
        if (stage === 'gone') return connection.close(CLOSE_NORMAL, 'stopped');
        const greet = welcome(connection, key, () => {
          stage = 'awake';
          for (const frame of missed.splice(0)) connection.send(frame);
        });
        connection.receive({
          message: (bytes) => (stage === 'awake' ? handlers?.message(bytes) : greet(bytes)),
          close: (code, reason) => {
            if (stage === 'gone') return;
            stage = 'gone';
            handlers?.close(code, reason);
          },
        });
      },
    };
  };
  return { sleep };
};
