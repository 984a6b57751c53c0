/**
 * A coordinator that signs a commit which the uploads do not give: the model has not moved, or
 * moved otherwise. Whoever trained on it would give a second sum over the same model, and two sums
 * that differ by one member are that member's update. Real participants check each commit before
 * they share: every lie is found, named and proven, nothing is shared, and what a store or a gate
 * does wrong is never laid at the coordinator's door.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { layoutOf } from '../../protocol/algorithm/round.ts';
import type { BlobRef, BlobStore } from '../../protocol/ports/blob-store.ts';
import { decryptBlob } from '../../protocol/model/envelope.ts';
import { readEvidence } from '../../protocol/verify/evidence.ts';
import { spotCheck } from '../../protocol/verify/spot-check.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { FloeError } from '../../protocol/errors.ts';
import { decodeProof } from '../../protocol/verify/commit-proof.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, type Fabrication } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const FIVE_LEAVES = [{ name: 'w', shape: [300], dtype: 'float32' as const }];

const stage = async (options: Parameters<typeof startAll>[2] = {}) => {
  const coordinator = await ScriptedCoordinator.create({}, FIVE_LEAVES);
  running = await startAll(coordinator, 4, { ...options, tensors: FIVE_LEAVES });
  return { coordinator, members: coordinator.keys, victim: running[0] as Started };
};

type Stage = Awaited<ReturnType<typeof stage>>;

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

/** Everybody names the commit, keeps the proof, says so, and has shared nothing. */
const expectFound = async ({ coordinator, members }: Stage, part: string): Promise<void> => {
  await coordinator.open(undefined, undefined, members);
  await coordinator.cohort(members);
  for (const { participant, event, key, keystore } of running) {
    await expect(participant.finished).rejects.toMatchObject({ code: 'commit_fabricated' });
    const { proof } = await event('fabricated');
    expect(proof).toMatchObject({ part, attempt: 1, commit: coordinator.last!.commit.hash });
    expect(coordinator.recordsOf(key, 'share')).toEqual([]);
    expect(await coordinator.withdrawal(key)).toBe('commit_fabricated');
    expect(decodeProof(coordinator.withdrew(key)!.proof!)).toEqual(proof);
    const memory = await keystore.load(coordinator.run);
    expect(decodeProof(memory!.proof!)).toEqual(proof);
  }
};

/** The first lane of every leaf moves, and the model follows the sum that is signed. */
const otherSum =
  (coordinator: ScriptedCoordinator): NonNullable<Fabrication['lanes']> =>
  (lanes) => {
    const [{ padded, blockSize }] = layoutOf(
      coordinator.spec,
      4,
      coordinator.meanExamples,
    ).segments;
    for (let at = 0; at < padded; at += blockSize) lanes[at] = (lanes[at]! + 1) & 0xff;
    return lanes;
  };

