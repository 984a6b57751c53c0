/**
 * @module The compliance suite of the Ledger port: every implementation runs it.
 */
import { base64url } from '../protocol/wire/base64url.ts';
import type { TestApi } from './api.ts';
import { withFixtures } from './fixture.ts';
import { sha256, utf8 } from '../protocol/bytes.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';

export interface LedgerFixture {
  readonly ledger: Ledger;
  /** The same ledger after its process was started again. */
  reopen(): Promise<Ledger>;
  close(): Promise<void>;
}

export const ledgerSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  open: () => Promise<LedgerFixture>,
): void => {
  describe(`Ledger: ${name}`, () => {
    const h = (text: string): Uint8Array => sha256(utf8(text));
    const run = h('run');
    const members = ['a', 'b', 'c', 'd', 'e'].map(h);
    const cohort = { run, attempt: 1, root: h('root'), members, entropy: h('entropy') };
    const survivors = {
      run,
      attempt: 1,
      hash: h('survivors'),
      members: members.slice(1),
      dataCommitment: h('uploads'),
    };
    // A chain knows blobs by Walrus's ids only.
    const blob = { id: base64url(h('b1')), sha256: h('bytes'), size: 7 };
    const model = { run, attempt: 1, modelHash: h('model'), blob, transcriptRoot: h('t') };
    const other = { ...blob, id: base64url(h('b2')) };
    const frozen = expect.objectContaining({ code: 'already_frozen' });
    const withFixture = withFixtures(open);

    it(
      'holds nothing at first',
      withFixture(async ({ ledger }) => {
        expect(await ledger.readCohort(run, 1)).toBeUndefined();
        expect(await ledger.readSurvivors(run, 1)).toBeUndefined();
        expect(await ledger.readModel(run, 1)).toBeUndefined();
        await expect(ledger.readFamily(run, 0, h('first'))).rejects.toMatchObject({
          code: 'ledger_unavailable',
        });
      }),
    );

    it(
      'freezes a cohort once: the same again gives the same beacon, another is refused',
      withFixture(async ({ ledger }) => {
        const { beacon, receipt } = await ledger.freezeCohort(cohort);
        expect(beacon).toHaveLength(32);
        expect(receipt.length).toBeLessThanOrEqual(500);
        expect((await ledger.freezeCohort(cohort)).beacon).toEqual(beacon);
        for (const change of [{ root: h('other') }, { entropy: h('other') }])
          await expect(ledger.freezeCohort({ ...cohort, ...change })).rejects.toEqual(frozen);
        expect(await ledger.readCohort(run, 1)).toEqual({ root: cohort.root, beacon });
      }),
    );

    it(
      'gives another round and another cohort another beacon',
      withFixture(async ({ ledger }) => {
        const first = await ledger.freezeCohort(cohort);
        const second = await ledger.freezeCohort({ ...cohort, attempt: 2, entropy: h('more') });
        expect(second.beacon).not.toEqual(first.beacon);
      }),
    );

    it(
      'freezes survivors once',
      withFixture(async ({ ledger }) => {
        await ledger.freezeCohort(cohort);
        await ledger.freezeSurvivors(survivors);
        await ledger.freezeSurvivors(survivors);
        for (const change of [{ hash: h('other') }, { dataCommitment: h('other') }])
          await expect(ledger.freezeSurvivors({ ...survivors, ...change })).rejects.toEqual(frozen);
        const { hash, dataCommitment } = survivors;
        expect(await ledger.readSurvivors(run, 1)).toEqual({ hash, dataCommitment });
        expect(await ledger.readSurvivors(h('another run'), 1)).toBeUndefined();
      }),
    );

    it(
      'registers a model version once',
      withFixture(async ({ ledger }) => {
        const initial = { ...model, attempt: 0, blob: other, stateHash: h('state') };
        await ledger.registerModel(initial);
        const others = [{ stateHash: h('another state') }, { stateHash: undefined }];
        for (const change of others)
          await expect(ledger.registerModel({ ...initial, ...change })).rejects.toEqual(frozen);
        await ledger.freezeCohort(cohort);
        await ledger.freezeSurvivors(survivors);
        const facts = {
          parent: 0,
          examples: 10,
          metrics: [
            { name: 'loss', value: 1.25 },
            { name: 'accuracy', value: 0.9 },
          ],
        };
        await ledger.registerModel(model, facts);
        await ledger.registerModel(model, facts);
        await expect(ledger.registerModel({ ...model, blob: other })).rejects.toEqual(frozen);
        expect(await ledger.readModel(run, 0)).toEqual(initial);
        expect(await ledger.readModel(run, 1)).toEqual(model);
      }),
    );

    it(
      'lists every survivor set on a model, those of aborted attempts too',
      withFixture(async ({ ledger, reopen }) => {
        const freeze = async (attempt: number, set?: readonly Uint8Array[]) => {
          await ledger.freezeCohort({ ...cohort, attempt });
          if (set !== undefined)
            await ledger.freezeSurvivors({ ...survivors, attempt, members: [...set] });
        };
        const register = (attempt: number, modelHash: Uint8Array, id: string) =>
          ledger.registerModel({
            ...model,
            attempt,
            modelHash,
            blob: { ...blob, id: base64url(h(id)) },
          });
        const [all, few, last] = [members, members.slice(2), members.slice(0, 3)];
        await register(0, h('first'), 'm0');
        expect(await ledger.readFamily(run, 0, h('first'))).toEqual([]);
        await freeze(1, all);
        await freeze(2);
        await freeze(3, few);
        await register(3, h('second'), 'm3');
        expect(await ledger.readFamily(run, 3, h('second'))).toEqual([]);
        await freeze(4, last);
        // A commit that changed nothing makes no new model.
        await register(4, h('second'), 'm4');
        await freeze(5, all);
        const [one, three, four, five] = [
          { attempt: 1, cohort: members, members: all },
          { attempt: 3, cohort: members, members: few },
          { attempt: 4, cohort: members, members: last },
          { attempt: 5, cohort: members, members: all },
        ];
        const check = async (each: Ledger): Promise<void> => {
          expect(await each.readFamily(run, 0, h('first'))).toEqual([one, three]);
          for (const version of [3, 4])
            expect(await each.readFamily(run, version, h('second'))).toEqual([four, five]);
          for (const [version, hash, code] of [
            [5, 'second', 'ledger_unavailable'],
            [3, 'first', 'context_mismatch'],
          ] as const)
            await expect(each.readFamily(run, version, h(hash))).rejects.toMatchObject({ code });
        };
        await check(ledger);
        await check(await reopen());
      }),
    );

    it(
      'still knows what was frozen after a restart',
      withFixture(async ({ ledger, reopen }) => {
        const { beacon } = await ledger.freezeCohort(cohort);
        await ledger.freezeSurvivors(survivors);
        const again = await reopen();
        expect(await again.readCohort(run, 1)).toEqual({ root: cohort.root, beacon });
        await expect(again.freezeSurvivors({ ...survivors, hash: h('x') })).rejects.toEqual(frozen);
      }),
    );
  });
};
