/**
 * @module A participant's own privacy ledger: it counts participations over all runs and refuses by
 * itself.
 */
import { describe, expect, it } from 'vitest';
import { admitRun, makeAdmission } from '../../client/admission.ts';
import { memoryKeystore } from '../../client/keystore/memory.ts';
import {
  requireAnyBudget,
  requireBudget,
  spendBudget,
  totalBudget,
} from '../../client/participant/host/privacy-budget.ts';
import type { RunView } from '../../client/participant/machine/record-checks.ts';
import { decodeLedger, spentIn } from '../../client/privacy/ledger.ts';
import { privacyClaim } from '../../protocol/algorithm/privacy.ts';
import type { RunSpec, RunSpecInput } from '../../protocol/spec/run-spec.ts';
import { privateSpec } from '../support/private-spec.ts';

const SELF = new Uint8Array(32).fill(1);
const specOf = (changes: Partial<RunSpecInput> = {}): RunSpec => privateSpec(4, 2, 1, changes);
const viewOf = (n: number, spec = specOf()): RunView => ({
  spec,
  run: new Uint8Array(32).fill(n),
  self: SELF,
  beacon: 'members',
});
const spent = expect.objectContaining({ code: 'privacy_budget_spent' });
const keystore = () => memoryKeystore(new Uint8Array(32).fill(3));

describe('a run with a budget', () => {
  it('takes as many participations as it allows, and no more', async () => {
    const store = await keystore();
    await spendBudget(store, viewOf(1), 1, undefined);
    await spendBudget(store, viewOf(1), 2, undefined);
    await expect(requireBudget(store, viewOf(1), 3, undefined)).rejects.toEqual(spent);
    await expect(spendBudget(store, viewOf(1), 3, undefined)).rejects.toEqual(spent);
    // Another run has a budget of its own.
    await expect(requireBudget(store, viewOf(2), 1, undefined)).resolves.toBeUndefined();
  });

  it('counts an attempt once, though a restart makes its vector again', async () => {
    const store = await keystore();
    for (let i = 0; i < 3; i += 1) await spendBudget(store, viewOf(1), 7, undefined);
    expect(decodeLedger(await store.loadLedger()).runs).toMatchObject([
      { participations: 1, last: 7 },
    ]);
  });

  it('spends what the specification claims: epsilon after all participations is its budget', async () => {
    const store = await keystore();
    await spendBudget(store, viewOf(1), 1, undefined);
    const once = spentIn(decodeLedger(await store.loadLedger()), 1e-5);
    await spendBudget(store, viewOf(1), 2, undefined);
    const all = spentIn(decodeLedger(await store.loadLedger()), 1e-5);
    expect(once).toBeLessThan(all);
    expect(all).toBeLessThanOrEqual(4);
    expect(all).toBeGreaterThan(3.99);
  });
});

describe('a total over runs', () => {
  const total = totalBudget(makeAdmission({ totalEpsilon: 5.5 }));

  it('lets a spent participant refuse a fresh run of another coordinator', async () => {
    const store = await keystore();
    await spendBudget(store, viewOf(1), 1, total);
    await spendBudget(store, viewOf(1), 2, total);
    const fresh = specOf({ coordinator: new Uint8Array(32).fill(77) });
    // Two runs of epsilon 4 are more than 5.5, one release of the second still is not.
    await requireAnyBudget(store, new Uint8Array(32).fill(5), fresh, total);
    await spendBudget(store, viewOf(5, fresh), 1, total);
    await expect(requireAnyBudget(store, new Uint8Array(32).fill(5), fresh, total)).rejects.toEqual(
      spent,
    );
    await expect(requireAnyBudget(store, new Uint8Array(32).fill(6), fresh, total)).rejects.toEqual(
      spent,
    );
    // Without a total of its own it would have joined.
    await requireAnyBudget(store, new Uint8Array(32).fill(6), fresh, undefined);
  });

  it('is not touched by runs without privacy', async () => {
    const store = await keystore();
    await spendBudget(store, viewOf(1, specOf({ privacy: undefined })), 1, total);
    expect(await store.loadLedger()).toBeUndefined();
  });
});

describe('requirements', () => {
  const refused = (field: string) =>
    expect.objectContaining({
      code: 'admission_refused',
      details: expect.objectContaining({ field }) as unknown,
    });

  it('refuse a run of a larger epsilon or delta, or without privacy', () => {
    const admit = (require: object, spec = specOf()) =>
      admitRun(makeAdmission({ minimum: 3, honest: 1, ...require }), spec, SELF);
    expect(() => admit({ epsilon: 3.9 })).toThrow(refused('epsilon'));
    expect(() => admit({ epsilon: 4 })).not.toThrow();
    expect(() => admit({ delta: 1e-6 })).toThrow(refused('delta'));
    expect(() => admit({ epsilon: 8 }, specOf({ privacy: undefined }))).toThrow(refused('epsilon'));
  });
});

describe('a run with correlated noise', () => {
  const correlated = (): RunSpec =>
    privateSpec(4, 4, 1, {
      cohort: { size: 20 },
      privacy: {
        type: 'ftrl',
        epsilon: 4,
        delta: 1e-5,
        participations: 6,
        honest: 1,
        noiseMultiplier: 0,
        bands: 2,
      },
    });

  it('spends by attempts of the run, also those that the participant missed', async () => {
    const store = await keystore();
    const view = viewOf(1, correlated());
    const epsilonNow = async () => spentIn(decodeLedger(await store.loadLedger()), 1e-5);
    await requireAnyBudget(store, view.run, view.spec, undefined);
    await spendBudget(store, view, 1, undefined);
    const once = await epsilonNow();
    expect(once).toBeCloseTo(privacyClaim(view.spec, 1)!.epsilon, 9);
    await spendBudget(store, view, 4, undefined);
    expect(await epsilonNow()).toBeCloseTo(privacyClaim(view.spec, 4)!.epsilon, 9);
    // A restart makes its vector again: nothing more is spent.
    await spendBudget(store, view, 4, undefined);
    expect(decodeLedger(await store.loadLedger()).runs).toMatchObject([
      { participations: 4, last: 4, whole: true },
    ]);
    await spendBudget(store, view, 6, undefined);
    expect(await epsilonNow()).toBeGreaterThan(3.9);
    expect(await epsilonNow()).toBeLessThanOrEqual(4);
    await expect(requireBudget(store, view, 7, undefined)).rejects.toEqual(spent);
    await expect(requireAnyBudget(store, view.run, view.spec, undefined)).rejects.toEqual(spent);
  });

  it('composes with runs of other coordinators: a spent ledger refuses it', async () => {
    const store = await keystore();
    const total = totalBudget(makeAdmission({ totalEpsilon: 5.5 }));
    for (const attempt of [1, 2]) await spendBudget(store, viewOf(1), attempt, total);
    const view = viewOf(2, correlated());
    await requireAnyBudget(store, view.run, view.spec, total);
    await expect(requireBudget(store, view, 6, total)).rejects.toEqual(spent);
  });
});
