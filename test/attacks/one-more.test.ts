/**
 * One more participant than a cohort has room for, in a run in groups. Eleven that were cut into
 * groups of 4, 4 and 3 do not fit into a cohort of 9 that needs three groups: whoever comes to such
 * a run, or stays in it, would end it.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { sortKeys } from '../../protocol/records/records.ts';
import { drawnGroups, groupSeed, groupsOfEligible } from '../../protocol/rules/group-draw.ts';
import { groupsDrawn } from '../../protocol/rules/groups.ts';
import { groupCount } from '../../protocol/secagg/group-sizes.ts';
import { playUntil, stageGroups } from '../support/grouped-machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

describe('a cohort of nine in groups of three', () => {
  it.each([10, 11, 13])('of %i that are here commits as many rounds', async (count) => {
    const player = await stageGroups(count, 9);
    playUntil(player, () => player.state.committed >= 3 || player.state.attempt > 12);
    expect(player.state.committed).toBe(3);
  });
});

describe('the invited of any number that is eligible', () => {
  const at = { attempt: 2, beacon: sha256(utf8('R')) };
  const sizes = [3, 4, 5, 8].flatMap((size) => [1, 2, 3].map((count) => [size, count] as const));

  it.each(sizes)(
    'in groups of %i, %i of them at least, are as many groups',
    async (size, count) => {
      const base = await testSpec();
      const robust = { rule: { type: 'median' }, byzantine: 0, groupSize: size, drawn: 'invited' };
      for (let cohort = size * count; cohort < size * (count + 1); cohort += 1) {
        const spec = { ...base, cohort: { ...base.cohort, size: cohort }, robust } as typeof base;
        for (let n = size; n <= 3 * cohort + 1; n += 1) {
          const eligible = [
            ...sortKeys(Array.from({ length: n }, (_, i) => sha256(utf8(`${n} ${i}`)))),
          ];
          const { members, invited } = drawnGroups(spec, at, {
            eligible: [...eligible],
            late: [],
            out: [],
          });
          expect(invited).toEqual(members);
          // All of a cohort that is full, and all who are there of one that is not.
          expect(members.length).toBe(Math.min(n, cohort));
          const groups = groupsDrawn(spec, { members: [...members], beacon: groupSeed(at) });
          expect(groups.length).toBe(groupCount(Math.min(n, cohort), size));
          // Those that are out leave gaps, and the other groups come out as they were drawn.
          const out = [...sortKeys(groups[0]!.slice(0, size))];
          const without = drawnGroups(spec, at, { eligible: [...eligible], late: [], out });
          const names = new Set(
            groupsOfEligible(spec, at, eligible).map((group) => group.map(toHex).join()),
          );
          const again =
            without.members.length === 0
              ? []
              : groupsDrawn(spec, { members: [...without.members], beacon: groupSeed(at) });
          for (const group of again) expect(names).toContain(group.map(toHex).join());
        }
      }
    },
  );
});
