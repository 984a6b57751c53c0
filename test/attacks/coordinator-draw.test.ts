/**
 * @module A coordinator that wants to choose the next cohort once it knows R: with keys that it
 * makes then, by leaving out whom R draws, or with another set than the one that was signed before.
 * Specification of secure aggregation, section 2.0.1.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import {
  eligibleRoot,
  signRecord,
  sortKeys,
  survivorsHash,
  type Body,
} from '../../protocol/records/records.ts';
import { changing, finishedRun, forged, verdictOn, type FinishedRun } from './forge.ts';
import {
  enter,
  everyoneLeaves,
  liar,
  refusals,
  sentOf,
  stageOf,
  without,
  type Stage,
} from './support.ts';
import { examplesOf, linearLearner } from './learning.ts';
import { keystoreOf } from '../support/participants.ts';

afterEach(everyoneLeaves);

const SIZE = 6;
const openRun = () => liar({ cohort: { size: SIZE, minimum: 3 } });

/** Keys that the coordinator makes of its own. */
const ownKeys = async (count: number): Promise<Uint8Array[]> => {
  const made = Array.from({ length: count }, (_, i) =>
    identityFromSeed(new Uint8Array(32).fill(100 + i)),
  );
  return (await Promise.all(made)).map(({ publicKey }) => publicKey);
};

/** A run with one commit, of which all know. */
const committedStage = async (): Promise<Stage> => {
  const stage = await stageOf(await openRun(), SIZE);
  await stage.coordinator.playRound();
  return stage;
};

type OpenBody = Body<'open'>;

/** Everybody here refuses the attempt and sends nothing for it. */
const expectRefused = async (
  { coordinator, people }: Stage,
  who: readonly Uint8Array[],
  code = 'not_drawn',
): Promise<void> => {
  const asked = people.filter(({ key }) => who.some((one) => Buffer.compare(one, key) === 0));
  expect(new Set(await refusals(asked))).toEqual(new Set([code]));
  expect(sentOf(coordinator, who, 'share')).toBe(0);
};

describe('once R is known', () => {
  it('makes keys then, and surrounds one participant with them', async () => {
    const stage = await committedStage();
    const { coordinator, victim } = stage;
    const invited = sortKeys([victim.key, ...(await ownKeys(SIZE - 1))]);
    const draw = coordinator.drawFor();
    await coordinator.open((body) => ({ ...body, draw }), undefined, invited);

    await expectRefused(stage, [victim.key]);
  });

  it('says that these keys were eligible: that is not the set that was signed', async () => {
    const stage = await committedStage();
    const { coordinator, victim } = stage;
    const invited = sortKeys([victim.key, ...(await ownKeys(SIZE - 1))]);
    const draw = { eligible: invited, late: [], out: [] };
    await coordinator.open((body) => ({ ...body, draw }), undefined, invited);
    const records = [...coordinator.last!.records];
    coordinator.send([victim.key], { type: 'evidence', records });

    await expectRefused(stage, [victim.key]);
  });

  it.each<
    [
      string,
      'at once' | 'before it shares',
      (draw: NonNullable<OpenBody['draw']>, left: Uint8Array[]) => OpenBody['draw'],
    ]
  >([
    ['in silence', 'at once', (draw) => draw],
    ['as unable to take part', 'before it shares', (draw, left) => ({ ...draw, out: left })],
    ['as too late before', 'at once', (draw, left) => ({ ...draw, late: left })],
    ['by calling it a repetition', 'at once', (draw) => ({ ...draw, again: 1 })],
    ['without drawing anybody', 'at once', () => undefined],
  ])('leaves out whom it does not want, %s: seen %s', async (_, when, lie) => {
    const stage = await committedStage();
    const { coordinator, members } = stage;
    const wanted = members.slice(0, 3);
    const draw = lie(coordinator.drawFor(), members.slice(3));
    await coordinator.open(
      ({ draw: _draw, ...body }) => (draw === undefined ? body : { ...body, draw }),
      undefined,
      wanted,
    );
    if (when === 'before it shares') await coordinator.collect(wanted, 'register');
    const records = [...coordinator.last!.records];
    coordinator.send(wanted, { type: 'evidence', records });

    await expectRefused(stage, wanted);
  });

  it('repeats an attempt with somebody who did not upload in it', async () => {
    const stage = await committedStage();
    const { coordinator, members } = stage;
    const draw = { ...coordinator.drawFor(), again: 2 };
    await coordinator.open((body) => ({ ...body, draw }), 3, members);

    await expectRefused(stage, members);
  });
});

