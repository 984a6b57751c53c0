/**
 * @module Snapshots: whatever a run does and wherever it is cut, the state after the snapshot and
 * the events that came since is the state after all events, and continues the same. What is not
 * exactly what was written is refused.
 */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCbor } from '../../protocol/wire/cbor.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { openHistory } from '../../coordinator/journal/history.ts';
import { memoryJournal } from '../../coordinator/journal/memory.ts';
import type { Journal } from '../../coordinator/journal/port.ts';
import {
  decodeEntries,
  decodeSnapshot,
  encodeSnapshot,
  step,
  type State,
} from '../../coordinator/machine/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import { stepsOf } from '../support/history.ts';
import { createPlayer, reach, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

const PEOPLE = [0, 1, 2, 3, 4, 5];
const RECORDS = ['register', 'share', 'upload', 'complaint', 'consistent', 'unmask'] as const;

/** Something that may happen to a run; whether it fits is for the machine to say. */
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('say' as const), who: fc.nat(5), what: fc.nat(5) }),
  },
  { weight: 20, arbitrary: fc.record({ do: fc.constant('go' as const) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('work' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('join' as const), who: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), who: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('withdraw' as const), who: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reject' as const), who: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(12_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), culprit: fc.nat(9) }) },
);
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

/** Carries actions out; the work that the machine asked for is done when an action says so. */
const play = (player: Player, actions: readonly Action[]): void => {
  let seen = 0;
  for (const each of actions) {
    const attempt = player.state.attempt;
    const member = 'who' in each ? player.people[each.who]!.publicKey : new Uint8Array(32);
    switch (each.do) {
      case 'say':
        player.say(each.who, RECORDS[each.what]!);
        break;
      case 'go': {
        for (let end = player.effects.length; seen < end; seen += 1)
          player.work(player.effects[seen]!);
        const what = player.state.phase.type;
        const record = RECORDS.find(
          (type) => type === (what === 'consistency' ? 'consistent' : what),
        );
        if (record !== undefined) for (const who of PEOPLE) player.say(who, record);
        break;
      }
      case 'work':
        for (let end = player.effects.length; seen < end; seen += 1)
          player.work(player.effects[seen]!);
        break;
      case 'join':
        player.join(each.who);
        break;
      case 'leave':
        player.leave(each.who);
        break;
      case 'withdraw':
        player.apply({ type: 'withdrawn', key: member, attempt, code: 'trainer_failed' });
        break;
      case 'reject':
        player.apply({ type: 'upload-rejected', attempt, member, code: 'x', reason: 'y' });
        break;
      case 'wait':
        player.wait(each.ms);
        break;
      case 'restart':
        player.apply({ type: 'resumed', startWith: 4 });
        break;
      case 'fail': {
        const culprits = player.people.slice(each.culprit, each.culprit + 1);
        player.apply({
          type: 'work-failed',
          attempt,
          code: 'commitment_mismatch',
          reason: 'z',
          culprits: culprits.map(({ publicKey }) => publicKey),
        });
      }
    }
  }
};

const sourceOf = async (journal: Journal) => {
  const { sealed } = await journal.load();
  return {
    records: (hashes: readonly Uint8Array[]) => journal.records(hashes),
    entries: new Map(sealed.map(({ share, bytes }) => [toHex(share), decodeEntries(bytes)])),
  };
};

/** Cuts a run after every event: back and forth it is the same state. */
const checkEveryState = async (player: Player): Promise<Set<string>> => {
  const { steps, states } = stepsOf(player);
  const journal = memoryJournal();
  const history = await openHistory(journal, player.config.run);
  const phases = new Set<string>();
  for (const [i, each] of steps.entries()) {
    const state = states[i]!;
    await history.append([each], state);
    const back = await decodeSnapshot(encodeSnapshot(state), await sourceOf(journal));
    expect(back).toStrictEqual(state);
    // Maps are compared without their order, which decides who is drawn.
    expect([...back.participants.keys()]).toEqual([...state.participants.keys()]);
    expect([...back.places]).toEqual([...state.places]);
    phases.add(state.phase.type);
  }
  return phases;
};

/**
 * What the run is in the end, when it is kept with a snapshot after so many events and restored.
 */
const restoredWith = async (player: Player, every: number): Promise<State> => {
  const { steps, states } = stepsOf(player);
  const journal = memoryJournal();
  const history = await openHistory(journal, player.config.run, every);
  for (const [i, each] of steps.entries()) await history.append([each], states[i]!);
  const again = await openHistory(journal, player.config.run, every);
  const { state, replayed, time } = await again.restore(player.config);
  expect(replayed).toBeLessThanOrEqual(every);
  expect(time).toBe(player.events.at(-1)?.time ?? 0);
  return state;
};

describe('a snapshot', () => {
  it.each(['masked', 'none'] as const)(
    'in each phase, after a commit and after an abort gives the very state (%s)',
    async (secagg) => {
      const phases = ['register', 'share', 'upload', 'consistency', 'unmask', 'registering'];
      const own = ['share', 'consistency', 'unmask'];
      const seen = new Set<string>();
      for (const phase of phases.filter((each) => secagg === 'masked' || !own.includes(each))) {
        const player = await createPlayer(await testSpec({ rounds: 3, secagg }), 6);
        reach(player, phase, [0, 1, 2, 3]);
        if (phase === 'upload') {
          player.say(0, 'complaint', { accused: player.people[1]!.publicKey });
          player.leave(3);
        }
        const attempt = player.state.attempt;
        if (phase === 'registering') player.apply({ type: 'registered', attempt, receipt: 'r' });
        else
          player.apply({
            type: 'work-failed',
            attempt,
            code: 'internal',
            reason: 'x',
            culprits: [],
          });
        expect(player.state.committed).toBe(phase === 'registering' ? 1 : 0);
        player.join(3, 4, 5);
        player.wait(120_000);
        expect(player.state.attempt).toBe(2);
        play(player, [{ do: 'go' }, { do: 'go' }, { do: 'go' }]);
        for (const each of await checkEveryState(player)) seen.add(each);
      }
      expect([...seen]).toEqual(
        expect.arrayContaining([
          'waiting',
          'opening',
          ...phases.filter((each) => secagg === 'masked' || !own.includes(each)),
          'freezing-cohort',
          'freezing-survivors',
          'finishing',
        ]),
      );
    },
  );

  it('and the events since give the state after all events, whatever happened', async () => {
    let commits = 0;
    let aborts = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 20, maxLength: 90 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(100),
        async (actions, every, cut) => {
          const player = await createPlayer(await testSpec({ rounds: 4 }), 6);
          player.join(0, 1, 2, 3);
          play(player, [{ do: 'work' }, ...actions]);
          commits += player.state.committed;
          aborts += player.state.attempt - player.state.committed;
          expect(await restoredWith(player, every)).toStrictEqual(player.state);
          // Cut anywhere, a state that was restored continues the same.
          const at = Math.floor((player.events.length * cut) / 101);
          const before = { ...player, events: player.events.slice(0, at) };
          let state = await restoredWith(before, every);
          for (const event of player.events.slice(at))
            state = step(player.config, state, event).state;
          expect(state).toStrictEqual(player.state);
        },
      ),
      { numRuns: 30, seed: 9 },
    );
    expect(commits).toBeGreaterThan(5);
    expect(aborts).toBeGreaterThan(5);
  });

  it('is refused when anything in it is another', async () => {
    const player = await createPlayer(await testSpec(), 4);
    reach(player, 'upload', [0, 1, 2, 3]);
    const { steps } = stepsOf(player);
    const journal = memoryJournal();
    await (await openHistory(journal, player.config.run)).append(steps, player.state);
    const source = await sourceOf(journal);
    const good = encodeSnapshot(player.state);
    expect(await decodeSnapshot(good, source)).toStrictEqual(player.state);
    const corrupt = { code: 'journal_corrupt' };
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, bits) => {
          const changed = good.slice();
          changed[at]! ^= bits;
          await expect(decodeSnapshot(changed, source)).rejects.toMatchObject(corrupt);
        },
      ),
      { numRuns: 200 },
    );
    await expect(decodeSnapshot(encodeCbor({ v: 3 }), source)).rejects.toMatchObject(corrupt);
    const lost = { ...source, entries: new Map() };
    await expect(decodeSnapshot(good, lost)).rejects.toMatchObject(corrupt);
    const swapped = {
      ...source,
      records: async (hashes: readonly Uint8Array[]) => (await source.records(hashes)).toReversed(),
    };
    await expect(decodeSnapshot(good, swapped)).rejects.toMatchObject(corrupt);
  });

  it('is refused where an attempt lacks a record that its phase rests on', async () => {
    const player = await createPlayer(await testSpec(), 4);
    reach(player, 'unmask', [0, 1, 2, 3]);
    const journal = memoryJournal();
    await (
      await openHistory(journal, player.config.run)
    ).append(stepsOf(player).steps, player.state);
    const source = await sourceOf(journal);
    const { phase } = player.state;
    if (phase.type !== 'unmask') throw new Error(`expected unmask, got ${phase.type}`);
    const { attempt } = phase;
    expect(await decodeSnapshot(encodeSnapshot(player.state), source)).toStrictEqual(player.state);
    for (const name of ['open', 'cohort', 'context', 'survivors'] as const) {
      const lacking = { ...phase, attempt: { ...attempt, [name]: undefined } } as typeof phase;
      const snapshot = encodeSnapshot({ ...player.state, phase: lacking });
      await expect(decodeSnapshot(snapshot, source)).rejects.toMatchObject({
        code: 'journal_corrupt',
        message: expect.stringContaining(`lacks its ${name}`) as string,
      });
    }
  });
});
