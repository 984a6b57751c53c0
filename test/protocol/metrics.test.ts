/**
 * Metrics that a specification declares: measured by trainers, summed under the masks, reported by
 * name.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_METRICS } from '../../protocol/algorithm/metrics.ts';
import type { TrainResult } from '../../client/trainer.ts';
import { startAll, stopAll, testTrainer, type Started } from '../support/participants.ts';
import { testSpec } from '../support/run.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const METRICS = [
  ...DEFAULT_METRICS,
  { name: 'mae', kind: 'mean', scale: 1e6 },
  { name: 'positives', kind: 'sum', scale: 1 },
] as const;

const play = async (measure: (result: TrainResult) => TrainResult) => {
  const coordinator = await ScriptedCoordinator.create({ metrics: METRICS });
  // Ten examples each; 1.5 of loss and three right answers, as the test trainer says.
  running = await startAll(coordinator, 4, { trainer: testTrainer(10, measure) });
  return coordinator;
};

describe('declared metrics', () => {
  it('are means over the examples or plain sums over the participants, by name', async () => {
    const coordinator = await play((result) => ({
      ...result,
      metrics: { mae: 2.5, positives: 7, unwanted: 1 },
    }));
    await coordinator.playRound();
    for (const { event } of running)
      expect(await event('committed')).toMatchObject({
        weight: 40,
        metrics: [
          { name: 'trainLoss', kind: 'mean', value: 0.15 },
          { name: 'trainAccuracy', kind: 'mean', value: 0.3 },
          { name: 'trainMae', kind: 'mean', value: 0.25 },
          { name: 'positives', kind: 'sum', value: 28 },
        ],
      });
    expect(coordinator.last!.commit.body.metrics).toContainEqual({ name: 'mae', sum: 10 });
  });

  it('that a trainer does not measure stop the participant by name', async () => {
    const coordinator = await play((result) => ({ ...result, metrics: { mae: 1 } }));
    await coordinator.open(undefined, undefined, coordinator.keys);
    await coordinator.cohort(coordinator.keys);
    await coordinator.sharers(coordinator.keys);
    for (const { key, event } of running) {
      expect(await coordinator.withdrawal(key)).toBe('metric_out_of_range');
      expect((await event('withdrawn')).error.message).toContain('metric positives');
    }
  });

  it.each([
    ['twice', [METRICS[0], METRICS[0]], /each metric once/],
    ['without a name', [{ ...METRICS[0], name: '' }], /metrics\.0\.name/],
    ['of scale 0', [{ ...METRICS[0], scale: 0 }], /scale/],
    ['of another kind', [{ ...METRICS[0], kind: 'max' as never }], /kind/],
    [
      'by the hundred',
      Array.from({ length: 505 }, (_, i) => ({ ...METRICS[0], name: `m${i}` })),
      /metrics/,
    ],
  ])('%s are refused', async (_, metrics, reason) => {
    await expect(testSpec({ metrics })).rejects.toThrow(reason);
  });
});
