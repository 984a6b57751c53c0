/**
 * What follows from an error, for every code of the catalogue: by the port that threw it, never by
 * its code, and never a breach without a record of the coordinator. Then the same in rounds: each
 * port fails in each phase that uses it.
 */
import { afterEach, describe, expect, it } from 'vitest';
import {
  faultsOfGate,
  faultsOfKeystore,
  faultsOfLedger,
  faultsOfStore,
  faultsOfTrainer,
} from '../../client/participant/host/port-faults.ts';
import {
  judge,
  PortFault,
  type PortName,
  type Verdict,
} from '../../client/participant/machine/verdict.ts';
import type { Keystore } from '../../client/keystore/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { ERRORS } from '../../protocol/error-catalogue.ts';
import { FloeError, type ErrorCode } from '../../protocol/errors.ts';
import { isOwnFault } from '../../protocol/own-faults.ts';
import { localBeacon } from '../../protocol/rules/beacon.ts';
import { dataCommitment, decodeRecord, type SignedRecord } from '../../protocol/records/records.ts';
import { Breach } from '../../protocol/rules/index.ts';
import type { LedgerReader } from '../../client/participant/options.ts';
import {
  keystoreOf,
  start,
  startAll,
  stopAll,
  testTrainer,
  type Started,
} from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const CODES = Object.keys(ERRORS) as ErrorCode[];
const never = (): never => {
  throw new Error('is not called');
};

/** Every method of every port, failing. */
const failing = (
  thrown: unknown,
): Readonly<Record<PortName, readonly (() => Promise<unknown>)[]>> => {
  const fail = () => Promise.reject(thrown);
  const bytes = new Uint8Array(32);
  const ref = { id: 'x', sha256: bytes, size: 1 };
  const purpose = { run: bytes, attempt: 1, role: 'model' } as const;
  const store = faultsOfStore({ kind: 'x', put: fail, get: fail, getRange: fail });
  const gate = faultsOfGate({
    kind: 'x',
    policies: false,
    reader: bytes,
    wrap: fail,
    unwrap: fail,
  });
  const ledger = faultsOfLedger({
    kind: 'x',
    beacon: 'members',
    readCohort: fail,
    readSurvivors: fail,
    readFamily: fail,
  });
  const keystore = faultsOfKeystore({
    kind: 'x',
    load: fail,
    save: fail,
    saveVector: fail,
    loadVector: fail,
    eraseVector: fail,
    saveLocal: fail,
    loadLocal: fail,
    eraseLocal: fail,
    ownerOf: fail,
    claimModel: fail,
    loadLedger: fail,
    changeLedger: fail,
    close: fail,
  } as unknown as Keystore);
  const trainer = faultsOfTrainer({
    manifest: { tensors: [] },
    backend: 'x',
    train: fail,
    evaluate: never,
    dispose: never,
  });
  return {
    store: [() => store.put(bytes), () => store.get(ref), () => store.getRange(ref, 0, 1)],
    gate: [() => gate.wrap(bytes, purpose, []), () => gate.unwrap(bytes, purpose)],
    ledger: [
      () => ledger.readCohort(bytes, 1),
      () => ledger.readSurvivors(bytes, 1),
      () => ledger.readFamily(bytes, 0, bytes),
    ],
    keystore: [
      () => keystore.load(bytes),
      () => keystore.save(bytes, { v: 2 }),
      () => keystore.saveVector(bytes, bytes),
      () => keystore.loadVector(bytes),
      () => keystore.eraseVector(bytes),
      () => keystore.saveLocal(bytes, 'layers', bytes),
      () => keystore.loadLocal(bytes, 'layers'),
      () => keystore.eraseLocal(bytes, 'layers'),
      () => keystore.ownerOf(bytes),
      () => keystore.claimModel(bytes, bytes),
      () => keystore.loadLedger(),
      () => keystore.changeLedger(() => bytes),
    ],
    trainer: [
      () =>
        trainer.train({
          weights: new Float32Array(),
          round: 1,
          epochs: 1,
          batchSize: 1,
          learningRate: 1,
          seed: bytes,
        }),
    ],
  };
};

const VERDICT_OF: Readonly<Record<PortName, Verdict>> = {
  store: 'outage',
  gate: 'outage',
  ledger: 'outage',
  keystore: 'local',
  trainer: 'local',
};

describe('an error of a port', () => {
  it.each(CODES)(
    '%s says the same of every port, while frames are handled and beside them',
    async (code) => {
      for (const [port, calls] of Object.entries(failing(new FloeError(code, 'x'))))
        for (const call of calls) {
          const error = await call().catch((thrown: unknown) => thrown);
          expect(error).toBeInstanceOf(PortFault);
          expect(error).toMatchObject({ code, port });
          // A fault of this program is no outage, whichever port it shows in.
          const verdict = isOwnFault(code) ? 'local' : VERDICT_OF[port as PortName];
          for (const source of ['frame', 'work'] as const)
            expect(judge(error as FloeError, source)).toBe(verdict);
        }
    },
  );

  it('of a foreign class, even one made to look like a breach, is a fault of the port', async () => {
    const breach = new Breach('record_conflict', 'x', [{}] as never);
    for (const thrown of [breach, new TypeError('fetch failed'), 'text', undefined])
      for (const [port, calls] of Object.entries(failing(thrown)))
        for (const call of calls) {
          const error = await call().catch((wrapped: unknown) => wrapped);
          expect(judge(error as FloeError, 'frame')).toBe(VERDICT_OF[port as PortName]);
        }
  });
});

