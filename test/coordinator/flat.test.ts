/**
 * @module A run keeps as much in memory after many rounds as after a few: objects that are still
 * reachable, counted by class in the heap of the process that holds coordinator and participants,
 * and entries of what is kept on purpose.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queryObjects } from 'node:v8';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { joinRun } from '../../client/participant/index.ts';
import { openJournal, type Coordinator } from '../../coordinator/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import { deriveKeys, importPublicKeys } from '../../protocol/secagg/keys.ts';
import { verifiedRecords } from '../../protocol/records/records.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { connectionPair } from '../support/connection.ts';
import { keystoreOf, testTrainer } from '../support/participants.ts';
import { createStage, DIMENSION, testSpec, turns } from '../support/run.ts';

const MEMBERS = 3;
/** Of the first, the caches of a few rounds are full. */
const [EARLY, LATE] = [18, 34];
/**
 * Of a round: keystores remember, of 1,024 models, to which run each belongs and the set answered
 * for. A round's records are 190.
 */
const CLAIMS = 2 * MEMBERS + 2;
/** Public keys that stay imported, see `protocol/secagg/keys.ts`. */
const IMPORTED_KEYS = 512;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-flat-'));
});
afterAll(() => rm(folder, { recursive: true }));

const CLASSES = {
  Uint8Array,
  ArrayBuffer,
  Int32Array,
  Float32Array,
  Map,
  Set,
  Promise,
  AbortSignal,
};

/** Objects of each class that are reachable. */
const counted = (): Readonly<Record<string, number>> => ({
  ...Object.fromEntries(
    Object.entries(CLASSES).map(([name, type]) => [name, queryObjects(type, { format: 'count' })]),
  ),
  'verified records': verifiedRecords(),
});

/** As many as a long run leaves behind. */
const importKeys = (): void => {
  for (let i = 0; i < IMPORTED_KEYS; i += 1) {
    const keys = importPublicKeys(
      deriveKeys(deriveSeed(new Uint8Array(32), 'key', i), 'mask').public,
    );
    keys.point();
    keys.kem();
  }
};

const join3 = (coordinator: Coordinator, stage: Awaited<ReturnType<typeof createStage>>) =>
  Promise.all(
    Array.from({ length: MEMBERS }, async (_, i) => {
      const keystore = await keystoreOf(i);
      return joinRun({
        connect: async () => {
          const [server, client] = connectionPair(`${i}`);
          coordinator.accept(server);
          return client;
        },
        keystore,
        trainer: testTrainer(10, undefined, [{ name: 'w', shape: [DIMENSION], dtype: 'float32' }]),
        store: stage.store,
        gate: sealedBoxGate(keystore.identity),
        clock: systemClock,
        random: seededRandom(deriveSeed(new Uint8Array(32), 'random', i)),
        require: TEST_ADMISSION,
      });
    }),
  );

it('what is reachable does not grow with the rounds', async () => {
  importKeys();
  const journal = await openJournal(join(folder, 'journal.sqlite'), { synced: false });
  const spec = await testSpec({
    rounds: LATE,
    cohort: { size: MEMBERS, minimum: 3 },
    retention: { rounds: 2 },
  });
  const stage = await createStage(spec, { journal });
  const counts: ReturnType<typeof counted>[] = [];
  const coordinator = stage.create({
    onEvent: (event) => {
      if (event.type !== 'committed') return;
      const { committed } = coordinator.status();
      if (committed === EARLY || committed === LATE - 1) counts.push(counted());
    },
  });
  await coordinator.start();
  const participants = await join3(coordinator, stage);
  await coordinator.finished;
  await Promise.all(participants.map((one) => one.finished));
  await turns();
  await coordinator.stop();
  await journal.close();
  const [early, late] = counts;
  for (const [name, count] of Object.entries(late!))
    expect(count, name).toBeLessThanOrEqual(early![name]! + CLAIMS * (LATE - 1 - EARLY));
}, 60_000);
