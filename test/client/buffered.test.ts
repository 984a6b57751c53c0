/**
 * @module Buffered rounds at a participant: it trains ahead of attempts, registers with an update
 * that is scaled by its age, and throws one away that is too old or was spent. The sums are
 * compared with FedBuff's mean of scaled updates (Nguyen et al. 2022, algorithm 1), computed beside
 * them.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { functionTrainer } from '../../client/index.ts';
import { lineOf } from '../../client/participant/events.ts';
import { sortKeys } from '../../protocol/records/records.ts';
import {
  examplesOf,
  linearLearner,
  minus,
  norm,
  times,
  type Learner,
} from '../attacks/learning.ts';
import {
  enter,
  everyoneLeaves,
  liar,
  openedSum,
  openFor,
  stageOf,
  violations,
  without,
  type Person,
  type Stage,
} from '../attacks/support.ts';
import { keystoreOf } from '../support/participants.ts';
import type { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

afterEach(everyoneLeaves);

const COUNT = 6;
const K = 4;

const buffered = async (maxStaleness = 4): Promise<ScriptedCoordinator> => {
  const stores = await Promise.all(Array.from({ length: COUNT }, (_, i) => keystoreOf(i)));
  return liar({
    members: { type: 'closed', keys: stores.map(({ identity }) => identity.publicKey) },
    buffer: { size: K, maxStaleness },
    cohort: { size: K, minimum: 3 },
  });
};

/** A learner that waits before it trains, as often as there are gates. */
const slow = (own: Learner, gates: Promise<void>[]): Learner => ({
  ...own,
  trainer: functionTrainer({
    manifest: own.trainer.manifest,
    examples: 10,
    train: async (input) => {
      await gates.shift();
      return own.trainer.train({ ...input, onProgress: () => undefined });
    },
  }),
});

const gate = () => Promise.withResolvers<void>();

/** From the cohort to the answers. Returns the opened sum. */
const sum = async (coordinator: ScriptedCoordinator, members: readonly Uint8Array[]) => {
  await coordinator.cohort(members);
  await coordinator.sharers(members);
  await coordinator.survivors(members);
  await coordinator.consistency(members);
  return openedSum(coordinator, members);
};

const round = async (coordinator: ScriptedCoordinator, members: readonly Uint8Array[]) => {
  await sum(coordinator, members);
  await coordinator.commit(members);
};

const baseOf = (coordinator: ScriptedCoordinator, { key }: Person) =>
  coordinator.recordsOf(key, 'register').at(-1)?.body.base;

const keysOf = (people: readonly Person[]): Uint8Array[] => sortKeys(people.map(({ key }) => key));

const dropsOf = ({ events }: Person): string[] =>
  events.flatMap((event) => (event.type === 'update-dropped' ? [event.code] : []));

/** The first of them is slow: it trains while the others commit `rounds` rounds. */
const late = async (rounds: number, maxStaleness = 4) => {
  const first = gate();
  const coordinator = await buffered(maxStaleness);
  const stage = await stageOf(coordinator, COUNT, (index) => {
    const own = linearLearner(examplesOf(`${index}`, 10));
    return index === 0 ? slow(own, [first.promise]) : own;
  });
  const fast = keysOf(stage.people.slice(1, 1 + K));
  for (let i = 0; i < rounds; i += 1) {
    await openFor(coordinator, stage.members);
    await round(coordinator, fast);
  }
  await openFor(coordinator, stage.members);
  return { ...stage, release: first.resolve, fast };
};