describe('an error of no port', () => {
  it.each(CODES)('%s is no breach without a record', (code) => {
    const error = new FloeError(code, 'x');
    const declined = [
      'update_already_spent',
      'privacy_budget_spent',
      'admission_refused',
      'phase_closed',
      'mask_reuse',
      'already_answered',
    ].includes(code);
    const expected = code === 'commit_fabricated' ? 'end' : declined ? 'declined' : undefined;
    expect(judge(error, 'frame')).toBe(expected ?? 'unproven');
    expect(judge(error, 'work')).toBe(expected ?? 'local');
    expect(judge(new Breach(code, 'x', [{}] as never), 'work')).toBe('breach');
  });
});

/**
 * A ledger that holds what the scripted coordinator freezes, and has frozen in the round before.
 */
const ledgerOf = (coordinator: ScriptedCoordinator): LedgerReader => {
  const frozen = <Type extends 'open' | 'cohort' | 'survivors'>(type: Type, attempt: number) => {
    const { attempt: current, last } = coordinator;
    if (current?.number === attempt) return current[type] as SignedRecord<Type> | undefined;
    const records = (last?.records ?? []).map((bytes) => decodeRecord(bytes));
    return records.find((record) => record.type === type) as SignedRecord<Type> | undefined;
  };
  return {
    kind: 'test',
    beacon: 'members',
    readCohort: async (_run, attempt) => {
      const cohort = frozen('cohort', attempt)?.body;
      const open = frozen('open', attempt)?.body;
      return cohort && open && { root: cohort.root, beacon: localBeacon(cohort.root, open.beacon) };
    },
    readSurvivors: async (_run, attempt) => {
      const body = frozen('survivors', attempt)?.body;
      return body && { hash: body.hash, dataCommitment: dataCommitment(body.uploads) };
    },
    readFamily: async () => {
      const attempt = coordinator.attempt?.number ?? 0;
      const cohort = frozen('cohort', attempt)?.body.members ?? [];
      const members = frozen('survivors', attempt)?.body.members ?? [];
      return [{ attempt, cohort, members }];
    },
  };
};

/** Where a call is made: in which phase of the second round, through which port. */
type Call = readonly [phase: string, port: PortName, method: string, count: number];
const CALLS: readonly Call[] = [
  ['open', 'keystore', 'ownerOf', 1],
  ['open', 'keystore', 'save', 1],
  ['cohort', 'ledger', 'readCohort', 1],
  ['cohort', 'keystore', 'save', 2],
  ['check', 'ledger', 'readSurvivors', 1],
  ['check', 'store', 'get', 1],
  ['check', 'store', 'getRange', 1],
  ['check', 'gate', 'unwrap', 1],
  ['check', 'keystore', 'save', 3],
  ['share', 'keystore', 'save', 4],
  ['train', 'trainer', 'train', 1],
  ['sharers', 'keystore', 'save', 5],
  ['vector', 'keystore', 'claimModel', 1],
  ['vector', 'keystore', 'saveVector', 1],
  ['upload', 'store', 'put', 1],
  ['survivors', 'ledger', 'readSurvivors', 2],
  ['answer', 'ledger', 'readFamily', 1],
];

/** A round whose steps are played as long as the victim takes part. */
const playOn = async (coordinator: ScriptedCoordinator, victim: Uint8Array): Promise<void> => {
  const gone = coordinator.until(() => coordinator.withdrew(victim) !== undefined, 'it leaves');
  const attempt = coordinator.playRound();
  attempt.catch(() => undefined);
  await Promise.race([gone, attempt]);
};

describe('a port that fails in a round', () => {
  // A cohort record is read by the ledger of the first round as well, so only its own round is
  // disturbed.
  it.each(CALLS)(
    '%s: %s.%s (call %i): nobody is accused, nobody leaves',
    async (_phase, port, method, count) => {
      for (const code of ['survivors_inconsistent'] as const) {
        const coordinator = await ScriptedCoordinator.create();
        running = await startAll(coordinator, 3);
        let armed = false;
        let calls = 0;
        let failures = 0;
        /** The port, whose method fails from its `count`-th call on, for as long as it is armed. */
        const broken = <Port extends object>(name: PortName, real: Port): Port =>
          name !== port
            ? real
            : new Proxy(real, {
                get: (target, key) => {
                  const value: unknown = Reflect.get(target, key);
                  if (key !== method || typeof value !== 'function') return value;
                  return (...args: unknown[]): unknown => {
                    calls += armed ? 1 : 0;
                    if (!armed || calls < count) return value.apply(target, args);
                    failures += 1;
                    return Promise.reject(new FloeError(code, 'the test says so'));
                  };
                },
              });
        const keystore = await keystoreOf(3);
        const victim = await start(coordinator, 3, {
          keystore: broken('keystore', keystore),
          store: broken('store', coordinator.store),
          gate: broken('gate', sealedBoxGate(keystore.identity)),
          ledger: broken('ledger', ledgerOf(coordinator)),
          trainer: broken('trainer', testTrainer(13)),
          patienceMs: 20,
        });
        running.push(victim);
        await coordinator.loggedIn(4);
        await coordinator.playRound();
        await victim.event('committed');
        armed = true;
        // The others continue without the victim as soon as it has left the round.
        const attempt = playOn(coordinator, victim.key).catch(() => undefined);
        await coordinator.until(() => failures > 0, 'the port has failed');
        const { error, why } = await victim.event('withdrawn');
        armed = false;
        expect(error.code).toBe(code);
        expect(why).toBe(VERDICT_OF[port]);
        coordinator.abort();
        await attempt;
        const { events, key } = victim;
        expect(events.filter(({ type }) => type === 'violation' || type === 'unproven')).toEqual(
          [],
        );
        await coordinator.open();
        await coordinator.until(
          () => coordinator.recordsOf(key, 'register').length === 1,
          'it registers for the next attempt',
        );
        await stopAll(running);
        running = [];
      }
    },
  );
});