describe('a fabricated commit is found by everybody who would train on it', () => {
  it.each<[string, string, Fabrication]>([
    ['a model that has not moved', 'step', { after: (_after, before) => before.slice() }],
    [
      'a scaled step',
      'step',
      { after: (after, before) => after.map((value, i) => 2 * value - before[i]!) },
    ],
    ['another weight', 'step', { body: (body) => ({ ...body, weight: body.weight + 1 }) }],
    [
      'a secret that is not the one committed to',
      'secret',
      {
        bundle: (bundle) => ({
          ...bundle,
          secrets: bundle.secrets.map((item, i) =>
            i === 1 ? { ...item, secret: flipped(item.secret, 0) } : item,
          ),
        }),
      },
    ],
    [
      'two secrets swapped',
      'secret',
      {
        bundle: ({ secrets: [first, second, ...others], ...bundle }) => ({
          ...bundle,
          secrets: [
            { ...first!, secret: second!.secret },
            { ...second!, secret: first!.secret },
            ...others,
          ],
        }),
      },
    ],
    [
      'a secret left out',
      'secret',
      { bundle: (bundle) => ({ ...bundle, secrets: bundle.secrets.slice(1) }) },
    ],
    [
      'leaf hashes that are not those of the committed sum',
      'sum',
      { bundle: (bundle) => ({ ...bundle, sum: flipped(bundle.sum, 40) }) },
    ],
    [
      'no leaf hashes of the sum',
      'sum',
      { bundle: (bundle) => ({ ...bundle, sum: new Uint8Array() }) },
    ],
    [
      'leaf hashes of another upload',
      'leaves',
      { bundle: (bundle) => ({ ...bundle, uploads: bundle.uploads.toReversed() }) },
    ],
    [
      'extra lanes that no upload has',
      'leaves',
      {
        bundle: (bundle) => ({
          ...bundle,
          uploads: bundle.uploads.map((item) => ({ ...item, extras: flipped(item.extras, 0) })),
        }),
      },
    ],
    [
      'a key that does not open the model after',
      'model',
      {
        bundle: (bundle) => ({
          ...bundle,
          keys: { ...bundle.keys, after: new Uint8Array(32).fill(1) },
        }),
      },
    ],
  ])('%s', async (_name, part, lie) => {
    const s = await stage();
    await s.coordinator.playRound([], lie);
    await expectFound(s, part);
  });

  it('a sum that the uploads do not give', async () => {
    const s = await stage();
    await s.coordinator.playRound([], { lanes: otherSum(s.coordinator) });
    await expectFound(s, 'leaf');
  });

  it('where somebody had dropped out, too', async () => {
    const s = await stage();
    const [gone, ...others] = running;
    await s.coordinator.playRound([gone!.key], { lanes: otherSum(s.coordinator) });
    running = others;
    await expectFound(s, 'leaf');
    await gone!.participant.stop();
  });

  it('whoever comes back with the same keystore stops again, and so does a newcomer', async () => {
    const s = await stage();
    const keystores = await Promise.all([10, 11, 12].map((index) => keystoreOf(index)));
    s.coordinator.waiting = keystores.map(({ identity }) => identity.publicKey);
    await s.coordinator.playRound([], { after: (_after, before) => before.slice() });
    await expectFound(s, 'step');
    const again = await start(s.coordinator, 0, {
      tensors: FIVE_LEAVES,
      keystore: s.victim.keystore,
    });
    await expect(again.participant.finished).rejects.toMatchObject({ code: 'commit_fabricated' });
    const newcomers = await Promise.all(
      [10, 11, 12].map(async (index) =>
        start(s.coordinator, index, { tensors: FIVE_LEAVES, keystore: await keystoreOf(index) }),
      ),
    );
    await s.coordinator.until(() => s.coordinator.keys.length === 3, 'three newcomers');
    running = newcomers;
    await expectFound({ ...s, members: s.coordinator.keys }, 'step');
  });
});

