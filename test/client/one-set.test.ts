/**
 * @module "One update is spent once" at a participant: attempts on one model, restarts in between,
 * what an abort may say. Source: specification of secure aggregation, section 2.0.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { setName } from '../../protocol/rules/one-set.ts';
import type { Keystore, RunMemory } from '../../client/keystore/index.ts';
import { lineOf } from '../../client/participant/events.ts';
import {
  keystoreOf,
  start,
  startAll,
  stopAll,
  testTrainer,
  type Started,
} from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const stage = async (count = 5) => {
  const coordinator = await ScriptedCoordinator.create({
    cohort: { size: 6, minimum: 3, overSelect: 1 },
    // Updates that are larger than a step of the rounding: the model moves.
    encoding: { weightCap: 20, clipNorm: 2 },
  });
  running = await startAll(coordinator, count);
  return { coordinator, members: coordinator.keys };
};

/**
 * An attempt up to the question for answers; `out` of its cohort, `silent` does not upload in time.
 */
const attempt = async (
  coordinator: ScriptedCoordinator,
  members: readonly Uint8Array[],
  survivors = members,
): Promise<void> => {
  await coordinator.open((body) => ({ ...body, invited: [...members] }));
  await coordinator.cohort(members);
  await coordinator.sharers(members);
  await coordinator.survivors(survivors);
  await coordinator.consistency(survivors);
};

const of = (key: Uint8Array): Started =>
  running.find((started) => equalBytes(started.key, key)) as Started;

const refusal = async (key: Uint8Array): Promise<string> => {
  const { error } = await of(key).event('withdrawn');
  expect(error.code).toBe('update_already_spent');
  return error.message;
};

describe('a second attempt on one model', () => {
  it('is answered for the very same set, and its commit is taken', async () => {
    const { coordinator, members } = await stage();
    await attempt(coordinator, members);
    await coordinator.collect(members, 'unmask');
    coordinator.abort();
    for (const key of members) expect((await of(key).event('aborted')).answered).toBe(true);
    await attempt(coordinator, members);
    const stated = coordinator.recordsOf(members[0]!, 'register')[0]?.body.answered ?? [];
    expect(stated.map(toHex)).toEqual([setName(members.map(addressOf))]);
    await coordinator.collect(members, 'unmask');
    await coordinator.commit(members);
    for (const key of members) await of(key).event('committed');
    // The model has moved: whoever was left out may come back.
    await attempt(coordinator, members, members.slice(1));
    await coordinator.collect(members.slice(1), 'unmask');
  });

  it('without the victim is refused before anything of it is made', async () => {
    const { coordinator, members } = await stage();
    await attempt(coordinator, members);
    await coordinator.collect(members, 'unmask');
    coordinator.abort();
    const others = members.slice(1);
    await coordinator.open((body) => ({ ...body, invited: others }));
    for (const key of others) {
      const message = await refusal(key);
      expect(message).toContain('has answered for a set of 5');
      expect(message).toContain(addressOf(members[0]!));
      expect(coordinator.recordsOf(key, 'register')).toEqual([]);
    }
  });

  it('with the victim invited and left out of the survivors gets no answer', async () => {
    const { coordinator, members } = await stage();
    await attempt(coordinator, members);
    await coordinator.collect(members, 'unmask');
    coordinator.abort();
    const others = members.slice(1);
    await attempt(coordinator, members, others);
    for (const key of others) {
      await refusal(key);
      expect(coordinator.recordsOf(key, 'unmask')).toEqual([]);
    }
  });

  it('that a member answered for another set in is refused by those who have answered nothing', async () => {
    const { coordinator, members } = await stage();
    // Asked are all but the last one: with t = 4 of 5 that is enough to open the sum.
    const asked = members.slice(0, 4);
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.survivors(members);
    await coordinator.consistency(members, asked);
    await coordinator.collect(asked, 'unmask');
    coordinator.abort();
    const rest = members.slice(1);
    await coordinator.open((body) => ({ ...body, invited: members }));
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.survivors(rest);
    await coordinator.consistency(rest);
    expect(await refusal(members[4]!)).toContain('members have answered for another set');
  });

  it('is refused by one that uploaded, where too few of that cohort have renounced the first', async () => {
    const { coordinator, members } = await stage(6);
    const [victim, ...rest] = members as [Uint8Array, ...Uint8Array[]];
    const first = members.slice(0, 5);
    await coordinator.open((body) => ({ ...body, invited: first }));
    await coordinator.cohort(first);
    await coordinator.sharers(first);
    await coordinator.survivors(first, undefined, [victim]);
    coordinator.abort();
    // Two of the first five: three others and colluders could have opened it.
    const second = [...rest.slice(0, 2), rest[4]!];
    await coordinator.open((body) => ({ ...body, invited: second }));
    await coordinator.cohort(second);
    expect(await refusal(rest[0]!)).toContain('its upload of attempt 1');
    // With three of them it is dead, whatever became of the others.
    const third = [...rest.slice(0, 3), rest[4]!];
    await attempt(coordinator, third);
    await coordinator.collect(third, 'unmask');
  });

  it('trains the same update again: nothing was revealed before the first answer', async () => {
    const { coordinator, members } = await stage();
    await coordinator.open();
    await coordinator.cohort(members);
    coordinator.abort();
    for (const key of members) {
      const event = await of(key).event('aborted');
      expect(event.answered).toBe(false);
      expect(lineOf(event)?.[1]).toContain('nothing was revealed');
    }
    await coordinator.playRound();
  });
});

