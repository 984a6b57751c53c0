/**
 * @module Who is drawn into a cohort. R, which draws it, is public once the last commit is: whoever
 * makes keys after that can make as many as it takes for the smallest tickets. So only those who
 * were here before R was known are drawn by it. Source: specification of secure aggregation,
 * section 2.0.1.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { compareBytes, fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { cryptoReady, identityFromSeed } from '../../protocol/ports/identity.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { openHistory } from '../../coordinator/journal/history.ts';
import { memoryJournal } from '../../coordinator/journal/memory.ts';
import { RECONNECT_MS } from '../../coordinator/machine/config.ts';
import { createPlayer, reach, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

beforeAll(() => cryptoReady);

const SIZE = 4;
const COHORT = [0, 1, 2, 3];
const deadlines = { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6, grace: 2 };

const stage = async (count: number, over: Parameters<typeof testSpec>[0] = {}): Promise<Player> =>
  createPlayer(
    await testSpec({
      deadlines,
      cohort: { size: SIZE, minimum: 3, overSelect: 1 },
      rounds: 5,
      ...over,
    }),
    count,
  );

/** The ticket as an outsider computes it, from what is public. */
const ticket = (beacon: Uint8Array, attempt: number, key: Uint8Array): Uint8Array => {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, attempt);
  return sha256(utf8('floe/invite/v2'), beacon, number, key);
};

/** The keys with the `count` smallest tickets, ascending. */
const firstBy = (
  beacon: Uint8Array,
  attempt: number,
  keys: readonly Uint8Array[],
  count: number,
): string[] =>
  keys
    .toSorted((a, b) => compareBytes(ticket(beacon, attempt, a), ticket(beacon, attempt, b)))
    .slice(0, count)
    .map(toHex)
    .toSorted();

/** Keys of real identities whose tickets come before those of all others, and how many it took. */
const grind = async (
  { state: { beacon, attempt } }: Player,
  others: readonly Uint8Array[],
  count: number,
): Promise<Uint8Array[]> => {
  const next = attempt + 1;
  const [first] = firstBy(beacon, next, others, 1);
  const bound = ticket(beacon, next, fromHex(first ?? ''));
  const found: Uint8Array[] = [];
  for (let i = 0; found.length < count; i += 1) {
    const { publicKey } = await identityFromSeed(deriveSeed(utf8('outsider'), i));
    if (compareBytes(ticket(beacon, next, publicKey), bound) < 0) found.push(publicKey);
  }
  return found;
};

const keysOf = ({ people }: Player, who?: readonly number[]): Uint8Array[] =>
  people.filter((_, i) => who?.includes(i) ?? true).map(({ publicKey }) => publicKey);
const invited = ({ state }: Player): readonly string[] => attemptOf(state)?.invited ?? [];

/**
 * Plays the first attempt until the ledger holds its model; in `late` some log in while the answers
 * are awaited.
 */
const signFirst = (player: Player, late: readonly Uint8Array[] = []): void => {
  reach(player, 'unmask', COHORT);
  for (const key of late) player.apply({ type: 'joined', key });
  for (const i of COHORT) player.say(i, 'unmask');
  player.work(...player.effects.slice(-1));
  expect(player.state.phase.type).toBe('registering');
};

const commitFirst = (player: Player, late: readonly Uint8Array[] = []): void => {
  signFirst(player, late);
  player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
  expect(player.state.committed).toBe(1);
};

/** R as the first commit gives it in these tests. */
const R = sha256(utf8('beacon1'));
const afterFirst = (player: Player): Player => ({
  ...player,
  state: { ...player.state, attempt: 1, beacon: R },
});

describe('a key that was made for a place', () => {
  it('gets none while those who were here before the answers fill the cohort', async () => {
    const player = await stage(SIZE + 2);
    // Two more log in before the survivors are frozen, and are drawn with the others.
    reach(player, 'upload', COHORT);
    player.join(4, 5);
    signFirst(player);
    // The commit record holds R before the next attempt opens: the time in which keys are ground.
    expect(attemptOf(player.state)?.commit?.body.beacon).toEqual(R);
    const known = keysOf(player);
    const ground = await grind(afterFirst(player), known, SIZE);
    for (const key of ground) player.apply({ type: 'joined', key });
    player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
    player.wait(1000);
    expect(player.state.phase.type).toBe('opening');

    const { beacon } = player.state;
    expect(firstBy(beacon, 2, [...known, ...ground], SIZE), 'a draw among all').toEqual(
      ground.map(toHex).toSorted(),
    );
    expect(invited(player)).toEqual(firstBy(beacon, 2, known, SIZE));
  });

  it('gets none either when it logs in while the answers are still coming', async () => {
    const player = await stage(SIZE);
    // This outsider knows even more than it could: R follows from the answers.
    const ground = await grind(afterFirst(player), keysOf(player), SIZE);
    commitFirst(player, ground);
    player.wait(1000);
    expect(player.state.beacon).toEqual(R);
    expect(invited(player)).toEqual(keysOf(player).map(toHex).toSorted());
  });

  it('is one of many in the draw after, by the R that nobody knew when it came', async () => {
    const player = await stage(SIZE);
    commitFirst(player);
    const ground = await grind(player, keysOf(player), SIZE);
    for (const key of ground) player.apply({ type: 'joined', key });
    player.wait(1000);
    expect(invited(player)).toEqual(keysOf(player).map(toHex).toSorted());
    reach(player, 'registering', COHORT);
    player.apply({ type: 'registered', attempt: 2, receipt: 'r' });
    player.wait(1000);
    expect(invited(player)).toEqual(
      firstBy(player.state.beacon, 3, [...keysOf(player), ...ground], SIZE),
    );
  });
});

