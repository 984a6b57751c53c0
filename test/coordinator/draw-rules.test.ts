/**
 * @module What the coordinator draws meets the rules by which participants and verifiers judge it,
 * whatever happens: random courses of a run with members that come, leave, register and stop,
 * attempts that fail in every phase and are repeated.
 */
import { beforeAll, expect, it } from 'vitest';
import { compareBytes, toHex, utf8 } from '../../protocol/bytes.ts';
import { cryptoReady, identityFromSeed } from '../../protocol/ports/identity.ts';
import { deriveSeed, randomBelow, seededRandom } from '../../protocol/ports/random.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import { BUDGET_RULES } from '../../protocol/rules/budget.ts';
import { DRAW_RULES } from '../../protocol/rules/draw-rules.ts';
import { afterAttempt, EMPTY_HISTORY } from '../../protocol/rules/history.ts';
import type { RunHistory } from '../../protocol/rules/run-history.ts';
import { emptyView, withRecord } from '../../protocol/rules/index.ts';
import { ANSWERS, createPlayer, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

beforeAll(() => cryptoReady);

const PEOPLE = 12;
const deadlines = { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6, grace: 2 };

type Draw = (below: number) => number;

/** One thing that happens. */
const happen = (player: Player, draw: Draw, lazy: number): void => {
  const here = player.people.flatMap(({ publicKey }, i) =>
    player.state.participants.get(toHex(publicKey))?.present === true ? [i] : [],
  );
  const away = player.people.flatMap((_, i) => (here.includes(i) ? [] : [i]));
  const { phase } = player.state;
  const attempt = attemptOf(player.state);
  // Most attempts succeed, so that there is something to draw from.
  const diligence = player.state.attempt % 3 === 2 ? lazy : 100;
  const chance = draw(100);
  if (chance < 2 && here.length > 0) player.leave(here[draw(here.length)] as number);
  else if (chance < 12 && away.length > 0) player.join(away[draw(away.length)] as number);
  else if (chance < 13) {
    player.apply({ type: 'resumed', startWith: 4 });
    player.join(...here.slice(1));
  } else if (chance < 40 && attempt !== undefined && phase.type === 'finishing')
    player.apply({
      type: 'work-failed',
      attempt: attempt.attempt,
      code: 'mean_out_of_range',
      reason: 'x',
      culprits: [],
    });
  else if (phase.type in ANSWERS) {
    const type = ANSWERS[phase.type as keyof typeof ANSWERS];
    for (const i of here) if (draw(100) < diligence) player.say(i, type);
    player.wait(10_000);
  } else player.wait(2000);
};

/** Does all work that the last effects asked for. */
const settle = (player: Player, from: number): number => {
  let at = from;
  for (; at < player.effects.length; at += 1) player.work(player.effects[at]!);
  return at;
};

const recordsOf = (player: Player): readonly SignedRecord[] =>
  player.effects.flatMap((effect) => (effect.type === 'append' ? [effect.record] : []));

/** What the rules of the draw say of each Open record, with all that came before. */
const judge = (player: Player) => {
  const { spec, run } = player.config;
  let history: RunHistory = EMPTY_HISTORY;
  let drawn = 0;
  const findings: string[] = [];
  const rounds = Map.groupBy(recordsOf(player), ({ attempt }) => attempt);
  for (const [attempt, records] of rounds) {
    const { lastSurvivors } = history;
    let view = emptyView({ spec, run, attempt, complete: true, history, lastSurvivors });
    for (const record of records) {
      if (record.type === 'open' && record.body.draw !== undefined) drawn += 1;
      for (const rule of [...DRAW_RULES, ...BUDGET_RULES].filter(
        ({ type }) => type === record.type,
      )) {
        const found = rule.check(view, record);
        if (found !== undefined)
          findings.push(
            `${attempt} ${rule.name}: ${typeof found === 'string' ? found : found.message}`,
          );
      }
      view = withRecord(view, record);
    }
    if (view.commit !== undefined || view.abort !== undefined)
      history = afterAttempt(history, view);
  }
  return { drawn, findings, released: Math.max(0, ...history.released.values()) };
};

const PRIVATE = {
  encoding: { clipNorm: 1 },
  rounds: 14,
  privacy: {
    type: 'skellam',
    epsilon: 8,
    delta: 1e-5,
    participations: 6,
    honest: 1,
    noiseMultiplier: 0,
  },
} as const;

const kinds = {
  open: {},
  'without masks': { secagg: 'none' },
  closed: { closed: true },
  batches: { closed: true, selection: 'batches', cohort: { size: 4, minimum: 3 } },
  'open, with privacy': PRIVATE,
  'closed, with privacy': { ...PRIVATE, closed: true },
  'more invited': { cohort: { size: 4, minimum: 3, overSelect: 2 } },
} as const;

it.each(Object.entries(kinds))('%s', async (_, { closed, ...over }: Record<string, unknown>) => {
  const people = await Promise.all(
    Array.from({ length: PEOPLE }, (__, i) => identityFromSeed(deriveSeed(utf8('person'), i))),
  );
  const keys = people.map(({ publicKey }) => publicKey).toSorted(compareBytes);
  const spec = await testSpec({
    deadlines,
    cohort: { size: 5, minimum: 3 },
    rounds: 1000,
    ...(closed === true ? { members: { type: 'closed', keys } } : {}),
    ...over,
  });
  let drawn = 0;
  for (let course = 0; course < 4; course += 1) {
    const random = seededRandom(new Uint8Array(32).fill(course + 1));
    const draw: Draw = (below) => randomBelow(random, below);
    const player = await createPlayer(spec, PEOPLE, { regroups: course % 2 === 1 });
    player.join(...player.people.keys());
    let done = 0;
    for (let i = 0; i < 60; i += 1) {
      happen(player, draw, 75 + 5 * course);
      done = settle(player, done);
    }
    const found = judge(player);
    expect(found.findings).toEqual([]);
    drawn += found.drawn;
    expect(found.released).toBeLessThanOrEqual(spec.privacy?.participations ?? 0);
  }
  expect(drawn).toBeGreaterThan(0);
});
