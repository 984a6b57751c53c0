/**
 * @module A coordinator that has the participants train on a model of its making.
 */
import { afterEach, expect, it } from 'vitest';
import {
  cosine,
  everyoneLeaves,
  examplesOf,
  liar,
  liarWithTrap,
  linearLearner,
  openFor,
  recovered,
  stageOf,
  sumOver,
  trapModel,
  trapped,
  violations,
  wideExamples,
  wideLearner,
} from './support.ts';

afterEach(everyoneLeaves);

const PEOPLE = 5;
const EACH = 14;
const privateData = () =>
  Array.from({ length: PEOPLE }, (_, index) => wideExamples(`${index}`, EACH)).flat();

it('sets a trap in the first model: most examples of all participants come out of the masked sum', async () => {
  const coordinator = await liarWithTrap({ training: { batchSize: EACH } });
  coordinator.weights = trapModel();
  const { members, people } = await stageOf(coordinator, PEOPLE, (index) =>
    wideLearner(wideExamples(`${index}`, EACH)),
  );
  const all = await sumOver(coordinator, members);

  expect(recovered(trapped(all), privateData())).toBeGreaterThan(40);
  expect(violations(people)).toEqual([]);
});

it('sets the trap in a commit: what was committed is trained on, whatever the sum was', async () => {
  const coordinator = await liarWithTrap({ training: { batchSize: EACH } });
  coordinator.weights = trapModel().fill(0.01);
  const { members, people } = await stageOf(coordinator, PEOPLE, (index) =>
    wideLearner(wideExamples(`${index}`, EACH)),
  );
  await sumOver(coordinator, members);
  await coordinator.commitTo(trapModel());
  const all = await sumOver(coordinator, members);

  expect(recovered(trapped(all), privateData())).toBeGreaterThan(40);
  expect(violations(people)).toEqual([]);
});

it('shows newcomers a model of a round they were not in: it may be any', async () => {
  const coordinator = await liar();
  coordinator.weights = coordinator.weights.map(() => 7);
  coordinator.version = 3;
  const { members, people, victim } = await stageOf(coordinator, 4);
  await openFor(coordinator, members, 4);
  await coordinator.cohort(members);
  await victim.event('trained');

  expect(victim.seen).toEqual([coordinator.weights]);
  expect(violations(people)).toEqual([]);
});

it('commits without the sum having been opened at all', async () => {
  const { coordinator, members, people, victim } = await stageOf(await liar(), 4);
  await openFor(coordinator, members);
  await coordinator.cohort(members);
  await coordinator.sharers(members);
  await coordinator.survivors(members);
  await coordinator.commitTo(coordinator.weights.map(() => 3));
  await victim.event('committed');
  await openFor(coordinator, members);
  await coordinator.cohort(members);
  await victim.event('trained', 2);

  expect(victim.seen[1]).toEqual(coordinator.weights);
  expect(violations(people)).toEqual([]);
});

it('tells all participants of weights and accuracies that no sum holds', async () => {
  const { coordinator, members, people, victim } = await stageOf(await liar(), 4);
  await sumOver(coordinator, members);
  const metrics = { lossSum: 0, correct: 1e12, clipped: 0 };
  await coordinator.commitTo(coordinator.weights, { weight: 1e12, metrics });
  const told = await victim.event('committed');

  expect(told.metrics.correct / told.weight).toBe(1);
  expect(told.weight).toBeGreaterThan(4 * coordinator.spec.encoding.weightCap);
  expect(violations(people)).toEqual([]);
});

it('turns a participant around: a model is committed that undoes what the sum said', async () => {
  const { coordinator, members, people, victim } = await stageOf(await liar(), 4, (index) =>
    linearLearner(examplesOf(`${index}`, 10)),
  );
  const before = coordinator.weights.slice();
  const all = await sumOver(coordinator, members);
  await coordinator.commitTo(before.map((value, i) => value - all[i]!));
  const next = await sumOver(coordinator, members);

  expect(cosine(all, next)).toBeGreaterThan(0.5);
  expect(victim.seen[1]).toEqual(coordinator.weights);
  expect(violations(people)).toEqual([]);
});