describe('an honest commit is never called fabricated', () => {
  it('over four rounds, with and without drop-outs, each member checks and everybody sees it', async () => {
    const s = await stage();
    await s.coordinator.playRound();
    await s.coordinator.playRound([running[2]!.key]);
    await s.coordinator.playRound([running[0]!.key]);
    await s.coordinator.playRound();
    for (const { events, key } of running) {
      const checked = events.filter(({ type }) => type === 'checked');
      expect(checked.map((event) => event.type === 'checked' && event.commit)).toEqual([1, 2, 3]);
      expect(events.some(({ type }) => type === 'violation' || type === 'fabricated')).toBe(false);
      const [share] = s.coordinator.recordsOf(key, 'share');
      expect(share!.body.check!.commit).toEqual(s.coordinator.attempt!.open.body.bundle!.commit);
      expect(share!.body.check!.leaf).toBeLessThan(5);
    }
  });

  it('an attempt that failed is not checked again', async () => {
    const s = await stage();
    await s.coordinator.playRound();
    await s.coordinator.open();
    await s.coordinator.cohort(s.members);
    await s.coordinator.collect(s.members, 'share');
    s.coordinator.abort();
    await s.coordinator.playRound();
    for (const { events } of running)
      expect(events.filter(({ type }) => type === 'checked')).toHaveLength(1);
  });

  it('ranges that come back corrupt are read whole, and the round continues', async () => {
    let ranges = 0;
    const s = await stage();
    const { store } = s.coordinator;
    const lying: BlobStore = {
      ...store,
      getRange: async (...request) => {
        ranges += 1;
        return flipped(await store.getRange(...request), 1);
      },
    };
    const victim = await start(s.coordinator, 7, { store: lying, tensors: FIVE_LEAVES });
    running.push(victim);
    await s.coordinator.loggedIn(5);
    await s.coordinator.playRound();
    await s.coordinator.playRound();
    expect(ranges).toBe(5);
    expect((await victim.event('checked')).commit).toBe(1);
    expect(victim.events.some(({ type }) => type === 'fabricated')).toBe(false);
  });

  it.each([
    ['a store that is away', 'store_unavailable'],
    ['a store that has lost the blobs', 'blob_not_found'],
    ['a store that gives other bytes, whole too', 'blob_corrupt'],
  ] as const)('%s is an outage', async (_name, code) => {
    const s = await stage();
    const { store } = s.coordinator;
    let away = false;
    const fail = async () => {
      throw new FloeError(code, 'not now');
    };
    const failing: BlobStore = {
      ...store,
      get: (...request) => (away ? fail() : store.get(...request)),
      getRange: (...request) => (away ? fail() : store.getRange(...request)),
    };
    const victim = await start(s.coordinator, 7, {
      store: failing,
      tensors: FIVE_LEAVES,
      patienceMs: 50,
    });
    running.push(victim);
    await s.coordinator.loggedIn(5);
    await s.coordinator.playRound();
    away = true;
    await s.coordinator.open();
    await s.coordinator.cohort(s.coordinator.keys);
    // It waits, says for what, and leaves the attempt when that takes too long.
    expect((await victim.event('waiting')).error.code).toBe(code);
    expect(await s.coordinator.withdrawal(victim.key)).toBe(code);
    const kinds = new Set(victim.events.map(({ type }) => type));
    expect(kinds.has('fabricated') || kinds.has('violation')).toBe(false);
    s.coordinator.abort();
    away = false;
    await s.coordinator.playRound();
    await victim.event('checked');
  });

  it('a gate that does not answer, or denies, is an outage', async () => {
    for (const code of ['gate_unavailable', 'access_denied', 'envelope_malformed'] as const) {
      const s = await stage();
      const keystore = await keystoreOf(7);
      const gate = sealedBoxGate(keystore.identity);
      const failing = {
        ...gate,
        unwrap: async (...request: Parameters<typeof gate.unwrap>) => {
          if (request[1].role === 'bundle') throw new FloeError(code, 'no');
          return gate.unwrap(...request);
        },
      };
      const victim = await start(s.coordinator, 7, {
        keystore,
        gate: failing,
        tensors: FIVE_LEAVES,
        patienceMs: 50,
      });
      running.push(victim);
      await s.coordinator.loggedIn(5);
      await s.coordinator.playRound();
      await s.coordinator.open();
      await s.coordinator.cohort(s.coordinator.keys);
      expect(await victim.event('withdrawn')).toMatchObject({ error: { code }, why: 'outage' });
      const kinds = new Set(victim.events.map(({ type }) => type));
      expect(kinds.has('fabricated') || kinds.has('violation')).toBe(false);
      await stopAll(running);
    }
  });
});

describe('nobody gets round the check', () => {
  it('a round that names no commit, or another one, is refused', async () => {
    for (const [named, code] of [
      [undefined, 'record_malformed'],
      [new Uint8Array(32), 'record_conflict'],
    ] as const) {
      const s = await stage();
      await s.coordinator.playRound();
      await s.coordinator.open(({ bundle, ...body }) => ({
        ...body,
        ...(named === undefined ? {} : { bundle: { ...bundle!, commit: named } }),
      }));
      expect((await s.victim.event('violation')).error.code).toBe(code);
      expect(s.coordinator.recordsOf(s.victim.key, 'register')).toEqual([]);
      await stopAll(running);
    }
  });

  it.each<[string, (records: Uint8Array[], s: Stage) => Uint8Array[], string]>([
    ['no evidence', () => [], 'record_malformed'],
    ['without an upload', (records) => records.filter((_, i) => i !== 11), 'record_malformed'],
    ['without the commit', (records) => records.slice(0, -1), 'record_malformed'],
    ['with a record twice', (records) => [...records, records[0]!], 'record_malformed'],
    [
      'with a byte changed',
      (records) => records.map((r, i) => (i === 12 ? flipped(r, r.length - 1) : r)),
      'signature_invalid',
    ],
  ])('evidence %s is refused', async (_name, change, code) => {
    const s = await stage();
    await s.coordinator.playRound();
    const { last } = s.coordinator;
    s.coordinator.last = { ...last!, records: change([...last!.records], s) };
    await s.coordinator.open();
    await s.coordinator.cohort(s.members);
    // The list of records is signed by nobody: refused, and no proof of anything.
    expect((await s.victim.event('unproven')).error.code).toBe(code);
    expect(s.coordinator.recordsOf(s.victim.key, 'share')).toEqual([]);
  });

  it('a sharer that has checked another commit, or none, is not shared with', async () => {
    for (const lie of [undefined, { commit: new Uint8Array(32).fill(1), leaf: 0 }]) {
      const s = await stage();
      await s.coordinator.playRound();
      await s.coordinator.open();
      await s.coordinator.cohort(s.members);
      const shares = await s.coordinator.collect(s.members, 'share');
      // A colluding member signs the same share with another check.
      const liar = running[3]!;
      const { check: _, ...body } = shares.find(({ author }) =>
        author.every((byte, i) => byte === liar.key[i]),
      )!.body;
      s.coordinator.forge(liar.keystore.identity, 'share', {
        ...body,
        ...(lie === undefined ? {} : { check: lie }),
      });
      await s.coordinator.sharers(s.members);
      const { error } = await s.victim.event('violation');
      expect(error.message).toMatch(/has not checked/);
      expect(s.coordinator.recordsOf(s.victim.key, 'upload')).toEqual([]);
      await stopAll(running);
    }
  });
});

