/**
 * One member signs two registrations in one attempt, and the coordinator shows one of them to a single honest member. That
 * member seals a share to the other key; the complaint over it "proves" to everybody else that it lied. A culprit may be left
 * out of the set that all have answered for, so the two sums differ by its update alone.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { layoutOf, METRICS, rotationSeed } from '../../protocol/aggregate/round.ts';
import { toHex } from '../../protocol/bytes.ts';
import { decodeSum } from '../../protocol/encoding/index.ts';
import { addressOf } from '../../protocol/identity.ts';
import { signRecord } from '../../protocol/records.ts';
import { contextOf } from '../../protocol/rules/index.ts';
import { deriveKeys, type Lanes } from '../../protocol/secagg/index.ts';
import { functionTrainer } from '../../client/trainer.ts';
import { start, stepOf, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, TENSORS } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

/** The sum of weighted updates in the lanes of an attempt. */
const weightedSum = (coordinator: ScriptedCoordinator, lanes: Lanes): Float32Array => {
  const { spec, round } = coordinator;
  const { cohort, survivors, open, number } = round!;
  const n = cohort!.body.members.length;
  const { meanDelta, weight } = decodeSum({
    lanes,
    spec: spec.encoding,
    n,
    survivors: survivors!.body.members.length,
    rotationSeed: rotationSeed({
      round: number,
      modelHash: open.body.model.hash,
      cohortRoot: cohort!.body.root,
    }),
    dimension: layoutOf(spec, n).dimension,
    extras: METRICS,
  });
  return meanDelta.map((value) => value * weight);
};

const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

describe('a member with two registrations in one attempt', () => {
  /** All five have answered for the whole cohort, and then comes an attempt in which the victim is shown another register. */
  const framed = async () => {
    const coordinator = await ScriptedCoordinator.create({
      encoding: { ring: 'ring32', bits: 20, clipNorm: 4 },
    });
    let update = new Float32Array();
    const trainer = functionTrainer({
      manifest: { tensors: TENSORS },
      train: ({ weights, seed }) => {
        const after = stepOf(weights, seed);
        update = after.map((value, i) => value - weights[i]!);
        return { weights: after, examples: 10, lossSum: 1.5, correct: 3 };
      },
    });
    const victim = await start(coordinator, 0, { trainer });
    const others = await Promise.all([1, 2, 3, 4].map((i) => start(coordinator, i)));
    running = [victim, ...others];
    await coordinator.loggedIn(5);
    const members = coordinator.keys;
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.survivors(members);
    await coordinator.consistency(members);
    const whole = weightedSum(coordinator, (await coordinator.sum(members)).lanes);
    coordinator.abort('round_aborted');
    await Promise.all(running.map((one) => one.event('aborted')));

    const open = await coordinator.open();
    const [liar] = others as [Started];
    const round = coordinator.round!;
    round.registers = await coordinator.collect(members, 'register');
    const cohortOver = (registers: typeof round.registers) =>
      coordinator.sign('cohort', round.number, coordinator.cohortBody(registers));
    const isLiar = (key: Uint8Array): boolean => toHex(key) === toHex(liar.key);
    // The second registration of the same attempt, with another sealing key.
    const second = round.registers.map((register) =>
      isLiar(register.author)
        ? signRecord(liar.keystore.identity, 'register', coordinator.run, round.number, {
            ...register.body,
            seal: deriveKeys(new Uint8Array(32).fill(9), 'seal').public,
          })
        : register,
    );
    round.cohort = cohortOver(round.registers);
    const { run } = coordinator;
    round.context = contextOf({ run, round: round.number, open, cohort: round.cohort });
    const shown = [
      { to: others.map(({ key }) => key), cohort: round.cohort, registers: round.registers },
      { to: [victim.key], cohort: cohortOver(second), registers: second },
    ];
    for (const { to, cohort, registers } of shown)
      coordinator.send(to, {
        type: 'cohort',
        record: cohort.bytes,
        registers: registers.map(({ bytes }) => bytes),
      });
    await coordinator.sharers(members);
    return { coordinator, victim, others, liar, whole, updateOfVictim: () => update };
  };

  it('frames an honest member, whose update is then the difference of two sums', async () => {
    const { coordinator, victim, others, liar, whole, updateOfVictim } = await framed();
    const [complaint] = await coordinator.collect([liar.key], 'complaint');
    coordinator.abort('complaint_upheld', [victim.key], complaint!.bytes);
    await Promise.all(others.map((one) => one.event('aborted', 2)));
    for (const { keystore } of others)
      expect((await keystore.load(coordinator.run))?.culprits).toEqual([addressOf(victim.key)]);

    const left = coordinator.keys.filter((key) => toHex(key) !== toHex(victim.key));
    await coordinator.open((body) => ({ ...body, invited: left }));
    await coordinator.cohort(left);
    await coordinator.sharers(left);
    await coordinator.survivors(left);
    await coordinator.consistency(left);
    const without = weightedSum(coordinator, (await coordinator.sum(left)).lanes);
    const difference = whole.map((value, i) => value - without[i]!);
    expect(cosine(difference, updateOfVictim())).toBeGreaterThan(0.999);
  });
});