describe('a slow participant', () => {
  it('trains while others commit, and its update counts for 1/sqrt(1 + tau) later', async () => {
    const { coordinator, victim, people, release } = await late(2);
    const cohort = [victim, ...people.slice(1, K)];
    await coordinator.collect(keysOf(cohort.slice(1)), 'register');
    expect(coordinator.recordsOf(victim.key, 'register')).toEqual([]);
    release();
    const opened = await sum(coordinator, keysOf(cohort));

    expect(baseOf(coordinator, victim)).toEqual({ version: 0, staleness: 2 });
    // It has trained once, on the first model, and the others on the newest.
    expect(victim.updates).toHaveLength(1);
    const scaled = [
      times(victim.updates[0]!, 1 / Math.sqrt(3)),
      ...cohort.slice(1).flatMap(({ updates }) => updates.slice(-1)),
    ];
    const expected = times(
      scaled.reduce((a, b) => a.map((value, i) => value + b[i]!)),
      10,
    );
    expect(norm(minus(opened, expected)) / norm(expected)).toBeLessThan(1e-3);
    await coordinator.commit(keysOf(cohort));
    expect(violations(people)).toEqual([]);
  });

  it('drops an update that is too old, and trains anew', async () => {
    const { coordinator, victim, release } = await late(2, 1);
    release();
    await coordinator.collect([victim.key], 'register');

    expect(dropsOf(victim)).toEqual(['update_stale']);
    expect(baseOf(coordinator, victim)).toMatchObject({ staleness: 0 });
    const { open } = coordinator.attempt!;
    expect(baseOf(coordinator, victim)?.version).toBe(open.body.model.version);
    expect(victim.seen.at(-1)).toEqual(coordinator.weights);
  });
});

describe('a participant whose training takes longer than the run waits', () => {
  /** The first one trains as long as nobody stops it. */
  const stuck = async (maxStaleness: number) => {
    const stopped: number[] = [];
    const coordinator = await buffered(maxStaleness);
    const stage = await stageOf(coordinator, COUNT, (index) => {
      const own = linearLearner(examplesOf(`${index}`, 10));
      if (index > 0) return own;
      const train: Parameters<typeof functionTrainer>[0]['train'] = ({ signal }) =>
        new Promise((_, reject) => {
          signal?.addEventListener('abort', () => {
            stopped.push(coordinator.committed);
            reject(signal.reason as Error);
          });
        });
      const { manifest } = own.trainer;
      return { ...own, trainer: functionTrainer({ manifest, examples: 10, train }) };
    });
    const fast = keysOf(stage.people.slice(1, 1 + K));
    const rounds = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) {
        await openFor(coordinator, stage.members);
        await sum(coordinator, fast);
        await coordinator.commit(fast);
        await stage.victim.event('committed', coordinator.committed);
      }
    };
    return { ...stage, stopped, rounds };
  };

  it('is stopped by the commit that makes its model too old, before the next attempt', async () => {
    const { coordinator, victim, stopped, rounds } = await stuck(2);
    await rounds(2);
    expect(stopped).toEqual([]);
    await rounds(1);
    expect(dropsOf(victim)).toEqual(['update_stale']);
    expect(stopped).toEqual([3]);
    expect(coordinator.recordsOf(victim.key, 'register')).toEqual([]);
  });

  it('begins again with the newest model, and is told so after three times', async () => {
    const { coordinator, victim, stopped, rounds } = await stuck(1);
    await rounds(6);
    expect(stopped).toEqual([2, 4, 6]);
    const events = victim.events.filter(({ type }) => type === 'update-dropped');
    expect(events.map((event) => 'inARow' in event && event.inARow)).toEqual([1, 2, 3]);
    const lines = events.map((event) => lineOf(event));
    expect(lines.map((line) => line?.[0])).toEqual(['info', 'info', 'warn']);
    expect(lines[2]?.[1]).toMatch(/3 in a row were too old.*--max-staleness/u);
    expect(coordinator.recordsOf(victim.key, 'register')).toEqual([]);
  });
});

describe('an update that was not encoded yet', () => {
  it('is used in the next attempt, without another training', async () => {
    const stage = await stageOf(await buffered(), COUNT);
    const { coordinator, members, people } = stage;
    await openFor(coordinator, members);
    await coordinator.cohort(keysOf(people.slice(0, K)));
    await coordinator.collect(keysOf(people.slice(0, K)), 'share');
    coordinator.abort();
    await openFor(coordinator, members);
    await round(coordinator, keysOf(people.slice(0, K)));
    expect(people.map(({ updates }) => updates.length)).toEqual(people.map(() => 1));
  });
});

type Damage = (of: Person, run: Uint8Array) => Promise<void>;

