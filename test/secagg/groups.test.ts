/**
 * Groups of a cohort: the draw, and a round in which the answers of a group's members open the sum
 * of that group alone. The reference is the plain sum of the same members.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import {
  drawGroups,
  drawGroupsOfKeys,
  groupedGraph,
  groupSizes,
  largestGroup,
  ready,
  recover,
  threshold,
  topologyOf,
  unmask,
  type Lanes,
} from '../../protocol/secagg/index.ts';
import { addInto, newLanes, play } from './play.ts';

beforeAll(ready);

const BEACON = sha256(utf8('beacon'));

describe('the draw of groups', () => {
  it('puts each member into one group; sizes are at least the size, and differ by one at most', () => {
    for (const [n, size] of [
      [3, 3],
      [11, 3],
      [100, 5],
      [103, 5],
      [255, 4],
    ] as const) {
      const groups = drawGroups(n, size, BEACON);
      expect(groups.flat().toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: n }, (_, i) => i),
      );
      const sizes = groups.map(({ length }) => length);
      expect(sizes).toEqual([...groupSizes(n, size)]);
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(size);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(largestGroup(size));
    }
  });

  it('follows the beacon and nothing else, and meets pairs about as often as chance', () => {
    expect(drawGroups(12, 3, BEACON)).toEqual(drawGroups(12, 3, BEACON.slice()));
    let together = 0;
    const draws = 600;
    for (let k = 0; k < draws; k += 1) {
      const groups = drawGroups(12, 4, sha256(utf8(`draw ${k}`)));
      together += Number(groups.some((group) => group.includes(0) && group.includes(1)));
    }
    // 3/11 of 600 draws: 164, standard deviation 11.
    expect(together).toBeGreaterThan(115);
    expect(together).toBeLessThan(213);
  });

  it.each([
    [2, 3, BEACON, 'cohort_too_small'],
    [4, 5, BEACON, 'cohort_too_small'],
    [256, 5, BEACON, 'cohort_too_large'],
    [12, 3, new Uint8Array(31), 'record_malformed'],
  ])('%i members in groups of %i: refused by name', (n, size, beacon, code) => {
    expect(() => drawGroups(n, size, beacon)).toThrow(expect.objectContaining({ code }));
  });

  it('of keys: whole groups that are drawn from again come out as they are', () => {
    for (let draw = 0; draw < 60; draw += 1) {
      const n = 3 + ((draw * 17) % 60);
      const size = 3 + (draw % Math.min(5, n - 2));
      const seed = sha256(utf8(`seed ${draw}`));
      const keys = Array.from({ length: n }, (_, i) => sha256(utf8(`${draw} ${i}`)));
      const groups = drawGroupsOfKeys(keys, size, seed);
      expect(groups.map(({ length }) => length)).toEqual([...groupSizes(n, size)]);
      expect(new Set(groups.flat().map(toHex)).size).toBe(n);
      for (let some = 1; some < 2 ** Math.min(groups.length, 6); some += 1) {
        const taken = groups.filter((_, g) => ((some >> (g % 6)) & 1) === 1);
        if (taken.length > 0)
          expect(drawGroupsOfKeys(taken.flat().toReversed(), size, seed)).toEqual(taken);
      }
    }
    expect(() => drawGroupsOfKeys([BEACON, BEACON], 3, BEACON)).toThrow(/a group of 3/u);
  });

  it('makes a graph of complete parts, each with the threshold of its size', () => {
    const groups = drawGroups(11, 3, BEACON);
    const topology = topologyOf(11, BEACON, groupedGraph(groups));
    for (const group of groups)
      for (const i of group) {
        expect(topology.holders[i]).toEqual(group);
        expect(topology.neighbours[i]).toEqual(group.filter((j) => j !== i));
        expect(topology.thresholds[i]).toBe(threshold(group.length));
      }
    expect(topology.threshold).toBe(threshold(3));
  });
});

describe('a round in groups', () => {
  const n = 11;
  const groups = drawGroups(n, 4, new Uint8Array(32));
  const update = (index: number): Lanes =>
    Uint16Array.from({ length: 40 }, (_, i) => (1000 * index + 7 * i) & 0xffff);

  it('gives the sum of each group from the answers of that group, with and without drop-outs', async () => {
    const [first, second] = groups as [readonly number[], readonly number[]];
    for (const drops of [{}, { beforeUpload: [first[1]!], beforeUnmask: [second[0]!] }]) {
      const played = await play({
        n,
        length: 40,
        modulusBits: 16,
        seed: 'groups',
        graph: groupedGraph(groups),
        drops,
        update,
      });
      const { view, answers, masked, participants } = played;
      for (const group of groups) {
        const keys = new Set(group.map((i) => toHex(participants[i]!.id)));
        const isOwn = (id: Uint8Array): boolean => keys.has(toHex(id));
        const alive = group.filter((i) => masked.has(i));
        const result = await recover(
          {
            ...view,
            shares: view.shares.filter(({ author }) => isOwn(author)),
            survivors: view.survivors.filter(isOwn),
          },
          answers
            .filter(({ sender }) => isOwn(sender))
            .map(({ sender, shares }) => ({
              sender,
              shares: shares.filter(({ author }) => isOwn(author)),
            })),
        );
        if (result.type === 'failed') throw new Error(JSON.stringify(result.failures));
        expect(result.badShares).toEqual([]);
        const sum = newLanes(16, 40);
        const plain = newLanes(16, 40);
        for (const i of alive) {
          addInto(sum, masked.get(i)!, 16);
          addInto(plain, update(i), 16);
        }
        await unmask(sum, result.jobs, 16);
        expect(sum).toEqual(plain);
      }
    }
  });

  it('the answers of one group open nothing of another', async () => {
    const [first, second] = groups as [readonly number[], readonly number[]];
    const { view, answers, participants } = await play({
      n,
      length: 4,
      modulusBits: 16,
      seed: 'groups',
      graph: groupedGraph(groups),
    });
    const ids = (group: readonly number[]) => group.map((i) => toHex(participants[i]!.id));
    const result = await recover(
      {
        ...view,
        shares: view.shares.filter(({ author }) => ids(first).includes(toHex(author))),
        survivors: view.survivors.filter((id) => ids(first).includes(toHex(id))),
      },
      answers.filter(({ sender }) => ids(second).includes(toHex(sender))),
    );
    expect(result.type).toBe('failed');
  });
});
