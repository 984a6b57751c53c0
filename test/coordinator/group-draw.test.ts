/**
 * The coordinator of a run whose groups are drawn before anybody registers: absent members keep
 * their places in the draw, so that some attempts have too few whole groups and the next one is
 * drawn, or the run waits and names the members that it needs.
 */
import { beforeAll, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { groupsOf } from '../../protocol/rules/index.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import { createPlayer, type Player } from '../support/machine.ts';
import { GROUPED, playUntil, stageGroups, whyWaiting } from '../support/grouped-machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

const recordsOf = (player: Player, type: 'cohort' | 'open' | 'abort') =>
  player.effects.flatMap((effect) =>
    effect.type === 'append' && effect.record.type === type ? [effect.record] : [],
  );

it('draws again until the absent one is in a group that bears it, and continues', async () => {
  const player = await stageGroups();
  player.leave(4);
  const gone = toHex(player.people[4]!.publicKey);
  playUntil(player, () => player.state.committed >= 3);
  expect(player.state.committed).toBe(3);
  // It left in the second attempt. After a commit without it nobody draws it.
  const cohorts = recordsOf(player, 'cohort').slice(2) as SignedRecord<'cohort'>[];
  for (const { body } of cohorts) expect(body.members.map(toHex)).not.toContain(gone);
  expect(cohorts.map(({ body }) => body.members.length)).toEqual([9, 9]);
  expect(recordsOf(player, 'abort').length).toBeGreaterThan(0);
});

it('waits where no draw can have groups enough, and names who is missing', async () => {
  const player = await stageGroups();
  player.leave(0, 1, 2, 3);
  const why = () => whyWaiting(player);
  playUntil(player, () => why() !== undefined);

  expect(player.state.committed).toBe(1);
  expect(why()).toMatch(/3 whole groups: resumes when these/u);
  player.join(0, 1, 2);
  playUntil(player, () => player.state.committed >= 2);
  expect(player.state.committed).toBe(2);
});

it('of a closed run takes nobody who came after the last commit, until the next one', async () => {
  const { people } = await createPlayer(await testSpec(), 10);
  const keys = people.map(({ publicKey }) => publicKey);
  const spec = await testSpec({
    ...GROUPED,
    members: { type: 'closed', keys },
  });
  const player = await createPlayer(spec, 10, { startWith: 9 });
  player.join(0, 1, 2, 3, 4, 5, 6, 7, 8);
  playUntil(player, () => player.state.committed >= 1);
  player.join(9);
  playUntil(player, () => player.state.committed >= 3);
  const cohorts = recordsOf(player, 'cohort') as SignedRecord<'cohort'>[];
  expect(cohorts.map(({ body }) => body.members.length)).toEqual([9, 9, 10]);
  const sizes = groupsOf({ spec, cohort: cohorts[2]! }).map(({ members }) => members.length);
  expect(sizes).toEqual([4, 3, 3]);
});