describe('those who come after R is known', () => {
  it('take part from the next commit on, and until then no place that is left free', async () => {
    const player = await stage(SIZE);
    signFirst(player);
    player.leave(3);
    const ground = await grind(afterFirst(player), keysOf(player), 3);
    for (const key of ground) player.apply({ type: 'joined', key });
    player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
    player.wait(2000);
    expect(invited(player)).toEqual(keysOf(player).map(toHex).toSorted());
  });

  it('do not make up the minimum: the run waits, and says who must come back', async () => {
    const player = await stage(SIZE);
    signFirst(player);
    player.leave(2, 3);
    const ground = await grind(afterFirst(player), keysOf(player), 3);
    for (const key of ground) player.apply({ type: 'joined', key });
    player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
    player.wait(3_600_000);
    const { phase } = player.state;
    expect(phase.type).toBe('waiting');
    expect(phase.type === 'waiting' && phase.reason).toMatch(
      /^3 that are here came after .* 1 of/u,
    );
    player.join(2);
    expect(player.state.phase.type).toBe('opening');
  });

  it('stay behind in every attempt that R draws, until a commit gives another', async () => {
    const player = await stage(SIZE);
    commitFirst(player);
    player.wait(1000);
    const ground = await grind(player, keysOf(player), SIZE);
    for (const key of ground) player.apply({ type: 'joined', key });
    for (let attempt = 2; attempt <= 4; attempt += 1) {
      expect(player.state.attempt).toBe(attempt);
      expect(invited(player)).toEqual(keysOf(player).map(toHex).toSorted());
      player.apply({
        type: 'work-failed',
        attempt,
        code: 'internal',
        reason: '',
        culprits: [],
      });
      player.wait(60_000);
    }
  });

  it('fill what the others leave free in a closed run, whose keys were listed before', async () => {
    const listed = await createPlayer(await testSpec(), SIZE + 2);
    const keys = keysOf(listed).toSorted(compareBytes);
    const player = await stage(SIZE + 2, {
      members: { type: 'closed', keys },
      cohort: { size: SIZE, minimum: 3, overSelect: 1.25 },
    });
    commitFirst(player, keysOf(player, [4, 5]));
    player.wait(1000);
    const { beacon, drawn } = player.state;
    expect(drawn).toEqual(new Set(keysOf(player, COHORT).map(toHex)));
    expect(invited(player)).toEqual(
      [...drawn, ...firstBy(beacon, 2, keysOf(player, [4, 5]), 1)].toSorted(),
    );
  });
});

describe('the first attempt', () => {
  it('draws among all who are here, since R_0 is not public before its Open record', async () => {
    const player = await stage(SIZE + 3, { cohort: { size: SIZE, minimum: SIZE } });
    // The last of the wait opens the attempt: all others are here by then.
    for (const key of keysOf(player).slice(0, SIZE)) player.apply({ type: 'joined', key });
    expect(player.state.phase.type).toBe('opening');
    expect(player.state.drawn).toEqual(new Set(keysOf(player, COHORT).map(toHex)));
    expect(invited(player)).toHaveLength(SIZE);
  });

  it('that fails is followed by one with the same people before all newcomers', async () => {
    const player = await stage(SIZE);
    player.join(...COHORT);
    player.work(...player.effects.slice(-1));
    const ground = await grind(player, keysOf(player), SIZE);
    for (const key of ground) player.apply({ type: 'joined', key });
    player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: '', culprits: [] });
    player.wait(60_000);
    expect(player.state.attempt).toBe(2);
    expect(invited(player)).toEqual(keysOf(player).map(toHex).toSorted());
  });
});

