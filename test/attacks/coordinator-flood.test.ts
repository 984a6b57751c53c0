/**
 * @module A coordinator that sends more than a participant takes: what waits for its turn is
 * bounded in bytes, also while the participant is still opening what it needs for the run.
 */
import { afterEach, beforeAll, expect, it } from 'vitest';
import { joinRun, type Participant } from '../../client/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { encodeRunSpec, hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { DEFAULT_LIMITS } from '../../coordinator/limits.ts';
import { createSessions } from '../../coordinator/sessions.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { connectionPair } from '../support/connection.ts';
import { silent, testIdentity, testSpec, turns } from '../support/run.ts';
import { eventually, keystoreNamed, never } from './real-run.ts';

beforeAll(() => cryptoReady);

let participant: Participant | undefined;
afterEach(() => participant?.stop());

it('many large frames while a participant is busy: it keeps 32 MiB of them and leaves', async () => {
  const spec = await testSpec();
  const left: string[] = [];
  const sessions = createSessions({
    identity: await testIdentity('coordinator'),
    run: hashRunSpec(spec),
    specBytes: encodeRunSpec(spec),
    clock: systemClock,
    random: systemRandom,
    limits: DEFAULT_LIMITS,
    lastRegister: () => undefined,
    log: silent,
    onJoin: () => undefined,
    onLeave: () => left.push('left'),
    onFrame: () => undefined,
  });
  const keystore = await keystoreNamed('victim');
  participant = joinRun({
    connect: async () => {
      const [server, client] = connectionPair();
      sessions.accept(server);
      return client;
    },
    keystore,
    trainer: never,
    store: memoryStore(),
    gate: sealedBoxGate(keystore.identity),
    clock: systemClock,
    random: systemRandom,
    require: TEST_ADMISSION,
  });
  participant.finished.catch(() => undefined);
  await eventually(() => sessions.loggedIn === 1, 'it has logged in');
  const records = Array.from({ length: 7 }, () => new Uint8Array(1 << 20));
  let sent = 0;
  for (; sent < 20 && left.length === 0; sent += 1) {
    sessions.send('everyone', { type: 'evidence', records });
    await turns(2);
  }
  expect(left).toEqual(['left']);
  expect(sent).toBeLessThanOrEqual(6);
});