it('one wrong leaf of five is found by whoever draws it: probability one fifth for each checker', async () => {
  // The lie is consistent but for one leaf: every member draws its own.
  const s = await stage();
  await s.coordinator.playRound([], {
    lanes: (lanes) => {
      lanes[3] = (lanes[3]! + 1) & 0xff;
      return lanes;
    },
  });
  await s.coordinator.open();
  await s.coordinator.cohort(s.members);
  const outcomes = await Promise.all(
    running.map((one) => Promise.race([one.event('fabricated'), one.event('checked')])),
  );
  for (const outcome of outcomes)
    if (outcome.type === 'fabricated')
      expect(outcome.proof).toMatchObject({ part: 'leaf', leaf: 0 });
    else expect(outcome.leaf).toBeGreaterThan(0);
});

describe('block by block', () => {
  /** What a check of each of the five blocks finds: a part of the proof, or undefined. */
  const findings = async (lie: Fabrication) => {
    const { coordinator } = await stage();
    const { spec, run, store } = coordinator;
    await coordinator.playRound([], lie);
    const { commit, records, key } = coordinator.last!;
    const evidence = readEvidence(spec, run, 'members', records);
    const cipher = await store.get(commit.body.bundle.blob);
    const purpose = { run, attempt: commit.attempt, role: 'bundle' } as const;
    const bundle = await decryptBlob(key, purpose, cipher);
    const reader = {
      range: ([ref]: readonly BlobRef[], from: number, to: number) =>
        store.getRange(ref!, from, to),
      whole: ([ref]: readonly BlobRef[]) => store.get(ref!),
    };
    const { blocks } = layoutOf(spec, 4, 10);
    expect(blocks).toBe(5);
    const results = await Promise.all(
      Array.from({ length: blocks }, (_, leaf) =>
        spotCheck({ spec, run, evidence, bundle, leaf, reader }),
      ),
    );
    return results.map((result) => (result.type === 'ok' ? undefined : result.proof.part));
  };

  it('one parameter moved otherwise: the block that it is dealt to, whichever it is', async () => {
    for (const at of [17, 18, 299]) {
      // One after the other: each has a run of its own.
      const found = await findings({
        after: (after) => after.map((value, i) => (i === at ? value + 1e-3 : value)),
      });
      expect(found.filter((part) => part !== undefined)).toEqual(['step']);
      await stopAll(running);
    }
  });

  it.each<[string, string, Fabrication]>([
    ['another weight', 'step', { body: (body) => ({ ...body, weight: body.weight + 1 }) }],
    [
      'other metrics',
      'step',
      {
        body: (body) => ({
          ...body,
          metrics: body.metrics.map(({ name }) => ({ name, sum: 0.5 })),
        }),
      },
    ],
    [
      'extra lanes of the sum that the uploads do not give',
      'leaf',
      {
        lanes: (lanes) => {
          // The last but the metrics, two of three limbs: how many were clipped.
          const at = lanes.length - 7;
          lanes[at] = (lanes[at]! + 1) & 0xffff;
          return lanes;
        },
      },
    ],
    [
      'a key that does not open the model before',
      'model',
      {
        bundle: (bundle) => ({
          ...bundle,
          keys: { ...bundle.keys, before: new Uint8Array(32).fill(1) },
        }),
      },
    ],
  ])('%s: found at every block', async (_name, part, lie) => {
    expect(await findings(lie)).toEqual(Array(5).fill(part));
  });
});
