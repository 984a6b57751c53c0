/**
 * @module The scores against scikit-learn 1.9's (confusion_matrix, roc_auc_score, precision_score,
 * recall_score, mean_squared_error, r2_score) and NumPy's formula of the calibration error, on
 * numbers that a seeded generator gave once.
 */
import { describe, expect, it } from 'vitest';
import { areaUnderCurve, scoreClasses, scoreLabels } from '../../../client/evaluate/classes.ts';
import { scoreValues } from '../../../client/evaluate/values.ts';

const THREE = {
  classes: 3,
  probabilities: [
    0.27, 0.39, 0.34, 0.1616, 0.2121, 0.6263, 0.0, 0.51, 0.49, 0.4455, 0.2871, 0.2673, 0.21, 0.37,
    0.42, 0.2376, 0.4257, 0.3366, 0.34, 0.54, 0.12, 0.2, 0.75, 0.05, 0.0396, 0.505, 0.4554, 0.4455,
    0.3069, 0.2475, 0.6535, 0.3267, 0.0198, 0.18, 0.64, 0.18, 0.31, 0.0, 0.69, 0.1188, 0.2079,
    0.6733, 0.26, 0.42, 0.32, 0.54, 0.07, 0.39, 0.29, 0.5, 0.21, 0.57, 0.06, 0.37, 0.25, 0.12, 0.63,
    0.1919, 0.5051, 0.303, 0.32, 0.33, 0.35, 0.18, 0.53, 0.29, 0.27, 0.07, 0.66, 0.18, 0.57, 0.25,
    0.52, 0.4, 0.08, 0.31, 0.35, 0.34, 0.63, 0.16, 0.21, 0.56, 0.33, 0.11, 0.42, 0.31, 0.27, 0.37,
    0.4, 0.23, 0.03, 0.63, 0.34, 0.34, 0.2, 0.46, 0.06, 0.87, 0.07, 0.07, 0.55, 0.38, 0.23, 0.29,
    0.48, 0.2121, 0.3636, 0.4242, 0.2178, 0.3168, 0.4653, 0.4554, 0.0792, 0.4653, 0.0, 0.48, 0.52,
    0.1, 0.31, 0.59,
  ],
  labels: [
    2, 0, 2, 1, 1, 2, 2, 1, 0, 2, 0, 0, 0, 0, 2, 1, 0, 0, 1, 1, 0, 2, 2, 1, 2, 1, 0, 0, 0, 2, 0, 1,
    0, 2, 0, 1, 2, 1, 2, 2,
  ],
};
const SCORES = [
  0.7, 0.6, 0.4, 0.9, 0.4, 0.9, 0.1, 0.4, 0.5, 1.0, 0.3, 0.8, 0.7, 0.7, 0.6, 1.0, 0.3, 0.4, 0.2,
  0.1,
];
const TRUTH = [1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0];

describe('scoreClasses', () => {
  it('gives what scikit-learn gives', () => {
    const found = scoreClasses(THREE);
    expect(found.accuracy).toBe(0.325);
    expect(found.loss).toBeCloseTo(1.349825123262199, 12);
    expect(found.confusion).toEqual([
      [5, 5, 5],
      [2, 4, 5],
      [2, 8, 4],
    ]);
    expect(found.auc).toBeCloseTo(0.49441711162400814, 12);
    expect(found.calibration).toBeCloseTo(0.2246175, 12);
    const [precision, recall] = [
      [5 / 9, 4 / 17, 2 / 7],
      [1 / 3, 4 / 11, 2 / 7],
    ];
    for (const of of [0, 1, 2]) {
      expect(found.precision[of]).toBeCloseTo(precision?.[of] ?? 0, 12);
      expect(found.recall[of]).toBeCloseTo(recall?.[of] ?? 0, 12);
    }
  });

  it('says nothing about a class that does not occur, and refuses a label that is none', () => {
    const found = scoreClasses({ classes: 2, probabilities: [0.9, 0.1], labels: [0] });
    expect(found).toMatchObject({ auc: undefined, accuracy: 1 });
    expect(found.recall).toEqual([1, undefined]);
    expect(() => scoreClasses({ classes: 2, probabilities: [0.9, 0.1], labels: [2] })).toThrow(
      /row 0: expected a class of 0 to 1, got 2/u,
    );
    expect(() => scoreClasses({ classes: 2, probabilities: [], labels: [] })).toThrow(
      /no example/u,
    );
  });
});

it('the area under the curve counts ties by half, as roc_auc_score does', () => {
  expect(areaUnderCurve(SCORES, (i) => TRUTH[i] === 1)).toBeCloseTo(0.985, 12);
  expect(areaUnderCurve([0.5, 0.5], (i) => i === 0)).toBe(0.5);
});

it('labels count each on its own', () => {
  const found = scoreLabels([0.9, 0.2, 0.4, 0.7], [1, 0, 1, 1], 2);
  expect(found.accuracy).toBe(0.75);
  expect(found.loss).toBeCloseTo(
    -(Math.log(0.9) + Math.log(0.8) + Math.log(0.4) + Math.log(0.7)) / 4,
    12,
  );
  expect(found.auc).toEqual([undefined, 1]);
});

describe('scoreValues', () => {
  const targets = [119.6, 167.5, 148, 123.5, 119.5, 187.8, 131.9, 140.9, 151.3, 220.6, 190.8, 173];
  const predictions = [
    105.5, 133, 171.7, 147.7, 116, 201.3, 151.4, 161.7, 174.3, 209.2, 228.7, 141.8,
  ];
  it('gives what scikit-learn gives', () => {
    const found = scoreValues(predictions, targets);
    expect(found.mae).toBeCloseTo(21.441666666666663, 10);
    expect(found.mse).toBeCloseTo(551.0491666666663, 10);
    expect(found.rmse).toBeCloseTo(Math.sqrt(551.0491666666663), 10);
    expect(found.r2).toBeCloseTo(0.4211962277825534, 12);
  });

  it('keeps its digits far from zero, and knows no R2 of a constant', () => {
    const far = targets.map((value) => value + 1e9);
    const predicted = predictions.map((value) => value + 1e9);
    expect(scoreValues(predicted, far).r2).toBeCloseTo(0.4211962, 6);
    expect(scoreValues([1, 2], [3, 3]).r2).toBeUndefined();
  });
});
