/**
 * A strategy with a vector beside the update: the squares of the update, whose mean is added to the
 * state.
 */
import type { Strategy } from '../../protocol/algorithm/strategy.ts';

export interface SquaresInit {
  readonly name: string;
  /** Whether the state moves where nothing travels, and the model with it. Default false. */
  readonly moves?: boolean;
}

export const squaresStrategy = ({ name, moves = false }: SquaresInit): Strategy => ({
  name,
  summary: 'for tests',
  source: 'this test',
  parameters: [],
  state: [{ name: 's' }],
  member: {
    scalars: [],
    prepare: () => ({}),
    segments: [{ name: 'squares', clipNorm: () => 1, weighted: false }],
    vectors: ({ delta }) => [delta.map((value) => value * value)],
  },
  step: ({ mean, extra, before, stateBefore, after, stateAfter }) => {
    const [kept, added, rate] = moves ? [0.5, 0.25, 0.001] : [1, 0, 0];
    for (let i = 0; i < after.length; i += 1) {
      stateAfter[0]![i] = kept * stateBefore[0]![i]! + extra[0]![i]! + added;
      after[i] = before[i]! + mean[i]! + rate * stateAfter[0]![i]!;
    }
  },
});
