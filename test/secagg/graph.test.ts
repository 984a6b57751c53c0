/**
 * Who masks with whom: the complete graph, and a whole round over one with fewer edges, which only
 * comes out where everything asks the graph.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { equalBytes, sha256, utf8 } from '../../protocol/bytes.ts';
import {
  COMPLETE_GRAPH,
  openPairs,
  placeOf,
  ready,
  requireLie,
  shownPairs,
  threshold,
  topologyOf,
  uncovered,
} from '../../protocol/secagg/index.ts';
import { signedOf } from '../support/entries.ts';
import { hararyGraph } from './harary.ts';
import { makeParticipants, play, type PlayInit } from './play.ts';

beforeAll(ready);

const BEACON = sha256(utf8('beacon'));
const GRAPH = hararyGraph(6, 4);
const init: PlayInit = { n: 12, length: 50, modulusBits: 16, seed: 'harary', graph: GRAPH };

describe('the complete graph', () => {
  it('has all others as neighbours, all as holders, and the threshold of Bonawitz 2017', () => {
    for (const n of [3, 5, 40, 255]) {
      const topology = topologyOf(n, BEACON);
      const all = Array.from({ length: n }, (_, i) => i);
      expect(topology.threshold).toBe(Math.floor((2 * n) / 3) + 1);
      expect(topology.threshold).toBe(threshold(n));
      for (const i of [0, 1, n - 1]) {
        expect(topology.neighbours[i]).toEqual(all.filter((j) => j !== i));
        expect(topology.holders[i]).toEqual(all);
        expect(placeOf(topology, i, n - 1)).toBe(n - 1);
        expect([-1, n, Number.NaN].map((j) => placeOf(topology, i, j))).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
      }
      // As many as t present cover all, one fewer nobody.
      const present = all.slice(0, topology.threshold);
      expect(uncovered(topology, all, new Set(present))).toBeUndefined();
      const short = { author: 0, have: topology.threshold - 1 };
      expect(uncovered(topology, all, new Set(present.slice(1)))).toMatchObject(short);
    }
    expect(COMPLETE_GRAPH.neighbours(3, 1, BEACON)).toEqual([0, 2]);
  });
});

describe('a round over a graph with fewer edges', () => {
  it('gives the sum, of all and without those who dropped', async () => {
    for (const drops of [{}, { beforeUpload: [3, 7] }, { beforeShare: [1], beforeUnmask: [5] }]) {
      const { result, sum, expected, messages, opened } = await play({ ...init, drops });
      expect(result.type).toBe('recovered');
      expect(sum).toEqual(expected);
      expect([...messages.values()].map(({ entries }) => entries.length)).toEqual(
        [...messages.keys()].map(() => 7),
      );
      expect(Math.max(...opened.map(({ size }) => size))).toBe(6);
    }
  });

  it('leaves only the masks between neighbours in the sum', async () => {
    const { view, cohort } = await play({ ...init, drops: { beforeUpload: [3] } });
    const pairs = openPairs(view);
    expect(pairs).toHaveLength(6);
    const { id } = cohort.members[3]!;
    for (const { author, recipient } of pairs)
      expect([author, recipient].filter((one) => equalBytes(one, id))).toHaveLength(1);
    expect(shownPairs(view).map(({ author, recipient }) => ({ author, recipient }))).toEqual(pairs);
  });

  it('takes no share from who holds none, and shows the lie of a member by its holders', async () => {
    // A member of which the first one holds no share.
    const topology = topologyOf(12, new Uint8Array(32), GRAPH);
    const far = topology.holders.findIndex((list) => !list.includes(0));
    const stranger = makeParticipants(init.seed, 12)[far]!.id;
    const played = await play({
      ...init,
      attack: {
        message: (index, message) =>
          index === 2 ? { ...message, commitment: new Uint8Array(32) } : message,
        answer: (index, { sender, shares }) => ({
          sender,
          shares: index === 0 ? [...shares, { ...shares[0]!, author: stranger }] : shares,
        }),
      },
    });
    const { result, cohort, context, messages, participants } = played;
    if (result.type !== 'failed') throw new Error('the lie was not noticed');
    expect(result.badShares.map(({ reason }) => reason)).toEqual(['not_asked']);
    const [lie] = result.lies;
    const message = messages.get(2)!;
    const entries = signedOf(context, message.author, message.entries);
    expect(lie).toMatchObject({ kind: 'self', author: participants[2]!.id });
    expect(await requireLie({ ...message, context, entries }, lie!, cohort)).toBe(true);
  });

  it('fails where fewer than t holders of one member are left, though many are', async () => {
    const topology = topologyOf(12, new Uint8Array(32), GRAPH);
    const away = topology.neighbours[0]!.slice(0, 4);
    const { result } = await play({ ...init, drops: { beforeUnmask: away } });
    if (result.type !== 'failed') throw new Error('recovered');
    expect(result.failures[0]).toMatchObject({ type: 'not_enough_shares', have: 3, need: 4 });
    const present = new Set([...topology.holders.keys()].filter((i) => !away.includes(i)));
    expect(uncovered(topology, [0], present)).toEqual({ author: 0, have: 3, need: 4 });
  });
});
