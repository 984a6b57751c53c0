/**
 * @module Participants that lie or put their heads together, against an honest coordinator and honest clients.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { collude, groundNonce, registerOnly } from './collusion.ts';
import { fastClock, PATIENT, realRun, stepOfRound, updateOf, type RealRun } from './real-run.ts';
import { cosine, norm, unopenable } from './support.ts';

let run: RealRun;
afterEach(() => run.stop());

const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `honest ${i}`);
const everyoneOf = (count: number) => Promise.all(named(count).map((name) => run.join(name)));

/** Lanes of 23 bits that the coordinator reads as this vector, as long as the ring lets pass. */
const loud =
  (direction: Float32Array) =>
  (lanes: Uint16Array | Uint32Array): void => {
    const largest = Math.max(...direction.map(Math.abs));
    for (const [i, value] of direction.entries())
      lanes[i] = Math.round((value / largest) * 3 * 2 ** 20) & (2 ** 23 - 1);
  };

describe('one participant', () => {
  it('puts a vector far beyond the clip norm into the sum, and it is committed', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    await everyoneOf(4);
    await run.liar('liar', { lie: { lanes: loud(updateOf('noise', 64)) } });
    await run.committed(1);
    const step = await stepOfRound(run, run.stage.coordinatorIdentity);

    expect(norm(step)).toBeGreaterThan(1.5 * run.spec.encoding.clipNorm);
  });

  it('moves the model of all where it wants it: a backdoor of one round', async () => {
    const wanted = updateOf('backdoor', 20);
    run = await realRun({
      cohort: { size: 5, minimum: 3 },
      encoding: { ring: 'ring32', bits: 20, clipNorm: 1, weightCap: 10, rotation: false },
    });
    await everyoneOf(4);
    await run.liar('liar', {
      lie: {
        lanes: loud(wanted),
      },
    });
    await run.committed(1);
    const step = await stepOfRound(run, run.stage.coordinatorIdentity);

    expect(cosine(step, wanted)).toBeGreaterThan(0.95);
    expect(norm(step)).toBeGreaterThan(run.spec.encoding.clipNorm);
  });

  it('claims a thousand examples where it has one: the mean is its own update', async () => {
    run = await realRun({
      cohort: { size: 5, minimum: 3 },
      encoding: { ring: 'ring32', bits: 20, clipNorm: 1, weightCap: 1000 },
    });
    await Promise.all(named(4).map((name) => run.join(name, { examples: 1 })));
    const boaster = await run.join('boaster', { examples: 1000 });
    await run.committed(1);
    const step = await stepOfRound(run, run.stage.coordinatorIdentity);

    expect(cosine(step, boaster.update)).toBeGreaterThan(0.99);
  });

  it('claims a million correct answers on ten examples: the run reports more than all', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    await everyoneOf(4);
    await run.join('boaster', { correct: 1e6 });
    await run.committed(1);
    const [commit] = run.records('commit');

    expect(commit!.body.metrics.correct / commit!.body.weight).toBeGreaterThan(1);
  });

  it('names the blob of another as its upload: it is refused, and the round goes on', async () => {
    // The upload phase waits for the one who is missing.
    run = await realRun({ cohort: { size: 5, minimum: 3 }, deadlines: { upload: 3 } });
    await everyoneOf(4);
    const copier = await run.liar('copier', {
      lie: {
        claim: async () => {
          for (;;) {
            const other = run.records('upload').at(-1);
            if (other !== undefined) return other.body;
            await new Promise((resolve) => setImmediate(resolve));
          }
        },
      },
    });
    await run.committed(1);

    expect(copier.errors.map(({ code }) => code)).toEqual(['record_conflict']);
    expect(run.records('survivors')[0]!.body.members).toHaveLength(4);
  });

  it('passes the upload of another off as its own, where there are no masks: it is refused', async () => {
    run = await realRun({
      secagg: 'none',
      cohort: { size: 4, minimum: 3 },
      deadlines: { upload: 3 },
    });
    const people = await everyoneOf(3);
    const copier = await run.liar('copier', {
      lie: {
        claim: async () => {
          for (;;) {
            const other = run
              .records('upload')
              .find(({ author }) => toHex(author) === toHex(people[0]!.key));
            if (other !== undefined) return other.body;
            await new Promise((resolve) => setImmediate(resolve));
          }
        },
      },
    });
    await run.committed(1);

    expect(copier.errors.map(({ code }) => code)).toEqual(['record_conflict']);
    expect(run.records('survivors')[0]!.body.members).toHaveLength(3);
  });

  it('seals garbage to the others: every attempt fails after the answers, and nobody is named', async () => {
    run = await realRun(
      { cohort: { size: 5, minimum: 3 }, deadlines: PATIENT },
      { clock: fastClock() },
    );
    await everyoneOf(4);
    await run.liar('spoiler', {
      lie: { entries: unopenable },
    });
    const failures = await run.aborted(2);

    expect(failures.map(({ code }) => code)).toEqual(['not_enough_shares', 'not_enough_shares']);
    expect(failures.flatMap(({ culprits }) => culprits)).toEqual([]);
    expect(run.records('unmask').length).toBeGreaterThanOrEqual(8);
  });

  it('registers last and tries nonces until the beacon, and so the rotation, is the one it wants', async () => {
    run = await realRun({ cohort: { size: 4, minimum: 3 } });
    await everyoneOf(3);
    const wished = (beacon: Uint8Array): boolean => beacon[0] === 0 && beacon[1]! < 16;
    await groundNonce(run, 'grinder', wished);
    const [cohort] = run.records('cohort');

    expect(wished(cohort!.body.beacon)).toBe(true);
    expect(run.records('share').length).toBeGreaterThanOrEqual(3);
  });
});

describe('several participants', () => {
  it('register in every attempt and never share: the run stands still, and they are invited again', async () => {
    const deadlines = { ...PATIENT, share: 50 };
    run = await realRun({ cohort: { size: 6, minimum: 3 }, deadlines }, { clock: fastClock() });
    await everyoneOf(4);
    for (const name of ['idle 0', 'idle 1']) await registerOnly(run, name);
    const failures = await run.aborted(3);

    expect(failures.flatMap(({ culprits }) => culprits)).toEqual([]);
    expect(run.records('open').at(-1).body.invited).toHaveLength(6);
    expect(run.coordinator.status().committed).toBe(0);
  });

  it('four of ten, with the secrets that a commit publishes of three who dropped, read the other updates', async () => {
    const { read, honest } = await collude((made) => (run = made));

    expect(honest).toHaveLength(3);
    for (const { key, update } of honest)
      expect(cosine(read.get(toHex(key))!, update)).toBeGreaterThan(0.99);
  });
});
