/**
 * The coordinator of a run with correlated noise: it opens no attempt without enough members whose
 * noise may be in every sum, and ends the run by name once there are too few.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { attemptOf, decodeSnapshot, encodeSnapshot } from '../../coordinator/machine/index.ts';
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { cryptoReady, identityFromSeed } from '../../protocol/ports/identity.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { newStream, streamAfter } from '../../protocol/rules/noise-streams.ts';
import { createPlayer, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

const ALL = [0, 1, 2, 3, 4];
const HIDDEN = sha256(utf8('a sum that others have not seen'));

const playerOf = async (participations = 0): Promise<Player> => {
  const people = await Promise.all(ALL.map((i) => identityFromSeed(deriveSeed(utf8('person'), i))));
  const spec = await testSpec({
    rounds: 3,
    encoding: { ring: 'ring32', clipNorm: 1, weightCap: 1 },
    cohort: { size: 5, minimum: 4, overSelect: 1 },
    members: { type: 'closed', keys: people.map(({ publicKey }) => publicKey) },
    privacy: {
      type: 'ftrl',
      epsilon: 8,
      delta: 1e-5,
      participations,
      honest: 0.8,
      noiseMultiplier: 0,
      bands: 2,
    },
  });
  return createPlayer(spec, 5);
};

/** Everybody is here, and the attempt is open. */
const opened = (player: Player): void => {
  player.join(...ALL);
  player.work(...player.effects);
  expect(player.state.phase.type).toBe('register');
};

const register = (player: Player, who: readonly number[], apart: readonly number[]): void => {
  const fresh = newStream(player.config.run);
  for (const i of who)
    player.say(i, 'register', {
      stream: apart.includes(i) ? streamAfter(fresh, HIDDEN) : fresh,
    });
};

describe('a run with correlated noise', () => {
  it('freezes a cohort whose members state the same sums', async () => {
    const player = await playerOf();
    opened(player);
    register(player, ALL, [2]);
    expect(player.state.phase.type).toBe('freezing-cohort');
  });

  it('ends by name once all have stated their sums and too few are equal', async () => {
    const player = await playerOf();
    opened(player);
    register(player, ALL, [1, 2]);
    expect(player.state.closing?.body).toMatchObject({ code: 'noise_streams_broken' });
    expect(player.state.history.carriers?.size).toBe(3);
    // A restart knows it.
    const bytes = new Map(
      [...player.events, ...player.effects].flatMap((each) =>
        'record' in each ? [[toHex(each.record.hash), each.record.bytes] as const] : [],
      ),
    );
    const restored = await decodeSnapshot(encodeSnapshot(player.state), {
      records: async (hashes) => hashes.map((hash) => bytes.get(toHex(hash))!),
      entries: new Map(),
    });
    expect(restored.history.carriers).toEqual(player.state.history.carriers);
    expect(player.state).toMatchObject({
      phase: { type: 'finished' },
      failure: 'noise_streams_broken',
    });
  });

  it('waits for those that count, instead of an attempt that nobody may answer', async () => {
    const player = await playerOf();
    opened(player);
    const first = attemptOf(player.state)!.attempt;
    const keys = player.people.map(({ publicKey }) => toHex(publicKey));
    // All but the last one were in the sum of an earlier attempt.
    player.state = {
      ...player.state,
      history: { ...player.state.history, carriers: new Set(keys.slice(0, 4)) },
    };
    player.leave(0);
    register(player, [1, 2, 3, 4], []);
    player.wait(120_000);
    expect(player.state.closing?.body).toMatchObject({ code: 'noise_streams_broken' });
    player.wait(600_000);
    expect(player.state).toMatchObject({ attempt: first, phase: { type: 'waiting' } });
    player.effects.length = 0;
    player.join(0);
    player.work(...player.effects);
    expect(player.state).toMatchObject({ attempt: first + 1, phase: { type: 'register' } });
  });

  it('opens no attempt beyond its budget', async () => {
    const player = await playerOf(3);
    player.state = { ...player.state, attempt: 3 };
    player.join(...ALL);
    expect(player.state).toMatchObject({
      phase: { type: 'finished' },
      failure: 'privacy_budget_spent',
    });
  });
});
