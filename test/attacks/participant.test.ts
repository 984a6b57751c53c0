/**
 * @module Participants that lie or put their heads together, against an honest coordinator and
 * honest clients.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { entropiesOf } from '../../protocol/verify/bundle.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { nextBeacon } from '../../protocol/rules/beacon.ts';
import { collude, registerOnly } from './collusion.ts';
import { cosine, norm } from './learning.ts';
import {
  eventually,
  fastClock,
  PATIENT,
  readBundle,
  realRun,
  stepOfRound,
  updateOf,
  type RealRun,
} from './real-run.ts';

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

/** Lies in the first attempt and in no other. */
const once = (lie: (lanes: Uint16Array | Uint32Array) => void) => {
  let told = false;
  return (lanes: Uint16Array | Uint32Array): void => {
    if (!told) lie(lanes);
    told = true;
  };
};

const FIVE = { cohort: { size: 5, minimum: 3 }, deadlines: PATIENT } as const;

describe('one participant', () => {
  it.each([
    ['a vector far beyond the clip norm', updateOf('noise', 64), {}],
    ['a backdoor of one round', updateOf('backdoor', 20), { rotation: false }],
  ] as const)('puts %s into the sum', async (_, wanted, over) => {
    const encoding = { ring: 'ring32', bits: 20, clipNorm: 1, weightCap: 10, ...over } as const;
    run = await realRun({ ...FIVE, encoding }, { clock: fastClock() });
    const people = await everyoneOf(4);
    await run.liar('liar', { lie: { lanes: once(loud(wanted)) } });
    await run.committed(1);
    const [failure] = await run.aborted(1);
    const step = await stepOfRound(run, people[0]!.keystore.identity);

    expect(failure).toMatchObject({ code: 'mean_out_of_range', culprits: [] });
    expect(norm(step)).toBeLessThan(run.spec.encoding.clipNorm);
  });

  it('remains: an implausible sum names nobody: where all have answered and no groups answer, the run waits after the second', async () => {
    run = await realRun(FIVE, { clock: fastClock() });
    await everyoneOf(4);
    await run.liar('liar', { lie: { lanes: loud(updateOf('noise', 64)) } });
    await eventually(() => run.coordinator.status().waitingFor !== undefined, 'the run waits');
    const failures = await run.aborted(2);

    expect(failures.map(({ code }) => code)).toEqual(['mean_out_of_range', 'mean_out_of_range']);
    expect(run.coordinator.status().waitingFor).toContain('one of them spoils every one');
    expect(failures.flatMap(({ culprits }) => culprits)).toEqual([]);
    expect(run.coordinator.status().committed).toBe(0);
  });

  it('claims more examples than one participant may count for: it counts for the cap', async () => {
    run = await realRun({
      cohort: { size: 5, minimum: 3 },
      encoding: { ring: 'ring32', bits: 20, clipNorm: 1, weightCap: 10 },
    });
    const people = await everyoneOf(4);
    const boaster = await run.join('boaster', { examples: 1_000_000 });
    await run.committed(1);
    const step = await stepOfRound(run, people[0]!.keystore.identity);

    expect(run.records('commit')[0]!.body.weight).toBe(5 * 10);
    expect(cosine(step, boaster.update)).toBeLessThan(0.8);
  });

  it('remains: where the cap is a thousand and the others have one example, a claim of a thousand is the mean', async () => {
    run = await realRun({
      cohort: { size: 5, minimum: 3 },
      encoding: { ring: 'ring32', bits: 20, clipNorm: 1, weightCap: 1000 },
    });
    await Promise.all(named(4).map((name) => run.join(name, { examples: 1 })));
    const boaster = await run.join('boaster', { examples: 1000 });
    await run.committed(1);
    const step = await stepOfRound(run, run.stage.coordinatorIdentity);

    expect(cosine(step, boaster.update)).toBeGreaterThan(0.99);
    // A share of the mean of cap / (cap + what the others have), and no longer than the clip norm.
    expect(norm(step)).toBeLessThan(run.spec.encoding.clipNorm);
  });

  it('remains: claims a million correct answers on ten examples, and the run reports more than all', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    await everyoneOf(4);
    await run.join('boaster', { correct: 1e6 });
    await run.committed(1);
    const [commit] = run.records('commit');

    expect(commit!.body.metrics[1]!.sum / commit!.body.weight).toBeGreaterThan(1);
  });

  it.each([
    ['names the blob of another as its upload', 'masked'],
    ['passes the upload of another off as its own, where there are no masks', 'none'],
  ] as const)('%s', async (_, secagg) => {
    // The upload phase waits for the one who is missing.
    run = await realRun({ secagg, cohort: { size: 5, minimum: 3 }, deadlines: { upload: 3 } });
    const people = await everyoneOf(4);
    const copier = await run.liar('copier', {
      lie: {
        claim: async () => {
          for (;;) {
            const other = run
              .records('upload')
              .find(({ author }) => equalBytes(author, people[0]!.key));
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

  it.each([
    ['seals garbage to the others', { entries: true }],
    ['complains about an entry that is good', { complaint: true }],
  ] as const)('%s: it is named with proof, and the next attempt is without it', async (_, lie) => {
    run = await realRun(FIVE, { clock: fastClock() });
    const people = await everyoneOf(4);
    const liar = await run.liar('liar', { lie });
    await run.committed(1);
    const [failure] = await run.aborted(1);
    const code = 'entries' in lie ? 'complaint_upheld' : 'complaint_unfounded';

    expect(failure).toMatchObject({ code, culprits: [toHex(liar.identity.publicKey)] });
    expect(run.records('unmask').every(({ attempt }) => attempt === 2)).toBe(true);
    expect(run.records('survivors')[0]!.body.members).toHaveLength(4);
    // Everybody who was honest has judged it again.
    for (const { keystore } of people)
      expect((await keystore.load(run.run))?.culprits).toEqual([liar.identity.address]);
  });

  it('commits to another secret than it shares: its own shares prove it, and the others answer for the set without it', async () => {
    run = await realRun(FIVE, { clock: fastClock() });
    const people = await everyoneOf(4);
    const liar = await run.liar('liar', { lie: { commitment: true } });
    await run.committed(1);
    const [failure, ...more] = await run.aborted(1);

    expect(more).toEqual([]);
    expect(failure).toMatchObject({
      code: 'commitment_mismatch',
      culprits: [toHex(liar.identity.publicKey)],
      answered: true,
    });
    const [first, second] = run.records('survivors');
    expect(first!.body.members).toHaveLength(5);
    expect(second!.body.members.map(toHex)).toEqual(people.map(({ key }) => toHex(key)).toSorted());
    // They had answered for the set with it, and have judged the proof themselves.
    for (const { keystore } of people)
      expect((await keystore.load(run.run))?.culprits).toEqual([liar.identity.address]);
  });

  it('answers with shares it was never given: another set of answers gives the sum', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    const people = await everyoneOf(4);
    await run.liar('liar', { lie: { shares: true } });
    await run.committed(1);
    const step = await stepOfRound(run, people[0]!.keystore.identity);

    expect(run.progress.filter(({ type }) => type === 'aborted')).toEqual([]);
    expect(norm(step)).toBeLessThan(run.spec.encoding.clipNorm);
  });

  it('keeps its part of the next beacon back, once it has seen those of the others', async () => {
    run = await realRun(
      { ...FIVE, deadlines: { ...PATIENT, consistency: 50, unmask: 50 } },
      {
        clock: fastClock(),
      },
    );
    const people = await everyoneOf(4);
    const silent = await run.liar('silent', { dropAt: (step) => step === 'unmask' });
    await run.committed(1);
    const [commit] = run.records('commit');
    const [open] = run.records('open');
    const survivors = run.records('survivors')[0]!.body.members;
    const bundle = await readBundle(run, commit!, people[0]!.keystore.identity);
    const entropies = entropiesOf(survivors, [...bundle.secrets]);

    expect(run.records('unmask')).toHaveLength(4);
    expect(survivors.map(toHex)).toContain(toHex(silent.identity.publicKey));
    expect(entropies).toHaveLength(5);
    expect(commit!.body.beacon).toEqual(nextBeacon(open!.body.beacon, entropies));
  });
});

describe('several participants', () => {
  it('register in every attempt and never share: one attempt ends, and the next is without them', async () => {
    const deadlines = { ...PATIENT, share: 50 };
    run = await realRun({ cohort: { size: 6, minimum: 3 }, deadlines }, { clock: fastClock() });
    await everyoneOf(4);
    for (const name of ['idle 0', 'idle 1']) await registerOnly(run, name);
    await run.committed(1);

    expect(await run.aborted(1)).toHaveLength(1);
    expect(run.records('open').at(-1).body.invited).toHaveLength(4);
  });

  it('four of ten, with the secrets that a commit publishes of three who dropped, read no other update', async () => {
    const { found, published, threshold } = await collude((made) => (run = made));

    expect([found.length, published, threshold]).toEqual([3, 3, 7]);
    for (const { update, shares, codes, read } of found) {
      // Their own shares, and of what was sealed to the dropped nothing.
      expect(shares).toHaveLength(4);
      expect(codes).toEqual(['key_invalid', 'key_invalid', 'key_invalid']);
      expect(Math.abs(cosine(read ?? new Float32Array(20), update))).toBeLessThan(0.9);
    }
  });
});
