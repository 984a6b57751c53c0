/**
 * @module A coordinator that sees which block of the sum a participant reads, and lets the check of
 * a fabricated commit fail until the participant reads one that is right: the store has lost the
 * block, the participant is restarted, or another commit of the same round is shown. The block of a
 * commit is drawn once, and of a round one commit is checked.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { leafAt } from '../../protocol/encoding/leaves.ts';
import { layoutOf, rotationSeed } from '../../protocol/algorithm/round.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { coordinatesOf, planRotation } from '../../protocol/encoding/rotation.ts';
import { FloeError } from '../../protocol/errors.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, type Fabrication } from '../support/scripted-coordinator.ts';

const FIVE_BLOCKS = [{ name: 'w', shape: [300], dtype: 'float32' as const }];
/** The one block that differs from the others. */
const RIGHT = 2;
const ATTEMPTS = 16;

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

/** A sum that the uploads do not give, in all blocks but one. */
const allButOne =
  (coordinator: ScriptedCoordinator): NonNullable<Fabrication['lanes']> =>
  (lanes) => {
    const [{ blocks, blockSize }] = layoutOf(
      coordinator.spec,
      4,
      coordinator.meanExamples,
    ).segments;
    for (let block = 0; block < blocks; block += 1)
      if (block !== RIGHT) lanes[block * blockSize] = (lanes[block * blockSize]! + 1) & 0xff;
    return lanes;
  };

/** The coordinator's store: `onWrong` is asked for each range of a block that is wrong. */
const watching = (
  { spec, store, meanExamples }: ScriptedCoordinator,
  onWrong: () => Promise<never>,
): BlobStore => {
  const { start: from } = leafAt(layoutOf(spec, 4, meanExamples), RIGHT);
  return {
    ...store,
    getRange: async (ref, at, ...rest) =>
      at === from ? store.getRange(ref, at, ...rest) : onWrong(),
  };
};

const lost = async (): Promise<never> => {
  throw new FloeError('blob_not_found', 'it was here a moment ago');
};

/**
 * A run whose newest commit is wrong in four blocks of five, which its four members have still to
 * check.
 */
const stage = async (
  storeOf: (coordinator: ScriptedCoordinator) => BlobStore,
  newcomers: readonly number[] = [],
) => {
  const coordinator = await ScriptedCoordinator.create({}, FIVE_BLOCKS);
  const keystores = await Promise.all(newcomers.map((index) => keystoreOf(index)));
  coordinator.waiting = keystores.map(({ identity }) => identity.publicKey);
  const store = storeOf(coordinator);
  running = await startAll(coordinator, 4, { tensors: FIVE_BLOCKS, store, patienceMs: 20 });
  await coordinator.playRound([], { lanes: allButOne(coordinator) });
  return { coordinator, members: coordinator.keys, store };
};

type Stage = Awaited<ReturnType<typeof stage>>;

/** One attempt from the commit, up to the shares; then the members that have sent none. */
const refusing = async ({ coordinator, members }: Stage): Promise<readonly Started[]> => {
  await coordinator.open(undefined, undefined, members);
  await coordinator.cohort(members);
  const { number } = coordinator.attempt!;
  const shared = ({ key }: Started): boolean => coordinator.recordsOf(key, 'share').length > 0;
  const gone = ({ key }: Started): boolean => coordinator.withdrew(key) !== undefined;
  await Promise.all(
    running.map((one) =>
      coordinator.until(() => shared(one) || gone(one), `share or withdrawal in ${number}`),
    ),
  );
  const refused = running.filter((one) => !shared(one));
  coordinator.abort();
  return refused;
};

/** Those that refuse at first refuse in every attempt. */
const expectFirm = async (
  s: Stage,
  between: (refused: readonly Started[]) => Promise<void> = async () => undefined,
): Promise<void> => {
  const names = (people: readonly Started[]): number[] =>
    people.map(({ key }) => s.members.findIndex((member) => equalBytes(member, key)));
  const first = await refusing(s);
  expect(first).not.toEqual([]);
  for (let attempt = 1; attempt < ATTEMPTS; attempt += 1) {
    // One attempt after the other.
    await between(first);
    expect(names(await refusing(s))).toEqual(names(first));
  }
};