/** What a participant of this key remembers. */
const memoryOf = (keystore: Keystore, coordinator: ScriptedCoordinator): Promise<RunMemory> =>
  keystore.load(coordinator.run) as Promise<RunMemory>;

describe('on disk', () => {
  it('the set is written before the answer leaves, and outlives crash and restart', async () => {
    const { coordinator } = await stage(4);
    const inner = await keystoreOf(4);
    let stopped = false;
    const gone = Promise.withResolvers<void>();
    // Dies between writing the answer down and sending it.
    const keystore: Keystore = {
      ...inner,
      save: async (run, memory) => {
        if (stopped) return new Promise<never>(() => undefined);
        await inner.save(run, memory);
        if (memory.attempt?.unmask === undefined) return undefined;
        stopped = true;
        gone.resolve();
        return new Promise<never>(() => undefined);
      },
    };
    const mortal = await start(coordinator, 4, {
      keystore,
      link: async (open) => (stopped ? new Promise<never>(() => undefined) : open()),
    });
    await coordinator.loggedIn(5);
    const members = coordinator.keys;
    await attempt(coordinator, members);
    await gone.promise;
    const others = members.filter((key) => !equalBytes(key, mortal.key));
    await coordinator.collect(others, 'unmask');
    expect(coordinator.recordsOf(mortal.key, 'unmask')).toEqual([]);
    const { spent } = await memoryOf(inner, coordinator);
    expect(spent?.answered).toEqual([members.map(addressOf)]);
    expect(spent?.uploaded).toEqual([]);
    coordinator.abort();
    coordinator.drop(mortal.key);
    const again = await start(coordinator, 4, { keystore: inner, life: 1 });
    running.push(again);
    await coordinator.until(() => coordinator.keys.length === 5, 'it is back');
    const some = members.filter((key) => !equalBytes(key, others[0]!));
    await coordinator.open((body) => ({ ...body, invited: some }));
    await refusal(again.key);
    await attempt(coordinator, members);
    await coordinator.collect(members, 'unmask');
  });

  it.each(['aborted', 'committed'] as const)(
    'rule, counter and spot check hold after a restart between the answer and the next attempt (%s)',
    async (ended) => {
      const { coordinator, members } = await stage();
      await coordinator.playRound();
      await attempt(coordinator, members);
      await coordinator.collect(members, 'unmask');
      const { key, participant, keystore } = of(members[2]!);
      const [registered] = coordinator.recordsOf(key, 'register');
      const [shared] = coordinator.recordsOf(key, 'share');
      await participant.stop();
      await coordinator.until(() => coordinator.keys.length === 4, 'it has gone');
      const before = await memoryOf(keystore, coordinator);
      expect(before.spent?.answered).toEqual([members.map(addressOf)]);
      expect(before.checked?.commit).toEqual(coordinator.last!.commit.hash);
      // It learns of neither.
      if (ended === 'aborted') coordinator.abort();
      else await coordinator.commit(members);
      coordinator.forget();
      const index = running.findIndex((started) => started.key === key);
      const again = await start(coordinator, index, { keystore, life: 1 });
      running[index] = again;
      await coordinator.until(() => coordinator.keys.length === 5, 'it is back');

      if (ended === 'aborted') {
        const some = members.filter((member) => !equalBytes(member, members[0]!));
        await coordinator.open(undefined, undefined, some);
        expect(await refusal(key)).toContain('has answered for a set of 5');
      }
      await attempt(coordinator, members);
      const [next] = coordinator.recordsOf(key, 'register');
      expect(next?.body.counter).toBe(3);
      expect(next?.body.previous).toEqual(registered?.hash);
      const [share] = coordinator.recordsOf(key, 'share');
      const after = await memoryOf(keystore, coordinator);
      const { model, bundle } = coordinator.attempt!.open.body;
      expect(share?.body.check?.commit).toEqual(bundle?.commit);
      const checks = again.events.filter(({ type }) => type === 'checked');
      if (ended === 'aborted') {
        expect(next?.body.answered?.map(toHex)).toEqual([setName(members.map(addressOf))]);
        expect(checks).toEqual([]);
        expect(share?.body.check).toEqual(shared?.body.check);
      } else {
        expect(next?.body.answered).toBeUndefined();
        expect(checks).toMatchObject([{ commit: 2 }]);
        expect(after.past).toContainEqual({
          model: before.spent?.model,
          named: [fromHex(setName(members.map(addressOf)))],
        });
        // The commit that it missed is known now.
        expect(after.commit).toEqual(coordinator.last!.commit.bytes);
      }
      expect(after.spent?.model).toEqual(model.hash);
      await coordinator.collect(members, 'unmask');
      const committed = await coordinator.commit(members);
      await coordinator.playRound();
      const checked = await again.event('checked', ended === 'aborted' ? 1 : 2);
      expect(checked.commit).toBe(committed.attempt);
      for (const { events } of running)
        expect(events.some(({ type }) => type === 'violation')).toBe(false);
    },
  );

  it('an abort that denies the answer is a broken rule after a restart too', async () => {
    const { coordinator, members } = await stage();
    await attempt(coordinator, members);
    await coordinator.collect(members, 'unmask');
    const { key, participant, keystore } = of(members[2]!);
    await participant.stop();
    await coordinator.until(() => coordinator.keys.length === 4, 'it has gone');
    coordinator.forget();
    const index = running.findIndex((started) => started.key === key);
    const again = await start(coordinator, index, { keystore, life: 1 });
    running[index] = again;
    await coordinator.until(() => coordinator.keys.length === 5, 'it is back');
    coordinator.abort('cohort_too_small', [], undefined, false);
    expect((await again.event('violation')).error.code).toBe('answers_denied');
  });

  it('the upload is written with the vector, before it leaves', async () => {
    const { coordinator, members } = await stage();
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.collect(members, 'upload');
    const { spent } = await memoryOf(of(members[0]!).keystore, coordinator);
    expect(spent?.uploaded).toEqual([{ attempt: 1, cohort: members.map(addressOf), threshold: 4 }]);
  });

  it('of an earlier model the name of the set is kept', async () => {
    const { coordinator, members } = await stage();
    await coordinator.playRound();
    await coordinator.playRound();
    const { past, spent } = await memoryOf(of(members[0]!).keystore, coordinator);
    expect(past).toMatchObject([{ named: [fromHex(setName(members.map(addressOf)))] }]);
    expect(past?.[0]?.left).toBeUndefined();
    expect(spent?.answered).toHaveLength(1);
  });

  it('a proven culprit is remembered, and the set without it is answered', async () => {
    const { coordinator, members } = await stage();
    await attempt(coordinator, members);
    await coordinator.collect(members, 'unmask');
    coordinator.abort();
    for (const key of members) await of(key).event('aborted');
    const culprit = members[4]!;
    const rest = members.slice(0, 4);
    await stopAll(running);
    for (const started of running) {
      const memory = await memoryOf(started.keystore, coordinator);
      const culprits = [addressOf(culprit)];
      await started.keystore.save(coordinator.run, { ...memory, culprits });
      coordinator.drop(started.key);
    }
    running = await Promise.all(
      running.map(({ keystore }, index) => start(coordinator, index, { keystore, life: 2 })),
    );
    await coordinator.until(() => coordinator.keys.length === 5, 'all are back');
    await attempt(coordinator, rest);
    await coordinator.collect(rest, 'unmask');
  });
});

describe('an abort record', () => {
  it('that denies an answer is a broken rule', async () => {
    const { coordinator, members } = await stage();
    await attempt(coordinator, members);
    await coordinator.collect(members, 'unmask');
    coordinator.abort('cohort_too_small', [], undefined, false);
    for (const key of members)
      expect((await of(key).event('violation')).error.code).toBe('answers_denied');
  });

  it('that owns up to more than this participant knows is none', async () => {
    const { coordinator, members } = await stage();
    await coordinator.open();
    await coordinator.cohort(members);
    coordinator.abort('cohort_too_small', [], undefined, true);
    for (const key of members) {
      const event = await of(key).event('aborted');
      expect(lineOf(event)?.[1]).toContain('may be known to the coordinator');
      expect(of(key).events.some(({ type }) => type === 'violation')).toBe(false);
    }
  });
});

describe('the policy', () => {
  it('`ledger` without a ledger is refused at the login', async () => {
    const coordinator = await ScriptedCoordinator.create();
    const started = await start(coordinator, 0, {
      answers: { policy: 'ledger' },
      trainer: testTrainer(),
    });
    await expect(started.participant.finished).rejects.toMatchObject({ code: 'usage' });
  });
});
