/**
 * A member of a run in groups that logs in and out again, while too many others are missing for any
 * draw. The coordinator looks 64 draws ahead, each over the whole signed set: with 2,000 keys that
 * took 1.3 seconds at each coming and going, in which nobody else was served.
 */
import { beforeAll, expect, it, vi } from 'vitest';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import type * as Groups from '../../protocol/secagg/groups.ts';
import { playUntil, stageGroups, whyWaiting } from '../support/grouped-machine.ts';

const made = vi.hoisted(() => ({ draws: 0 }));
vi.mock('../../protocol/secagg/groups.ts', async (original) => {
  const real = await original<typeof Groups>();
  return {
    ...real,
    drawGroupsOfKeys: (...args: Parameters<typeof Groups.drawGroupsOfKeys>) => {
      made.draws += 1;
      return real.drawGroupsOfKeys(...args);
    },
  };
});

beforeAll(() => cryptoReady);

it.each([
  ['enough keys, in no draw in whole groups', 30, 10],
  ['too few keys for any draw', 10, 6],
])('costs no draw that was made before: %s', async (_, count, left) => {
  const player = await stageGroups(count);
  const everybody = [...player.people.keys()];
  player.leave(...everybody.slice(left));
  playUntil(player, () => whyWaiting(player) !== undefined);
  const before = made.draws;
  for (let i = 0; i < 5; i += 1) {
    player.leave(0);
    player.join(0);
  }
  expect(whyWaiting(player)).toMatch(/3 whole groups: resumes when these/u);
  expect(made.draws - before).toBe(0);
  // Those that come back are counted.
  player.join(...everybody);
  expect(whyWaiting(player)).toBeUndefined();
});
