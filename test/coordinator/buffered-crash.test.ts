/**
 * @module Crashes in buffered runs, of the real coordinator and of real participants: whoever is
 * killed, at whatever moment, the run comes to its end, and the transcript is that of a lawful run.
 */
import { expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import type { TranscriptEntry } from '../../protocol/records/transcript.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import {
  journalLedger,
  memoryJournal,
  wholeTranscript,
  type Journal,
} from '../../coordinator/index.ts';
import {
  eventually,
  fastClock,
  keystoreNamed,
  PATIENT,
  realRun,
  recordsIn,
  type RealRun,
} from '../attacks/real-run.ts';
import { connectionPair } from '../support/connection.ts';
import { mortal, never, type Moment } from '../support/mortal-participant.ts';
import { mortalJournal } from '../support/mortal-journal.ts';

const ROUNDS = 2;
const ALL = Array.from({ length: ROUNDS }, (_, i) => i + 1);
const NAMES = ['anna', 'berta', 'caesar', 'dorothea', 'emilia'];

const stage = async (
  count: number,
  size: number,
  journal: Journal,
  own: Journal = journal,
): Promise<RealRun> => {
  const stores = await Promise.all(NAMES.slice(0, count).map(keystoreNamed));
  return realRun(
    {
      rounds: ROUNDS,
      members: { type: 'closed', keys: stores.map(({ identity }) => identity.publicKey) },
      buffer: { size, maxStaleness: 3 },
      cohort: { size, minimum: 3 },
      deadlines: PATIENT,
    },
    { journal: own, clock: fastClock() },
  );
};

const verified = async ({ spec, stage: { store, coordinatorIdentity } }: RealRun, of: Journal) =>
  verifyRun({
    spec,
    transcript: await wholeTranscript(of),
    store,
    gate: sealedBoxGate(coordinatorIdentity),
    ledger: journalLedger(of),
  });

/** All members fill each buffer, so that the models can be compared. */
const killCoordinator = async (k: number) => {
  const journal = memoryJournal();
  const run = await stage(4, 4, journal, mortalJournal(journal, k, 'after')).catch(() => undefined);
  if (run === undefined) return { measured: ALL, died: true, hash: undefined, ok: true };
  for (const name of NAMES.slice(0, 4)) await run.join(name);
  const ended = await run.coordinator.finished.then(
    () => true,
    () => false,
  );
  if (!ended) {
    await run.coordinator.stop();
    run.coordinator = run.stage.create({ journal, clock: fastClock() });
    await run.coordinator.start();
  }
  const outcome = await run.coordinator.finished;
  const { ok, level } = await verified(run, journal);
  await run.coordinator.idle();
  // The anomaly report goes back to the first round.
  const measured = run.coordinator.status().commits.map(({ version }) => version);
  await run.stop();
  return {
    measured,
    died: !ended,
    hash: toHex(outcome.model.hash),
    attempts: outcome.attempts,
    ok: ok && level === 'L1',
  };
};

it('a coordinator that is killed at any write continues to the same model', async () => {
  const undisturbed = await killCoordinator(Infinity);
  expect(undisturbed).toMatchObject({ died: false, attempts: ROUNDS, ok: true });
  let crashes = 0;
  for (let k = 2; ; k += 3) {
    const disturbed = await killCoordinator(k);
    expect({ k, ...disturbed }).toMatchObject({ k, ok: true, measured: ALL });
    if (!disturbed.died) break;
    crashes += 1;
    if (disturbed.hash !== undefined) expect({ ...disturbed, died: false }).toEqual(undisturbed);
  }
  expect(crashes).toBeGreaterThan(5);
});

const killParticipant = async (moment: Moment, at: number) => {
  const journal = memoryJournal();
  const run = await stage(5, 4, journal);
  const inner = await keystoreNamed(NAMES[0]!);
  const died = Promise.withResolvers<void>();
  const life = mortal(inner, moment, at, died.resolve);
  const first = await run.join(NAMES[0]!, {
    keystore: life.keystore,
    connect: async () => {
      if (life.isDead()) return never();
      const [server, client] = connectionPair('the victim');
      run.coordinator.accept(server);
      void died.promise.then(() => client.close(1006, 'killed'));
      return { ...client, send: life.send(client.send) };
    },
  });
  const takeOver = died.promise.then(() => run.join(NAMES[0]!, { keystore: inner }));
  const others = await Promise.all(NAMES.slice(1).map((name) => run.join(name)));
  await eventually(() => run.coordinator.status().committed === ROUNDS, `${moment} ${at}`);
  const { ok, level } = await verified(run, journal);
  const entries = run.entries();
  const own = entries.filter(({ record }) => equalBytes(record.author, first.key));
  const names = own.map(({ record }) => `${record.type} ${record.attempt}`);
  // One that is dead never stops.
  const alive = [...others, life.isDead() ? await takeOver : first];
  await Promise.all(alive.map(({ participant }) => participant.stop()));
  await run.coordinator.stop();
  return {
    died: life.isDead(),
    counts: life.counts,
    ok: ok && level === 'L1',
    twice: names.length - new Set(names).size,
    spentTwice: modelsOfUpdates(entries, first.key).filter(({ size }) => size > 1).length,
  };
};

/** Of each update that was uploaded, by what it was trained on: the models that it was used on. */
const modelsOfUpdates = (
  entries: readonly TranscriptEntry[],
  author: Uint8Array,
): readonly ReadonlySet<number>[] => {
  const found = new Map<number, Set<number>>();
  for (const { attempt } of recordsIn(entries, 'upload').filter(isBy(author))) {
    const base = recordsIn(entries, 'register')
      .filter(isBy(author))
      .find((record) => record.attempt === attempt)?.body.base?.version;
    const on = recordsIn(entries, 'open').find((record) => record.attempt === attempt)!;
    const models = found.get(base!) ?? new Set();
    found.set(base!, models.add(on.body.model.version));
  }
  return [...found.values()];
};

const isBy =
  (key: Uint8Array) =>
  ({ author }: SignedRecord): boolean =>
    equalBytes(author, key);

it('a participant that is killed at any save or send does not stop the others', async () => {
  let deaths = 0;
  for (const moment of ['after a save', 'before a send'] as const)
    for (let at = 1; at <= 14; at += 1) {
      const { died, ok, twice, spentTwice } = await killParticipant(moment, at);
      const wanted = { ok: true, twice: 0, spentTwice: 0 };
      expect({ moment, at, ok, twice, spentTwice }).toEqual({ moment, at, ...wanted });
      if (died) deaths += 1;
      else break;
    }
  // While it trains ahead, after the update is on disk and named in the memory, after it
  // registered, shared, uploaded, erased the update, signed the set and answered.
  expect(deaths).toBeGreaterThan(12);
});
