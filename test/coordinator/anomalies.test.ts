/**
 * @module The anomaly report: its scores against values worked by hand, its numbers against an
 * independent computation from the models of the records, its silence in an honest run, and its
 * alarms when the updates of one round are turned or blown up.
 */
import { expect, it } from 'vitest';
import { median, modifiedZScore, MOST_SCORE } from '../../coordinator/anomalies/robust-score.ts';
import { createAnomalyWatch } from '../../coordinator/anomalies/watch.ts';
import type { Committed } from '../../coordinator/machine/index.ts';
import {
  describeEvent,
  memoryJournal,
  wholeTranscript,
  type Logger,
} from '../../coordinator/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { openModel } from '../../protocol/verify/recompute.ts';
import { connect, createStage, silent, testSpec, type Stage } from '../support/run.ts';

it('scores as Iglewicz and Hoaglin define it, and without a median deviation by the mean one', () => {
  // Median 2.45; deviations 0.05 0.05 0.15 0.15 0.15 0.15 0.35 0.35 5.75 5.85, median 0.15.
  const sample = [2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3];
  expect(median(sample)).toBeCloseTo(2.45, 12);
  expect(modifiedZScore(8.2, sample)).toBeCloseTo((0.6745 * 5.75) / 0.15, 9);
  expect(modifiedZScore(2.1, sample)).toBeCloseTo((-0.6745 * 0.35) / 0.15, 9);
  // Five of six are equal: the mean deviation is 2/6.
  expect(modifiedZScore(4, [1, 1, 1, 1, 1, 3])).toBeCloseTo(3 / (1.253314 * (2 / 6)), 9);
  expect(modifiedZScore(1, [1, 1, 1])).toBe(0);
  expect(modifiedZScore(2, [1, 1, 1])).toBe(MOST_SCORE);
  expect(modifiedZScore(0, [1, 1, 1])).toBe(-MOST_SCORE);
});

const committed = (version: number, loss?: number): Committed => ({
  type: 'committed',
  attempt: version,
  version,
  rounds: 100,
  cohort: 4,
  survivors: 4,
  weight: 1,
  clipped: 0,
  metrics: loss === undefined ? [] : [{ name: 'trainLoss', kind: 'mean', value: loss }],
  modelHash: new Uint8Array(32),
  uploadBytes: 0,
  phases: {},
});

/** Steps of a few parameters, and losses. @returns what each commit reports */
const report = (
  rounds: readonly { readonly step: readonly number[]; readonly loss?: number }[],
) => {
  const watch = createAnomalyWatch();
  const events = rounds.map(({ step, loss }, i) => {
    watch.measure(i + 1, new Float32Array(step.length), Float32Array.from(step));
    return watch.judge(committed(i + 1, loss));
  });
  return { watch, events };
};

const kindsOf = ({ anomalies = [] }: Committed) => anomalies.map(({ kind }) => kind);

/** Norms fall by a twentieth a round, the direction turns a little each time. */
const honest = Array.from({ length: 12 }, (_, i) => ({
  step: [0.95 ** i, 0.95 ** i * (0.2 + 0.1 * (i % 3))],
  loss: 2 * 0.9 ** i,
}));

it('is silent in a run that converges', () => {
  const { events, watch } = report(honest);
  expect(events.flatMap(kindsOf)).toEqual([]);
  expect(watch.status()).toMatchObject({ count: 0, since: 1, last: undefined });
  expect(events[0]?.step).toEqual({ norm: expect.any(Number) });
  expect(events[1]?.step).toMatchObject({
    cosine: expect.any(Number),
    cosineMean: expect.any(Number),
  });
});

it.each([
  ['blown up', { step: [6, 1.5], loss: 0.55 }, 'step_norm'],
  ['gone', { step: [0.05, 0.01], loss: 0.55 }, 'step_norm'],
  ['turned', { step: [-0.5, -0.1], loss: 0.55 }, 'step_direction'],
  ['after a loss', { step: [0.54, 0.13], loss: 1.5 }, 'train_loss'],
] as const)('names a step that is %s', (_, last, kind) => {
  const { events, watch } = report([...honest, last]);
  expect(events.slice(0, -1).flatMap(kindsOf)).toEqual([]);
  expect(kindsOf(events.at(-1))).toEqual([kind]);
  expect(watch.status()).toMatchObject({ count: 1, last: { version: 13, found: [{ kind }] } });
});

it('has no alarm before it has five rounds to compare with', () => {
  const { events } = report([...honest.slice(0, 5), { step: [50, 50], loss: 9 }]);
  // Norms have five, cosines and differences of the loss have four.
  expect(kindsOf(events.at(-1))).toEqual(['step_norm']);
  const { events: sooner } = report([...honest.slice(0, 4), { step: [50, 50], loss: 9 }]);
  expect(sooner.flatMap(kindsOf)).toEqual([]);
});

