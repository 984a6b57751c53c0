/**
 * @module A coordinator that has the participants train on a model of its making.
 */
import type { SignedRecord } from '../../protocol/records/records.ts';
import { afterEach, expect, it } from 'vitest';
import {
  recovered,
  TRAP,
  trapModel,
  trapped,
  wideExamples,
  wideLearner,
  type Example,
} from './learning.ts';
import {
  everyoneLeaves,
  liar,
  liarWithTrap,
  openFor,
  refusals,
  sentOf,
  stageOf,
  sumOver,
  violations,
  type Stage,
} from './support.ts';

afterEach(everyoneLeaves);

const PEOPLE = 5;
const EACH = 14;
const privateData = (): Example[] =>
  Array.from({ length: PEOPLE }, (_, index) => wideExamples(`${index}`, EACH)).flat();

const wideStage = async (): Promise<Stage> => {
  const coordinator = await liarWithTrap({ training: { batchSize: EACH } });
  return stageOf(coordinator, PEOPLE, (index) => wideLearner(wideExamples(`${index}`, EACH)));
};

/**
 * Opens the next round up to the cohort: everybody stops by name, before anybody has trained on the
 * new model.
 */
const expectFabricated = async ({ coordinator, members, people }: Stage): Promise<void> => {
  const trained = people.map(({ seen }) => seen.length);
  await openFor(coordinator, members);
  await coordinator.cohort(members);

  expect(await refusals(people)).toEqual(people.map(() => 'commit_fabricated'));
  expect(sentOf(coordinator, members, 'share')).toBe(0);
  expect(people.map(({ seen }) => seen.length)).toEqual(trained);
};

it('sets a trap in the first model, which would take most examples of all out of the masked sum', async () => {
  const { coordinator, members, people } = await wideStage();
  coordinator.weights = trapModel();
  await openFor(coordinator, members);

  expect(await refusals(people)).toEqual(people.map(() => 'spec_mismatch'));
  expect(people.flatMap(({ seen }) => seen)).toEqual([]);
  expect(sentOf(coordinator, members, 'register')).toBe(0);
});

it('what the trap is worth: the model that the seed gives yields no example out of the same sum', async () => {
  const { coordinator, members, people } = await wideStage();
  const all = await sumOver(coordinator, members);

  expect(all).toHaveLength((TRAP.features + 2) * TRAP.neurons);
  expect(recovered(trapped(all), privateData())).toBe(0);
  expect(violations(people)).toEqual([]);
});

it('sets the trap in a commit', async () => {
  const stage = await wideStage();
  await sumOver(stage.coordinator, stage.members);
  await stage.coordinator.commitTo(trapModel());
  await expectFabricated(stage);
});

it('shows newcomers a model of a round they were not in, without the records that gave it', async () => {
  const coordinator = await liar();
  coordinator.weights = coordinator.weights.map(() => 7);
  coordinator.version = 3;
  coordinator.committed = 3;
  const { members, people } = await stageOf(coordinator, 4);
  await openFor(coordinator, members, 4);

  expect(await refusals(people)).toEqual(people.map(() => 'record_malformed'));
  expect(people.flatMap(({ seen }) => seen)).toEqual([]);
  expect(sentOf(coordinator, members, 'register')).toBe(0);
});

it('commits without the sum having been opened at all', async () => {
  const stage = await stageOf(await liar(), 4);
  const { coordinator, members } = stage;
  await openFor(coordinator, members);
  await coordinator.cohort(members);
  await coordinator.sharers(members);
  await coordinator.survivors(members);
  await coordinator.commitTo(coordinator.weights.map(() => 3));
  await expectFabricated(stage);
});

it.each([
  ['weights', { weight: 79 }],
  [
    'accuracies',
    {
      metrics: [
        { name: 'loss', sum: 0 },
        { name: 'accuracy', sum: 1e12 },
      ],
    },
  ],
] satisfies [string, Partial<SignedRecord<'commit'>['body']>][])(
  'tells all participants of %s that no sum holds',
  async (_, claims) => {
    const stage = await stageOf(await liar(), 4);
    const { coordinator, members, victim } = stage;
    await sumOver(coordinator, members);
    await coordinator.commit(members, { body: (body) => ({ ...body, ...claims }) });
    await victim.event('committed');
    await expectFabricated(stage);
  },
);

it('turns the participants around: a model is committed that undoes what the sum said', async () => {
  const stage = await stageOf(await liar(), 4);
  const { coordinator, members } = stage;
  const before = coordinator.weights.slice();
  const all = await sumOver(coordinator, members);
  await coordinator.commitTo(before.map((value, i) => value - all[i]!));
  await expectFabricated(stage);
});
