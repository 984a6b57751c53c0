/**
 * @module Everything wrong at once: a run of real participants in which some send NaN, claim a
 * billion examples, upload half a blob, forge, replay, flood or borrow an identity. Each is refused
 * by name; the run finishes and verifies.
 */
import { afterEach, expect, it, vi } from 'vitest';
import { functionTrainer, joinRun, memoryKeystore, type Participant } from '../../client/index.ts';
import type { ParticipantEvent, TrainResult } from '../../client/index.ts';
import { journalLedger, wholeTranscript } from '../../coordinator/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import { utf8 } from '../../protocol/bytes.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { encodeFrame, MAX_CLIENT_FRAME_BYTES } from '../../protocol/wire/messages.ts';
import { deriveSeed, systemRandom } from '../../protocol/ports/random.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { connectionPair } from '../support/connection.ts';
import { connect, createStage, testSpec } from '../support/run.ts';

const HONEST = 8;
const running: Participant[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((participant) => participant.stop()));
});

it('a run with NaN, a billion examples, half a blob, forgeries, replays and floods names each and finishes', async () => {
  const spec = await testSpec({ rounds: 2, cohort: { size: HONEST + 5, minimum: 3 } });
  const stage = await createStage(spec);
  const coordinator = stage.create();
  await coordinator.start();

  const join = async (
    name: string,
    change: (result: TrainResult) => TrainResult = (result) => result,
    store: BlobStore = stage.store,
    end = 'aborted',
  ): Promise<ParticipantEvent[]> => {
    const events: ParticipantEvent[] = [];
    const keystore = await memoryKeystore(deriveSeed(utf8(name), 'bad-input'));
    const participant = joinRun({
      keystore,
      store,
      connect: async () => {
        const [server, client] = connectionPair(name);
        coordinator.accept(server);
        return client;
      },
      trainer: functionTrainer({
        manifest: spec.model,
        train: async ({ weights }) =>
          change({ weights: weights.map((w) => w + 0.01), examples: 5, lossSum: 1, correct: 1 }),
      }),
      gate: sealedBoxGate(keystore.identity),
      clock: systemClock,
      random: systemRandom,
      backoff: { baseMs: 20, maxMs: 50 },
      require: TEST_ADMISSION,
      onEvent: (event) => events.push(event),
    });
    participant.finished.catch((thrown: unknown) => {
      const { code } = thrown as { code?: string };
      if (code !== 'aborted' && code !== end) throw thrown;
    });
    running.push(participant);
    return events;
  };
  const withdrawals = (events: ParticipantEvent[]): (string | undefined)[] =>
    events.flatMap((event) => (event.type === 'withdrawn' ? [event.error.code] : []));

  // A frame above the limit, before anything else: the session is closed by name, nobody else
  // notices.
  const [server, flooder] = connectionPair('flooder');
  const closed = new Promise<string>((resolve) =>
    flooder.receive({ message: () => undefined, close: (_, reason) => resolve(reason) }),
  );
  coordinator.accept(server);
  flooder.send(new Uint8Array(MAX_CLIENT_FRAME_BYTES + 1));
  expect(await closed).toBe('frame_too_large');

  const nan = await join('nan', (result) => ({ ...result, weights: result.weights.fill(NaN) }));
  const boaster = await join('boaster', (result) => ({ ...result, examples: 1e9 }));
  // A store that keeps half: the honest participant notices; one that does not care is refused.
  const halving: BlobStore = {
    ...stage.store,
    put: (bytes, options) => stage.store.put(bytes.subarray(0, bytes.length >> 1), options),
  };
  const misled = await join('misled', undefined, halving);
  const truncating = await stage.participant('truncating', { store: halving });
  connect(coordinator, truncating);
  for (let i = 0; i < HONEST; i += 1) await join(`honest ${i}`);
  // Once the first of the two is gone, its double is shown a registration that its own keystore
  // knows nothing of.
  const double = await join('honest 0', undefined, stage.store, 'keystore_rolled_back');
  const forger = await stage.participant('forger', { train: (model) => model.map(() => 0.01) });
  connect(coordinator, forger);
  await vi.waitUntil(() => coordinator.status().committed === 1, { timeout: 50_000 });

  // The forger replays its record of the first round and sends one whose signature is broken.
  const old = forger.sign('consistent', 1, {
    context: new Uint8Array(32),
    survivors: new Uint8Array(32),
  });
  forger.raw(encodeFrame({ type: 'record', record: old.bytes }));
  const forged = new Uint8Array(old.bytes);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  forger.raw(encodeFrame({ type: 'record', record: forged }));

  const outcome = await coordinator.finished;
  expect(outcome).toMatchObject({ rounds: 2, attempts: 2 });
  expect(new Set(withdrawals(nan))).toEqual(new Set(['update_not_finite']));
  expect(new Set(withdrawals(boaster))).toEqual(new Set(['weight_out_of_range']));
  expect(new Set(withdrawals(misled))).toEqual(new Set(['blob_corrupt']));
  expect(truncating.errors).toContainEqual(expect.objectContaining({ code: 'upload_mismatch' }));
  expect(double.map((event) => (event.type === 'reconnecting' ? event.error.code : ''))).toContain(
    'identity_in_use',
  );
  const refusals = forger.errors.map(({ code }) => code);
  expect(refusals).toContain('record_replayed');
  expect(refusals.some((code) => code === 'signature_invalid' || code === 'record_malformed')).toBe(
    true,
  );

  const verified = await verifyRun({
    spec,
    transcript: await wholeTranscript(stage.journal),
    store: stage.store,
    gate: sealedBoxGate(stage.coordinatorIdentity),
    ledger: journalLedger(stage.journal),
  });
  expect(verified).toMatchObject({ ok: true, level: 'L1' });
  expect(verified.attempts.map(({ survivors }) => survivors)).toEqual([HONEST + 1, HONEST + 1]);
  await coordinator.stop();
});