it('takes no step of an attempt that was aborted, and compares nothing with one it has not seen', () => {
  const watch = createAnomalyWatch();
  const zero = new Float32Array(2);
  watch.measure(1, zero, Float32Array.of(3, 4));
  watch.measure(2, zero, Float32Array.of(0, 2));
  expect(watch.judge(committed(2)).step).toEqual({ norm: 2 });
  // A coordinator that was started again between the sum and the commit.
  expect(watch.judge(committed(3)).step).toEqual({});
  watch.measure(4, zero, Float32Array.of(0, 1));
  expect(watch.judge(committed(4)).step).toEqual({ norm: 1, normRatio: 0.5, cosineMean: 1 });
  // A step of length 0 has no direction.
  watch.measure(5, zero, zero);
  expect(watch.judge(committed(5)).step).toEqual({ norm: 0, normRatio: 0 });
});

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];
const ROUNDS = 9;
const BAD = 8;

/** A run in which all turn their updates by `factor` in round 8. */
const play = async (factor: number) => {
  const journal = memoryJournal();
  const stage = await createStage(await testSpec({ rounds: ROUNDS }), { journal });
  const logged: object[] = [];
  const log: Logger = { ...silent, warn: (fields, message) => logged.push({ message, ...fields }) };
  const people = await Promise.all(
    NAMES.map((name) =>
      stage.participant(name, {
        train: (model, attempt) =>
          model.map(
            (_, i) =>
              (attempt === BAD ? factor : 1) * 0.02 * (Math.sin(i) + 0.1 * Math.cos(attempt + i)),
          ),
      }),
    ),
  );
  const coordinator = stage.create({ log });
  await coordinator.start();
  for (const one of people) connect(coordinator, one);
  await coordinator.finished;
  await coordinator.stop();
  const commits = stage.progress.flatMap((event) => (event.type === 'committed' ? [event] : []));
  return { stage, coordinator, commits, logged };
};

/** The models of a run, from its records. */
const modelsOf = async (stage: Stage) => {
  const run = hashRunSpec(stage.spec);
  const { entries } = decodeTranscript(run, await wholeTranscript(stage.journal));
  const refs = entries.flatMap(({ record }) =>
    record.type === 'commit' ? [record.body.model] : [],
  );
  const gate = sealedBoxGate(stage.coordinatorIdentity);
  return Promise.all(
    refs.map(async (model) => {
      const cipher = await stage.store.get(model.blob);
      return openModel({ run, model, cipher }, stage.spec.model, gate);
    }),
  );
};

it('measures what the models of the records say, under masks', async () => {
  const { stage, commits, logged, coordinator } = await play(1);
  expect(commits.flatMap(kindsOf)).toEqual([]);
  expect(logged.filter((line) => 'kind' in line)).toEqual([]);
  expect(coordinator.status().anomalies).toEqual({ count: 0, since: 1, last: undefined });
  const models = await modelsOf(stage);
  const steps = models.slice(1).map((model, i) => [...model].map((w, j) => w - models[i]![j]!));
  const norm = (step: readonly number[]) => Math.hypot(...step);
  for (const [i, step] of steps.entries()) {
    const told = commits[i + 1]!.step!;
    expect(told.norm).toBeCloseTo(norm(step), 6);
    if (i === 0) continue;
    const before = steps[i - 1]!;
    const cosine = step.reduce((sum, w, j) => sum + w * before[j]!, 0) / norm(step) / norm(before);
    expect(told.cosine).toBeCloseTo(cosine, 5);
  }
});

it('tells of turned updates in the event, the log, the lines, the status and the metrics', async () => {
  const { commits, logged, coordinator } = await play(-1);
  expect(commits.map(kindsOf)).toEqual(
    commits.map(({ version }) => (version === BAD ? ['step_direction'] : [])),
  );
  expect(logged).toContainEqual(
    expect.objectContaining({ message: 'anomaly', kind: 'step_direction', subject: 'sum' }),
  );
  const lines = commits.flatMap((progress) => describeEvent({ type: 'progress', progress }));
  expect(lines.filter(([level]) => level === 'warn').map(([, text]) => text)).toEqual([
    expect.stringMatching(/^anomaly in round 8: step_direction of the sum: .* cosine -0\.9/u),
  ]);
  expect(coordinator.status().anomalies).toMatchObject({ count: 1, last: { version: BAD } });
  const text = await coordinator.metrics.text();
  expect(text).toContain('floe_anomalies_total{kind="step_direction",subject="sum"} 1');
  expect(text).toMatch(/^floe_step_norm 0\.\d+$/mu);
  expect(text).toMatch(/^floe_step_cosine -0\.9\d*$/mu);
});
