/**
 * @module One participant among ten that spoils every sum it is in, in each of the ways that no
 * record shows: the run commits, and the spoiler is named and out within six attempts. Members
 * answer for groups here, as they do on chain (policy `ledger`).
 */
import { afterEach, expect, it } from 'vitest';
import { journalLedger } from '../../coordinator/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import { cipherStream, deriveSeed } from '../../protocol/ports/random.ts';
import { utf8 } from '../../protocol/bytes.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { eventually, fastClock, PATIENT, realRun, type RealRun } from './real-run.ts';

let run: RealRun;
afterEach(() => run.stop());

type Lanes = Uint16Array | Uint32Array;

const noise = (lanes: Lanes): void => {
  const bytes = cipherStream(deriveSeed(utf8('noise'), 'lanes'))(3 * lanes.length);
  for (let i = 0; i < lanes.length; i += 1)
    lanes[i] =
      (bytes[3 * i]! | (bytes[3 * i + 1]! << 8) | (bytes[3 * i + 2]! << 16)) & (2 ** 23 - 1);
};

it('an upload that nobody can read: its author is named and left out, the others commit', async () => {
  const cohort = { size: 5, minimum: 3 };
  run = await realRun({ cohort, deadlines: PATIENT, rounds: 2 }, { clock: fastClock() });
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => run.join(name)));
  const nowhere = { id: 'nowhere', sha256: new Uint8Array(32).fill(7) };
  const liar = await run.liar('liar', {
    lie: {
      claim: async () => {
        // Once another has uploaded, so that the size is right.
        await eventually(() => run.records('upload').length > 0, 'an upload');
        const { size } = run.records('upload')[0]!.body.blob;
        return { blob: { ...nowhere, size } };
      },
    },
  });
  await run.committed(2);
  const key = toHex(liar.identity.publicKey);
  const rejected = run.progress.filter((event) => event.type === 'upload-rejected');

  expect(rejected[0]).toMatchObject({ member: key, code: 'blob_not_found', attempt: 1 });
  expect(run.records('survivors')[0]!.body.members).toHaveLength(4);
  // It was not silent, so it is drawn again where there is a place, after the others.
  expect(run.records('open')[1]!.body.draw!.late.map(toHex)).toEqual([key]);
}, 60_000);

it.each<[string, (lanes: Lanes) => void]>([
  ['a random vector', noise],
  ['a vector of a huge norm', (lanes) => lanes.fill(2 ** 21)],
  ['what not a number would be cast to', (lanes) => lanes.fill(2 ** 22)],
])(
  '%s: the run commits, its author is named and out within six attempts',
  async (_, lanes) => {
    run = await realRun(
      { cohort: { size: 10, minimum: 3 }, deadlines: PATIENT, rounds: 3 },
      { clock: fastClock(), regroups: true },
    );
    const ledger = journalLedger(run.stage.journal);
    const answers = { policy: 'ledger' } as const;
    const names = Array.from({ length: 9 }, (__, i) => `honest ${i}`);
    await Promise.all(names.map((name) => run.join(name, { ledger, answers })));
    const liar = await run.liar('liar', { lie: { lanes } });
    const named = () => run.progress.filter((event) => event.type === 'suspended');
    await eventually(() => named().length > 0, 'somebody is suspended');
    await eventually(() => run.coordinator.status().committed >= 1, 'a commit');

    expect(named()[0]).toMatchObject({ code: 'member_suspended' });
    expect(named()[0]!.members).toContain(toHex(liar.identity.publicKey));
    expect(named()[0]!.attempt).toBeLessThanOrEqual(6);
    // What the coordinator made of it holds in the eyes of a verifier.
    const { spec, stage } = run;
    const transcript = await run.coordinator.transcript.whole();
    const { culprit } = await verifyRun({ spec, transcript, store: stage.store });
    expect(culprit).toBeUndefined();
  },
  120_000,
);
