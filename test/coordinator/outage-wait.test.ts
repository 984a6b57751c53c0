/**
 * @module An outage is waited for within the attempt: by the phases, while members report that they
 * wait for a service and the attempt could only fail without them, and by the coordinator's own
 * work. An attempt that fails costs its randomness.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { OUTAGE_LIMIT_MS } from '../../coordinator/machine/outage.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { decodeRecordOf } from '../../protocol/records/records.ts';
import { attemptOf } from '../../coordinator/machine/state.ts';
import { createPlayer, reach, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

const ALL = [0, 1, 2, 3];
const SHARE = 20_000;

/** Four members, of whom three are a quorum, in the share phase. */
const sharing = async (): Promise<Player> => {
  const deadlines = { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6, grace: 2 };
  const spec = await testSpec({ deadlines, cohort: { size: 4, minimum: 3 } });
  const player = await createPlayer(spec, 4);
  reach(player, 'share', ALL);
  return player;
};

const report = (player: Player, code: string, ...who: readonly number[]): void => {
  for (const i of who) {
    const key = player.people[i]!.publicKey;
    player.apply({ type: 'reported', key, attempt: player.state.attempt, code });
  }
};

const reasons = (player: Player): readonly string[] =>
  player.effects.flatMap((effect) =>
    effect.type === 'publish' && effect.progress.type === 'waiting' ? [effect.progress.reason] : [],
  );

describe('members that report an outage', () => {
  it('are waited for beyond the deadline, and the same attempt continues with all of them', async () => {
    const player = await sharing();
    report(player, 'gate_unavailable', ...ALL);
    for (let waited = 0; waited < 180_000; waited += SHARE) player.wait(SHARE);
    expect(player.state.phase.type).toBe('share');
    expect(player.state.attempt).toBe(1);
    for (const i of ALL) player.say(i, 'share');
    expect(player.state.phase.type).toBe('upload');
    expect(attemptOf(player.state)?.sharers?.body.members).toHaveLength(4);
  });

  it('the operator is told once what the phase waits for, and until when', async () => {
    const player = await sharing();
    report(player, 'gate_unavailable', ...ALL);
    for (let i = 0; i < 4; i += 1) player.wait(SHARE);
    expect(reasons(player)).toEqual([
      expect.stringMatching(/attempt 1 .*share.*4 of 4 members report gate_unavailable.*600 s/u),
    ]);
  });

  it('are waited for so long and no longer; then the attempt is aborted with what they reported', async () => {
    const player = await sharing();
    report(player, 'store_unavailable', ...ALL);
    const from = player.time;
    while (player.state.phase.type === 'share') player.wait(1_000);
    expect(player.time - from).toBe(SHARE + OUTAGE_LIMIT_MS);
    const { body } = decodeRecordOf('abort', player.state.closing!.bytes);
    expect(body.reported).toEqual([{ code: 'store_unavailable', count: 4 }]);
  });

  it('hold nobody up who can continue without them', async () => {
    const player = await sharing();
    report(player, 'gate_unavailable', 3);
    for (const i of [0, 1, 2]) player.say(i, 'share');
    player.wait(SHARE);
    expect(player.state.phase.type).toBe('upload');
    expect(attemptOf(player.state)?.sharers?.body.members).toHaveLength(3);
  });

  it('delay an attempt by the limit once, and not once in each phase', async () => {
    const player = await sharing();
    const from = player.time;
    report(player, 'gate_unavailable', 3);
    for (const i of [0, 1]) player.say(i, 'share');
    while (player.state.phase.type === 'share' && player.time < from + OUTAGE_LIMIT_MS)
      player.wait(1_000);
    player.say(2, 'share');
    for (let i = 0; i < 30 && player.state.phase.type === 'share'; i += 1) player.wait(1_000);
    expect(player.state.phase.type).toBe('upload');
    const uploading = player.time;
    report(player, 'gate_unavailable', 0, 1, 2);
    while (player.state.phase.type === 'upload' && player.time < uploading + OUTAGE_LIMIT_MS)
      player.wait(1_000);
    expect(player.state.closing?.type).toBe('abort');
    expect(player.time - uploading).toBeLessThan(120_000);
  });

  it('are not waited for where they are too few to save the attempt', async () => {
    const player = await sharing();
    report(player, 'gate_unavailable', 0, 1);
    player.wait(SHARE);
    expect(player.state.closing?.type).toBe('abort');
  });

  it('are not waited for over what no waiting mends', async () => {
    const player = await sharing();
    report(player, 'clock_skewed', ...ALL);
    player.wait(SHARE);
    expect(player.state.closing?.type).toBe('abort');
  });

  it('are not waited for once they are gone', async () => {
    const player = await sharing();
    report(player, 'gate_unavailable', ...ALL);
    player.leave(2, 3);
    player.wait(SHARE);
    expect(player.state.closing?.type).toBe('abort');
  });
});