describe('who was waited for in vain', () => {
  /** Does what the machine asks for; of those that are here, `who` answer. */
  const playOn = (player: Player, who: readonly number[], until: () => boolean): void => {
    const types = { register: 'register', share: 'share', upload: 'upload' } as const;
    const answers = { ...types, consistency: 'consistent', unmask: 'unmask' } as const;
    let done = 0;
    for (let i = 0; !until(); i += 1) {
      if (i > 1000) throw new Error(`it does not end: ${player.state.phase.type}`);
      for (; done < player.effects.length; done += 1) player.work(player.effects[done]!);
      if (until()) return;
      const type = answers[player.state.phase.type as keyof typeof answers];
      const { phase } = player.state;
      if (type !== undefined) for (const one of who) player.say(one, type);
      if (player.state.phase === phase) player.wait(5000);
    }
  };

  it('is drawn after the others: twelve that say nothing do not take the places of four for ever', async () => {
    const player = await stage(16, { cohort: { size: SIZE, minimum: SIZE }, rounds: 3 });
    player.join(...player.people.keys());
    playOn(player, COHORT, () => player.state.committed === 1);
    playOn(player, COHORT, () => player.state.committed === 2);
    // Each attempt that fails finds out at least one of the twelve.
    expect(player.state.attempt).toBeLessThanOrEqual(14);
  });

  it('costs a deadline once: the next attempt leaves it out, the one after that does not', async () => {
    const player = await stage(SIZE, { rounds: 5 });
    player.join(...COHORT);
    // Three of four upload; the threshold of four is three.
    reach(player, 'upload', COHORT);
    for (const i of [0, 1, 2]) player.say(i, 'upload');
    playOn(player, [0, 1, 2], () => player.state.committed === 1);
    const silent = toHex(player.people[3]!.publicKey);
    expect(attemptOf(player.state)?.invited ?? []).not.toContain(silent);
    playOn(player, COHORT, () => player.state.committed === 2);
    const opens = player.effects.flatMap((effect) =>
      effect.type === 'append' && effect.record.type === 'open' ? [effect.record.body] : [],
    );
    expect(opens[1]?.invited).toHaveLength(3);
    expect(opens[1]?.draw?.out.map(toHex)).toEqual([silent]);
    playOn(player, COHORT, () => player.state.committed === 3);
    expect(player.state.history.missed.size, 'it has finished an attempt').toBe(0);
  });

  it('is not left out where it was away: it costs nobody a deadline', async () => {
    const player = await stage(SIZE, { rounds: 5 });
    player.join(...COHORT);
    reach(player, 'upload', COHORT);
    for (const i of [0, 1, 2]) player.say(i, 'upload');
    player.leave(3);
    playOn(player, [0, 1, 2], () => player.state.committed === 1);
    player.join(3);
    playOn(player, COHORT, () => player.state.phase.type === 'register');
    expect(invited(player)).toHaveLength(SIZE);
  });
});

describe('a restart of the coordinator', () => {
  it('keeps who may be drawn, and gives them time to come back before newcomers count', async () => {
    const player = await stage(SIZE);
    signFirst(player);
    // Of all but one: the next attempt waits for the grace time, and the coordinator dies in it.
    player.leave(3);
    player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
    expect(player.state.phase.type).toBe('waiting');
    const { drawn } = player.state;
    expect(drawn).toEqual(new Set(keysOf(player).map(toHex)));

    const history = await openHistory(memoryJournal(), player.config.run);
    await history.append(
      player.events.map((event) => ({ event, records: [] })),
      player.state,
    );
    const { state: replayed } = await history.restore(player.config);
    expect(replayed).toEqual(player.state);

    player.state = replayed;
    player.apply({ type: 'resumed', startWith: SIZE });
    const ground = await grind(player, keysOf(player), 2 * SIZE);
    // Newcomers are the first to connect.
    for (const key of ground) player.apply({ type: 'joined', key });
    player.wait(1000);
    expect(player.state.phase.type).toBe('waiting');
    player.join(...COHORT);
    expect(player.state.drawn).toEqual(drawn);
    expect(player.state.attempt).toBe(2);
    expect(invited(player)).toEqual(keysOf(player).map(toHex).toSorted());
  });

  it('does not let newcomers fill up once that time is over', async () => {
    const player = await stage(SIZE);
    signFirst(player);
    player.leave(3);
    player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
    player.apply({ type: 'resumed', startWith: SIZE });
    const ground = await grind(player, keysOf(player), 2);
    for (const key of ground) player.apply({ type: 'joined', key });
    player.join(0, 1, 2);
    expect(player.state.phase.type).toBe('waiting');
    player.wait(RECONNECT_MS);
    expect(invited(player)).toEqual(keysOf(player).map(toHex).toSorted());
  });
});