describe('whoever has drawn a block that is wrong never shares from that commit', () => {
  it('where the store has lost the block, until another one is drawn', async () => {
    await expectFirm(await stage((coordinator) => watching(coordinator, lost)));
  });

  it('where it is restarted in between', async () => {
    const s = await stage((coordinator) => watching(coordinator, lost));
    let life = 0;
    await expectFirm(s, async () => {
      life += 1;
      const { keystore, participant } = running[0]!;
      await participant.stop();
      await s.coordinator.until(() => s.coordinator.keys.length === 3, 'it has left');
      s.coordinator.forget();
      const { store } = s;
      running[0] = await start(s.coordinator, 0, {
        tensors: FIVE_BLOCKS,
        store,
        keystore,
        life,
        patienceMs: 20,
      });
      await s.coordinator.loggedIn(4);
    });
  });
});

it('a newcomer is shown no second commit of a round once it has begun to check the first', async () => {
  const newcomers = [10, 11, 12];
  const s = await stage((scripted) => watching(scripted, lost), newcomers);
  const { coordinator, store } = s;
  // Members of the last commit are left out only after an attempt that may have lost them.
  await refusing(s);
  await stopAll(running);
  await coordinator.until(() => coordinator.keys.length === 0, 'all have left');
  running = await Promise.all(
    newcomers.map((index) =>
      start(coordinator, index, { tensors: FIVE_BLOCKS, store, patienceMs: 20 }),
    ),
  );
  await coordinator.loggedIn(3);
  const { last } = coordinator;
  const again = { ...s, members: coordinator.keys };
  const refused = await refusing(again);
  expect(refused).not.toEqual([]);
  // The same lie under another hash.
  const { body } = last!.commit;
  const weight = { ...body, archive: body.archive ?? s.members.map(() => 'elsewhere') };
  const second = coordinator.sign('commit', last!.commit.attempt, weight);
  coordinator.last = {
    ...last!,
    commit: second,
    records: [...last!.records.slice(0, -1), second.bytes],
  };
  await coordinator.open(undefined, undefined, again.members);
  for (const { event, key } of refused) {
    expect((await event('violation')).error.code).toBe('record_conflict');
    expect(coordinator.recordsOf(key, 'register')).toEqual([]);
  }
});

it('remains: a coordinator sets every parameter of one block as it likes, found by those alone who draw that block', async () => {
  const coordinator = await ScriptedCoordinator.create({}, FIVE_BLOCKS);
  running = await startAll(coordinator, 4, { tensors: FIVE_BLOCKS });
  const members = coordinator.keys;
  const [layout] = layoutOf(coordinator.spec, 4, coordinator.meanExamples).segments;
  let set = 0;
  await coordinator.playRound([], {
    after: (after) => {
      const { number, open, cohort } = coordinator.attempt!;
      const { root: cohortRoot } = cohort!.body;
      const modelHash = open.body.model.hash;
      const seed = rotationSeed({ attempt: number, modelHash, cohortRoot });
      const chosen = new Set(coordinatesOf(planRotation(layout, seed), RIGHT));
      set = chosen.size;
      return after.map((value, i) => (chosen.has(i) ? 100 : value));
    },
  });
  expect(set).toBe(layout.blockSize);
  await coordinator.open();
  await coordinator.cohort(members);
  const found = await Promise.all(
    running.map(async ({ event }) => {
      const outcome = await Promise.race([event('fabricated'), event('checked')]);
      const leaf = outcome.type === 'fabricated' ? outcome.proof.leaf : outcome.leaf;
      expect(outcome.type === 'fabricated').toBe(leaf === RIGHT);
      return leaf === RIGHT;
    }),
  );
  expect(found).toContain(false);
});