describe('a restart before the update was encoded', () => {
  /** The victim, registered in the attempt that is open, starts again; others commit `rounds`. */
  const restarted = async (rounds: number, maxStaleness = 4, damage?: Damage) => {
    const stage = await stageOf(await buffered(maxStaleness), COUNT);
    const { coordinator, members, victim, people } = stage;
    await openFor(coordinator, members);
    await coordinator.collect(members, 'register');
    await victim.participant.stop();
    await coordinator.until(() => coordinator.keys.length === COUNT - 1, 'it has left');
    for (let i = 0; i < rounds; i += 1) {
      await round(coordinator, keysOf(people.slice(1, 1 + K)));
      await openFor(coordinator, members);
    }
    await damage?.(victim, coordinator.run);
    const again = await enter(coordinator, 0, linearLearner(examplesOf('0', 10)), {
      keystore: victim.keystore,
      life: 1,
    });
    await coordinator.loggedIn(COUNT);
    return { ...stage, again, cohort: [again, ...people.slice(1, K)] };
  };

  it('keeps it: the attempt continues, and the sum has the update of before', async () => {
    const { coordinator, again, victim, cohort, people } = await restarted(0);
    const opened = await sum(coordinator, keysOf(cohort));
    const updates = [victim, ...people.slice(1, K)].map(({ updates: [own] }) => own!);
    const expected = times(
      updates.reduce((a, b) => a.map((value, i) => value + b[i]!)),
      10,
    );
    expect(norm(minus(opened, expected)) / norm(expected)).toBeLessThan(1e-3);
    expect(again.updates).toEqual([]);
    await coordinator.commit(keysOf(cohort));
    expect(violations([again, ...people])).toEqual([]);
  });

  it('uses it two commits later, at that age, without another training', async () => {
    const { coordinator, again, cohort } = await restarted(2);
    await round(coordinator, keysOf(cohort));
    expect(baseOf(coordinator, again)).toEqual({ version: 0, staleness: 2 });
    expect(again.updates).toEqual([]);
  });

  it('erases it at the end of the run', async () => {
    const { coordinator, again } = await restarted(0);
    const kept = () => again.keystore.loadLocal(coordinator.run, 'update');
    expect(await kept()).toBeDefined();
    coordinator.send([again.key], { type: 'finished', rounds: 1 });
    await again.participant.finished;
    expect(await kept()).toBeUndefined();
    expect(await again.keystore.load(coordinator.run)).not.toHaveProperty('ahead');
  });

  it('drops it where it is too old by now', async () => {
    const { coordinator, again, cohort } = await restarted(2, 1);
    await round(coordinator, keysOf(cohort));
    expect(dropsOf(again)).toEqual(['update_stale']);
    expect(baseOf(coordinator, again)).toMatchObject({ staleness: 0 });
    expect(again.updates).toHaveLength(1);
  });

  it('leaves the attempt where the file is gone, and trains anew for the next one', async () => {
    const lose = ({ keystore }: Person, run: Uint8Array) => keystore.eraseLocal(run, 'update');
    const { coordinator, again, members, cohort, people } = await restarted(0, 4, lose);
    expect(await coordinator.withdrawal(again.key)).toBe('update_lost');
    await round(coordinator, keysOf(people.slice(1, 1 + K)));
    await openFor(coordinator, members);
    await round(coordinator, keysOf(cohort));
    expect(again.updates).toHaveLength(1);
    expect(baseOf(coordinator, again)).toMatchObject({ staleness: 0 });
  });
});

describe('a coordinator that lies to who trains ahead', () => {
  it('opens one attempt twice, differently', async () => {
    const held = gate();
    const coordinator = await buffered();
    const stage = await stageOf(coordinator, COUNT, (index) =>
      slow(linearLearner(examplesOf(`${index}`, 10)), [held.promise]),
    );
    await openFor(coordinator, stage.members);
    await coordinator.open(undefined, 1, without(stage.members, stage.people[5]!));
    await stage.victim.event('violation');
    expect(violations([stage.victim])).toEqual(['record_conflict']);
    held.resolve();
  });

  it('shows a fabricated commit: nobody trains on it', async () => {
    const stage: Stage = await stageOf(await buffered(), COUNT);
    const { coordinator, members, people } = stage;
    await openFor(coordinator, members);
    await sum(coordinator, keysOf(people.slice(0, K)));
    await coordinator.commitTo(coordinator.weights.map((value) => value + 0.5));
    const trained = people.map(({ updates }) => updates.length);
    await openFor(coordinator, members);
    const fresh = people.slice(0, K);
    for (const person of fresh) await person.event('fabricated');
    expect(people.slice(0, K).map(({ updates }) => updates.length)).toEqual(trained.slice(0, K));
  });
});