describe('another set than the one that was signed', () => {
  /** A second survivors record with a set of the coordinator's choice, and the commit over it. */
  const replaced = async ({ coordinator }: Stage, eligible: readonly Uint8Array[]) => {
    const { identity, run, attempt, last } = coordinator;
    const { body } = attempt!.survivors!;
    const next = { ...body, eligible: eligibleRoot(eligible) };
    const survivors = signRecord(identity, 'survivors', run, attempt!.number, {
      ...next,
      hash: survivorsHash(next),
    });
    const commit = signRecord(identity, 'commit', run, attempt!.number, {
      ...last!.commit.body,
      survivors: survivors.body.hash,
    });
    const records = last!.records.map((bytes) =>
      bytes === last!.commit.bytes
        ? commit.bytes
        : bytes === attempt!.survivors!.bytes
          ? survivors.bytes
          : bytes,
    );
    coordinator.last = { ...last!, commit, records };
    coordinator.eligible = eligible;
  };

  it('is put in its place once R is known: who knows the commit sees another', async () => {
    const stage = await committedStage();
    await replaced(stage, stage.members.slice(0, 3));
    await stage.coordinator.open();

    await expectRefused(stage, stage.members.slice(0, 3), 'record_conflict');
  });

  it('is shown to a newcomer: too few have signed it', async () => {
    const stage = await committedStage();
    const { coordinator } = stage;
    const { identity } = await keystoreOf(20);
    const invited = sortKeys([identity.publicKey, ...(await ownKeys(SIZE - 1))]);
    await replaced(stage, sortKeys([...invited, ...stage.members]));
    const newcomer = await enter(coordinator, 20, linearLearner(examplesOf('20', 10)));
    await coordinator.open(undefined, 3, invited);
    await coordinator.collect([newcomer.key], 'register');
    const records = [...coordinator.last!.records];
    coordinator.send([newcomer.key], { type: 'evidence', records });

    // Those who signed the set signed another.
    expect(await refusals([newcomer])).toEqual(['survivors_inconsistent']);
    expect(sentOf(coordinator, [newcomer.key], 'share')).toBe(0);
  });

  it('leaves survivors out: a set that does not hold them is none', async () => {
    const stage = await stageOf(await openRun(), SIZE);
    const { coordinator, members, victim } = stage;
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    const eligible = sortKeys([victim.key, ...(await ownKeys(SIZE - 1))]);
    await coordinator.survivors(members, (body) => {
      const next = { ...body, eligible: eligibleRoot(eligible) };
      return { ...next, hash: survivorsHash(next) };
    });
    await coordinator.consistency(members);
    await coordinator.commit(members);
    coordinator.eligible = eligible;
    await coordinator.open();
    await coordinator.collect([victim.key], 'register');
    const records = [...coordinator.last!.records];
    coordinator.send([victim.key], { type: 'evidence', records });

    await expectRefused(stage, [victim.key]);
  });
});

describe('what only a transcript shows', () => {
  let finished: FinishedRun | undefined;
  const played = async (): Promise<FinishedRun> =>
    (finished ??= await finishedRun({ rounds: 2, cohort: { size: 3, minimum: 3 } }, [
      'a',
      'b',
      'c',
      'd',
      'e',
      'f',
      'g',
      'h',
    ]));

  /** Eligible, no survivor of the first round and not invited to the second. */
  const bystanders = ({ records }: FinishedRun, { draw, invited }: OpenBody): Uint8Array[] => {
    const first = records.find(({ type }) => type === 'survivors')!.body as Body<'survivors'>;
    const here = [...first.members, ...invited];
    return without(draw!.eligible, ...here.map((key) => ({ key })));
  };

  it.each<[string, string, (body: OpenBody, others: Uint8Array[]) => OpenBody['draw']]>([
    [
      'leaves somebody out without a reason',
      'open-out',
      ({ draw }, others) => ({ ...draw!, out: others }),
    ],
    [
      'says that somebody was too late before who was not',
      'open-late',
      ({ draw }, others) => ({ ...draw!, late: others }),
    ],
    [
      'draws from another set',
      'open-eligible',
      ({ draw, invited }) => ({ ...draw!, eligible: invited }),
    ],
  ])('%s: `verify` names the record', async (_, rule, lie) => {
    const run = await played();
    const change = changing('open', (body, { attempt }) => {
      const draw = attempt === 2 ? lie(body, bystanders(run, body)) : body.draw;
      return draw === undefined ? body : { ...body, draw };
    });
    const { ok, culprit } = await verdictOn(run, forged(run, change));

    expect(ok).toBe(false);
    expect(culprit).toMatchObject({ attempt: 2, record: 'open' });
    expect(culprit?.reason).toContain(rule);
  });

  it('an honest run holds', async () => {
    const run = await played();
    expect((await verdictOn(run, run.records)).culprit).toBeUndefined();
  });
});

describe('what remains', () => {
  it('remains: pretends that attempts failed, and that whom it does not want was in them: only the transcript shows it', async () => {
    const stage = await committedStage();
    const { coordinator, members } = stage;
    const wanted = members.slice(0, 3);
    await coordinator.open(undefined, 3, wanted);
    await coordinator.cohort(wanted);
    await coordinator.collect(wanted, 'share');

    expect(sentOf(coordinator, wanted, 'share')).toBe(3);
    expect(coordinator.attempt!.open.body.draw!.out).toHaveLength(3);
  });
});
