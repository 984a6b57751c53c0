/**
 * The score of members by the groups they were in: liars stand out after some rounds, wherever the
 * draws put them, and honest members do not.
 */
import { expect, it } from 'vitest';
import { sha256, utf8 } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { groupFacts, suspectsIn, withRound, type Scores } from '../../protocol/robust/anomaly.ts';
import { aggregate } from '../../protocol/robust/rule.ts';
import { drawGroups } from '../../protocol/secagg/index.ts';

const N = 60;
const SIZE = 32;

/** Rounds of `N` members in groups of five, of whom the first `liars` send the reverse. */
const scoresAfter = (rounds: number, liars: number, label: string): Scores => {
  let scores: Scores = new Map();
  for (let round = 0; round < rounds; round += 1) {
    const bytes = seededRandom(sha256(utf8(`${label} ${round}`)))(N * SIZE);
    const update = (i: number): Float32Array =>
      Float32Array.from({ length: SIZE }, (_, k) => {
        const honest = 1 + (bytes[i * SIZE + k]! - 127.5) / 128;
        return i < liars ? -honest : honest;
      });
    const groups = drawGroups(N, 5, sha256(utf8(`${label} beacon ${round}`)));
    const vectors = groups.map((group) => {
      const own = group.map(update);
      return own[0]!.map((_, k) => own.reduce((sum, one) => sum + one[k]!, 0) / own.length);
    });
    const centre = new Float32Array(SIZE);
    const robust = { rule: { type: 'median' }, byzantine: 3 } as const;
    const middle = aggregate(robust, { vectors, centre, seed: new Uint8Array(32) });
    const members = groups.map((group) => group.map((i) => `member ${i}`));
    scores = withRound(scores, members, groupFacts(vectors, middle));
  }
  return scores;
};

it('suspects the three of sixty that lie, after sixteen rounds, and nobody else', () => {
  for (const label of ['a', 'b', 'c'])
    expect(suspectsIn(scoresAfter(16, 3, label))).toEqual(['member 0', 'member 1', 'member 2']);
});

it('suspects nobody where nobody lies, and nobody after three rounds', () => {
  for (const label of ['d', 'e', 'f', 'g'])
    expect(suspectsIn(scoresAfter(40, 0, label))).toEqual([]);
  expect(suspectsIn(scoresAfter(3, 3, 'h'))).toEqual([]);
});

it('a group whose sum was left out has no norm, and equal means deviate by nothing', () => {
  const one = Float32Array.of(3, 4);
  expect(groupFacts([one, undefined, one], one)).toEqual([
    { norm: 5, cosine: 1, deviation: 0 },
    { norm: undefined, cosine: undefined, deviation: 3 },
    { norm: 5, cosine: 1, deviation: 0 },
  ]);
  const zero = new Float32Array(2);
  expect(groupFacts([zero, one], zero)[0]).toMatchObject({ norm: 0, cosine: 0 });
});
