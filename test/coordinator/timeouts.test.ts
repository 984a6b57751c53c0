/**
 * @module The timeout model: the deadline of the uploads follows the times that are observed, with
 * a floor and a ceiling.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { SPEC_DEFAULTS } from '../../protocol/spec/run-spec.ts';
import { timeoutLines, uploadTime } from '../../protocol/spec/timeouts.ts';
import { createPlayer, reach, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

const deadlines = {
  register: 10,
  share: 20,
  upload: 1800,
  uploadFactor: 4,
  uploadFloor: 15,
  consistency: 5,
  unmask: 6,
  grace: 2,
};
const ALL = [0, 1, 2, 3];

/** In the upload phase, with four of whom three are a quorum. */
const uploading = async (over: Partial<typeof deadlines> = {}): Promise<Player> => {
  const player = await createPlayer(
    await testSpec({ deadlines: { ...deadlines, ...over }, cohort: { size: 4, minimum: 3 } }),
    4,
  );
  reach(player, 'upload', ALL);
  return player;
};

/** One uploads after `ms` more, and it is folded. */
const upload = (player: Player, who: number, ms: number): void => {
  player.wait(ms);
  player.work(...player.say(who, 'upload'));
};

/** Milliseconds until the phase is over, as it is. */
const left = ({ state: { phase }, time }: Player): number =>
  'deadline' in phase ? phase.deadline - time : NaN;

describe('one silent participant', () => {
  it('costs four times the median upload time, not the ceiling', async () => {
    const player = await uploading();
    upload(player, 0, 10_000);
    upload(player, 1, 10_000);
    expect(left(player)).toBe(1_780_000);
    upload(player, 2, 10_000);
    // Median 20 s, so 80 s from the beginning.
    expect(left(player)).toBe(50_000);
    player.wait(49_999);
    expect(player.state.phase.type).toBe('upload');
    player.wait(1);
    expect(player.state.phase.type).toBe('freezing-survivors');
  });

  it('costs no less than the floor, and no more than the ceiling', async () => {
    const fast = await uploading();
    for (const i of [0, 1, 2]) upload(fast, i, 10);
    expect(left(fast)).toBe(15_000 - 30);
    const slow = await uploading();
    for (const i of [0, 1, 2]) upload(slow, i, 500_000);
    expect(left(slow)).toBe(300_000);
    const short = await uploading({ upload: 8 });
    for (const i of [0, 1, 2]) upload(short, i, 10);
    expect(left(short)).toBe(8000 - 30);
  });

  it('is waited for to the end while there is no quorum without it', async () => {
    const player = await uploading();
    upload(player, 0, 1000);
    upload(player, 1, 1000);
    player.wait(1_797_999);
    expect(player.state.phase.type).toBe('upload');
    player.wait(1);
    expect(player.state.phase.type).toBe('waiting');
  });

  it('has the time again after a restart of the coordinator', async () => {
    const player = await uploading();
    for (const i of [0, 1, 2]) upload(player, i, 10_000);
    player.wait(30_000);
    player.apply({ type: 'resumed', startWith: 4 });
    player.join(...ALL);
    expect(left(player)).toBe(80_000);
  });
});

it('the deadline never grows with an upload', () => {
  expect(uploadTime(deadlines, [], 3)).toBe(1_800_000);
  expect(uploadTime(deadlines, [1, 2], 3)).toBe(1_800_000);
  expect(uploadTime(deadlines, [30_000, 10_000, 20_000], 3)).toBe(80_000);
  expect(uploadTime(deadlines, [30_000, 10_000, 20_000, 40_000], 3)).toBe(80_000);
});

it('a coordinator prints a line for every time', () => {
  const lines = timeoutLines(SPEC_DEFAULTS.deadlines);
  expect(lines).toHaveLength(Object.keys(SPEC_DEFAULTS.deadlines).length);
  expect(lines).toContain('1800 s: longest time for training and upload');
});
